"""Circles of an embedding on their own, and how well a formula of Zhong et al. 2023 explains what they compute.

Angles are w_k times a place on the cycle (`grokinterp.analysis.cycles`): alpha of a, beta of b (minus it where the task
subtracts), gamma of the answer, so that alpha + beta = gamma at the right answer. The formulas broadcast.
"""

import math
from collections.abc import Callable
from typing import TypeAlias

import torch
from jaxtyping import Float, Real
from torch import Tensor

from grokinterp import fourier
from grokinterp.analysis.pca import pca
from grokinterp.errors import BadRequest

Formula: TypeAlias = Callable[[Tensor, Tensor, Tensor], Tensor]
"""logit = formula(alpha, beta, gamma)."""


class IsolationError(BadRequest):
    """A circle that cannot be isolated or read; its one line names the remedy."""


# -- one circle of an embedding


def isolate_frequency(W_E: Real[Tensor, "place d"], frequency: int) -> Float[Tensor, "place d"]:
    """The mean over places plus the cosine and sine rows of one frequency; rows in the order of the cycle.

    Exact where two circles have similar variance, where a pair of principal components holds half of each.
    Raises `IsolationError` for a frequency outside 1 .. floor(n/2).
    """
    n = len(W_E)
    if not 1 <= frequency <= n // 2:
        raise IsolationError(
            f"frequency {frequency} is not between 1 and {n // 2}; an embedding of {n} has no such circle"
        )
    rows, W_E = fourier.basis(n), fourier.as_floats(W_E)
    kept = rows[(fourier.basis_frequencies(n) == frequency) | (fourier.basis_frequencies(n) == 0)].to(W_E)
    return kept.T @ (kept @ W_E)


def isolate_components(W_E: Real[Tensor, "token d"], components: tuple[int, ...]) -> Float[Tensor, "token d"]:
    """The mean over tokens plus some principal components, counted from 0, largest variance first.

    Zhong et al. 2023's isolation: circle u is the pair (2u, 2u + 1). Where the pair mixes two frequencies, what it
    computes says nothing: `isolate_frequency` does not mix. Raises `IsolationError` for a component there is not.
    """
    W_E = fourier.as_floats(W_E)
    mean = W_E.mean(dim=0, keepdim=True)
    directions = pca(W_E, W_E.shape[1]).directions
    if not all(0 <= component < len(directions) for component in components):
        raise IsolationError(f"components {components} must lie between 0 and {len(directions) - 1}")
    kept = directions[list(components)].to(W_E)
    return mean + (W_E - mean) @ kept.T @ kept


def distance_step(correct: Real[Tensor, "place_a place_b"]) -> int:
    """Delta of Zhong et al. 2023: pairs whose distance a - b differs by it have the most similar correct logits.

    argmin over t of mean_i |m[i t] - m[(i + 1) t]|, m the mean correct logit at each distance; the smaller of it
    and its negative. `correct` is a grid over places (b's negated where the task subtracts).
    """
    n = len(correct)
    place = torch.arange(n)
    mean = correct.double()[place[:, None], (place[:, None] - place) % n].mean(dim=0)
    # A step that shares a factor with n would not visit every distance.
    steps = [t for t in range(1, n) if math.gcd(t, n) == 1]
    change = [(mean[place * t % n] - mean[(place + 1) * t % n]).abs().mean().item() for t in steps]
    delta = steps[change.index(min(change))]
    return min(delta, n - delta)


def frequency_of_step(delta: int, n: int) -> int:
    """The frequency of a circle whose neighbouring distances are `delta` apart: 1 / delta mod n, at most n / 2."""
    if math.gcd(delta, n) != 1:
        raise IsolationError(f"delta={delta} has no inverse mod {n}; give a step that shares no factor with it")
    frequency = pow(delta, -1, n)
    return min(frequency, n - frequency)


# -- the formulas


def clock(alpha: Tensor, beta: Tensor, gamma: Tensor) -> Tensor:
    """Q_clock = cos(alpha + beta - gamma): the product of the two embeddings, the same at every distance."""
    return (alpha + beta - gamma).cos()


