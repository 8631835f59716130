"""The last position of a one-layer transformer without some of its parts, from what it computes with all of them."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Any, NamedTuple

import torch
from jaxtyping import Float, Int
from torch import Tensor

from grokinterp.evaluation import fused
from grokinterp.evaluation.lazy import LazyActivations, Reading, gather_sum, padded, through_matrix
from grokinterp.evaluation.processor import side_by_side
from grokinterp.evaluation.snapshot import Snapshot
from grokinterp.interventions.request import Ablation
from grokinterp.models.functional import ACTIVATIONS, affine
from grokinterp.models.parameters import unembedding

ROWS = 1024
"""How many rows one core takes at a time: some for each core of a laptop, so that none waits long for a busy one."""

ROWS_OF_NEURONS = 512
"""How many of these are computed at a time: 1 MB of 512 neurons stays in the processor's cache."""


class LastPosition:
    """What a one-layer transformer computes at the last position, evaluated when asked for."""

    def __init__(self, snapshot: Snapshot):
        self._snapshot = snapshot

    @cached_property
    def reading(self) -> Reading:
        """The attention before it is summed up."""
        return self._read(self._snapshot.parameters)

    def reading_without(self, ablation: Ablation) -> Reading:
        """That without frequencies and positions; the very same where none are taken out of the embeddings."""
        parameters = _edited(ablation, self._snapshot.parameters)
        return self.reading if parameters is self._snapshot.parameters else self._read(parameters)

    def _read(self, parameters: Mapping[str, Tensor]) -> Reading:
        return LazyActivations(self._snapshot.config, parameters, self._snapshot.rows).reading

    @cached_property
    def start(self) -> Float[Tensor, "ab d"]:
        """The stream before the layer."""
        return self.reading.last[self._snapshot.rows.last]

    @property
    def z(self) -> Float[Tensor, "ab head d_head"]:
        """The heads' weighted values."""
        return self._snapshot["blocks.0.attn.hook_z"]

    @cached_property
    def attention(self) -> Float[Tensor, "ab d"]:
        """What the attention adds to the stream."""
        return self._snapshot["blocks.0.hook_resid_mid"] - self.start

    @property
    def post(self) -> Float[Tensor, "ab neuron"]:
        """The neurons after the nonlinearity."""
        return self._snapshot["blocks.0.mlp.hook_post"]

    @cached_property
    def mlp(self) -> Float[Tensor, "ab d"]:
        """What the MLP adds to the stream."""
        return self._snapshot["blocks.0.hook_resid_post"] - self._snapshot["blocks.0.hook_resid_mid"]


class Stream(NamedTuple):
    """The stream after attention behind a matrix `W`: in each row of a table the weighted sum of a few `entries`.

    What the heads write of each (token, position), weighed by the pattern, and what the last position starts with are
    few vectors, so that W acts on these and not on the rows. `own` is what a row has to itself.
    """

    terms: Int[Tensor, "ab term"]
    weight: Float[Tensor, "ab term"]
    entries: Float[Tensor, "entry width"]
    own: Float[Tensor, "ab d"] | None
    W: Float[Tensor, "d width"]

    def at(self, rows: slice) -> Float[Tensor, "_ width"]:
        """Some of its rows."""
        out = gather_sum(self.entries, self.terms[rows], self.weight[rows])
        return out if self.own is None else out.addmm_(self.own[rows], self.W)


