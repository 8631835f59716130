"""Splits: the rows that a file says were trained on, by their numbers, by a mask, or by the questions themselves."""

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from operator import index
from typing import Any, TypeAlias

import numpy as np
import torch
from jaxtyping import Bool, Shaped
from torch import Tensor

from grokinterp.config import ModelConfig, SplitConfig
from grokinterp.importers._contents import cut, describe
from grokinterp.importers._evidence import measured
from grokinterp.runs.provenance import SEED_UNKNOWN, Assumption
from grokinterp.tasks import Task

NOT_RECORDED = "the split is not recorded"
"""The note of a file that does not say which rows were trained on."""

_SIDES = {
    "train": ("train", "training", "trainset", "tr"),
    "test": ("test", "testing", "testset", "val", "valid", "validation", "heldout", "held", "eval", "dev"),
}
_ROWS = ("idx", "idxs", "index", "indexes", "indices", "inds", "ind", "ids", "id", "rows", "row", "mask", "is", "split")
_ROWS += (
    "pairs",
    "data",
    "dataset",
    "set",
    "examples",
    "samples",
    "x",
    "inputs",
    "input",
    "questions",
    "tokens",
    "out",
)
_GROUPS = ("split", "splits", "data", "dataset", "datasets", "idx", "idxs", "index", "indices", "mask", "masks", "rows")
"""Words of keys: of one side of a split, of what tells its rows, and of what holds both sides."""

_INSIDE = ("x", "inputs", "input", "pairs", "data", "tokens", "questions", "idx", "indices", "mask")
"""Keys of the questions, where answers stand beside them."""

_Sides: TypeAlias = dict[str, tuple[str, Bool[Tensor, "ab"]]]
"""`train` and `test` -> the key that tells the rows of that side, and their mask."""

DEPTH = 4
WORSE = 0.1
"""Rows trained on that are answered less well than the others, by more than this share, are remarked."""


@dataclass(frozen=True)
class Recorded:
    """A task with the split that a file records, how that is known, and what is remarked of it."""

    task: Task
    assumptions: tuple[Assumption, ...] = ()
    notes: tuple[str, ...] = ()

    @property
    def is_found(self) -> bool:
        return bool(self.assumptions)

    @property
    def split(self) -> SplitConfig:
        """That of a run's configuration, where one is found."""
        assert self.task.is_train is not None
        return SplitConfig(frac=float(self.task.is_train.double().mean()), split="indices")


class _Unusable(ValueError):
    """Why what a file says of its split is none of this task's."""


def recorded_split(content: Any, task: Task) -> Recorded:
    """The task with the rows that a file of this content says were trained on; unchanged where it does not say.

    A split that cannot be one of the task's table (a row that it does not have, a row on both sides) is not used, and
    remarked with the reason.
    """
    if task.is_train is not None or task.is_sample or task.is_endless:
        return Recorded(task)
    sides: _Sides = {}
    try:
        for side, key, value in _told(content):
            mask = _mask(value, task, key) if side not in sides else None
            if mask is not None:
                sides[side] = (key, mask)
        return _split(task, sides) if sides else Recorded(task)
    except _Unusable as reason:
        return Recorded(task, notes=(f"{NOT_RECORDED} in a way that can be used: {reason}",))


def _split(task: Task, sides: _Sides) -> Recorded:
    (key, train), (other, test) = sides.get("train", ("", None)), sides.get("test", ("", None))
    if train is not None and test is not None and (both := int((train & test).sum())):
        raise _Unusable(f"{both:,} rows stand in {key} and in {other}")
    if train is None:
        assert test is not None
        key, train = f"all rows but those of {other}", ~test
    if not train.any():
        raise _Unusable(f"{key} names no row")
    evidence = key
    if test is not None and key != f"all rows but those of {other}":
        left = int((~train & ~test).sum())
        evidence += f" and {other}" + (f"; {left:,} rows stand in neither" if left else "")
    words = f"split: {int(train.sum()):,} of {len(train):,} rows trained on"
    return Recorded(task.with_split(train), (Assumption(words, "from the file", evidence),), (SEED_UNKNOWN,))


def row_remarks(recorded: Recorded, config: ModelConfig, parameters: Mapping[str, Tensor]) -> list[str]:
    """What is said of rows trained on that the weights know less well than the others: files number their own way."""
    task = recorded.task
    if not recorded.is_found or task.is_train is None or task.is_train.all():
        return []
    values = measured(config, parameters, task)
    train, test = values["train_accuracy"], values["test_accuracy"]
    if not train < test - WORSE:
        return []
    return [
        f"of the rows that the file says were trained on {train:.2%} are answered, of the others {test:.2%}: it may "
        f"number its rows otherwise, or be of another run"
    ]


def _told(content: Any, depth: int = DEPTH, group: str = "") -> Iterator[tuple[str, str, Any]]:
    """(side, key, value) of every entry whose key says that it holds the rows of one side, the outermost first."""
    if not isinstance(content, Mapping) or depth == 0:
        return
    for key, value in content.items():
        if isinstance(key, str) and (side := _side(key, is_grouped=bool(group))):
            yield side, cut(f"{group}.{key}" if group else key), value
    for key, value in content.items():
        if isinstance(key, str) and isinstance(value, Mapping) and not _side(key, bool(group)):
            yield from _told(value, depth - 1, key if {*_words(key)} & {*_GROUPS} else "")


