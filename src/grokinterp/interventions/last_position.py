"""The last position of a one-layer transformer without some of its parts, from what it computes with all of them."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import NamedTuple

import torch
from jaxtyping import Float
from torch import Tensor

from grokinterp import fused
from grokinterp.architecture import TransformerConfig
from grokinterp.components import ACTIVATIONS
from grokinterp.interventions.ablation import Ablation
from grokinterp.processor import side_by_side
from grokinterp.snapshot import Snapshot

ROWS = 1600
"""How many rows are computed at a time, on one core: several times as many parts as a laptop has cores."""

ROWS_OF_NEURONS = 512
"""How many of these go through the neurons at a time: 1 MB of 512 neurons stays in the processor's cache."""


class LastPosition(NamedTuple):
    """A one-layer transformer's activations at the last position; `start` is the stream before the layer."""

    start: Float[Tensor, "ab d"]
    pattern: Float[Tensor, "ab head source"]
    z: Float[Tensor, "ab head d_head"]
    attention: Float[Tensor, "ab d"]
    resid_mid: Float[Tensor, "ab d"]
    pre: Float[Tensor, "ab neuron"] | None
    post: Float[Tensor, "ab neuron"] | None
    mlp: Float[Tensor, "ab d"]
    resid_post: Float[Tensor, "ab d"]
    columns: Float[Tensor, "ab column"]

    @classmethod
    def of(cls, snapshot: Snapshot) -> "LastPosition":
        """Those of a snapshot that the fast path takes."""
        assert isinstance(snapshot.config, TransformerConfig)
        has_mlp, block = not snapshot.config.attn_only, "blocks.0."
        start = start_of(snapshot, snapshot.parameters, slice(None))
        resid_mid, resid_post = snapshot[block + "hook_resid_mid"], snapshot[block + "hook_resid_post"]
        return cls(
            start=start,
            pattern=snapshot[block + "attn.hook_pattern"],
            z=snapshot[block + "attn.hook_z"],
            attention=resid_mid - start,
            resid_mid=resid_mid,
            pre=snapshot[block + "mlp.hook_pre"] if has_mlp else None,
            post=snapshot[block + "mlp.hook_post"] if has_mlp else None,
            mlp=resid_post - resid_mid,
            resid_post=resid_post,
            columns=snapshot.columns,
        )

    def part(self, rows: slice) -> "LastPosition":
        """Some of the rows."""
        return LastPosition._make(None if x is None else x[rows] for x in self)


class Middle(NamedTuple):
    """The stream at the last position once embeddings and attention are ablated.

    `is_clean` where nothing of that is. Where it changes the stream by something narrower than the stream, `change` is
    that, and `to_neurons` its way to them.
    """

    is_clean: bool
    start: Float[Tensor, "ab d"]
    resid_mid: Float[Tensor, "ab d"]
    change: Float[Tensor, "ab entry"] | None = None
    to_neurons: Float[Tensor, "entry neuron"] | None = None


