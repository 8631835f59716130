"""RowsOfTable: questions and answers as they stand, and what follows from them whoever trains on which."""

import math
from functools import cached_property

import torch
from jaxtyping import Float, Int, Shaped
from numpy.typing import ArrayLike
from torch import Tensor

from grokinterp.tasks._numbers import as_tensor
from grokinterp.tasks._table import TaskError


class RowsOfTable:
    """The table of a task: how its rows stand on the grid of their operands, and what guessing reaches on them.

    The attributes are those of `Task`, which documents them.
    """

    operands: Int[Tensor, "ab operand"]
    sizes: tuple[int, ...]
    inputs: Shaped[Tensor, "ab position"]
    labels: Shaped[Tensor, "ab *t"]
    operation: Int[Tensor, "ab"]
    operations: tuple[str, ...]

    @property
    def has_tokens(self) -> bool:
        """Whether rows are tokens, as opposed to numbers that a model reads as they are."""
        return not self.inputs.is_floating_point()

    @property
    def has_classes(self) -> bool:
        """Whether an answer is one of several, as opposed to a number."""
        return not self.labels.is_floating_point()

    # -- where the operands stand

    @cached_property
    def operand_columns(self) -> tuple[int | None, ...]:
        """[operand]: the column of `inputs` that holds its token; None where there is none.

        Tokens follow the operand but for a constant, since it may have tokens of its own. The first such column: the
        answer may be a token too (Power's layout), and equal an operand (a + 0*b); it comes after them.
        """
        if not self.has_tokens:
            return (None,) * self.operands.shape[1]
        offsets = self.inputs[:, :, None] - self.operands[:, None, :]
        follows = (offsets == offsets[:1]).all(0).T
        return tuple(int(columns.int().argmax()) if columns.any() else None for columns in follows)

    @cached_property
    def zero_tokens(self) -> tuple[int | None, ...]:
        """[operand]: the token that stands for the number 0 as this operand, p for a second one with its own tokens."""
        columns = enumerate(self.operand_columns)
        return tuple(None if c is None else int(self.inputs[0, c] - self.operands[0, i]) for i, c in columns)

    # -- the table as a grid

    @property
    def grid_shape(self) -> tuple[int, ...]:
        """(operation,) a, b (, c): the leading axis only where the task mixes operations."""
        mixed = (len(self.operations),) if len(self.operations) > 1 else ()
        return (*mixed, *self.sizes)

    def to_grid(self, x: Shaped[Tensor, "ab *rest"] | ArrayLike) -> Float[Tensor, "..."]:
        """Reshape `(ab ...)` to `(a b ...)`, NaN where the table has no row (a divisor of zero)."""
        x = as_tensor(x, "x", "one value for each row of task.inputs")
        if x.shape[:1] != self.inputs.shape[:1]:
            raise TaskError(
                f"x is {list(x.shape)} and the table has {len(self.inputs)} rows; evaluate it on task.inputs"
            )
        dtype = x.dtype if x.is_floating_point() else torch.get_default_dtype()
        grid = torch.full((math.prod(self.grid_shape), *x.shape[1:]), float("nan"), dtype=dtype, device=x.device)
        grid[self._cells(self.operands).to(x.device)] = x.to(dtype)
        return grid.reshape(*self.grid_shape, *x.shape[1:])

    def _cells(self, operands: Int[Tensor, "ab operand"]) -> Int[Tensor, "ab"]:
        """The place in the flattened grid of these operands, under each row's operation."""
        cell = self.operation
        for column, size in zip(operands.T, self.sizes, strict=True):
            cell = cell * size + column
        return cell

    # -- what guessing reaches

    @property
    def answer_labels(self) -> Shaped[Tensor, "ab"]:
        """[ab]: the answer itself, the first scored position (Power's layout scores a closing token as well)."""
        return self.labels if self.labels.ndim == 1 else self.labels[:, 0]

    @cached_property
    def chance(self) -> float:
        """Accuracy of a uniform guess among the answers that occur."""
        return 1 / len(self.answer_labels.unique())

    @cached_property
    def majority_rate(self) -> float:
        """Accuracy of always giving the commonest answer."""
        return float(self.answer_labels.unique(return_counts=True)[1].max()) / len(self.answer_labels)

    @property
    def _swaps(self) -> Int[Tensor, "ab operand"] | None:
        """The operands with the first two exchanged, where they range over the same numbers."""
        if len(self.sizes) < 2 or self.sizes[0] != self.sizes[1]:
            return None
        return self.operands[:, [1, 0, *range(2, len(self.sizes))]]

    @cached_property
    def swapped(self) -> Int[Tensor, "ab"]:
        """[ab]: the row with the first two operands exchanged; -1 where the table has none."""
        if self._swaps is None:
            return torch.full((len(self.inputs),), -1)
        row_of_cell = torch.full((math.prod(self.grid_shape),), -1)
        row_of_cell[self._cells(self.operands)] = torch.arange(len(self.inputs))
        return row_of_cell[self._cells(self._swaps)]

    @cached_property
    def is_commutative(self) -> bool:
        """Whether every row's swap (its first two operands exchanged) is in the table and has the same answer."""
        swapped = self.swapped
        return bool((swapped >= 0).all() and (self.answer_labels[swapped] == self.answer_labels).all())
