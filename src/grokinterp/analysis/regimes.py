"""Regime: what training came to: nothing, memory alone, memory and understanding later, or both at once."""

from typing import Literal, TypeAlias

Regime: TypeAlias = Literal["not learnt", "memorises", "groks", "generalises at once"]
REGIMES: tuple[Regime, ...] = ("not learnt", "memorises", "groks", "generalises at once")

LATER = 2.0
"""How many times as late as the training rows the test rows are answered where a model groks (our choice). In Nanda et
al. 2023's sweep of fractions it is 1.2 or less from 80 % of the table on, and 2.9 at 60 %."""


def regime_of(memorised_step: float | None, grokked_step: float | None) -> Regime:
    """By the first steps at which all training rows and 99 % of the test rows are answered; None: never."""
    if grokked_step is None:
        return "not learnt" if memorised_step is None else "memorises"
    if memorised_step is None or grokked_step < LATER * memorised_step:
        return "generalises at once"
    return "groks"
