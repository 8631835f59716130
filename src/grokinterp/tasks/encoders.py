"""Encoders: a number as a sparse code of bits, and a pair of numbers as one code. Pure maths.

From the forum thread "The grokking challenge?", whose words leave much open; what is our choice says so. A dense code
is a number for each bit; its k largest are the sparse code (k-winners-take-all).
"""

import math
from abc import ABC, abstractmethod
from dataclasses import dataclass, fields
from functools import cached_property
from typing import Any, ClassVar

import torch
from jaxtyping import Bool, Float, Int, Shaped
from torch import Generator, Tensor

from grokinterp.errors import BadRequest, did_you_mean, listed

MAX_BITS = 100_000


class EncodingError(BadRequest):
    """An encoder that cannot be; its one line names the remedy."""


def winners_of(dense: Float[Tensor, "n bit"], count: int) -> Bool[Tensor, "n bit"]:
    """[n, bit]: the `count` largest entries of every row, exactly; of equal ones the first (our choice)."""
    least = dense.topk(count, dim=1, sorted=False).values.amin(1, keepdim=True)
    above, equal = dense > least, dense == least
    return above | (equal & (equal.cumsum(1) <= count - above.sum(1, keepdim=True)))


@dataclass(frozen=True)
class Encoder(ABC):
    """A number as bits. To add one, write a subclass: its fields are its parameters, `dense` is what it computes.

        @dataclass(frozen=True)
        class Thermometer(Encoder, name="thermometer"):
            numbers: int = 97
            ...

    A field `numbers`, the count of numbers 0 .. numbers - 1 to be told apart, is filled in by the task.
    """

    registry: ClassVar[dict[str, type["Encoder"]]] = {}
    """Name -> class."""

    def __init_subclass__(cls, name: str | None = None, **rest: Any) -> None:
        super().__init_subclass__(**rest)
        if name is not None:
            Encoder.registry[name] = cls

    @property
    @abstractmethod
    def n_bits(self) -> int:
        """How many bits the code of one number has."""

    @property
    @abstractmethod
    def n_winners(self) -> int:
        """How many of them are on."""

    @abstractmethod
    def dense(self, values: Int[Tensor, "n"]) -> Float[Tensor, "n bit"]:
        """[n, bit], float64: a number for each bit, the larger the more it is on."""

    def sparse(self, values: Int[Tensor, "n"]) -> Bool[Tensor, "n bit"]:
        """[n, bit]: the `n_winners` bits that are on."""
        return winners_of(self.dense(values), self.n_winners)


# -- the encoders


@dataclass(frozen=True)
class OneHot(Encoder, name="one_hot"):
    """One bit a number: the code without any structure."""

    numbers: int = 97

    def __post_init__(self) -> None:
        _between("numbers", self.numbers, 1, MAX_BITS)

    @property
    def n_bits(self) -> int:
        return self.numbers

    @property
    def n_winners(self) -> int:
        return 1

    def dense(self, values: Int[Tensor, "n"]) -> Float[Tensor, "n bit"]:
        return torch.nn.functional.one_hot(values, self.numbers).double()


@dataclass(frozen=True)
class _Clocks(Encoder):
    """Clocks of one arm each, started at random: a number turns every arm by itself over the clock's period.

    The dense code is how near each arm is to 12 o'clock, cos of its angle (our choice); on are the `winners` nearest.
    """

    bits: int = 400
    winners: int = 40
    encoder_seed: int = 0

    def __post_init__(self) -> None:
        _between("bits", self.bits, 1, MAX_BITS)
        _between("winners", self.winners, 1, self.bits)

    @property
    def n_bits(self) -> int:
        return self.bits

    @property
    def n_winners(self) -> int:
        return self.winners

    @cached_property
    def _drawn(self) -> Float[Tensor, "2 bit"]:
        """Two uniform numbers in [0, 1) a clock: where it starts, in turns, and which period it has."""
        generator = Generator().manual_seed(self.encoder_seed)
        return torch.rand(2, self.bits, generator=generator, dtype=torch.float64)

    @property
    @abstractmethod
    def periods(self) -> Float[Tensor, "bit"]:
        """What number turns each clock once around."""

    def dense(self, values: Int[Tensor, "n"]) -> Float[Tensor, "n bit"]:
        turns = values[:, None] / self.periods + self._drawn[0]
        return (2 * math.pi * turns).cos()


@dataclass(frozen=True)
class CycleEncoder(_Clocks, name="cycle"):
    """Clocks of one common period, 97 by default as in the thread's task.

    The sum of the codes of a and b is 2 cos(w(a - b) / 2) cos(w(a + b) / 2 + start) for every clock, so that the
    winners of a pair are those of (a + b) / 2, or of the opposite point of the cycle: of the sum alone, but for a half
    turn. Where the period is the modulus this is the pizza of Zhong et al. 2023.
    """

    period: float = 97.0

    def __post_init__(self) -> None:
        super().__post_init__()
        _period("period", self.period)

    @property
    def periods(self) -> Float[Tensor, "bit"]:
        return torch.full((self.bits,), float(self.period), dtype=torch.float64)


@dataclass(frozen=True)
class VarCycleEncoder(_Clocks, name="var_cycle"):
    """Clocks of different periods, uniform from `period_low` to `period_high` (the thread does not say from where)."""

    period_low: float = 90.0
    period_high: float = 104.0

    def __post_init__(self) -> None:
        super().__post_init__()
        _period("period_low", self.period_low)
        if not self.period_low <= self.period_high < math.inf:
            raise EncodingError(f"period_high={self.period_high} must be at least period_low={self.period_low}")

    @property
    def periods(self) -> Float[Tensor, "bit"]:
        return self.period_low + (self.period_high - self.period_low) * self._drawn[1]


