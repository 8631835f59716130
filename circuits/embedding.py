"""What an embedding looks like: its spectrum, its principal components, and the circles that pairs of them hold."""

import math
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import ClassVar

import numpy as np
import torch
import xarray as xr
from jaxtyping import Float, Int, Real
from torch import Tensor

from grokinterp import fourier
from grokinterp.analysis.cycles import Cycle, Group, sparsity
from grokinterp.analysis.cycles import TokenOrder as TokenOrder
from grokinterp.analysis.cycles import sparser_order as sparser_order
from grokinterp.analysis.pca import PCA as PCA
from grokinterp.analysis.pca import EmbeddingError, pca
from grokinterp.evaluation.snapshot import Snapshot
from grokinterp.readout import Circuit, Variable, readout


def circularity(W_E: Real[Tensor, "vocab d"], first_k: int = 4, p: int | None = None) -> float:
    """Mean over the first principal components of the share of their power that lies in one frequency, 0 to 1.

    Zhong et al. 2023, their training code: PCA over the whole vocabulary given; each component is divided by
    its norm over the whole vocabulary, and its first `p` entries (default: all) are read as a function on Z/p.
    So for two vocabularies side by side (second operand offset by p) the other half counts as power that is
    in no frequency, as in their table, and about 0.5 is the ceiling. For even p, where they define nothing, the
    Nyquist frequency counts with its own power. Raises `EmbeddingError` for more components than there are.
    """
    scores = pca(W_E, first_k).scores
    if scores.shape[1] < first_k:
        raise EmbeddingError(f"first_k={first_k} components of an embedding with {scores.shape[1]}; lower first_k")
    share = _shares(scores, p)
    return float(share.amax(dim=1).mean())


def _shares(scores: Real[Tensor, "token component"], p: int | None) -> Float[Tensor, "component k"]:
    scores = fourier.as_floats(scores)
    total = scores.square().sum(dim=0).clamp(min=torch.finfo(scores.dtype).tiny)
    return fourier.power(scores.T[:, :, None], p) / total[:, None]


@dataclass(frozen=True)
class Circle:
    """What a pair of principal components holds.

    Attributes:
        components: the pair, counted from 0.
        frequency: k, the frequency with most of the pair's power.
        step: tokens this far apart are neighbours on the circle (see `step_between_neighbours`).
        share: the share of power at that frequency, 0 to 1, mean of both components; near 1 is a clean circle.
    """

    components: tuple[int, int]
    frequency: int
    step: int
    share: float


def circles(scores: Real[Tensor, "token component"], pairs: list[tuple[int, int]] | None = None) -> list[Circle]:
    """The frequency that each pair of components holds; by default (0, 1), (2, 3), ..., an odd last one left out.

    `scores` are of the p tokens in the group's order: as they stand for a + b, in the order of
    `fourier.powers(p)` for a * b (then p - 1 tokens, and `step` is a step in the exponent).
    """
    p = len(scores)
    share = _shares(scores, None)
    fitted = []
    for pair in pairs if pairs is not None else [(i, i + 1) for i in range(0, scores.shape[1] - 1, 2)]:
        both = share[list(pair)].mean(dim=0)
        k = int(both.argmax()) + 1
        fitted.append(Circle(pair, k, step_between_neighbours(k, p), float(both[k - 1])))
    return fitted


def pair_by_frequency(scores: Real[Tensor, "token component"]) -> list[tuple[int, int]]:
    """Pairs of components that share a frequency, the largest variance first; an odd last one is left out.

    A circle's two components need not follow one another: where two circles have similar variance they
    interleave, and the pair (0, 1) shows neither. Each component takes, of those left, the one with the largest
    share of power at its own main frequency.
    """
    share = _shares(scores, None)
    left = list(range(scores.shape[1]))
    pairs = []
    while len(left) > 1:
        first = left.pop(0)
        partner = left[int(share[left, int(share[first].argmax())].argmax())]
        left.remove(partner)
        pairs.append((first, partner))
    return pairs


