"""EncodedSum: addition of two numbers that are given as sparse codes."""

from typing import Any, Literal

import torch
from jaxtyping import Bool
from torch import Tensor

from grokinterp.tasks._base import Task
from grokinterp.tasks._table import Table, TaskError, all_rows, check_modulus
from grokinterp.tasks.encoders import COMBINATIONS, Encoder, find_encoder

MAX_ENTRIES = 200_000_000
"""Bits of all rows together: 0.8 GB as float32."""


class EncodedSum(Task, names={"encoded_sum": "(a + b) mod p, the pair given as sparse bits (encoder='cycle', p=97)"}):
    """A row is an unordered pair a >= b, its inputs the bits of `grokinterp.tasks.encoders`; the answer (a + b) mod p.

    The overlap and the OR of two codes are the same for (a, b) and (b, a), so that one of them in train would give the
    other away: the table has each pair once, 4753 rows at p = 97 (2376 of them trained on with frac=0.5), and 4656
    without a = b, which the thread's first runs left out. `encoder` is one of `encodings.Encoder.registry`, with its
    own parameters: `bits`, `winners`, `encoder_seed`, `period` (cycle), `period_low`, `period_high` (var_cycle),
    `primes` (grid_cell). Where `period` is left out it is p. `combine` is overlap, concatenate or or.

    Raises `BadRequest` for an unknown encoder, a parameter that it does not have, or values that make no code.

    Attributes:
        encoder: what gives numbers their codes.
    """

    encoder: Encoder

    def tabulate(
        self,
        p: int = 97,
        encoder: str = "cycle",
        combine: Literal["overlap", "concatenate", "or"] = "overlap",
        include_equal: bool = False,
        bits: int | None = None,
        winners: int | None = None,
        encoder_seed: int | None = None,
        period: float | None = None,
        period_low: float | None = None,
        period_high: float | None = None,
        primes: list | str | None = None,
    ) -> Table:
        check_modulus(p)
        own: dict[str, Any] = {
            "bits": bits,
            "winners": winners,
            "encoder_seed": encoder_seed,
            "period": float(p) if encoder == "cycle" and period is None else period,
            "period_low": period_low,
            "period_high": period_high,
            "primes": None if primes is None else _whole_numbers(primes),
        }
        self.encoder = find_encoder(encoder, p, **{name: value for name, value in own.items() if value is not None})
        pairs = all_rows((p, p))
        kept = pairs[:, 0] >= pairs[:, 1] if include_equal else pairs[:, 0] > pairs[:, 1]
        a, b = pairs[kept].T
        width = self.encoder.n_bits * (2 if combine == "concatenate" else 1)
        if len(a) * width > MAX_ENTRIES:
            raise TaskError(
                f"the table would have {len(a):,} rows of {width:,} bits, above {MAX_ENTRIES:,} in all; lower p or bits"
            )
        return Table(
            operands=torch.stack([a, b], 1),
            sizes=(p, p),
            inputs=COMBINATIONS[combine](self.encoder, a, b).float(),
            labels=(a + b) % p,
            positions=(-1,),
            n_answers=p,
            tokens=[str(number) for number in range(p)],
            operations=("a + b",),
        )

    @property
    def is_equal_pair(self) -> Bool[Tensor, "ab"]:
        """[ab]: rows with a = b."""
        return self.operands[:, 0] == self.operands[:, 1]


def _whole_numbers(given: list | str) -> tuple[int, ...]:
    """(2, 3, 5) of a list, or of text: `2,3,5`, `2 3 5`."""
    try:
        return tuple(int(part) for part in (given.replace(",", " ").split() if isinstance(given, str) else given))
    except (TypeError, ValueError):
        raise TaskError(f"primes={given!r} must be whole numbers, as in primes='2,3,5,7'") from None
