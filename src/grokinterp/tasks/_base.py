"""Task: a table of questions and answers, complete or a sample, and which of its rows are trained on."""

import math
from collections.abc import Callable, Mapping, Sequence
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
from grokinterp.tasks._rows import RowsOfTable
from grokinterp.tasks._splits import checked_rows, draw_order, mislabel, smallest, take_units
from grokinterp.tasks._table import Table, TaskError


class Task(RowsOfTable):
    """What is learnt: one row for every question, sorted by its operands; where there are too many, a sample of them.

    `Task("a + b", p=113)` parses a formula; `Task("only_add")` finds a named task: calling `Task` gives an
    instance of the class that claims the expression. `grokinterp tasks` lists the names. A function or a table of
    your own becomes one with `Task.from_function` and `Task.from_table`.

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

    def __new__(cls, expression: str | list[str] | tuple[str, ...] = "", *unnamed: Any, **parameters: Any) -> "Task":
        if unnamed and cls is Task:
            raise TaskError(
                f"what follows a task's text has a name, as in gi.Task('a + b', p=113), not {shown(unnamed[0])}"
            )
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
        one = torch.zeros(len(table.labels), dtype=torch.int64)
        self.operation = one if table.operation is None else table.operation
        self.operations = table.operations or (self.expression,)
        self.is_train = None

    @staticmethod
    def from_function(
        function: Callable[..., Any],
        p: int | None = None,
        tokens: Sequence[Any] | None = None,
        *,
        name: str | None = None,
        layout: str = "a b =",
    ) -> "Task":
        """The task of a function of two or three operands, `Task.from_function(lambda a, b: max(a, b), p=50)`.

        It is called once for every combination of the numbers 0 .. p - 1 or, where p is left out, of the `tokens`, and
        what it answers is kept, never the function itself. Otherwise as `from_table`.
        """
        from grokinterp.tasks import own_table  # which needs this class

        return own_table.of_function(function, p, tokens, name, layout)

    @staticmethod
    def from_table(
        table: Any, tokens: Sequence[Any] | None = None, *, name: str = "table", layout: str = "a b ="
    ) -> "Task":
        """The task whose answer to (a, b) is `table[a][b]`: of an array, a tensor, lists, of two or three axes.

        An entry is a token's number or name; there is no such question where it is None or NaN. `tokens` names the
        vocabulary, the values of the operands first: the numbers of the longest axis where left out. `name` is what
        the task is called. Raises `TaskError` for a table that is none, and an answer that is no token.
        """
        from grokinterp.tasks import own_table

        return own_table.of_table(table, tokens, name, layout)

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

    # -- train and test

    @property
    def train_answer_labels(self) -> Shaped[Tensor, "ab"]:
        """[ab]: `answer_labels` as they are trained on."""
        return self.train_labels if self.train_labels.ndim == 1 else self.train_labels[:, 0]

    @property
    def is_corrupted(self) -> Bool[Tensor, "ab"]:
        """[ab]: training rows that are taught another label than their answer."""
        differs = (self.train_labels != self.labels).reshape(len(self.labels), -1).any(1)
        return differs if self.is_train is None else differs & self.is_train

    @cached_property
    def is_unswapped_test(self) -> Bool[Tensor, "ab"]:
        """[ab]: test rows whose swap is not trained on: what memorising pairs cannot answer."""
        if self.is_train is None:
            raise TaskError("the task has no split yet; use task.split(frac=0.3, seed=0) or a run's task")
        swapped = self.swapped
        return ~self.is_train & ~((swapped >= 0) & self.is_train[swapped.clamp(min=0)])

    @property
    def rows_held_out(self) -> Int[Tensor, "n"]:
        """The rows that are not trained on; all of them where the split is not known, or leaves none."""
        held_out = None if self.is_train is None else (~self.is_train).nonzero().flatten()
        return torch.arange(len(self.inputs)) if held_out is None or not len(held_out) else held_out

    def split(
        self,
        frac: float = 0.3,
        seed: int = 0,
        split: str = "randperm",
        mislabelled: int = 0,
        train_indices: Any = None,
        corrupt: float = 0.0,
    ) -> "Task":
        """A copy with `is_train` set: a mask of int(frac * rows) rows, which keep their order.

        `split` is `randperm` (torch), `nanda` (Python's `random.shuffle` of all rows, as in Nanda et al.
        2023: reproduces his masks), `swap_aware` (a row and its swap on one side, whatever the answers;
        one row short where only pairs are left), `extrapolate` (the rows of the smallest operands: all whose largest
        is below some bound, so that test rows lie beyond it), or `indices`, the row numbers in `train_indices`.
        In a mixture the operands are split, and all operations share it (Furuta et al. 2024).
        `mislabelled` training rows, or the share `corrupt` of them, rounded, get another answer in `train_labels`;
        `inputs` and `labels` stay right.
        frac=1 leaves no test rows. Raises `BadRequest` where nothing would be trained on, or a value makes no sense.
        """
        method: Any = "indices" if train_indices is not None else split
        if method not in get_args(SplitMethod):
            raise TaskError(f"split={shown(split)} is unknown; choose one of {listed(get_args(SplitMethod))}")
        checked = SplitConfig(frac=frac, split=method, split_seed=seed, mislabelled=mislabelled, corrupt=corrupt)
        frac, seed = checked.frac, checked.split_seed or 0
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
        wrong = checked.mislabelled or round(checked.corrupt * int(mask.sum()))
        return self.with_split(mask, mislabel(self.labels, mask.nonzero().flatten(), wrong, generator))

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
        parameters = ", ".join(f"{k}={shown(v)}" for k, v in self.parameters.items())
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
            **{name: value if isinstance(value, int) else shown(value) for name, value in self.parameters.items()},
        }
        return markup.table(f"Task {self.expression}", rows)


def class_of(expression: str) -> type[Task]:
    """The class that claims the name, or that of the formulas."""
    return claimant(expression) or Task.fallback
