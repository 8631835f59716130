"""OwnTable: answers that a user gives, as a table or by a function that is called once for every question."""

import inspect
import itertools
import json
import math
import operator
from collections.abc import Callable, Iterable, Sequence
from typing import Any

import numpy as np
import torch
from jaxtyping import Int
from torch import Tensor

from grokinterp.config.validation import plain, shown
from grokinterp.errors import did_you_mean
from grokinterp.tasks._base import Task
from grokinterp.tasks._table import Table, TaskError, all_rows, check_modulus
from grokinterp.tasks.layout import find_layout

_EXAMPLE = json.dumps([[max(a, b) for b in range(5)] for a in range(5)], separators=(",", ":"))


class OwnTable(Task, names={"table": "answers of your own, answers='[[0,1],[1,0]]' (the larger of two numbers to 4)"}):
    """The answer to (a, b) is entry [a][b] of `answers`: nested lists, or these as JSON.

    An entry is a token's number or name, or null where there is no such question.
    """

    def tabulate(
        self,
        answers: list | str = _EXAMPLE,
        tokens: list | None = None,
        name: str = "table",
        layout: str = "a b =",
    ) -> Table:
        grid = _grid(answers)
        names = [str(number) for number in range(max(grid.shape))] if tokens is None else _names(tokens)
        _check_sizes(grid.shape, names)
        is_question = np.array([not _is_empty(entry) for entry in grid.flat]) if grid.dtype.kind in "fO" else None
        operands = all_rows(grid.shape)
        entries = grid.reshape(-1)
        if is_question is not None:
            operands, entries = operands[torch.from_numpy(is_question)], entries[is_question]
        if not len(operands):
            raise TaskError("the table has no answer at all; give a token's number or name for each question")
        if not name.strip():
            raise TaskError("the task's name is empty; give one, or leave it out")
        return find_layout(layout).table(
            numbers=names,
            sizes=grid.shape,
            operands=operands,
            answers=_numbers(entries, names, operands),
            operations={name: "op"},
        )


def of_table(table: Any, tokens: Sequence[Any] | None, name: str, layout: str) -> Task:
    """`Task.from_table`."""
    entries = plain(table)
    # pandas' tables are no arrays, and have one.
    entries = plain(entries.to_numpy()) if hasattr(entries, "to_numpy") else entries
    try:
        text = json.dumps(_json(entries), separators=(",", ":"))
    except RecursionError:
        raise TaskError("the table is nested too deeply; it has two or three axes, as in [[0, 1], [1, 0]]") from None
    return Task("table", answers=text, tokens=_listed(tokens), name=name, layout=layout)


def of_function(
    function: Callable[..., Any], p: int | None, tokens: Sequence[Any] | None, name: str | None, layout: str
) -> Task:
    """`Task.from_function`."""
    if not callable(function):
        raise TaskError(f"{shown(function)} is no function; a table of answers goes to gi.Task.from_table")
    p, listed = plain(p), _listed(tokens)
    if p is None and listed is None:
        raise TaskError("say what the operands are: p=50 for the numbers 0 to 49, or tokens=['red', 'blue', ...]")
    if p is not None and (not isinstance(p, int) or isinstance(p, bool)):
        raise TaskError(f"p={shown(p)} must be a whole number, as in p=50")
    if p is not None:
        check_modulus(p)
    values = list(range(p)) if p is not None else list(tokens or ())
    sizes = (len(values),) * _arity(function)
    all_rows(sizes)  # refuses a table that is too large before the function is called for it
    number_of = {str(value): number for number, value in enumerate(values)} if p is None else None
    answers = [_answer(function, question, number_of) for question in itertools.product(values, repeat=len(sizes))]
    table = np.array(answers, dtype=object).reshape(sizes)
    called = getattr(function, "__name__", "table")
    return of_table(table, listed, name or ("table" if called == "<lambda>" else called), layout)


def _arity(function: Callable[..., Any]) -> int:
    """How many operands a function takes: the arguments that it needs; two where it takes any number."""
    try:
        arguments = inspect.signature(function).parameters.values()
    except (ValueError, TypeError):  # of a function that is not written in Python
        return 2
    needed = [a for a in arguments if a.default is a.empty and a.kind in (a.POSITIONAL_ONLY, a.POSITIONAL_OR_KEYWORD)]
    if any(a.kind is a.VAR_POSITIONAL for a in arguments) and len(needed) < 2:
        return 2
    if len(needed) not in (2, 3) or any(a.kind is a.KEYWORD_ONLY and a.default is a.empty for a in arguments):
        raise TaskError(
            f"the function needs {len(needed)} operands; a task has two or three, as in lambda a, b: max(a, b)"
        )
    return len(needed)


