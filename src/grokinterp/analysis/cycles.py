"""Cycle: the cyclic group that a task's numbers are read on. Wave: that of an answer which runs around it."""

import functools
import math
from dataclasses import dataclass
from typing import Literal, TypeAlias

import torch
from jaxtyping import Bool, Float, Int, Real, Shaped
from torch import Tensor
from torch.nn import functional as F

from grokinterp import fourier
from grokinterp.errors import BadRequest
from grokinterp.irreps import Cyclic
from grokinterp.tasks import Task
from grokinterp.tasks.groups import GroupTask

Kind: TypeAlias = Literal["sum", "difference", "product", "quotient"]

Group: TypeAlias = Literal["own", "additive", "multiplicative"]
"""`own` is multiplicative for a * b and a / b mod a prime, additive for every other task."""


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
            return cls._on(p, "sum", task, torch.arange(p))
        if len(answer) == p * p and torch.equal(answer, (a - b) % p):
            return cls._on(p, "difference", task, torch.arange(p))
        if p == 2 or not fourier.is_prime(p) or int(((a > 0) & (b > 0)).sum()) != (p - 1) ** 2:
            return None
        if torch.equal(answer, a * b % p):
            return cls._on(p - 1, "product", task, fourier.powers(p))
        if bool((b > 0).all()) and torch.equal(a, answer * b % p):
            return cls._on(p - 1, "quotient", task, fourier.powers(p))
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
    def _on(cls, cycle: int, kind: Kind, task: Task, tokens: Int[Tensor, "place"]) -> "Wave":
        rows = _rows_on(tokens, task)
        index = torch.full_like(task.answer_labels, -1)
        index[rows] = places_of(tokens, task.sizes[0])[task.answer_labels[rows]]
        return cls(kind, cycle, tokens, rows, index)

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
        return cls(p, tokens, None if reason else _rows_on(tokens, task).unflatten(0, (len(tokens),) * 2), reason)

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


def places_of(tokens: Int[Tensor, "place"], p: int) -> Int[Tensor, "number"]:
    """[number]: where each of p numbers stands on the cycle of these tokens; -1 where it does not."""
    place = torch.full((p,), -1)
    place[tokens] = torch.arange(len(tokens))
    return place


def _rows_on(tokens: Int[Tensor, "place"], task: Task) -> Int[Tensor, "cell"]:
    """The rows of a task whose operands both stand on the cycle of these tokens, by the places of a and then of b."""
    a, b = places_of(tokens, task.sizes[0])[task.operands].T
    rows = ((a >= 0) & (b >= 0)).nonzero().flatten()
    return rows[torch.argsort((a * len(tokens) + b)[rows])]


# -- the cycle that an embedding itself tells


def sparsity(W_E: Real[Tensor, "token d"]) -> float:
    """Gini index of the Fourier norms of tokens in a cycle's order, constant included (Nanda et al. 2023).

    0 where all are equal, and for an embedding that is zero.
    """
    return float(fourier.gini(fourier.norms(W_E)).nan_to_num())


@dataclass(frozen=True)
class TokenOrder:
    """The order of tokens in which an embedding is read as a function on a cyclic group.

    Attributes:
        group: `additive` (Z/p) or `multiplicative` ((Z/p)*, discrete-log order, token 0 left out).
        tokens: the tokens in that order.
        gini: of the Fourier norms in each order that p allows (`fourier.gini`).
    """

    group: Literal["additive", "multiplicative"]
    tokens: Int[Tensor, "place"]
    gini: dict[str, float]


def sparser_order(W_E: Real[Tensor, "token d"], margin: float = 0.1) -> TokenOrder:
    """The order in which the spectrum of an embedding of 0 .. p-1 is the sparser one.

    A model that multiplies has a flat spectrum over Z/p (a character is spread over all frequencies by its Gauss
    sum) and a sparse one over the characters (arXiv 2606.17399). Additive, unless p is an odd prime and the
    multiplicative Gini index is larger by more than `margin`: two noisy spectra differ by about 0.01.
    """
    p = len(W_E)
    gini = {"additive": sparsity(W_E)}
    if p > 2 and fourier.is_prime(p):
        powers = fourier.powers(p)
        gini["multiplicative"] = sparsity(W_E[powers])
        if gini["multiplicative"] > gini["additive"] + margin:
            return TokenOrder("multiplicative", powers, gini)
    return TokenOrder("additive", torch.arange(p), gini)
