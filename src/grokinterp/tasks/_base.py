"""Task: a complete table of questions and answers, and which of its rows are trained on."""

import inspect
import random
from typing import Any, ClassVar

import numpy as np
import torch
from jaxtyping import Bool, Float, Int, Shaped
from torch import Tensor

from grokinterp.config import SplitConfig, TaskConfig
from grokinterp.refusals import BadRequest, did_you_mean, listed


class TaskError(BadRequest):
    """A task that cannot be built; its one line names the remedy."""


class Task:
    """What is learnt: one row for every question, sorted by its operands.

    `Task("a + b", p=113)` parses a formula; `Task("s5")` finds a named task: calling `Task` gives an
    instance of the class that claims the expression. `grokinterp tasks` lists the names.

    A subclass takes `expression` and its own keyword parameters, all JSON values, and calls
    `Task.__init__` with the finished table. A task is never changed once built: `split` gives a copy.

    Attributes:
        expression, parameters: rebuild the task; `parameters` are resolved, `given` only what the caller said.
        operands: int64 [ab, operand], the values of a, b (and c) of every row.
        inputs: int64 [ab, position], the tokens of every row.
        labels: int64 [ab], or [ab, t] where the answer is read at several positions: the right answers.
        positions: the positions whose logits are scored, as in `logits[:, positions]`; `(-1,)` is the last.
        n_vocab, n_answers: number of tokens; number of columns scored (answers 0 .. n_answers - 1).
        tokens: the vocabulary as text, one string a token.
        operation: int64 [ab], which formula of a mixture the row belongs to (zeros otherwise).
        operations: the formulas as text, one for each value of `operation`.
        is_train: bool [ab], the training mask, or None before a split.
        train_labels: the labels trained on: `labels`, but for mislabelled rows.
    """

    registry: ClassVar[dict[str, type["Task"]]] = {}
    """Named tasks: name -> class. A formula is what no name claims."""

    fallback: ClassVar[type["Task"]]
    """The class of the formulas."""

    def __new__(cls, expression: str = "", *args: Any, **parameters: Any) -> "Task":
        if cls is Task:
            cls = Task.registry.get(expression, Task.fallback)
        return super().__new__(cls)

    def __init__(
        self,
        expression: str,
        *,
        parameters: dict[str, Any],
        given: dict[str, Any],
        operands: Int[Tensor, "ab operand"],
        sizes: tuple[int, ...],
        inputs: Int[Tensor, "ab position"],
        labels: Int[Tensor, "ab *t"],
        positions: tuple[int, ...],
        n_answers: int,
        tokens: list[str],
        operation: Int[Tensor, "ab"] | None = None,
        operations: tuple[str, ...] | None = None,
    ):
        self.expression = expression
        self.parameters = parameters
        self.given = given
        self.operands = operands
        self.sizes = sizes
        self.inputs = inputs
        self.labels = labels
        self.train_labels = labels
        self.positions = positions
        self.n_answers = n_answers
        self.tokens = tokens
        self.n_vocab = len(tokens)
        self.operation = torch.zeros(len(inputs), dtype=torch.int64) if operation is None else operation
        self.operations = operations or (expression,)
        self.is_train: Bool[Tensor, "ab"] | None = None
        self._cells = self._cell_of_rows()

    # -- the table as a grid

    def _cell_of_rows(self) -> Int[Tensor, "ab"]:
        cell = self.operation.clone()
        for column, size in zip(self.operands.T, self.sizes, strict=True):
            cell = cell * size + column
        return cell

    @property
    def grid_shape(self) -> tuple[int, ...]:
        """(operation,) a, b (, c): the leading axis only where the task mixes operations."""
        mixed = (len(self.operations),) if len(self.operations) > 1 else ()
        return (*mixed, *self.sizes)

    def to_grid(self, x: Shaped[Tensor, "ab *rest"]) -> Float[Tensor, "..."]:
        """Reshape `(ab ...)` to `(a b ...)`, NaN where the table has no row (a divisor of zero)."""
        if len(x) != len(self.inputs):
            raise TaskError(f"x has {len(x)} rows and the table {len(self.inputs)}; evaluate it on task.inputs")
        dtype = x.dtype if x.is_floating_point() else torch.get_default_dtype()
        cells = int(np.prod(self.grid_shape))
        grid = torch.full((cells, *x.shape[1:]), float("nan"), dtype=dtype, device=x.device)
        grid[self._cells.to(x.device)] = x.to(dtype)
        return grid.reshape(*self.grid_shape, *x.shape[1:])

    # -- what guessing reaches

    @property
    def answer_labels(self) -> Int[Tensor, "ab"]:
        """[ab]: the answer itself (the first scored position; others are teacher-forced or a closing token)."""
        return self.labels if self.labels.ndim == 1 else self.labels[:, 0]

    @property
    def chance(self) -> float:
        """Accuracy of a uniform guess among the answers that occur."""
        return 1 / len(self.answer_labels.unique())

    @property
    def majority_rate(self) -> float:
        """Accuracy of always giving the commonest answer."""
        return float(torch.bincount(self.answer_labels).max()) / len(self.answer_labels)

    @property
    def swapped(self) -> Int[Tensor, "ab"]:
        """[ab]: the row with the first two operands exchanged; -1 where the table has none."""
        if self.operands.shape[1] < 2 or self.sizes[0] != self.sizes[1]:
            return torch.full((len(self.inputs),), -1)
        row_of_cell = torch.full((int(np.prod(self.grid_shape)),), -1)
        row_of_cell[self._cells] = torch.arange(len(self._cells))
        order = [1, 0, *range(2, self.operands.shape[1])]
        cell = self.operation.clone()
        for column, size in zip(self.operands[:, order].T, self.sizes, strict=True):
            cell = cell * size + column
        return row_of_cell[cell]

    @property
    def is_commutative(self) -> bool:
        """Whether every row's swap is in the table and has the same answer."""
        swapped = self.swapped
        return bool((swapped >= 0).all() and (self.answer_labels[swapped] == self.answer_labels).all())

    @property
    def is_unswapped_test(self) -> Bool[Tensor, "ab"]:
        """[ab]: test rows whose swap is not trained on: what memorising pairs cannot answer."""
        if self.is_train is None:
            raise TaskError("the task has no split yet; use task.split(frac=0.3, seed=0) or a run's task")
        swapped = self.swapped
        swap_trained = (swapped >= 0) & self.is_train[swapped.clamp(min=0)]
        return ~self.is_train & ~swap_trained

    # -- train and test

    def split(
        self,
        frac: float = 0.3,
        seed: int = 0,
        split: str = "randperm",
        mislabelled: int = 0,
        train_indices: Any = None,
    ) -> "Task":
        """A copy with `is_train` set: a mask, the rows keep their order.

        `split` is `randperm` (torch), `nanda` (Python's `random.shuffle` of all rows, as in Nanda et al.
        2023: reproduces his masks), `swap_aware` (both orders of a pair on one side), or `indices` with
        `train_indices`. Raises `TaskError` where train or test would be wrong or empty of rows.
        """
        SplitConfig(frac=frac, split=split if train_indices is None else "indices", mislabelled=mislabelled)  # type: ignore[arg-type]
        n = len(self.inputs)
        mask = torch.zeros(n, dtype=torch.bool)
        count = int(frac * n)
        if train_indices is not None or split == "indices":
            mask[self._checked_indices(train_indices)] = True
        elif split == "randperm":
            mask[torch.randperm(n, generator=torch.Generator().manual_seed(seed))[:count]] = True
        elif split == "nanda":
            rows = list(range(n))
            random.Random(seed).shuffle(rows)
            mask[rows[:count]] = True
        else:
            # Whole swap-pairs in random order until `count` rows are reached.
            leader = torch.minimum(torch.arange(n), torch.where(self.swapped < 0, n, self.swapped))
            order = torch.randperm(n, generator=torch.Generator().manual_seed(seed))
            groups = torch.full((n,), n).scatter_reduce(0, leader, order, "amin")[leader]
            mask[torch.argsort(groups * n + torch.arange(n))[:count]] = True
            mask = mask & mask[torch.where(self.swapped < 0, torch.arange(n), self.swapped)]
        if not mask.any():
            raise TaskError(f"frac={frac} of {n} rows trains on none; raise frac to at least {1 / n:.2g}")
        return self.with_split(mask, self._mislabel(mask, mislabelled, seed))

    def _checked_indices(self, train_indices: Any) -> Int[Tensor, "train"]:
        if train_indices is None:
            raise TaskError("split='indices' needs train_indices, the numbers of the rows to train on")
        rows = torch.as_tensor(np.asarray(train_indices), dtype=torch.int64).flatten()
        n = len(self.inputs)
        if len(rows) == 0 or rows.min() < 0 or rows.max() >= n or len(rows.unique()) != len(rows):
            raise TaskError(f"train_indices must be distinct row numbers between 0 and {n - 1}, at least one of them")
        return rows

    def _mislabel(self, mask: Bool[Tensor, "ab"], count: int, seed: int) -> Int[Tensor, "ab *t"]:
        labels = self.labels.clone()
        train = mask.nonzero().flatten()
        if count > len(train):
            raise TaskError(f"mislabelled={count} is more than the {len(train)} training rows")
        if count:
            generator = torch.Generator().manual_seed(seed)
            rows = train[torch.randperm(len(train), generator=generator)[:count]]
            answers = self.answer_labels.unique()
            if len(answers) < 2:
                raise TaskError("mislabelled rows need a task with at least two different answers")
            rank = torch.searchsorted(answers, self.answer_labels[rows])
            shift = torch.randint(1, len(answers), (count,), generator=generator)
            wrong = answers[(rank + shift) % len(answers)]
            labels[rows] = wrong if labels.ndim == 1 else torch.cat([wrong[:, None], labels[rows, 1:]], 1)
        return labels

    def with_split(self, is_train: Bool[Tensor, "ab"], train_labels: Int[Tensor, "ab *t"] | None = None) -> "Task":
        """A copy with this mask (and, for mislabelled rows, the labels trained on)."""
        if is_train.shape != self.inputs.shape[:1]:
            raise TaskError(f"the mask has {len(is_train)} rows and the table {len(self.inputs)}")
        copy = object.__new__(type(self))
        copy.__dict__.update(self.__dict__)
        copy.is_train = is_train
        copy.train_labels = self.labels if train_labels is None else train_labels
        return copy

    # -- identity

    def config(self) -> TaskConfig:
        """What rebuilds the task: `build(task.config())`."""
        return TaskConfig(self.expression, dict(self.parameters))

    def __repr__(self) -> str:
        parameters = ", ".join(f"{k}={v!r}" for k, v in self.parameters.items())
        split = "" if self.is_train is None else f", {int(self.is_train.sum())} trained on"
        return f"<Task {self.expression!r} ({parameters}): {len(self.inputs)} rows{split}>"

    def _repr_html_(self) -> str:
        rows = {
            "rows": len(self.inputs),
            "trained on": "no split yet" if self.is_train is None else int(self.is_train.sum()),
            "answers": self.n_answers,
            "chance": f"{self.chance:.4f}",
            "majority rate": f"{self.majority_rate:.4f}",
            "commutative": self.is_commutative,
            **self.parameters,
        }
        cells = "".join(f"<tr><th style='text-align:left'>{k}</th><td>{v}</td></tr>" for k, v in rows.items())
        return f"<b>Task <code>{self.expression}</code></b><table>{cells}</table>"


def build(config: TaskConfig, defaults: dict[str, Any] | None = None) -> Task:
    """The task a config describes; `defaults` fill in parameters that its class knows and the config leaves out.

    Raises `TaskError` for an expression or a parameter that does not work.
    """
    cls = Task.registry.get(config.expression, Task.fallback)
    known = [name for name in inspect.signature(cls.__init__).parameters if name not in ("self", "expression")]
    unknown = [name for name in config.parameters if name not in known]
    if unknown:
        raise TaskError(
            f"{config.expression!r} has no parameter {unknown[0]!r}.{did_you_mean(unknown[0], known)} It has: {listed(known)}"
        )
    filled = {name: value for name, value in (defaults or {}).items() if name in known}
    return Task(config.expression, **{**filled, **config.parameters})
