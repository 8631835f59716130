"""Digits: addition of numbers written out in decimal."""

import torch
from jaxtyping import Int
from torch import Generator, Tensor

from grokinterp.tasks._sampled import Data, Rows, Sampled
from grokinterp.tasks._table import Table, TaskError

PLUS, EQUALS = 10, 11
"""The tokens after the ten digits."""

MOST_DIGITS = 18
"""A sum of two numbers of as many digits still is an int64."""


class Digits(Sampled, names={"digits": "a + b written out digit by digit, the sum's digits predicted one by one"}):
    """`1 2 3 4 5 + 6 7 8 9 0 = 0 8 0 2 3 5`: two numbers of n digits and their sum of n + 1, zeros in front.

    The format of Nanda et al. 2023's five-digit runs, recovered from their weights: most significant digit first on
    both sides, 3n + 3 tokens out of 12 (digits, `+`, `=`), ten answers. Scored are the positions before each digit of
    the sum, `=` first, where the model sees the digits so far (positions 11 to 16 for n = 5). Both numbers are
    uniform in 0 .. 10^n - 1. Raises `TaskError` for n outside 1 .. 18.
    """

    def tabulate(self, digits: int = 5, data: Data = "infinite", points: int = 1000, table_seed: int = 0) -> Table:
        if not 1 <= digits <= MOST_DIGITS:
            raise TaskError(f"digits={digits} must be from 1 to {MOST_DIGITS}, as in digits=5")
        return self.sample(
            data,
            points,
            table_seed,
            tokens=[*"0123456789", "+", "="],
            n_answers=10,
            positions=tuple(range(2 * digits + 1, 3 * digits + 2)),
        )

    def draw(self, n: int, generator: Generator) -> Rows:
        width = self.parameters["digits"]
        return written_out(torch.randint(10**width, (n, 2), generator=generator), width)


def written_out(pairs: Int[Tensor, "n 2"], width: int) -> Rows:
    """The tokens [n, 3 width + 3] of these pairs of numbers with their sums, and the digits of the sums."""
    a, b = pairs.T
    total = decimal(a + b, width + 1)
    plus, equals = (torch.full((len(pairs), 1), token) for token in (PLUS, EQUALS))
    return torch.cat([decimal(a, width), plus, decimal(b, width), equals, total], 1), total


def decimal(numbers: Int[Tensor, "n"], width: int) -> Int[Tensor, "n width"]:
    """The last `width` decimal digits of each number, the most significant first."""
    return numbers[:, None] // 10 ** torch.arange(width - 1, -1, -1) % 10
