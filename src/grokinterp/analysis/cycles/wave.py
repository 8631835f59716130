"""Wave: a table of answers that run around a cycle as the operands' places are added or subtracted."""

import functools
import math
from dataclasses import dataclass
from typing import Literal, TypeAlias

import torch
from jaxtyping import Bool, Float, Int, Shaped
from torch import Tensor
from torch.nn import functional as F

from grokinterp import fourier
from grokinterp.analysis.cycles.operand_places import places_of, rows_on
from grokinterp.errors import BadRequest
from grokinterp.tasks import Task

Kind: TypeAlias = Literal["sum", "difference", "product", "quotient"]


@dataclass(frozen=True, eq=False)
class Wave:
    """A table of answers read as i + j or i - j on a cycle of n places.

    a + b and a - b run around Z/p, every number at its own place. a * b and a / b mod a prime p run around the
    multiplicative group, n = p - 1: the number g^i stands at place i (`fourier.discrete_logs`), products add places
    and quotients subtract them. Zero has no place there; rows with a zero operand are off the cycle, and every
    measure on the cycle leaves them out. In a sum or a difference nothing is left out.

    Attributes:
        kind: `sum`, `difference`, `product` or `quotient`.
        cycle: n, the number of places.
        tokens: [place], the number at each place: operands and answers alike.
        rows: [cell], the table row at each pair (place of a, place of b), a-major, n * n of them.
        index: [ab], the place of each row's right answer; -1 off the cycle.
    """

    kind: Kind
    cycle: int
    tokens: Int[Tensor, "place"]
    rows: Int[Tensor, "cell"]
    index: Int[Tensor, "ab"]

    # A task is never changed once built, and every circuit asks at every checkpoint.
    @classmethod
    @functools.lru_cache(maxsize=8)
    def of(cls, task: Task) -> "Wave | None":
        """The wave of a task whose answers are those of a + b, a - b, a * b or a / b; None for any other.

        Told from the answers, not the formula's text, and whether or not a product has rows with zeros. It needs a
        prime p: other multiplicative groups may not be cyclic. Where p = 2, a + b and a - b are one, a sum.
        """
        # Not the number of columns: Power's layout scores its whole vocabulary.
        p = task.sizes[0]
        if task.sizes != (p, p) or len(task.operations) > 1 or not task.has_classes:
            return None
        (a, b), answer = task.operands.T, task.answer_labels
        if len(answer) == p * p and torch.equal(answer, (a + b) % p):
            return cls._of_kind("sum", task, torch.arange(p))
        if len(answer) == p * p and torch.equal(answer, (a - b) % p):
            return cls._of_kind("difference", task, torch.arange(p))
        if p == 2 or not fourier.is_prime(p) or int(((a > 0) & (b > 0)).sum()) != (p - 1) ** 2:
            return None
        if torch.equal(answer, a * b % p):
            return cls._of_kind("product", task, fourier.powers(p))
        if bool((b > 0).all()) and torch.equal(a, answer * b % p):
            return cls._of_kind("quotient", task, fourier.powers(p))
        return None

    @classmethod
    def required(cls, task: Task) -> "Wave":
        """`Wave.of` a task. Raises `BadRequest` for one without a wave."""
        wave = cls.of(task)
        if wave is None:
            raise BadRequest(cls.why_not(task))
        return wave

    @classmethod
    def why_not(cls, task: Task) -> str | None:
        """Why a task has no wave, or None where it has one."""
        if cls.of(task) is not None:
            return None
        no_sum = f"the answers of {task.expression!r} are no sum of operands on one cycle"
        return f"{no_sum}; those of a + b and a - b are, and of a * b and a / b mod a prime"

    @classmethod
    def _of_kind(cls, kind: Kind, task: Task, tokens: Int[Tensor, "place"]) -> "Wave":
        rows = rows_on(tokens, task)
        index = torch.full_like(task.answer_labels, -1)
        index[rows] = places_of(tokens, task.sizes[0])[task.answer_labels[rows]]
        return cls(kind, len(tokens), tokens, rows, index)

    @property
    def is_multiplicative(self) -> bool:
        """Whether frequencies count characters of the multiplicative group rather than waves on Z/p."""
        return self.kind in ("product", "quotient")

    @property
    def sign(self) -> Literal[1, -1]:
        """1 where places of the operands are added, -1 where they are subtracted."""
        return 1 if self.kind in ("sum", "product") else -1

    @property
    def formula(self) -> str:
        """The wave that a clock's logits are made of, as text."""
        index = f"a {'+' if self.sign > 0 else '-'} b - c"
        return f"cos w_k({index})" + (" of discrete logs" if self.is_multiplicative else "")

    @property
    def frequencies(self) -> Int[Tensor, "k"]:
        """1 .. floor(n/2), the coordinate `k` of every measure on this cycle."""
        return fourier.frequencies(self.cycle)

    @property
    def is_on(self) -> Bool[Tensor, "ab"]:
        """[ab]: the rows on the cycle."""
        return self.index >= 0

    def on(self, x: Shaped[Tensor, "ab *rest"]) -> Shaped[Tensor, "cell *rest"]:
        """`x` on the rows of the cycle, in the table's order."""
        return x[self.is_on.to(x.device)] if self.is_multiplicative else x

    def grid(self, x: Shaped[Tensor, "ab *rest"]) -> Shaped[Tensor, "place_a place_b *rest"]:
        """[n, n, ...]: `x` on the rows of the cycle, as a grid over the operands' places."""
        # A table is sorted by its operands, so that on Z/p it is the grid, and large activations are not copied.
        return (x[self.rows.to(x.device)] if self.is_multiplicative else x).unflatten(0, (self.cycle, self.cycle))

    def answers(self, x: Float[Tensor, "*row column"]) -> Float[Tensor, "*row place"]:
        """The columns of the answers that occur on the cycle, in the places' order.

        These are the classes of every measure on the cycle. Columns of other tokens (`=`, an operator), and that of
        the number 0 where it has no place, are no answers to any of its rows.
        """
        return x.index_select(-1, self.tokens.to(x.device)) if self.is_multiplicative else x[..., : self.cycle]

    def fold(self, x: Float[Tensor, "ab *rest"]) -> Float[Tensor, "place *rest"]:
        """[n, ...]: the mean of `x` over the rows that share an answer, in the places' order."""
        # Several times faster than adding row by row to the place of its answer.
        means = F.embedding_bag(self._rows_of_answer.to(x.device), x.flatten(1), mode="mean")
        return means.unflatten(-1, x.shape[1:]) if x.ndim > 1 else means.flatten()

    @functools.cached_property
    def _rows_of_answer(self) -> Int[Tensor, "place row"]:
        # Each place is the answer of as many rows as there are places; those off the cycle, at -1, sort first.
        return torch.argsort(self.index, stable=True)[-(self.cycle**2) :].unflatten(0, (self.cycle, self.cycle))

    def directions(self, frequencies: list[int]) -> Float[Tensor, "wave ab"]:
        """Unit directions cos(w_k i), sin(w_k i) on the table, i a row's `index`, for each k in turn.

        For a + b these are Nanda et al.'s cos(w_k(a+b)) and sin(w_k(a+b)). They are orthonormal, and zero off the
        cycle; at the Nyquist frequency the sine is zero and left out. Raises `FourierError` for frequencies repeated
        or outside 1 .. n/2.
        """
        waves = fourier.wave_rows(self.cycle, frequencies)[:, self.index] / math.sqrt(self.cycle)
        return torch.where(self.is_on, waves, 0.0)
