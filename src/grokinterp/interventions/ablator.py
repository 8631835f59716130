"""Ablator: what a snapshot computes once parts are taken out, from its own activations where these are enough."""

from dataclasses import dataclass
from functools import cached_property
from typing import Any

import torch
from jaxtyping import Float
from torch import Tensor

from grokinterp import fused, models
from grokinterp.architecture import TransformerConfig
from grokinterp.components import ACTIVATIONS
from grokinterp.interventions.ablating import applied
from grokinterp.interventions.ablation import Ablation
from grokinterp.snapshot import Snapshot, rows_at_once


@dataclass(frozen=True)
class _LastPosition:
    """A one-layer transformer's activations at the last position; `start` is the stream before the layer."""

    start: Float[Tensor, "ab d"]
    z: Float[Tensor, "ab head d_head"]
    resid_mid: Float[Tensor, "ab d"]
    post: Float[Tensor, "ab neuron"] | None
    resid_post: Float[Tensor, "ab d"]
    columns: Float[Tensor, "ab column"]

    @property
    def attention(self) -> Float[Tensor, "ab d"]:
        return self.resid_mid - self.start

    @property
    def mlp(self) -> Float[Tensor, "ab d"]:
        return self.resid_post - self.resid_mid


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

    # -- with hooks

    def _through_hooks(self, ablation: Ablation) -> Float[Tensor, "ab column"]:
        task = self.snapshot.task
        with applied(self._model, ablation) as model:
            if isinstance(self.snapshot.config, TransformerConfig):
                return model(task.inputs, positions=task.positions[:1])[:, 0]
            # Which row a resampled one is depends on the whole table.
            at_once = (
                len(task.inputs) if ablation.how == "resample" or ablation.frequencies else rows_at_once(task.inputs)
            )
            return torch.cat([model(rows)[:, 0] for rows in task.inputs.split(at_once)])

    @cached_property
    def _model(self) -> Any:
        return models.build(self.snapshot.config, parameters=dict(self.snapshot.parameters), task=self.snapshot.task)

    # -- without

    @cached_property
    def _clean(self) -> _LastPosition:
        snapshot, config = self.snapshot, self.snapshot.config
        assert isinstance(config, TransformerConfig)
        block = "blocks.0."
        return _LastPosition(
            start=self._start(dict(snapshot.parameters)),
            z=snapshot[block + "attn.hook_z"],
            resid_mid=snapshot[block + "hook_resid_mid"],
            post=None if config.attn_only else snapshot[block + "mlp.hook_post"],
            resid_post=snapshot[block + "hook_resid_post"],
            columns=snapshot.columns,
        )

    def _start(self, parameters: dict[str, Tensor]) -> Float[Tensor, "ab d"]:
        inputs = self.snapshot.task.inputs
        start = parameters["embed.W_E"][inputs[:, -1]]
        if "pos_embed.W_pos" in parameters:
            start = start + parameters["pos_embed.W_pos"][inputs.shape[1] - 1]
        return start

    def _with_embeddings_of(self, ablation: Ablation) -> _LastPosition:
        """The activations once frequencies and positions are out of the embeddings: computed anew only then."""
        parameters = dict(self.snapshot.parameters)
        if ablation.frequencies and ablation.where == "embedding":
            W_E = parameters["embed.W_E"]
            parameters["embed.W_E"] = W_E + ablation.table_change(W_E)
        chosen = slice(None) if "positions" in ablation.components else list(ablation.positions)
        if chosen and ablation.how == "zero":
            W_pos = parameters["pos_embed.W_pos"].clone()
            W_pos[chosen] = 0
            parameters["pos_embed.W_pos"] = W_pos
        if all(value is self.snapshot.parameters[name] for name, value in parameters.items()):
            return self._clean
        config = self.snapshot.config
        assert isinstance(config, TransformerConfig)
        act = fused.activations(config, parameters, self._rows)
        z = act.z.unflatten(-1, (config.n_heads, -1))
        return _LastPosition(self._start(parameters), z, act.resid_mid, act.post, act.resid_post, act.logits)

    @cached_property
    def _rows(self) -> fused.Rows:
        return fused.Rows.of(self.snapshot.task.inputs)

    def _quickly(self, ablation: Ablation) -> Float[Tensor, "ab column"]:
        weights, config = self.snapshot.parameters, self.snapshot.config
        assert isinstance(config, TransformerConfig)
        clean, act = self._clean, self._with_embeddings_of(ablation)

        resid_mid, attention = act.resid_mid, self._attention_change(ablation, act)
        post, mlp = act.post, act.mlp
        if attention is not None:
            resid_mid = act.resid_mid + attention
            if post is not None:
                pre = resid_mid @ weights["blocks.0.mlp.W_in"] + weights.get("blocks.0.mlp.b_in", 0)
                post = ACTIVATIONS[config.activation](pre)
                mlp = post @ weights["blocks.0.mlp.W_out"] + weights.get("blocks.0.mlp.b_out", 0)
        if ablation.whole_mlp(0) and post is not None:
            mlp = _put(ablation, clean.mlp)
        elif post is not None:
            mlp = self._mlp(ablation, post, mlp)

        resid_post = resid_mid + mlp
        if "direct_path" in ablation.components:
            resid_post = resid_post - act.start + _put(ablation, clean.start)
        W_U = weights["embed.W_E"].mT[:, : act.columns.shape[1]] if config.tied_unembed else weights["unembed.W_U"]
        columns = act.columns + (resid_post - act.resid_post) @ W_U
        if ablation.frequencies and ablation.where == "logits":
            columns = ablation.edit_rows(columns, ablation.table_waves())
        return columns

    def _attention_change(self, ablation: Ablation, act: _LastPosition) -> Float[Tensor, "ab d"] | None:
        """What the ablation adds to the attention's output; None where it leaves it."""
        if ablation.whole_attention(0):
            return _put(ablation, self._clean.attention) - act.attention
        heads = ablation.of_layer(ablation.heads, 0)
        if not heads:
            return None
        change = _put(ablation, self._clean.z[:, heads]) - act.z[:, heads]
        W_O = self.snapshot.parameters["blocks.0.attn.W_O"]
        return change.flatten(1) @ W_O[heads].flatten(0, 1)

    def _mlp(
        self, ablation: Ablation, post: Float[Tensor, "ab neuron"], out: Float[Tensor, "ab d"]
    ) -> Float[Tensor, "ab d"]:
        """The MLP's output without waves and neurons: taken out behind W_out, which is linear."""
        neurons = ablation.of_layer(ablation.neurons, 0)
        W_out = self.snapshot.parameters["blocks.0.mlp.W_out"][neurons]
        if neurons:
            out = out - post[:, neurons] @ W_out
        if ablation.frequencies and ablation.where == "mlp":
            out = ablation.edit_rows(out, ablation.table_waves())
        if neurons and ablation.how != "zero":
            assert self._clean.post is not None
            out = out + _put(ablation, self._clean.post[:, neurons]) @ W_out
        return out


def _put(ablation: Ablation, reference: Float[Tensor, "ab *rest"]) -> Float[Tensor, "#ab *rest"]:
    """What stands in a part's place, given the part's value on every row of the table."""
    if ablation.how == "zero":
        return torch.zeros_like(reference[:1])
    if ablation.how == "mean":
        return reference.double().mean(0, keepdim=True).to(reference.dtype)
    return reference[ablation.donors(len(reference))]
