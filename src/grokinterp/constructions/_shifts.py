"""Shifted neurons: ReLUs of two waves, one for each shift of the operands around their cycle.

For F(x, y) = relu(cos w x + cos w y), the sum of F(a - i, b - j) cos w(c - i - j) over all shifts i, j of a cycle of n
places is C cos w(a + b - c), C = sum of F(x, y) cos w(x + y), because a shift of the operands only turns the wave, and
F is even. Nothing is approximated: the sum over shifts is a convolution on the cycle.
"""

from collections.abc import Callable, Sequence
from typing import Literal

import torch
from jaxtyping import Float, Int
from torch import Tensor

from grokinterp import fourier
from grokinterp.analysis.cycles import Wave, places_of
from grokinterp.constructions._construction import Network, circle, cosine, embedding_mlp
from grokinterp.errors import require
from grokinterp.tasks import Task


def places(task: Task) -> tuple[Int[Tensor, "number"], int, int]:
    """Of a task that adds on a cycle: the place of each number, -1 off it; how many there are; the sign of b's."""
    wave = Wave.required(task)
    return places_of(wave.tokens, task.sizes[0]), wave.cycle, wave.sign


def check_cycle(expression: str, p: int) -> int:
    """How many places the cycle of a sum mod p has, or of a product. Raises `ConfigError` where there is none."""
    require(expression != "a * b" or fourier.is_prime(p), f"p={p} is not prime, as a * b needs it; as in p=23")
    return p - (expression == "a * b")


def shift_pairs(n: int) -> tuple[Int[Tensor, "shift"], Int[Tensor, "shift"]]:
    """All pairs (i, j) of shifts of a cycle, i-major."""
    return torch.arange(n).repeat_interleave(n), torch.arange(n).repeat(n)


def size_of_clock(k: int, n: int) -> Tensor:
    """C of one frequency, by which what all pairs of shifts add up to is divided."""
    i, j = shift_pairs(n)
    return torch.relu(cosine(k * i, n) + cosine(k * j, n)) @ cosine(k * (i + j), n)


def clock_neurons(task: Task, frequencies: Sequence[int], scale: float) -> Network:
    """All pairs of shifts on embeddings side by side, whose logits are scale * sum_k cos w_k(a + b - c)."""
    place, n, sign = places(task)
    i, j = shift_pairs(n)
    turned = place[None, :] - i[:, None] - sign * j[:, None]
    return shifted_neurons(
        task, frequencies, (i, j), lambda k: scale / size_of_clock(k, n) * cosine(k * turned, n), "concatenate"
    )


def shifted_neurons(
    task: Task,
    frequencies: Sequence[int],
    shifts: tuple[Int[Tensor, "shift"], Int[Tensor, "shift"]],
    columns: Callable[[int], Float[Tensor, "shift c"]],
    combine: Literal["add", "concatenate"],
) -> Network:
    """Embeddings (cos w_k place, sin w_k place, is off the cycle), and a neuron for each k and pair of shifts.

    The last neuron is on where an operand is off the cycle, and answers 0 with logit 1000 for each.
    """
    place, n, _ = places(task)
    off = place < 0
    W_E = torch.cat([circle(k * place, n) for k in frequencies]).masked_fill(off, 0).T
    W_E = torch.cat([W_E, off[:, None].double()], 1)
    d, width = W_E.shape[1], len(shifts[0])
    operands = [torch.zeros(d, width * len(frequencies) + 1, dtype=torch.float64) for _ in shifts]
    for operand, shift in zip(operands, shifts, strict=True):
        for index, k in enumerate(frequencies):
            operand[2 * index : 2 * index + 2, index * width : (index + 1) * width] = circle(k * shift, n)
        operand[-1, -1] = 1
    W_U = torch.cat([*(columns(k).masked_fill(off, 0) for k in frequencies), 1e3 * off[None, :].double()])
    W_in = torch.cat(operands) if combine == "concatenate" else operands[0]
    return embedding_mlp(task, W_E, W_in, W_U, combine)