@dataclass(frozen=True)
class GridCellEncoder(Encoder, name="grid_cell"):
    """The residues modulo some primes, each one-hot: different for as many numbers as their product.

    Bit r of a prime's block is on where the value mod that prime is r. (The thread's table, primes 2, 3, 5: 0 is
    10 100 10000, 1 is 01 010 01000.) The primes are pairwise coprime numbers of at least 2: more is not asked of them.
    """

    primes: tuple[int, ...] = (2, 3, 5, 7)
    numbers: int = 97

    def __post_init__(self) -> None:
        if not self.primes or min(self.primes) < 2 or math.lcm(*self.primes) != math.prod(self.primes):
            raise EncodingError(f"primes={listed(self.primes)} must be coprime numbers of at least 2, as in 2,3,5,7")
        _between("the sum of primes", sum(self.primes), 2, MAX_BITS)
        if math.prod(self.primes) < self.numbers:
            raise EncodingError(
                f"primes={listed(self.primes)} give codes to {math.prod(self.primes)} numbers and there are "
                f"{self.numbers}; add a prime, as in 2,3,5,7"
            )

    @property
    def n_bits(self) -> int:
        return sum(self.primes)

    @property
    def n_winners(self) -> int:
        return len(self.primes)

    def dense(self, values: Int[Tensor, "n"]) -> Float[Tensor, "n bit"]:
        return torch.cat([torch.nn.functional.one_hot(values % prime, prime) for prime in self.primes], 1).double()


def parameters_of(name: str) -> list[str]:
    """What the named encoder can be given. Raises `EncodingError`, listing the encoders, for an unknown name."""
    if name not in Encoder.registry:
        raise EncodingError(
            f"no encoder {name!r}.{did_you_mean(name, Encoder.registry)} The encoders: {listed(Encoder.registry)}"
        )
    return [field.name for field in fields(Encoder.registry[name])]


def find_encoder(name: str, numbers: int, **given: Any) -> Encoder:
    """The named encoder for the numbers 0 .. numbers - 1, with its defaults where nothing is given.

    Raises `EncodingError` for an unknown name, a parameter it does not have, or values that make no code.
    """
    known = parameters_of(name)
    for parameter in given:
        if parameter not in known:
            own = [parameter for parameter in known if parameter != "numbers"]
            raise EncodingError(f"the encoder {name!r} has no {parameter!r}; it has {listed(own) or 'no parameters'}")
    return Encoder.registry[name](**given, **({"numbers": numbers} if "numbers" in known else {}))


# -- pairs


def overlap(encoder: Encoder, a: Int[Tensor, "n"], b: Int[Tensor, "n"]) -> Bool[Tensor, "n bit"]:
    """The winners of the sum of the dense codes: the same for (a, b) and (b, a).

    Of one-hot and grid-cell codes many sums are equal, the first bits win, and the larger number is often lost.
    """
    values, which = torch.cat([a, b]).unique(return_inverse=True)
    dense = encoder.dense(values)
    return winners_of(dense[which[: len(a)]] + dense[which[len(a) :]], encoder.n_winners)


def concatenated(encoder: Encoder, a: Int[Tensor, "n"], b: Int[Tensor, "n"]) -> Bool[Tensor, "n bit"]:
    """The sparse codes side by side: twice the bits, twice the winners."""
    return torch.cat([encoder.sparse(a), encoder.sparse(b)], 1)


def either(encoder: Encoder, a: Int[Tensor, "n"], b: Int[Tensor, "n"]) -> Bool[Tensor, "n bit"]:
    """The bits that are on in the sparse code of a or of b: the same for (a, b) and (b, a)."""
    return encoder.sparse(a) | encoder.sparse(b)


COMBINATIONS = {"overlap": overlap, "concatenate": concatenated, "or": either}
"""Name -> the code of a pair."""


# -- similarity


def similarities(codes: Shaped[Tensor, "n bit"]) -> Float[Tensor, "n n"]:
    """Cosine similarity of all rows, float64: of sparse codes with k winners each, the share of winners in common."""
    unit = torch.nn.functional.normalize(codes.double(), dim=1)
    return unit @ unit.T


def mean_similarity(codes: Shaped[Tensor, "n bit"]) -> Float[Tensor, "n"]:
    """[n]: the mean cosine similarity of each code to all others, float64; NaN where there is no other."""
    unit = torch.nn.functional.normalize(codes.double(), dim=1)
    return (unit @ unit.sum(0) - unit.square().sum(1)) / (len(codes) - 1)


def likeness(one: Float[Tensor, "n n"], other: Float[Tensor, "n n"]) -> float:
    """Correlation of two similarity matrices over all pairs of different rows (representational similarity analysis).

    1 where one is an increasing affine function of the other. NaN where one says nothing: all its pairs are equal.
    """
    row, column = torch.triu_indices(len(one), len(one), 1)
    return torch.corrcoef(torch.stack([one[row, column], other[row, column]]).double())[0, 1].item()


# -- refusals


def _between(name: str, value: int, low: int, high: int) -> None:
    if not low <= value <= high:
        raise EncodingError(f"{name}={value} must be from {low} to {high}")


def _period(name: str, value: float) -> None:
    if not 0 < value < math.inf:
        raise EncodingError(f"{name}={value} must be a positive number, as in {name}=97")
