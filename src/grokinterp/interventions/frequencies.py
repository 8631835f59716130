"""Waves over a task's numbers: which frequencies there are, and the tokens that stand for the numbers."""

import functools
from collections.abc import Iterable

import torch
from jaxtyping import Float
from torch import Tensor

from grokinterp import fourier
from grokinterp.analysis.cycles import Cycle, Wave
from grokinterp.errors import BadRequest
from grokinterp.tasks import Task


def cycle_length(task: Task | None) -> int:
    """How many places the frequencies turn around: p, or p - 1 where answers ride on the multiplicative group."""
    if task is None:
        raise BadRequest("frequencies need the model's task, to know its numbers; build the model with task=")
    if Cycle.why_not(task):
        return 0  # digits, words, codes or elements of a group, but no numbers that have a token each
    wave = Wave.of(task)
    return task.sizes[0] if wave is None else wave.cycle


def all_frequencies_but(task: Task, kept: Iterable[int]) -> list[int]:
    """Every frequency of the task's numbers but these: `ablate(model, frequencies=all_frequencies_but(task, [14]))`."""
    keep = set(kept)
    return [k for k in range(1, cycle_length(task) // 2 + 1) if k not in keep]


# Cached, because a forward pass asks for the same ones every time.
@functools.lru_cache(maxsize=64)
def number_waves(task: Task, frequencies: tuple[int, ...]) -> Float[Tensor, "wave number"]:
    """Unit cosine and sine on the numbers 0 .. p-1 for each k; of a * b and a / b the characters, 0 apart."""
    wave = Wave.of(task)
    if wave is None or not wave.is_multiplicative:
        return fourier.wave_rows(task.sizes[0], list(frequencies))
    on_cycle = fourier.wave_rows(wave.cycle, list(frequencies))
    rows = torch.zeros(len(on_cycle), task.sizes[0], dtype=on_cycle.dtype)
    rows[:, wave.tokens] = on_cycle
    return rows


def number_blocks(task: Task, column: int | None = None) -> list[int]:
    """The tokens that stand for the number 0, read off the table: [0], and p where the second operand has its own."""
    stands = zip(task.operand_columns, task.zero_tokens, strict=True)
    return sorted({zero for at, zero in stands if zero is not None and column in (None, at)})