@dataclass(frozen=True, eq=False)
class Ablated:
    """An ablation of a snapshot that the fast path takes. `parameters` are without frequencies and positions.

    What is put in a part's place is None where the part stays, and has one row where it is the same for all.
    """

    ablation: Ablation
    snapshot: Snapshot
    clean: LastPosition
    rows: fused.Rows
    parameters: Mapping[str, Tensor]
    heads: list[int]
    neurons: list[int]
    new_start: Float[Tensor, "#ab d"] | None
    new_attention: Float[Tensor, "#ab d"] | None
    new_z: Float[Tensor, "#ab head d_head"] | None
    new_mlp: Float[Tensor, "#ab d"] | None
    new_post: Float[Tensor, "#ab neuron"] | None

    @classmethod
    def of(cls, ablation: Ablation, snapshot: Snapshot, clean: LastPosition, rows: fused.Rows) -> "Ablated":
        """What stands in the parts' places, found once for all rows."""
        heads = [] if ablation.whole_attention(0) else ablation.of_layer(ablation.heads, 0)
        post = clean.post
        neurons = [] if ablation.whole_mlp(0) or post is None else ablation.of_layer(ablation.neurons, 0)
        put = lambda is_replaced, value: _put(ablation, value()) if is_replaced else None
        return cls(
            ablation,
            snapshot,
            clean,
            rows,
            edited(ablation, snapshot.parameters),
            heads,
            neurons,
            new_start=put("direct_path" in ablation.components, lambda: clean.start),
            new_attention=put(ablation.whole_attention(0), lambda: clean.attention),
            new_z=put(heads, lambda: clean.z[:, heads]),
            new_mlp=put(ablation.whole_mlp(0), lambda: clean.mlp),
            new_post=None if post is None or not neurons else _put(ablation, post[:, neurons]),
        )

    def columns(self) -> Float[Tensor, "ab column"]:
        """The logits of all output columns."""
        waves = self.ablation.frequencies and self.ablation.where != "embedding"
        if not waves:
            return self._by_rows(self._columns)
        if self.ablation.where == "logits":
            return self.ablation.edit_rows(self._by_rows(self._columns), self.ablation.table_waves())
        # Waves of the MLP are over the whole table: nothing behind it can be computed before all of it is there.
        return self._columns(slice(None))

    def post(self) -> Float[Tensor, "ab neuron"]:
        """The neurons after the nonlinearity, as they go on to the layer's output."""
        post = self._by_rows(self._post_of)
        if self.ablation.frequencies and self.ablation.where == "mlp":
            post = self.ablation.edit_rows(post, self.ablation.table_waves())
        if self.new_post is not None:
            post = post.clone()
            post[:, self.neurons] = self.new_post
        return post

    def _post_of(self, rows: slice) -> Float[Tensor, "_ neuron"]:
        clean = self.clean.part(rows)
        return self._post(clean, self._middle(clean, rows))

    def _by_rows(self, compute: Callable[[slice], Tensor]) -> Tensor:
        def alone(rows: slice) -> Tensor:
            with torch.no_grad():
                return compute(rows)

        parts = [slice(first, first + ROWS) for first in range(0, len(self.clean.start), ROWS)]
        # Cores that meet after each product wait for the busiest; with rows of its own each goes on.
        return torch.cat(list(side_by_side(alone, parts, torch.get_num_threads())))

    def _columns(self, rows: slice) -> Float[Tensor, "_ column"]:
        weights, clean = self.snapshot.parameters, self.clean.part(rows)
        middle = self._middle(clean, rows)
        mlp = self._mlp(clean, middle, rows)
        resid_post = clean.resid_post if middle.is_clean and mlp is clean.mlp else middle.resid_mid + mlp
        if self.new_start is not None:
            resid_post = resid_post - middle.start + _of(self.new_start, rows)
        if resid_post is clean.resid_post:
            return clean.columns
        tied = "unembed.W_U" not in weights
        W_U = weights["embed.W_E"].mT[:, : clean.columns.shape[1]] if tied else weights["unembed.W_U"]
        return _affine(resid_post, W_U, weights.get("unembed.b_U"))

    def _middle(self, clean: LastPosition, rows: slice) -> Middle:
        """Embeddings and attention: computed anew only where the ablation is before them, and only what is used."""
        weights, is_clean = self.snapshot.parameters, self.parameters is self.snapshot.parameters
        start = clean.start if is_clean else start_of(self.snapshot, self.parameters, rows)
        if self.new_attention is not None:
            return Middle(False, start, start + _of(self.new_attention, rows))
        z, resid_mid = clean.z, clean.resid_mid
        if not is_clean:
            assert isinstance(self.snapshot.config, TransformerConfig)
            act = fused.attended(self.snapshot.config, self.parameters, self.rows[rows])
            z, resid_mid = act.z.unflatten(-1, z.shape[1:]), act.resid_mid
        if self.new_z is None:
            return Middle(is_clean, start, resid_mid)
        change = (_of(self.new_z, rows) - z[:, self.heads]).flatten(1)
        W_O = weights["blocks.0.attn.W_O"][self.heads].flatten(0, 1)
        resid_mid = torch.addmm(resid_mid, change, W_O)
        if not is_clean or clean.pre is None or len(W_O) >= W_O.shape[1]:
            return Middle(False, start, resid_mid)
        return Middle(False, start, resid_mid, change, W_O @ weights["blocks.0.mlp.W_in"])

    def _post(self, clean: LastPosition, middle: Middle, rows: slice = slice(None)) -> Float[Tensor, "_ neuron"]:
        """The neurons of the ablated stream in some of the part's rows, before any of them is taken out itself."""
        weights = self.snapshot.parameters
        assert clean.pre is not None and clean.post is not None
        if middle.is_clean:
            return clean.post[rows]
        if middle.change is not None and middle.to_neurons is not None:
            pre = torch.addmm(clean.pre[rows], middle.change[rows], middle.to_neurons)
        else:
            pre = _affine(middle.resid_mid[rows], weights["blocks.0.mlp.W_in"], weights.get("blocks.0.mlp.b_in"))
        assert isinstance(self.snapshot.config, TransformerConfig)
        return ACTIVATIONS[self.snapshot.config.activation](pre)

    def _mlp(self, clean: LastPosition, middle: Middle, rows: slice) -> Float[Tensor, "#ab d"]:
        """The MLP's output without waves and neurons: taken out behind W_out, which is linear."""
        if clean.post is None:
            return clean.mlp
        if self.new_mlp is not None:
            return _of(self.new_mlp, rows)
        weights, out = self.snapshot.parameters, clean.mlp
        W_out, b_out = weights["blocks.0.mlp.W_out"], weights.get("blocks.0.mlp.b_out")
        if not middle.is_clean:
            left = W_out.clone()
            left[self.neurons] = 0
            starts = range(0, len(middle.resid_mid), ROWS_OF_NEURONS)
            few = [slice(first, first + ROWS_OF_NEURONS) for first in starts]
            out = torch.cat([_affine(self._post(clean, middle, some), left, b_out) for some in few])
        elif self.neurons:
            out = out - clean.post[:, self.neurons] @ W_out[self.neurons]
        if self.ablation.frequencies and self.ablation.where == "mlp":
            out = self.ablation.edit_rows(out, self.ablation.table_waves())
        if self.new_post is not None and self.ablation.how != "zero":
            out = out + _of(self.new_post, rows) @ W_out[self.neurons]
        return out