def pizza(alpha: Tensor, beta: Tensor, gamma: Tensor) -> Tensor:
    """Q_pizza = |s . u(gamma)| - |s . v(gamma)|, s the sum of the two embeddings, u and v unit vectors at gamma / 2.

    u = (cos gamma/2, sin gamma/2), v at right angles. Equal to 2 |cos((alpha - beta)/2)| times
    (|cos((alpha + beta - gamma)/2)| - |sin((alpha + beta - gamma)/2)|), and so computed (Zhong et al. 2023's code).
    """
    half = (alpha + beta - gamma) / 2
    return 2 * ((alpha - beta) / 2).cos().abs() * (half.cos().abs() - half.sin().abs())


def pizza_of_four(alpha: Tensor, beta: Tensor, gamma: Tensor) -> Tensor:
    """Q' = (|ca + cb| - |sa + sb|) cos gamma - (|ca + cb - sa - sb| - |ca + cb + sa + sb|) / sqrt 2 sin gamma.

    The pizza that four absolute values compute for all answers at once (Zhong et al. 2023); ca = cos alpha, ...
    """
    c, s = alpha.cos() + beta.cos(), alpha.sin() + beta.sin()
    along = ((c - s).abs() - (c + s).abs()) / math.sqrt(2)
    return (c.abs() - s.abs()) * gamma.cos() - along * gamma.sin()


def pizza_smooth(alpha: Tensor, beta: Tensor, gamma: Tensor) -> Tensor:
    """|cos((alpha - beta)/2)| cos(alpha + beta - gamma): the pizza of infinitely many neurons; not in the paper."""
    return ((alpha - beta) / 2).cos().abs() * (alpha + beta - gamma).cos()


def accompanying_pizza(alpha: Tensor, beta: Tensor, gamma: Tensor) -> Tensor:
    """-2 cos(alpha - beta) cos(alpha + beta - gamma), which fills a pizza's gaps (Zhong et al. 2023).

    Computed by a circle of frequency 2k; the angles are those of k, the circle that it accompanies.
    """
    return -2 * (alpha - beta).cos() * (alpha + beta - gamma).cos()


# -- how well one explains logits


def correlation(
    logits: Real[Tensor, "place_a place_b place"], formula: Formula, frequency: int, sign: int = 1
) -> float:
    """Pearson's r between logits [a, b, answer] on the cycle and a formula at one frequency; 0 where one is constant.

    r^2 is the fraction of the logits' variance over all cells that the formula explains, up to scale and offset. `sign`
    is -1 where the task subtracts.
    """
    logits = fourier.as_floats(logits)
    n = logits.shape[0]
    place = torch.arange(n, device=logits.device)
    angle = (2 * math.pi / n) * ((frequency * place) % n).to(logits.dtype)
    beta = (sign * angle)[:, None]
    moments = torch.zeros(5, dtype=torch.float64, device=logits.device)
    offset = logits.mean()
    # A slice of rows at a time: the whole prediction is p^3 numbers.
    for rows, part in zip(angle.split(16), logits.split(16), strict=True):
        x, y = part - offset, formula(rows[:, None, None], beta, angle)
        sums = [x.sum(), y.sum(), x.square().sum(), y.square().sum(), (x * y).sum()]
        moments += torch.stack(sums).double()
    x, y, xx, yy, xy = (moments / logits.numel()).tolist()
    spread = (xx - x * x) * (yy - y * y)
    # A spread at the level of rounding is none: a dead circle gives the same logits everywhere.
    tiny = (torch.finfo(logits.dtype).eps * (abs(offset.item()) + 1e-30)) ** 2
    return (xy - x * y) / math.sqrt(spread) if xx - x * x > tiny and spread > 0 else 0.0


def explained_as_published(r: float) -> float:
    """2 r - 1, Zhong et al. 2023's "FVE", -3 to 1: explained variance after both sides are divided by their own spread.

    Not r^2: no correlation reads -1, and their "75 % clock" is r = 0.877.
    """
    return 2 * r - 1