def step_between_neighbours(frequency: int, p: int) -> int:
    """The inverse of the frequency mod p, the smaller of it and its negative: how far apart neighbours are.

    Token t stands at the angle 2 pi k t / p, so t and t + step are one place of p apart where k * step = +-1 mod p
    (scienceetonnante's annotation of each circle). Where g = gcd(k, p) > 1 only p / g places are taken, by g tokens
    each, and the step is the one between neighbouring places. Raises `EmbeddingError` for k outside 1 .. p-1.
    """
    if not 1 <= frequency < p:
        raise EmbeddingError(f"frequency {frequency} is not between 1 and {p - 1}; p={p} has no such circle")
    shared = math.gcd(frequency, p)
    places = p // shared
    step = pow(frequency // shared, -1, places)
    # With two places (Nyquist) the step is 1 either way round.
    return min(step, places - step) or 1


def around(frequency: int, p: int) -> Int[Tensor, "token"]:
    """The tokens 0 .. p-1 in the order in which they stand around the circle of this frequency, from token 0."""
    place = (frequency * torch.arange(p)) % p
    return torch.argsort(place, stable=True)


@dataclass(frozen=True)
class Embedding(Circuit):
    """The spectrum, circularity and principal components of the embedding of the numbers (of the first operand).

    Frequencies are those of Z/p, for a * b and a / b those of the characters (zero apart: its row of the basis is
    `zero`, and Gini and circularity leave it out); `group` chooses one whatever the task. `circularity` is Zhong et
    al.'s, over the whole vocabulary where frequencies are those of Z/p. Each checkpoint has a PCA of its own.
    """

    name = "embedding"
    descriptions: ClassVar[Mapping[str, str]] = {
        "embedding_norm": "the norm of the embedding's part on each Fourier row",
        "embedding_power": "the power of the embedding in each frequency, cosine and sine together",
        "embedding_gini": "how unevenly the embedding's norm is spread over Fourier rows; 0: evenly, 1: on one alone",
        "circularity": "how much of the embedding's first principal components lies in one frequency each",
        "embedding_pca": "where the numbers stand in the embedding's principal components",
        "pca_variance": "the share of the embedding's variance that each principal component holds",
    }
    group: Group = "own"
    components: int = 20

    def why_not(self, snapshot: Snapshot) -> str | None:
        return Cycle.why_not(snapshot.task, self.group)

    def read(self, snapshot: Snapshot, requested: frozenset[str] = frozenset()) -> xr.Dataset:
        W_E, cycle = snapshot.W_E, Cycle.of(snapshot.task, self.group)
        on_cycle = W_E[cycle.tokens]
        norms = fourier.norms(W_E, rows=cycle.basis)
        analysis = pca(W_E, self.components)
        vocabulary = on_cycle if cycle.is_multiplicative else snapshot.vocabulary
        round_ = circularity(vocabulary, min(4, *vocabulary.shape), cycle.n)
        paper = f"Nanda et al. 2023, section 4.1; {cycle.description}"
        variables = {
            "embedding_norm": Variable(("basis",), norms, "weights", paper),
            "embedding_power": Variable(("k",), fourier.power(on_cycle), "weights^2", paper),
            "embedding_gini": Variable((), sparsity(on_cycle), "", "Hurley and Rickard 2009, of the Fourier norms"),
            "circularity": Variable((), round_, "", "Zhong et al. 2023, training code"),
            "embedding_pca": Variable(
                ("component", "token"), analysis.scores.T, "weights", "centred PCA over the numbers"
            ),
            "pca_variance": Variable(("component",), analysis.variance_share, "share", "centred PCA over the numbers"),
        }
        return readout(variables, {"basis": cycle.names})


@dataclass(frozen=True)
class Circles(Circuit):
    """The circles that pairs of principal components of the final embedding hold, and how they open over time.

    The pairs and their planes are chosen once, at the final checkpoint, and kept: every checkpoint is projected on
    the same ones. Tokens stand in the order of the task's own cycle (`group` chooses one). `circle_step` is what
    carries a token to its neighbour: added to it, or multiplied with it where the cycle is that of discrete logs.
    """

    name: ClassVar[str] = "circles"
    descriptions: ClassVar[Mapping[str, str]] = {
        "circle_scores": "where the numbers stand in each pair of the final embedding's principal components",
        "circle_frequency": "the frequency that most of a pair's power has",
        "circle_step": "how far apart numbers are that stand side by side on a circle",
        "circle_purity": "the share of a pair's power that lies at its frequency",
        "circle_variance": "a pair's share of the embedding's variance",
        "circle_components": "which two principal components a pair is, counted from 1",
    }
    only_on_request: ClassVar[bool] = True
    group: Group = "own"
    count: int = 6
    planes: tuple[tuple[float, ...], ...] | None = None
    """[2 * circle, d], two directions a circle; found by `fit`."""

    components: tuple[tuple[int, int], ...] = ()
    """Which components of the final embedding they are, counted from 0."""

    def why_not(self, snapshot: Snapshot) -> str | None:
        return Cycle.why_not(snapshot.task, self.group)

    def fit(self, final: Snapshot) -> "Circles":
        if self.planes is not None or not bool(final.W_E.isfinite().all()):
            return self
        analysis = pca(final.W_E[Cycle.of(final.task, self.group).tokens])
        pairs = pair_by_frequency(analysis.scores)[: self.count]
        chosen = analysis.directions[[component for pair in pairs for component in pair]]
        return replace(self, planes=tuple(map(tuple, chosen.tolist())), components=tuple(pairs))

    def read(self, snapshot: Snapshot, requested: frozenset[str] = frozenset()) -> xr.Dataset:
        del requested
        cycle = Cycle.of(snapshot.task, self.group)
        W_E = snapshot.W_E[cycle.tokens].double()
        centred = W_E - W_E.mean(0)
        planes = torch.tensor(self.planes or [], dtype=torch.float64).reshape(-1, W_E.shape[1])
        scores = (centred @ planes.T).nan_to_num()
        pairs = [(2 * i, 2 * i + 1) for i in range(len(planes) // 2)]
        fitted = circles(scores, pairs)
        total = centred.square().sum().clamp(min=torch.finfo(torch.float64).tiny)
        step = [fourier.powers(cycle.p)[c.step].item() if cycle.is_multiplicative else c.step for c in fitted]
        source = f"final embedding's principal components, centred; {cycle.description}"
        by_circle = lambda values, units: Variable(("circle",), np.array(values), units, source)
        variance = scores.square().sum(0).unflatten(0, (-1, 2)).sum(1) / total
        return readout(
            {
                "circle_scores": Variable(
                    ("circle", "axis", "token"), scores.T.unflatten(0, (-1, 2)), "weights", source
                ),
                "circle_frequency": by_circle([c.frequency for c in fitted], "turns per cycle"),
                "circle_step": by_circle(step, "factor" if cycle.is_multiplicative else "numbers"),
                "circle_purity": by_circle([c.share for c in fitted], "share of power"),
                "circle_variance": by_circle(variance.numpy(), "share of variance"),
                "circle_components": Variable(
                    ("circle", "axis"), np.array(self.components).reshape(-1, 2) + 1, "", source
                ),
            },
            {"token": cycle.tokens.numpy()},
        )
