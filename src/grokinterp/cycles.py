"""Cycle: the cyclic group on which a table's operands are read: the numbers mod p, or their discrete logs."""

from dataclasses import dataclass
from typing import Literal, TypeAlias

import torch
from jaxtyping import Float, Int
from torch import Tensor

from grokinterp import fourier
from grokinterp.tasks import Task
from grokinterp.waves import Wave

Group: TypeAlias = Literal["own", "additive", "multiplicative"]
"""`own` is multiplicative for a * b and a / b mod a prime, additive for every other task."""


@dataclass(frozen=True, eq=False)
class Cycle:
    """Numbers in the order of a cyclic group, so that a function of them has a spectrum.

    Attributes:
        p: how many numbers there are, tokens 0 .. p - 1.
        tokens: [place], the number at each place: 0 .. p - 1, or the powers of a primitive root, 0 left out.
    """

    p: int
    tokens: Int[Tensor, "place"]

    @classmethod
    def of(cls, task: Task, group: Group = "own") -> "Cycle":
        """The cycle of a task's numbers. Raises `FourierError` for `multiplicative` unless p is prime."""
        p = task.sizes[0]
        wave = Wave.of(task) if group == "own" else None
        if wave is not None:
            return cls(p, wave.tokens)
        return cls(p, fourier.powers(p) if group == "multiplicative" else torch.arange(p))

    @property
    def n(self) -> int:
        """The number of places: p, or p - 1."""
        return len(self.tokens)

    @property
    def is_multiplicative(self) -> bool:
        """Whether frequencies count characters of the multiplicative group rather than waves on Z/p."""
        return self.n < self.p

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

    def rows(self, task: Task) -> Int[Tensor, "place_a place_b"] | None:
        """The table row of each pair of operands by their places; None where `why_no_grid` has a reason."""
        if self.why_no_grid(task):
            return None
        place = torch.full((self.p,), -1)
        place[self.tokens] = torch.arange(self.n)
        a, b = place[task.operands].T
        rows = ((a >= 0) & (b >= 0)).nonzero().flatten()
        return rows[torch.argsort((a * self.n + b)[rows])].unflatten(0, (self.n, self.n))

    def why_no_grid(self, task: Task) -> str | None:
        """Why the table is no grid of pairs of places, or None where it is one."""
        if len(task.operations) > 1:
            return f"the table mixes {len(task.operations)} operations, so a pair of operands has several rows"
        if task.sizes != (self.p, self.p):
            return "the table is not over two operands that range over the same numbers"
        if int(torch.isin(task.operands, self.tokens).all(1).sum()) != self.n**2:
            return "the table lacks rows for some pairs of operands"
        return None