def start_of(snapshot: Snapshot, parameters: Mapping[str, Tensor], rows: slice) -> Float[Tensor, "_ d"]:
    """The stream before the layer, at the last position of some rows."""
    inputs = snapshot.task.inputs[rows]
    start = parameters["embed.W_E"][inputs[:, -1]]
    return start + parameters["pos_embed.W_pos"][inputs.shape[1] - 1] if "pos_embed.W_pos" in parameters else start


def edited(ablation: Ablation, parameters: Mapping[str, Tensor]) -> Mapping[str, Tensor]:
    """The parameters without frequencies and positions; the very same where none are taken out of the embeddings."""
    if ablation.frequencies and ablation.where == "embedding":
        W_E = parameters["embed.W_E"]
        parameters = {**parameters, "embed.W_E": W_E + ablation.table_change(W_E)}
    chosen = slice(None) if "positions" in ablation.components else list(ablation.positions)
    if chosen and ablation.how == "zero":
        W_pos = parameters["pos_embed.W_pos"].clone()
        W_pos[chosen] = 0
        parameters = {**parameters, "pos_embed.W_pos": W_pos}
    return parameters


def _put(ablation: Ablation, reference: Float[Tensor, "ab *rest"]) -> Float[Tensor, "#ab *rest"]:
    """What stands in a part's place, given the part's value on every row of the table."""
    if ablation.how == "zero":
        return torch.zeros_like(reference[:1])
    if ablation.how == "mean":
        return reference.double().mean(0, keepdim=True).to(reference.dtype)
    return reference[ablation.donors(len(reference))]


def _of(value: Float[Tensor, "#ab *rest"], rows: slice) -> Float[Tensor, "#ab *rest"]:
    """Some rows of what has one for each, or of what is the same for all."""
    return value if len(value) == 1 else value[rows]


def _affine(x: Tensor, W: Tensor, b: Tensor | None) -> Tensor:
    return x @ W if b is None else torch.addmm(b, x, W)