def _answer(function: Callable[..., Any], question: tuple[Any, ...], number_of: dict[str, int] | None) -> Any:
    """What the function answers; where it is asked in tokens, and answers with one, that token's number."""
    try:
        answer = plain(function(*question))
    except Exception as error:
        raise TaskError(
            f"the function fails at {question}: {type(error).__name__}: {error}; "
            f"let it answer None where there is no such question"
        ) from error
    if number_of is not None and str(answer) in number_of:
        return number_of[str(answer)]
    return answer


# -- what a table holds


def _json(entries: Any) -> Any:
    """Entries as JSON has them: whole numbers, names, null where there is none. What cannot be one is refused."""
    if isinstance(entries, list | tuple):
        return [_json(entry) for entry in entries]
    entry = plain(entries)
    if _is_empty(entry):
        return None
    return entry if isinstance(entry, int | float | str) else _spelled_whole(entry)


def _spelled_whole(entry: Any) -> Any:
    try:
        return operator.index(entry)
    except TypeError:
        raise TaskError(f"{shown(entry)} is no answer; give a token's number or its name, or None") from None


def _is_empty(entry: Any) -> bool:
    return entry is None or (isinstance(entry, float) and math.isnan(entry))


def _grid(answers: list | str) -> np.ndarray:
    """The entries as an array of two or three axes."""
    try:
        entries = json.loads(answers) if isinstance(answers, str) else answers
        grid = np.array(entries)
    except (ValueError, RecursionError):  # no JSON, or rows of unequal length
        entries, grid = [], np.array([])
    if grid.ndim not in (2, 3) or not grid.size:
        raise TaskError(
            "the table must have two or three axes, one an operand, and equally long rows, as in [[0, 1], [1, 0]]"
        )
    # Numbers beside names would have become names.
    return np.array(entries, dtype=object) if grid.dtype.kind == "U" else grid


def _listed(tokens: Sequence[Any] | None) -> list[str] | None:
    if tokens is None:
        return None
    if isinstance(tokens, str) or not isinstance(plain(tokens), Iterable):
        raise TaskError(f"tokens={shown(tokens)} must be a list of names, as in tokens=['red', 'blue']")
    return [str(token) for token in plain(tokens)]


def _names(tokens: list) -> list[str]:
    """The vocabulary. Raises `TaskError` for names that could not be told apart, in a row written as text too."""
    names = [str(token) for token in tokens]
    if odd := [name for name in names if not name or any(c.isspace() for c in name) or not name.isprintable()]:
        raise TaskError(f"the token {odd[0]!r} has a space or is empty; rows are written with a space between tokens")
    if twice := [name for place, name in enumerate(names) if name in names[:place]]:
        raise TaskError(f"the token {twice[0]!r} is named twice; give each its own name")
    if taken := [name for name in names if name in ("=", "op", "<|eos|>")]:
        raise TaskError(f"{taken[0]!r} is a token of the layouts; name yours differently")
    return names


def _check_sizes(sizes: tuple[int, ...], names: list[str]) -> None:
    if max(sizes) > len(names):
        raise TaskError(
            f"an operand has {max(sizes)} values and there are {len(names)} tokens; name one for each value, "
            f"and one for each further answer"
        )
    if len(names) < 2:
        raise TaskError("the vocabulary has one token, so there is nothing to learn; give at least two")


def _numbers(entries: np.ndarray, names: list[str], operands: Int[Tensor, "ab operand"]) -> Int[Tensor, "ab"]:
    """The answers' tokens. Raises `TaskError` for an entry that is none."""
    if entries.dtype.kind in "iub":
        is_wrong = (entries < 0) | (entries >= len(names))
    else:
        number_of = {name: number for number, name in enumerate(names)}
        numbers = [_number(entry, number_of) for entry in entries.tolist()]
        is_wrong = np.array([number is None or not 0 <= number < len(names) for number in numbers])
        entries = entries if is_wrong.any() else np.array(numbers)
    if is_wrong.any():
        row = int(np.flatnonzero(is_wrong)[0])
        whole = [each for each in entries.tolist() if isinstance(each, int)]
        question = ", ".join(names[value] for value in operands[row].tolist())
        raise TaskError(
            f"the answer to ({question}) is {shown(plain(entries[row]))}, and the vocabulary has {len(names)} tokens, "
            f"{names[0]} to {names[-1]}; {_remedy(plain(entries[row]), names, max(whole, default=0))}"
        )
    return torch.from_numpy(entries.astype(np.int64))


def _number(entry: Any, number_of: dict[str, int]) -> int | None:
    if isinstance(entry, str):
        return number_of.get(entry)
    is_whole = isinstance(entry, int) or (isinstance(entry, float) and entry.is_integer())
    return int(entry) if is_whole else None


def _remedy(entry: Any, names: list[str], largest: int) -> str:
    if isinstance(entry, int) and entry >= len(names):
        return f"name every answer, as in tokens=range({largest + 1}), or take it modulo {len(names)}"
    near = did_you_mean(entry, names) if isinstance(entry, str) else ""
    return f"an answer is the number or the name of a token.{near}"
