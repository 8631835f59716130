"""Task: a table of questions and answers, complete or a sample, and which of its rows are trained on."""

import math
from collections.abc import Mapping
from functools import cached_property
from typing import Any, ClassVar, get_args

import torch
from jaxtyping import Bool, Float, Int, Shaped
from numpy.typing import ArrayLike
from torch import Tensor

from grokinterp import markup
from grokinterp.config import SplitConfig, SplitMethod, TaskConfig
from grokinterp.config.validation import shown
from grokinterp.errors import listed
from grokinterp.tasks._naming import NAMED, PATTERNED, claimant, spelled
from grokinterp.tasks._numbers import as_tensor
from grokinterp.tasks._parameters import check, json_values, parameters_of
from grokinterp.tasks._splits import checked_rows, draw_order, mislabel, smallest, take_units
from grokinterp.tasks._table import Table, TaskError


class Task:
    """What is learnt: one row for every question, sorted by its operands; where there are too many, a sample of them.

    `Task("a + b", p=113)` parses a formula; `Task("only_add")` finds a named task: calling `Task` gives an
    instance of the class that claims the expression. `grokinterp tasks` lists the names.

    To add a task, write one class with one method, `tabulate`; its keywords are the task's parameters (JSON values with
    defaults). CONTRIBUTING.md shows one.

    A task is never changed once built: `split` gives a copy.

    Attributes:
        expression: the formula or name, as given (the formulas of a list joined by `;`).
        parameters, given: all parameters, which with `expression` rebuild the task; only those the caller said.
        operands: int64 [ab, operand], the values of a, b (and c) of every row.
        sizes: how many values each operand has.
        inputs: int64 [ab, position], the tokens of every row; or, of a task without tokens for its operands, float32
            [ab, feature]: numbers that a model reads as they are (`has_tokens` is false).
        labels: int64 [ab], or [ab, t] where the answer is read at several positions: the right answers. Float32 [ab]
            where answers are no classes but numbers, which the one output column is to equal (`has_classes` is false).
        positions: the positions whose logits are scored, as in `logits[:, positions]`; `(-1,)` is the last.
        n_vocab, n_answers: number of tokens; number of columns scored (answers 0 .. n_answers - 1).
        n_values: how many values an answer can have: `n_answers`, but in Power's layout, which scores every token.
        tokens: the vocabulary as text, one string without spaces a token (without tokens: the answers).
        operation: int64 [ab], which formula of a mixture the row belongs to, sorted by it first (zeros otherwise).
        operations: the formulas as text, one for each value of `operation`.
        is_train: bool [ab], the training mask, or None before a split.
        train_labels: the labels trained on: `labels`, but for mislabelled rows.
    """

    registry: ClassVar[dict[str, type["Task"]]] = NAMED
    """Named tasks: name -> class. A formula is what no name claims."""

    descriptions: ClassVar[dict[str, str]] = {}
    """Named tasks: name -> one line on what is learnt."""

    fallback: ClassVar[type["Task"]]
    """The class of the formulas."""

    is_sample: ClassVar[bool] = False
    """Whether rows are drawn at random (`Sampled`), so that they have no operands and no grid."""

    is_endless: bool = False
    """Whether training draws fresh rows at each step (`fresh`); the table is then a held-out sample."""

    is_train: Bool[Tensor, "ab"] | None

    def __init_subclass__(cls, names: Mapping[str, str] | None = None, pattern: str | None = None, **rest: Any) -> None:
        super().__init_subclass__(**rest)
        if pattern is not None:
            PATTERNED[pattern] = cls
        for name, description in (names or {}).items():
            Task.registry[name], Task.descriptions[name] = cls, description

    def __new__(cls, expression: str | list[str] | tuple[str, ...] = "", **parameters: Any) -> "Task":
        # The default expression is for copy and pickle, which call __new__ with the class alone.
        return object.__new__(class_of(spelled(expression)) if cls is Task else cls)

    def __init__(self, expression: str | list[str] | tuple[str, ...], **parameters: Any) -> None:
        self.expression = spelled(expression)
        self.given = json_values(parameters)
        self.parameters = {**self.defaults(self.expression), **self.given}
        check(self.given, parameters_of(self.tabulate), self.expression)
        table = self.tabulate(**self.parameters)
        self.operands = table.operands
        self.sizes = table.sizes
        self.inputs = table.inputs
        self.labels = table.labels
        self.train_labels = table.labels
        self.positions = table.positions
        self.n_answers = table.n_answers
        self.n_values = table.n_answers - table.specials
        self.tokens = table.tokens
        self.n_vocab = len(table.tokens)
        self.operation = table.operation
        self.operations = table.operations or (self.expression,)
        self.is_train = None

    # -- what a subclass says

    def tabulate(self) -> Table:
        """The table of `self.expression` at the parameters, which a subclass takes as keywords."""
        raise NotImplementedError(f"{type(self).__name__} must define tabulate()")

    def fresh(self, n: int, seed: int, step: int) -> tuple[Int[Tensor, "n position"], Int[Tensor, "n *t"]]:
        """Tokens and answers of n rows for the update at `step` of a run with this seed, where data never ends."""
        raise TaskError(f"{self.expression!r} is a table of {len(self.inputs)} rows; batches are rows of it")

    @classmethod
    def defaults(cls, expression: str, preset: Mapping[str, Any] | None = None) -> dict[str, Any]:
        """The parameters where the caller says nothing: `tabulate`'s own, and those of `preset` that it knows."""
        own = {name: parameter.default for name, parameter in parameters_of(cls.tabulate).items()}
        return {**own, **{name: value for name, value in (preset or {}).items() if name in own}}

    @property
    def coordinates(self) -> Float[Tensor, "token xy"] | None:
        """[token, 2]: where the first tokens stand in the plane; None but for a task about points in it."""
        return None

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

    @cached_property
    def is_unswapped_test(self) -> Bool[Tensor, "ab"]:
        """[ab]: test rows whose swap is not trained on: what memorising pairs cannot answer."""
        if self.is_train is None:
            raise TaskError("the task has no split yet; use task.split(frac=0.3, seed=0) or a run's task")
        swapped = self.swapped
        return ~self.is_train & ~((swapped >= 0) & self.is_train[swapped.clamp(min=0)])

    # -- train and test

    def split(
        self,
        frac: float = 0.3,
        seed: int = 0,
        split: str = "randperm",
        mislabelled: int = 0,
        train_indices: Any = None,
    ) -> "Task":
        """A copy with `is_train` set: a mask of int(frac * rows) rows, which keep their order.

        `split` is `randperm` (torch), `nanda` (Python's `random.shuffle` of all rows, as in Nanda et al.
        2023: reproduces his masks), `swap_aware` (a row and its swap on one side, whatever the answers;
        one row short where only pairs are left), `extrapolate` (the rows of the smallest operands: all whose largest
        is below some bound, so that test rows lie beyond it), or `indices`, the row numbers in `train_indices`.
        In a mixture the operands are split, and all operations share it (Furuta et al. 2024).
        `mislabelled` training rows get another answer in `train_labels`; `inputs` and `labels` stay right.
        frac=1 leaves no test rows. Raises `BadRequest` where nothing would be trained on, or a value makes no sense.
        """
        method: Any = "indices" if train_indices is not None else split
        if method not in get_args(SplitMethod):
            raise TaskError(f"split={shown(split)} is unknown; choose one of {listed(get_args(SplitMethod))}")
        checked = SplitConfig(frac=frac, split=method, split_seed=seed, mislabelled=mislabelled)
        frac, mislabelled, seed = checked.frac, checked.mislabelled, checked.split_seed or 0
        generator = torch.Generator().manual_seed(seed)
        if method == "indices":
            mask = torch.zeros(len(self.inputs), dtype=torch.bool)
            mask[checked_rows(train_indices, len(mask))] = True
        elif method == "extrapolate":
            mask = smallest(self.operands, int(frac * len(self.operands)))
        else:
            units = self._units(swap_aware=method == "swap_aware")
            order = draw_order(int(units.max()) + 1, method, seed, generator)
            mask = take_units(units, order, int(frac * len(units)))
        if not mask.any():
            raise TaskError(f"frac={frac} of {len(mask)} rows leaves nothing to train on; raise it, as in frac=0.3")
        return self.with_split(mask, mislabel(self.labels, mask.nonzero().flatten(), mislabelled, generator))

    def _units(self, swap_aware: bool) -> Int[Tensor, "ab"]:
        """[ab]: rows with equal numbers go to one side: the same operands, for `swap_aware` in either order."""
        cells = self._cells(self.operands) % math.prod(self.sizes)
        if swap_aware:
            if self._swaps is None:
                raise TaskError("split='swap_aware' needs two operands over the same numbers; use split='randperm'")
            cells = torch.minimum(cells, self._cells(self._swaps) % math.prod(self.sizes))
        return cells.unique(return_inverse=True)[1]

    def with_split(
        self, is_train: Bool[Tensor, "ab"] | ArrayLike, train_labels: Shaped[Tensor, "ab *t"] | None = None
    ) -> "Task":
        """A copy with this mask (and, for mislabelled rows, the labels trained on)."""
        is_train = as_tensor(is_train, "is_train", "True for each row that is trained on")
        if is_train.dtype != torch.bool:
            raise TaskError("the mask must be True and False; row numbers go to split(train_indices=...)")
        if is_train.shape != self.inputs.shape[:1]:
            raise TaskError(f"the mask is {list(is_train.shape)} for {len(self.inputs)} rows; give one for each row")
        if train_labels is not None and train_labels.shape != self.labels.shape:
            raise TaskError(f"train_labels have shape {[*train_labels.shape]}; the labels have {[*self.labels.shape]}")
        copy = object.__new__(type(self))
        copy.__dict__.update(self.__dict__)
        copy.__dict__.pop("is_unswapped_test", None)  # cached, and of the old mask
        copy.is_train = is_train
        copy.train_labels = self.labels if train_labels is None else train_labels
        return copy

    # -- identity

    def config(self) -> TaskConfig:
        """What rebuilds the task, but for its split: `build(task.config())`."""
        return TaskConfig(self.expression, dict(self.parameters))

    def __repr__(self) -> str:
        parameters = ", ".join(f"{k}={v!r}" for k, v in self.parameters.items())
        split = "" if self.is_train is None else f", {int(self.is_train.sum())} trained on"
        return f"<Task {self.expression!r} ({parameters}): {len(self.inputs)} rows{split}>"

    def _repr_html_(self) -> str:
        rows = {
            "rows": len(self.inputs),
            "trained on": "no split yet" if self.is_train is None else int(self.is_train.sum()),
            "answers": self.n_values,
            "chance": f"{self.chance:.4f}",
            "majority rate": f"{self.majority_rate:.4f}",
            "commutative": self.is_commutative,
            **self.parameters,
        }
        return markup.table(f"Task {self.expression}", rows)


def class_of(expression: str) -> type[Task]:
    """The class that claims the name, or that of the formulas."""
    return claimant(expression) or Task.fallback
