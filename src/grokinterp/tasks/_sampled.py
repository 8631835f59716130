"""Sampled: tasks with too many questions for a table, whose rows are drawn from a seed."""

from abc import abstractmethod
from typing import Any, Literal, TypeAlias

import numpy as np
import torch
from jaxtyping import Int
from torch import Generator, Tensor

from grokinterp.tasks._base import Task
from grokinterp.tasks._table import MAX_ROWS, Table, TaskError

Data: TypeAlias = Literal["infinite", "finite"]
"""Fresh rows at every step, or a table of them drawn once."""

Rows: TypeAlias = tuple[Int[Tensor, "n position"], Int[Tensor, "n *t"]]
"""The tokens of n questions, and their answers."""


class Sampled(Task):
    """A task whose questions are drawn at random.

    The table holds `points` rows drawn with `table_seed`. Of `infinite` data it is a held-out sample: training draws
    a fresh batch at each step (`fresh`), and `is_train` is false throughout. Of `finite` data it is a table of
    different rows like any other, int(frac * points) of which are trained on. A row's one operand is its number.

    A subclass draws rows (`draw`), and its `tabulate` takes `data`, `points` and `table_seed` to `sample`.
    """

    is_sample = True

    @abstractmethod
    def draw(self, n: int, generator: Generator) -> Rows:
        """n independent rows: tokens [n, position], answers [n], or [n, t] for several scored positions."""

    def __init__(self, expression: str | list[str] | tuple[str, ...], **parameters: Any) -> None:
        super().__init__(expression, **parameters)
        self.is_endless = self.parameters["data"] == "infinite"
        if self.is_endless:
            self.is_train = torch.zeros(len(self.inputs), dtype=torch.bool)

    def fresh(self, n: int, seed: int, step: int) -> Rows:
        """The n rows that a run of this seed is trained on at this step: always the same, and no table's."""
        return self.draw(n, _generator(seed, step + 1))

    def split(self, *args: Any, **kwargs: Any) -> "Task":
        """As any table's; a held-out sample has nothing to split, and stays as it is."""
        return self if self.is_endless else super().split(*args, **kwargs)

    def sample(
        self,
        data: Data,
        points: int,
        table_seed: int,
        *,
        tokens: list[str],
        n_answers: int,
        positions: tuple[int, ...] = (-1,),
    ) -> Table:
        """The table: `points` rows, all different where they are to be split.

        Raises `TaskError` for more rows than a table holds, or than there are.
        """
        if not 2 <= points <= MAX_ROWS:
            raise TaskError(f"points={points} rows make no table; give 2 to {MAX_ROWS:,}, as in points=1000")
        generator = _generator(table_seed, 0)
        inputs, labels = self.draw(points, generator) if data == "infinite" else self._different(points, generator)
        return Table(
            operands=torch.arange(points)[:, None],
            sizes=(points,),
            inputs=inputs,
            labels=labels,
            positions=positions,
            n_answers=n_answers,
            tokens=tokens,
        )

    def _different(self, points: int, generator: Generator) -> Rows:
        """Rows no two of which have the same tokens: a test row must not be one that was trained on."""
        inputs, labels = self.draw(points, generator)
        for _ in range(20):
            inputs, labels = _without_repeats(inputs, labels)
            if len(inputs) >= points:
                return inputs[:points], labels[:points]
            more = self.draw(points, generator)
            inputs, labels = torch.cat([inputs, more[0]]), torch.cat([labels, more[1]])
        raise TaskError(f"{points} draws of {self.expression!r} give {len(inputs.unique(dim=0))} rows; lower points")


def _without_repeats(
    inputs: Int[Tensor, "n position"], labels: Int[Tensor, "n *t"]
) -> tuple[Int[Tensor, "m position"], Int[Tensor, "m *t"]]:
    """The first of all equal rows, in the order drawn."""
    _, group = inputs.unique(dim=0, return_inverse=True)
    first = torch.full((int(group.max()) + 1,), len(inputs)).scatter_reduce(0, group, torch.arange(len(group)), "amin")
    kept = first.sort().values
    return inputs[kept], labels[kept]


def _generator(seed: int, stream: int) -> Generator:
    # Neighbouring seeds and steps are mixed first, so that no two streams of torch's generator are akin.
    mixed = np.random.SeedSequence([seed % 2**64, stream]).generate_state(1, np.uint64)
    return torch.Generator().manual_seed(int(mixed[0]))