@dataclass(frozen=True, eq=False)
class Ablated:
    """An ablation of a snapshot that the fast path takes. `reading` is without frequencies and positions.

    What is put in a part's place is None where the part stays, and has one row where it is the same for all.
    """

    ablation: Ablation
    snapshot: Snapshot
    clean: LastPosition
    reading: Reading
    heads: list[int]
    neurons: list[int]
    new_start: Float[Tensor, "#ab d"] | None
    new_attention: Float[Tensor, "#ab d"] | None
    new_z: Float[Tensor, "#ab head d_head"] | None
    new_mlp: Float[Tensor, "#ab d"] | None
    new_post: Float[Tensor, "#ab neuron"] | None

    @classmethod
    def of(cls, ablation: Ablation, snapshot: Snapshot, clean: LastPosition) -> "Ablated":
        """What stands in the parts' places, found once for all rows."""
        config, like = fused.one_layer(snapshot.config), snapshot.parameters["embed.W_E"]
        heads = [] if ablation.whole_attention(0) else ablation.of_layer(ablation.heads, 0)
        neurons = [] if ablation.whole_mlp(0) else ablation.of_layer(ablation.neurons, 0)

        def put(is_replaced: Any, shape: tuple[int, ...], value: Callable[[], Tensor]) -> Tensor | None:
            return _put(ablation, like.new_zeros(1, *shape), value) if is_replaced else None

        stream = (config.d_model,)
        return cls(
            ablation,
            snapshot,
            clean,
            clean.reading_without(ablation),
            heads,
            neurons,
            new_start=put("direct_path" in ablation.components, stream, lambda: clean.start),
            new_attention=put(ablation.whole_attention(0), stream, lambda: clean.attention),
            new_z=put(heads, (len(heads), config.head_size), lambda: clean.z[:, heads]),
            new_mlp=put(ablation.whole_mlp(0), stream, lambda: clean.mlp),
            new_post=put(neurons, (len(neurons),), lambda: clean.post[:, neurons]),
        )

    def columns(self) -> Float[Tensor, "ab column"]:
        """The logits of all output columns."""
        ablation, weights = self.ablation, self.snapshot.parameters
        waves = ablation.table_waves() if ablation.waves and ablation.where != "embedding" else None
        n_columns, b_U = unembedding(weights).shape[1], weights.get("unembed.b_U")
        W_U = padded(unembedding(weights))
        direct = self._stream(W_U, None if b_U is None else padded(b_U), self.new_start)
        mlp = self._mlp(W_U)
        if waves is not None and ablation.where == "mlp" and self._has_neurons:
            # Waves are over the whole table: nothing behind them can be computed before all of it is there.
            mlp = ablation.edit_rows(self._by_rows(mlp), waves).__getitem__
        columns = self._by_rows(lambda rows: direct.at(rows).add_(mlp(rows)))
        if self.new_post is not None:
            columns += self.new_post @ (weights["blocks.0.mlp.W_out"][self.neurons] @ W_U)
        columns = columns[:, :n_columns]
        return ablation.edit_rows(columns, waves) if waves is not None and ablation.where == "logits" else columns

    def post(self) -> Float[Tensor, "ab neuron"]:
        """The neurons after the nonlinearity, as they go on to the layer's output."""
        post = self._by_rows(self._post)
        if self.ablation.waves and self.ablation.where == "mlp":
            post = self.ablation.edit_rows(post, self.ablation.table_waves())
        if self.new_post is not None:
            post[:, self.neurons] = self.new_post
        return post

    def _by_rows(self, compute: Callable[[slice], Tensor]) -> Tensor:
        def alone(rows: slice) -> Tensor:
            with torch.no_grad():
                return torch.cat([compute(few) for few in _pieces(rows, ROWS_OF_NEURONS)])

        parts = _pieces(slice(0, len(self.snapshot.rows.last)), ROWS)
        # Cores that meet after each product wait for the busiest; with rows of its own each goes on.
        return torch.cat(list(side_by_side(alone, parts, torch.get_num_threads())))

    def _mlp(self, W_U: Float[Tensor, "d column"]) -> Callable[[slice], Float[Tensor, "#n column"]]:
        """What the MLP adds to some rows' logits, without waves, and without the neurons that are taken out."""
        weights, clean, neurons = self.snapshot.parameters, self.clean, self.neurons
        if not self._has_neurons:
            new_mlp = W_U.new_zeros(1, len(W_U)) if self.new_mlp is None else self.new_mlp
            return lambda rows: _of(new_mlp, rows) @ W_U
        W_out, b_out = weights["blocks.0.mlp.W_out"], weights.get("blocks.0.mlp.b_out")
        if self._to_neurons is None:
            mlp, post = clean.mlp, clean.post
            return lambda rows: (mlp[rows] - post[rows][:, neurons] @ W_out[neurons]) @ W_U
        left = W_out.clone()
        left[neurons] = 0
        to_columns, bias = left @ W_U, None if b_out is None else b_out @ W_U
        return lambda rows: affine(self._post(rows), to_columns, bias)

    def _post(self, rows: slice) -> Float[Tensor, "_ neuron"]:
        """Some rows of the neurons, before any of them is taken out itself."""
        if self._to_neurons is None:
            return self.clean.post[rows]
        activation = ACTIVATIONS[fused.one_layer(self.snapshot.config).activation]
        return activation(self._to_neurons.at(rows))

    @property
    def _has_neurons(self) -> bool:
        """Whether the model has an MLP, and not all of it is taken out."""
        return self.new_mlp is None and bool(self.snapshot.config.layer_neurons)

    @cached_property
    def _to_neurons(self) -> Stream | None:
        """The stream as the neurons read it; None where they are known, since nothing before them is taken out."""
        is_clean = self.reading is self.clean.reading and self.new_z is None and self.new_attention is None
        if is_clean and self.snapshot.is_evaluated:
            return None
        weights = self.snapshot.parameters
        return self._stream(weights["blocks.0.mlp.W_in"], weights.get("blocks.0.mlp.b_in"))

    def _stream(self, W: Float[Tensor, "d width"], b: Tensor | None, new_start: Tensor | None = None) -> Stream:
        """The stream after attention behind an affine map; `new_start` stands in the place of what it starts with."""
        last, _, writes = self.reading
        W_O, b_O = (self.snapshot.parameters.get(f"blocks.0.attn.{name}_O") for name in "Wb")
        assert W_O is not None
        first = last if new_start is None else torch.zeros_like(last)
        put = [] if new_start is None else [new_start]
        if self.new_attention is not None:
            put.append(self.new_attention)
        elif b_O is not None:
            first = first + b_O
        if self.new_z is not None:
            put.append(self.new_z.flatten(1) @ W_O[self.heads].flatten(0, 1))
        # What is the same for all rows is one of the entries.
        first = sum((x for x in put if len(x) == 1), first)
        by_row = [x for x in put if len(x) > 1]
        own = sum(by_row[1:], by_row[0]) if by_row else None

        return Stream(*self._terms, through_matrix(W, b, writes[self._left], first), own, W)

    @property
    def _left(self) -> list[int]:
        every = range(len(self.reading.writes)) if self.new_attention is None else ()
        return [head for head in every if head not in self.heads]

    @cached_property
    def _terms(self) -> tuple[Int[Tensor, "ab term"], Float[Tensor, "ab term"]]:
        """A stream's `index` and `weight`: the heads that are left, source by source, and what all starts with."""
        return self.reading.terms(self.snapshot.rows, self._left)


