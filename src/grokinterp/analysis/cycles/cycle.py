"""Cycle: a task's numbers in the order of a cyclic group, so that a function of them has a spectrum."""

import functools
from dataclasses import dataclass
from typing import Literal, TypeAlias

import torch
from jaxtyping import Float, Int, Shaped
from torch import Tensor

from grokinterp import fourier
from grokinterp.analysis.cycles.operand_places import rows_on
from grokinterp.analysis.cycles.wave import Wave
from grokinterp.irreps import Cyclic
from grokinterp.tasks import Task
from grokinterp.tasks.groups import GroupTask

Group: TypeAlias = Literal["own", "additive", "multiplicative"]
"""`own` is multiplicative for a * b and a / b mod a prime, additive for every other task."""


@dataclass(frozen=True, eq=False)
class Cycle:
    """Numbers in the order of a cyclic group, so that a function of them has a spectrum.

    Attributes:
        p: how many numbers there are, tokens 0 .. p - 1.
        tokens: [place], the number at each place: 0 .. p - 1, or the powers of a primitive root, 0 left out.
        rows: [place_a place_b], the table row of each pair of operands; None where the table is no such grid.
        why_no_grid: why it is none.
    """

    p: int
    tokens: Int[Tensor, "place"]
    rows: Int[Tensor, "place_a place_b"] | None
    why_no_grid: str | None

    # A task is never changed once built, and every circuit asks at every checkpoint.
    @classmethod
    @functools.lru_cache(maxsize=8)
    def of(cls, task: Task, group: Group = "own") -> "Cycle":
        """The cycle of a task's numbers. Raises `FourierError` for `multiplicative` unless p is prime."""
        p = task.sizes[0]
        wave = Wave.of(task) if group == "own" else None
        if wave is not None:
            tokens = wave.tokens
        else:
            tokens = fourier.powers(p) if group == "multiplicative" else torch.arange(p)
        reason = _why_no_grid(task, tokens)
        return cls(p, tokens, None if reason else rows_on(tokens, task).unflatten(0, (len(tokens),) * 2), reason)

    @staticmethod
    def why_not(task: Task, group: Group = "own") -> str | None:
        """Why a task's numbers have no such cycle, or None where they do."""
        p = task.sizes[0]
        if task.is_sample:
            return f"the rows of {task.expression!r} are a sample without operands; a spectrum needs a table of numbers"
        if not task.has_tokens:
            return f"the numbers of {task.expression!r} have no token each (hook_embed); a spectrum needs an embedding"
        if isinstance(task, GroupTask) and not isinstance(task.group, Cyclic):
            return f"the elements of {task.group.name} go round no cycle; the circuit irreps reads their spectrum"
        if task.coordinates is not None:
            return f"the points of {task.expression!r} lie in a plane, on no cycle; the circuit grid_alignment reads it"
        if p < 2:
            return f"there are {p} numbers; a spectrum needs at least 2"
        if group == "multiplicative" and not fourier.is_prime(p):
            return f"p={p} is not prime, so there are no discrete logs; read it with group='additive'"
        return None

    @property
    def n(self) -> int:
        """The number of places: p, or p - 1."""
        return len(self.tokens)

    @property
    def is_multiplicative(self) -> bool:
        """Whether frequencies count characters of the multiplicative group rather than waves on Z/p."""
        return self.n < self.p

    def grid(self, x: Shaped[Tensor, "ab *rest"]) -> Shaped[Tensor, "place_a place_b *rest"]:
        """[n, n, ...]: `x` on the rows of the cycle, as a grid over the operands' places. Needs `why_no_grid` None."""
        assert self.rows is not None, self.why_no_grid
        rows = self.rows.flatten()
        if torch.equal(rows, torch.arange(len(x))):
            return x.unflatten(0, (self.n, self.n))  # the table is the grid: large activations are not copied
        return x[rows.to(x.device)].unflatten(0, (self.n, self.n))

    @property
    def description(self) -> str:
        """What a frequency is, for the attributes of a variable."""
        return "characters, discrete-log order, 0 apart" if self.is_multiplicative else "waves on Z/p"

    @property
    def frequencies(self) -> Int[Tensor, "k"]:
        """1 .. floor(n/2), the coordinate `k`; as many on both cycles where p is odd."""
        return fourier.frequencies(self.n)

    @property
    def basis(self) -> Float[Tensor, "basis token"]:
        """[p, p]: orthonormal rows on all p numbers, `fourier.basis` or `fourier.characters`."""
        return fourier.characters(self.p) if self.is_multiplicative else fourier.basis(self.p)

    @property
    def names(self) -> list[str]:
        """The names of the rows of `basis`."""
        return fourier.character_names(self.p) if self.is_multiplicative else fourier.basis_names(self.p)


def _why_no_grid(task: Task, tokens: Int[Tensor, "place"]) -> str | None:
    p = task.sizes[0]
    if len(task.operations) > 1:
        return f"the table mixes {len(task.operations)} operations, so a pair of operands has several rows"
    if task.sizes != (p, p):
        return "the table is not over two operands that range over the same numbers"
    if int(torch.isin(task.operands, tokens).all(1).sum()) != len(tokens) ** 2:
        return "the table lacks rows for some pairs of operands"
    return None
