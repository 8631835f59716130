"""Table: the rows of a task as its class hands them over, and the refusals of tables that cannot be."""

import math
from dataclasses import dataclass

import torch
from jaxtyping import Float, Int
from torch import Tensor

from grokinterp.errors import BadRequest

MAX_ROWS = 5_000_000


class TaskError(BadRequest):
    """A task that cannot be built; its one line names the remedy."""


@dataclass(frozen=True, eq=False)
class Table:
    """All questions and answers of a task. The fields become attributes of `Task`, which documents them.

    Without `operations` there is one, and it is called as the task is; without `operation` all rows are the first's.
    """

    operands: Int[Tensor, "ab operand"]
    sizes: tuple[int, ...]
    inputs: Int[Tensor, "ab position"] | Float[Tensor, "ab *feature"]
    labels: Int[Tensor, "ab *t"] | Float[Tensor, "ab"]
    positions: tuple[int, ...]
    n_answers: int
    tokens: list[str]
    operation: Int[Tensor, "ab"] | None = None
    operations: tuple[str, ...] = ()
    specials: int = 0
    """How many of the last answer columns are tokens that only stand in a row, `=` say, and answer nothing."""


def all_rows(sizes: tuple[int, ...], operations: int = 1) -> Int[Tensor, "ab operand"]:
    """Every combination of operands, operand i in 0 .. sizes[i] - 1, sorted (the first varies slowest).

    Raises `TaskError` where `operations` tables of them have more than 5 million rows.
    """
    rows = math.prod(sizes) * operations
    if rows > MAX_ROWS:
        largest = int((MAX_ROWS / operations) ** (1 / len(sizes)))
        raise TaskError(
            f"the table would have {rows:,} rows, above the limit of {MAX_ROWS:,}; "
            f"with {len(sizes)} operands use numbers up to about {largest}, as in p={largest}"
        )
    return torch.cartesian_prod(*(torch.arange(size) for size in sizes))


def check_modulus(p: int) -> None:
    """Refuse a modulus below 2, where there is nothing to learn, or above what any table holds."""
    if not 2 <= p <= MAX_ROWS:
        raise TaskError(
            f"p={p} cannot be the modulus of a table; it must be at least 2, as in p=113, and at most {MAX_ROWS:,}"
        )
