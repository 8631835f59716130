"""Phases: neurons by frequency and phase, and how many of these a formula needs."""

import math
from collections.abc import Sequence
from typing import TypeAlias

import torch
from jaxtyping import Float, Int
from torch import Tensor

from grokinterp.errors import require

TURN = 2 * math.pi

Phases: TypeAlias = int | tuple[int, ...]
"""How many evenly spaced phases neurons have: of every frequency, or of each."""


def counts(phases: Phases, frequencies: Sequence[int]) -> tuple[int, ...]:
    """How many phases each frequency has."""
    return (phases,) * len(frequencies) if isinstance(phases, int) else phases


def check_phases(phases: Phases, frequencies: Sequence[int], refused: tuple[int, ...]) -> None:
    """Refuse other than one number or one a frequency, and the numbers that leave other waves in the logits."""
    given = counts(phases, frequencies)
    n, m = len(given), len(frequencies)
    require(n == m, f"phases has {n} numbers for {m} frequencies; give one for all, or one each")
    for count in given:
        remedy = f"give {max(refused, default=0) + 1} or more"
        require(count >= 1 and count not in refused, f"phases={count} leave other waves in the logits; {remedy}")


def by_phase(
    frequencies: Sequence[int], phases: Phases, arc: float = TURN
) -> tuple[Int[Tensor, "neuron"], Float[Tensor, "neuron"]]:
    """The frequency and the phase of each neuron, frequency-major: phases from 0 on, evenly over the arc."""
    each = counts(phases, frequencies)
    k = torch.tensor(frequencies).repeat_interleave(torch.tensor(each))
    return k, torch.cat([arc / n * torch.arange(n).double() for n in each])


def waves(
    k: Int[Tensor, "neuron"], phase: Float[Tensor, "neuron"], places: Int[Tensor, "number"], n: int
) -> Float[Tensor, "neuron number"]:
    """cos(w_k x + phase) at each number's place x on a cycle of n, in float64."""
    return (TURN / n * (k[:, None] * places % n).double() + phase[:, None]).cos()