def _words(key: str) -> list[str]:
    return re.findall(r"[a-z]+", re.sub(r"([a-z])([A-Z])", r"\1_\2", key).lower())


def _side(key: str, is_grouped: bool) -> str | None:
    """`train` or `test`, where the words of a key say that and what is told; within a group the side alone says it."""
    words = _words(key)
    for side, names in _SIDES.items():
        rest = [word for word in words if word not in names]
        if len(rest) < len(words) and all(word in _ROWS for word in rest) and (rest or is_grouped):
            return side
    return None


def _mask(value: Any, task: Task, key: str) -> Bool[Tensor, "ab"] | None:
    """[ab]: the rows that a value names; None of what is nothing of the kind (a number, a text, a loader's name)."""
    numbers = _as_tensor(value)
    if numbers is None:
        return None
    n = len(task.inputs)
    is_called_mask = bool({"mask", "is"} & {*_words(key)}) and bool(((numbers == 0) | (numbers == 1)).all())
    is_mask = numbers.dtype == torch.bool or (is_called_mask and numbers.numel() == n)
    is_grid = is_mask and numbers.numel() == n and tuple(numbers.shape) == task.grid_shape
    flat = numbers.reshape(-1) if is_grid or (numbers.ndim == 2 and numbers.shape[1] == 1) else numbers
    if is_mask:
        if flat.shape != (n,):
            raise _Unusable(f"{key} is a mask of {flat.numel():,} rows, and the table has {n:,}")
        return flat.bool()
    if flat.is_floating_point():
        if not bool((flat == flat.round()).all()):
            return None
        flat = flat.long()
    return _by_number(flat, n, key) if flat.ndim == 1 else _by_question(flat, task, key, value)


def _by_number(rows: Shaped[Tensor, "row"], n: int, key: str) -> Bool[Tensor, "ab"]:
    if len(rows) and (int(rows.min()) < 0 or int(rows.max()) >= n):
        wrong = int(rows.min()) if int(rows.min()) < 0 else int(rows.max())
        raise _Unusable(f"{key} names row {wrong:,}, and the table has rows 0 to {n - 1:,}")
    if twice := len(rows) - len(rows.unique()):
        raise _Unusable(f"{key} names {twice:,} rows twice")
    mask = torch.zeros(n, dtype=torch.bool)
    mask[rows.long()] = True
    return mask


def _by_question(rows: Shaped[Tensor, "row *column"], task: Task, key: str, value: Any) -> Bool[Tensor, "ab"]:
    """By tokens as the task has them, or by the operands, with the answer behind them or without."""
    if rows.ndim == 2 and task.has_tokens:
        places = [column for column in task.operand_columns if column is not None]
        n_operands, width = task.operands.shape[1], task.inputs.shape[1]
        tried = []
        if rows.shape[1] == width:
            tried = [(task.inputs, rows)]
            # Others may number the signs of a row otherwise; its operands are what tells it.
            signs = [column for column in range(width) if column not in places]
            is_same = bool((rows[:, signs] == rows[:1, signs]).all())
            tried += [(task.inputs[:, places], rows[:, places])] if is_same and len(places) == n_operands else []
        if rows.shape[1] in (n_operands, n_operands + 1) and task.labels.ndim == 1:
            whole = torch.cat([task.operands, task.labels[:, None]], 1)
            tried.append((whole[:, : rows.shape[1]], rows))
        for table, questions in tried:
            mask = _where(table, questions)
            if mask is not None:
                return mask
    raise _Unusable(f"{key} holds what are no questions of this table: {describe(value)}")


def _where(table: Shaped[Tensor, "ab column"], questions: Shaped[Tensor, "row column"]) -> Bool[Tensor, "ab"] | None:
    number = {question: row for row, question in enumerate(map(tuple, table.tolist()))}
    found = [number.get(question) for question in map(tuple, questions.tolist())]
    if None in found or len(number) < len(table):
        return None
    mask = torch.zeros(len(table), dtype=torch.bool)
    mask[[row for row in found if row is not None]] = True
    return mask


def _as_tensor(value: Any) -> Shaped[Tensor, "*any"] | None:
    """Numbers as a tensor; of questions and answers side by side the questions."""
    if isinstance(value, Mapping):
        return next((found for key in _INSIDE if (found := _as_tensor(value.get(key))) is not None), None)
    if isinstance(value, Tensor):
        return value if value.ndim and not value.is_complex() else None
    if isinstance(value, np.ndarray):
        return torch.from_numpy(np.ascontiguousarray(value)) if value.ndim and value.dtype.kind in "iub" else None
    if not isinstance(value, (list, tuple, range)) or not value:
        return None
    first = value[0]
    if len(value) == 2 and isinstance(first, (Tensor, np.ndarray, list)) and np.ndim(first) == 2:
        return _as_tensor(first)
    try:
        rows = [_flat(row) for row in value] if isinstance(first, Sequence) else [*map(index, value)]
        kind = torch.bool if isinstance(first, bool) else torch.int64
        return torch.tensor(rows, dtype=kind)
    except (TypeError, ValueError, OverflowError):
        return None


def _flat(row: Any) -> list[int]:
    """A question as whole numbers; ((a, b), answer) is three of them."""
    if isinstance(row, (Tensor, np.ndarray)):
        row = row.tolist()
    if isinstance(row, (list, tuple)):
        return [number for each in row for number in _flat(each)]
    if isinstance(row, bool) or not isinstance(row, int):
        raise TypeError("no whole number")
    return [row]
