"""Ablator: what a snapshot computes once parts are taken out, from its own activations where these are enough."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any, NamedTuple

import torch
from jaxtyping import Float
from torch import Tensor

from grokinterp import fused, models
from grokinterp.architecture import TransformerConfig
from grokinterp.components import ACTIVATIONS
from grokinterp.interventions.ablating import applied
from grokinterp.interventions.ablation import Ablation
from grokinterp.snapshot import Snapshot, rows_at_once

ROWS = 512
"""How many rows go through the neurons at a time: 1 MB of 512 neurons."""


@dataclass(frozen=True)
class _Clean:
    """A one-layer transformer's activations at the last position; `start` is the stream before the layer."""

    start: Float[Tensor, "ab d"]
    pattern: Float[Tensor, "ab head source"]
    z: Float[Tensor, "ab head d_head"]
    resid_mid: Float[Tensor, "ab d"]
    pre: Float[Tensor, "ab neuron"] | None
    post: Float[Tensor, "ab neuron"] | None
    resid_post: Float[Tensor, "ab d"]
    columns: Float[Tensor, "ab column"]

    @cached_property
    def attention(self) -> Float[Tensor, "ab d"]:
        return self.resid_mid - self.start

    @cached_property
    def mlp(self) -> Float[Tensor, "ab d"]:
        return self.resid_post - self.resid_mid


class _Middle(NamedTuple):
    """The stream at the last position once embeddings and attention are ablated.

    Where that changes it by something narrower than the stream, `change` is that, and `to_neurons` its way to them.
    """

    start: Float[Tensor, "ab d"]
    resid_mid: Float[Tensor, "ab d"]
    change: Float[Tensor, "ab entry"] | None = None
    to_neurons: Float[Tensor, "entry neuron"] | None = None


