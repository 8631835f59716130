"""Edits: what the hooks of an ablation do to an activation, and what they see of the call they run in."""

from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import torch
from jaxtyping import Float, Int
from torch import Tensor, nn

from grokinterp.interventions.arguments import AblationError
from grokinterp.interventions.request import Ablation


class Call:
    """What the model is being called on, seen on the way in: tokens, and the positions the last block is read at."""

    def __init__(self) -> None:
        self.tokens: dict[int, Tensor] = {}
        self.queries: Sequence[int] | None = None

    def seeing_tokens(self, column: int) -> Callable[[nn.Module, tuple[Any, ...]], None]:
        def see(module: nn.Module, args: tuple[Any, ...]) -> None:
            self.tokens[column] = args[0]

        return see

    def seeing_queries(self, module: nn.Module, args: tuple[Any, ...], kwargs: dict[str, Any]) -> None:
        self.queries = args[1] if len(args) > 1 else kwargs.get("positions")


class Part(NamedTuple):
    """Part of an activation: entries along an axis, the span of directions, or (neither) all of it."""

    point: str
    entries: Int[Tensor, "_"] | None = None
    axis: int = 2
    directions: Float[Tensor, "direction width"] | None = None
    at_queries: bool = False

    def take(self, x: Tensor) -> Tensor:
        if self.directions is not None:
            return x @ self.directions.to(x).T
        if self.entries is None:
            return x
        if (last := max(self.entries.tolist())) >= x.shape[self.axis]:
            # A table of positions may be longer than these rows.
            raise AblationError(
                f"{self.point} has no entry {last} here, only 0 to {x.shape[self.axis] - 1}; leave it out"
            )
        return x.index_select(self.axis, self.entries.to(x.device))

    def put(self, x: Tensor, value: Tensor) -> Tensor:
        if self.directions is not None:
            return x + (value - self.take(x)) @ self.directions.to(x)
        return value if self.entries is None else x.index_copy(self.axis, self.entries.to(x.device), value)


class Replace:
    """The hook that puts zeros, the mean or another row's value in a part's place."""

    def __init__(self, part: Part, ablation: Ablation, call: Call):
        self.part, self.ablation, self.call = part, ablation, call
        self.reference: Tensor | None = None

    def __call__(self, x: Tensor, hook: Any) -> Tensor:
        return self.part.put(x, self.value_like(self.part.take(x), self.part.at_queries))

    def value_like(self, x: Tensor, at_queries: bool) -> Tensor:
        """What is put in place of x, [batch, position, ...]."""
        if self.reference is None:
            return torch.zeros_like(x)
        queries = self.call.queries if at_queries else None
        value = self.reference if queries is None else self.reference[:, list(queries)]
        if value.shape[1] != x.shape[1]:
            raise AblationError(
                f"how={self.ablation.how!r} has values for {value.shape[1]} positions and the batch {x.shape[1]}; "
                "give data= of the batch's length"
            )
        if self.ablation.how == "mean":
            return value.expand_as(x)
        assert self.ablation.data is not None
        # Inside patches an image is several rows, which stay together.
        copies = len(value) // len(self.ablation.data)
        donors = self.ablation.donors(len(x) // copies).to(x.device)
        return value.unflatten(0, (-1, copies))[donors].flatten(0, 1)


def _inner(edit: Any, hook: Any) -> list[Any]:
    """The edits of edit's kind that inner blocks have put on this hook point."""
    mine = [handle.user_hook for handle in hook.fwd_hooks if isinstance(handle.user_hook, type(edit))]
    return mine[mine.index(edit) + 1 :]


class DirectPath(Replace):
    """At the end of the stream: what stood at its start, which another hook keeps, is exchanged."""

    start: Tensor

    def keep_start(self, x: Tensor, hook: Any) -> None:
        self.start = x

    def __call__(self, x: Tensor, hook: Any) -> Tensor:
        if _inner(self, hook):
            return x
        start = self.start if self.call.queries is None else self.start[:, list(self.call.queries)]
        return x - start + self.value_like(start, at_queries=True)


class TableWaves:
    """Waves over the rows of the whole table, taken out of what has a value for each row."""

    def __init__(self, ablation: Ablation, call: Call):
        self.ablation, self.call = ablation, call
        self.waves = ablation.table_waves()

    def __call__(self, x: Tensor, hook: Any) -> Tensor:
        assert self.ablation.task is not None
        inputs = self.ablation.task.inputs.to(x.device)
        seen = self.call.tokens
        expected = [inputs] if len(seen) == 1 else inputs.T
        if not all(torch.equal(seen[i], tokens) for i, tokens in enumerate(expected)):
            raise AblationError(
                f"where={self.ablation.where!r} removes waves over the whole table: call the model on task.inputs, "
                "in their order; where='embedding' takes any batch"
            )
        return self.ablation.edit_rows(x, self.waves)


class EmbeddingWaves:
    """Frequencies or irreps of the number tokens' embeddings, but for those that an inner block replaces again."""

    def __init__(self, ablation: Ablation, call: Call, tables: list[Any]):
        self.ablation, self.call, self.tables = ablation, call, tables

    def __call__(self, x: Tensor, hook: Any) -> Tensor:
        taken = {k for edit in _inner(self, hook) for k in edit.ablation.waves}
        mine = tuple(k for k in self.ablation.waves if k not in taken)
        if not mine:
            return x
        columns: Sequence[int | None] = [None] if len(self.tables) == 1 else range(len(self.tables))
        changes = [
            table.scale * self.ablation.table_change(table.W_E, column, mine)[self.call.tokens[place]]
            for place, (table, column) in enumerate(zip(self.tables, columns, strict=True))
        ]
        return x + (changes[0] if len(changes) == 1 else torch.stack(changes, dim=1))
