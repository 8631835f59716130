"""The rows of each update: the table's, all of them or some at a time; fresh ones where data never ends."""

from collections.abc import Mapping
from typing import Protocol, TypeAlias, runtime_checkable

import torch
from jaxtyping import Int, Shaped
from torch import Tensor

from grokinterp.tasks import Task

Batch: TypeAlias = tuple[Shaped[Tensor, "m *rest"], Shaped[Tensor, "m *t"]]
"""Rows, as numbers of the table's or, where they are fresh, as inputs themselves; and the labels to train on."""


@runtime_checkable
class Batches(Protocol):
    """What a model is trained on, update after update, and the state that a resumed run needs of it."""

    def draw(self, step: int) -> Batch:
        """The rows for the update at `step`."""
        ...

    def state(self) -> dict[str, Tensor]: ...

    def load_state(self, state: Mapping[str, Tensor]) -> None: ...


def batches(task: Task, batch_size: int | None, seed: int, device: torch.device) -> Batches:
    """Those of a split table, or of an endless task, whose batches have a size."""
    if task.is_endless and batch_size is not None:
        return FreshBatches(task, batch_size, seed, device)
    return TableBatches(task, batch_size, seed, device)


class TableBatches:
    """All training rows at each step, or shuffled mini-batches, epoch after epoch."""

    def __init__(self, task: Task, batch_size: int | None, seed: int, device: torch.device):
        assert task.is_train is not None
        self.train_rows = task.is_train.nonzero().flatten().to(device)
        self.labels = task.train_labels.to(device)
        self.batch_size = batch_size
        self.generator = torch.Generator().manual_seed(seed)
        self.order = torch.empty(0, dtype=torch.int64)
        self.used = 0

    def draw(self, step: int) -> Batch:
        del step
        rows = self._next()
        return rows, self.labels[rows]

    def _next(self) -> Int[Tensor, "m"]:
        if self.batch_size is None:
            return self.train_rows
        if self.used >= len(self.order):
            self.order = torch.randperm(len(self.train_rows), generator=self.generator)
            self.used = 0
        batch = self.order[self.used : self.used + self.batch_size]
        self.used += self.batch_size
        return self.train_rows[batch.to(self.train_rows.device)]

    def state(self) -> dict[str, Tensor]:
        return {"generator": self.generator.get_state(), "order": self.order, "used": torch.tensor(self.used)}

    def load_state(self, state: Mapping[str, Tensor]) -> None:
        self.generator.set_state(state["generator"])
        self.order, self.used = state["order"], int(state["used"])


class FreshBatches:
    """New rows at each step. They follow from seed and step alone, so that there is no state to keep."""

    def __init__(self, task: Task, batch_size: int, seed: int, device: torch.device):
        self.task, self.batch_size, self.seed, self.device = task, batch_size, seed, device

    def draw(self, step: int) -> Batch:
        inputs, labels = self.task.fresh(self.batch_size, self.seed, step)
        return inputs.to(self.device), labels.to(self.device)

    def state(self) -> dict[str, Tensor]:
        return {}

    def load_state(self, state: Mapping[str, Tensor]) -> None:
        del state