class Ablator:
    """Many ablations of one snapshot: `Ablator(snapshot).columns(heads=[(0, 1)])`, without a block.

    The arguments and the numbers are those of `grokinterp.interventions.ablate` on the whole table, at the (first)
    scored position, equal to float rounding. For a transformer that the fast path takes, what comes before the
    ablation is not computed again, nor what it reaches linearly; other models are run with hooks.
    """

    def __init__(self, snapshot: Snapshot):
        self.snapshot = snapshot

    def columns(self, **request: Any) -> Float[Tensor, "ab column"]:
        """[ab, d_vocab_out]: the logits of all output columns. Raises `AblationError` as `ablate` does."""
        snapshot = self.snapshot
        ablation = Ablation.of(snapshot.config, snapshot.task, **request)
        with torch.no_grad():
            return self._quickly(ablation) if self.why_hooks(ablation) is None else self._through_hooks(ablation)

    def logits(self, **request: Any) -> Float[Tensor, "ab answer"]:
        """[ab, answer]: those of the answers 0 .. n_answers - 1."""
        return self.columns(**request)[:, : self.snapshot.task.n_answers]

    def why_hooks(self, ablation: Ablation) -> str | None:
        """Why an ablation has to be run with hooks; None where the snapshot's own activations do."""
        config, task = self.snapshot.config, self.snapshot.task
        if reason := fused.why_not(config, task.positions):
            return reason
        assert isinstance(config, TransformerConfig)
        if ablation.directions is not None:
            return "directions are taken out all along the stream"
        if ablation.data is not task.inputs:
            return "the reference is not the table itself"
        if config.tied_unembed and ablation.frequencies:
            return "the embedding is the unembedding as well"
        return "its positions are no parameters" if config.position_embedding == "sinusoidal" else None

    def patterns(self, **request: Any) -> list[Float[Tensor, "ab head source"]]:
        """Each layer's attention from the scored position; of a head that is taken out, the one it no longer uses."""
        snapshot = self.snapshot
        ablation = Ablation.of(snapshot.config, snapshot.task, **request)
        names = [name for name in snapshot.names if name.endswith("hook_pattern")]
        with torch.no_grad():
            if self.why_hooks(ablation) is not None:
                return list(self._seen(ablation, names).values())
            parameters = self._edited(ablation)
            if parameters is snapshot.parameters:
                return [self._clean.pattern]
            return [fused.attended(self._config, parameters, self._rows).pattern.mT]

    def activations(self, layer: int, **request: Any) -> Float[Tensor, "ab neuron"]:
        """A layer's neurons after the nonlinearity, at the scored position, as they go on to the layer's output."""
        snapshot = self.snapshot
        ablation = Ablation.of(snapshot.config, snapshot.task, **request)
        name = [name for name in snapshot.names if name.endswith("mlp.hook_post")][layer]
        with torch.no_grad():
            if self.why_hooks(ablation) is not None:
                return self._seen(ablation, [name])[name]
            post, clean = self._post(self._middle(ablation)), self._clean.post
            if ablation.frequencies and ablation.where == "mlp":
                post = ablation.edit_rows(post, ablation.table_waves())
            if neurons := ablation.of_layer(ablation.neurons, 0):
                assert clean is not None
                post = post.clone()
                post[:, neurons] = _put(ablation, clean[:, neurons])
            return post

    # -- with hooks

    def _through_hooks(self, ablation: Ablation) -> Float[Tensor, "ab column"]:
        with applied(self._model, ablation) as model:
            return torch.cat([model(rows, **self._options)[:, 0] for rows in self._batches(ablation)])

    def _seen(self, ablation: Ablation, names: list[str]) -> dict[str, Float[Tensor, "ab *rest"]]:
        """Activations at the scored position, by the names of their hooks."""
        config, task = self.snapshot.config, self.snapshot.task
        # A transformer's last block sees only the positions that logits are asked for at.
        place = task.positions[0] if isinstance(config, TransformerConfig) else -1
        seen: dict[str, list[Tensor]] = {name: [] for name in names}
        with applied(self._model, ablation) as model:
            for rows in self._batches(ablation):
                _, cache = model.run_with_cache(rows, names_filter=names, return_cache_object=False)
                for name, values in seen.items():
                    value = cache[name]
                    values.append((value.transpose(1, 2) if name.endswith("hook_pattern") else value)[:, place])
        return {name: torch.cat(values) for name, values in seen.items()}

    @property
    def _options(self) -> dict[str, Any]:
        task = self.snapshot.task
        return {"positions": task.positions[:1]} if isinstance(self.snapshot.config, TransformerConfig) else {}

    def _batches(self, ablation: Ablation) -> Sequence[Tensor]:
        """The table's rows, as many at a time as fit; all of them where a row's value depends on the whole table."""
        inputs = self.snapshot.task.inputs
        is_whole = ablation.how == "resample" or ablation.frequencies
        return [inputs] if is_whole else inputs.split(rows_at_once(inputs))

    @cached_property
    def _model(self) -> Any:
        return models.build(self.snapshot.config, parameters=dict(self.snapshot.parameters), task=self.snapshot.task)

    # -- without

    @property
    def _config(self) -> TransformerConfig:
        assert isinstance(self.snapshot.config, TransformerConfig)
        return self.snapshot.config

    @cached_property
    def _rows(self) -> fused.Rows:
        return fused.Rows.of(self.snapshot.task.inputs)

    @cached_property
    def _clean(self) -> _Clean:
        snapshot, block = self.snapshot, "blocks.0."
        has_mlp = not self._config.attn_only
        return _Clean(
            start=self._start(snapshot.parameters),
            pattern=snapshot[block + "attn.hook_pattern"],
            z=snapshot[block + "attn.hook_z"],
            resid_mid=snapshot[block + "hook_resid_mid"],
            pre=snapshot[block + "mlp.hook_pre"] if has_mlp else None,
            post=snapshot[block + "mlp.hook_post"] if has_mlp else None,
            resid_post=snapshot[block + "hook_resid_post"],
            columns=snapshot.columns,
        )

    def _start(self, parameters: Mapping[str, Tensor]) -> Float[Tensor, "ab d"]:
        inputs = self.snapshot.task.inputs
        start = parameters["embed.W_E"][inputs[:, -1]]
        if "pos_embed.W_pos" in parameters:
            start = start + parameters["pos_embed.W_pos"][inputs.shape[1] - 1]
        return start

    def _edited(self, ablation: Ablation) -> Mapping[str, Tensor]:
        """The parameters without frequencies and positions; the snapshot's own where none are taken out."""
        parameters = self.snapshot.parameters
        if ablation.frequencies and ablation.where == "embedding":
            W_E = parameters["embed.W_E"]
            parameters = {**parameters, "embed.W_E": W_E + ablation.table_change(W_E)}
        chosen = slice(None) if "positions" in ablation.components else list(ablation.positions)
        if chosen and ablation.how == "zero":
            W_pos = parameters["pos_embed.W_pos"].clone()
            W_pos[chosen] = 0
            parameters = {**parameters, "pos_embed.W_pos": W_pos}
        return parameters

    def _quickly(self, ablation: Ablation) -> Float[Tensor, "ab column"]:
        weights, clean, middle = self.snapshot.parameters, self._clean, self._middle(ablation)
        resid_post = clean.resid_post
        mlp = self._mlp(ablation, middle)
        if mlp is not clean.mlp or middle.resid_mid is not clean.resid_mid:
            resid_post = middle.resid_mid + mlp
        if "direct_path" in ablation.components:
            resid_post = resid_post - middle.start + _put(ablation, clean.start)
        columns = clean.columns
        if resid_post is not clean.resid_post:
            tied = self._config.tied_unembed
            W_U = weights["embed.W_E"].mT[:, : columns.shape[1]] if tied else weights["unembed.W_U"]
            columns = _affine(resid_post, W_U, weights.get("unembed.b_U"))
        if ablation.frequencies and ablation.where == "logits":
            columns = ablation.edit_rows(columns, ablation.table_waves())
        return columns

    def _middle(self, ablation: Ablation) -> _Middle:
        """Embeddings and attention: computed anew only where the ablation is before them, and only what is used."""
        weights, clean, parameters = self.snapshot.parameters, self._clean, self._edited(ablation)
        is_same = parameters is weights
        start = clean.start if is_same else self._start(parameters)
        if ablation.whole_attention(0):
            return _Middle(start, start + _put(ablation, clean.attention))
        z, resid_mid = clean.z, clean.resid_mid
        if not is_same:
            act = fused.attended(self._config, parameters, self._rows)
            z, resid_mid = act.z.unflatten(-1, z.shape[1:]), act.resid_mid
        heads = ablation.of_layer(ablation.heads, 0)
        if not heads:
            return _Middle(start, resid_mid)
        change = (_put(ablation, clean.z[:, heads]) - z[:, heads]).flatten(1)
        W_O = weights["blocks.0.attn.W_O"][heads].flatten(0, 1)
        resid_mid = torch.addmm(resid_mid, change, W_O)
        is_narrow = is_same and clean.pre is not None and len(W_O) < W_O.shape[1]
        return _Middle(start, resid_mid, *((change, W_O @ weights["blocks.0.mlp.W_in"]) if is_narrow else ()))

    def _post(self, middle: _Middle, rows: slice = slice(None)) -> Float[Tensor, "_ neuron"]:
        """The neurons of the ablated stream in some rows, before any of them is taken out itself."""
        weights, clean = self.snapshot.parameters, self._clean
        assert clean.pre is not None and clean.post is not None
        if middle.resid_mid is clean.resid_mid:
            return clean.post[rows]
        if middle.change is not None and middle.to_neurons is not None:
            pre = torch.addmm(clean.pre[rows], middle.change[rows], middle.to_neurons)
        else:
            pre = _affine(middle.resid_mid[rows], weights["blocks.0.mlp.W_in"], weights.get("blocks.0.mlp.b_in"))
        return ACTIVATIONS[self._config.activation](pre)

    def _mlp(self, ablation: Ablation, middle: _Middle) -> Float[Tensor, "#ab d"]:
        """The MLP's output without waves and neurons: taken out behind W_out, which is linear."""
        weights, clean = self.snapshot.parameters, self._clean
        if clean.post is None:
            return clean.mlp
        if ablation.whole_mlp(0):
            return _put(ablation, clean.mlp)
        out, W_out = clean.mlp, weights["blocks.0.mlp.W_out"]
        neurons = ablation.of_layer(ablation.neurons, 0)
        if middle.resid_mid is not clean.resid_mid:
            left, b_out = W_out.clone(), weights.get("blocks.0.mlp.b_out")
            left[neurons] = 0
            # Some rows at a time, so that their neurons do not leave the processor's cache in between.
            blocks = [slice(first, first + ROWS) for first in range(0, len(clean.post), ROWS)]
            out = torch.cat([_affine(self._post(middle, rows), left, b_out) for rows in blocks])
        elif neurons:
            out = out - clean.post[:, neurons] @ W_out[neurons]
        if ablation.frequencies and ablation.where == "mlp":
            out = ablation.edit_rows(out, ablation.table_waves())
        if neurons and ablation.how != "zero":
            out = out + _put(ablation, clean.post[:, neurons]) @ W_out[neurons]
        return out


def _affine(x: Tensor, W: Tensor, b: Tensor | None) -> Tensor:
    return x @ W if b is None else torch.addmm(b, x, W)


def _put(ablation: Ablation, reference: Float[Tensor, "ab *rest"]) -> Float[Tensor, "#ab *rest"]:
    """What stands in a part's place, given the part's value on every row of the table."""
    if ablation.how == "zero":
        return torch.zeros_like(reference[:1])
    if ablation.how == "mean":
        return reference.double().mean(0, keepdim=True).to(reference.dtype)
    return reference[ablation.donors(len(reference))]