def _edited(ablation: Ablation, parameters: Mapping[str, Tensor]) -> Mapping[str, Tensor]:
    """The parameters without frequencies and positions; the very same where none are taken out of the embeddings."""
    if ablation.waves and ablation.where == "embedding":
        W_E = parameters["embed.W_E"]
        parameters = {**parameters, "embed.W_E": W_E + ablation.table_change(W_E)}
    chosen = slice(None) if "positions" in ablation.components else list(ablation.positions)
    if chosen and ablation.how == "zero":
        W_pos = parameters["pos_embed.W_pos"].clone()
        W_pos[chosen] = 0
        parameters = {**parameters, "pos_embed.W_pos": W_pos}
    return parameters


def _pieces(rows: slice, size: int) -> list[slice]:
    return [slice(first, min(first + size, rows.stop)) for first in range(rows.start, rows.stop, size)]


def _put(ablation: Ablation, zero: Float[Tensor, "1 *rest"], value: Callable[[], Tensor]) -> Float[Tensor, "#ab *rest"]:
    """What stands in the place of a part, given the part's value on every row of the table."""
    if ablation.how == "zero":
        return zero
    reference = value()
    if ablation.how == "mean":
        return reference.double().mean(0, keepdim=True).to(reference.dtype)
    return reference[ablation.donors(len(reference))]


def _of(value: Float[Tensor, "#ab *rest"], rows: slice) -> Float[Tensor, "#ab *rest"]:
    """Some rows of what has one for each, or of what is the same for all."""
    return value if len(value) == 1 else value[rows]
