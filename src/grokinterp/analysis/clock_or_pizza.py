"""Verdict: clock, pizza, mixed or unsolved, from two measures of Zhong et al. 2023, with what would flip it.

Their code has no threshold. Ours are placed on their 13,890 measured public runs (`public_runs`), whose
distance irrelevance is of the RUNNER-UP logit: the verdict reads that one, never the correct logit's.
"""

import json
import math
from collections.abc import Callable
from dataclasses import asdict, dataclass
from typing import Literal, NamedTuple, TypeAlias

import torch
from jaxtyping import Float, Int
from torch import Tensor

from grokinterp.config.validation import finite_or_none
from grokinterp.errors import require

Kind: TypeAlias = Literal["clock", "pizza", "mixed", "unsolved"]
KINDS: tuple[Kind, ...] = ("pizza", "mixed", "clock", "unsolved")
Side: TypeAlias = Literal["clock", "pizza", "between"]


class Evidence(NamedTuple):
    """What a verdict rests on, each a number at most 1; `gradient_symmetricity` is None where it says nothing."""

    gradient_symmetricity: float | None
    distance_irrelevance_runner_up: float
    accuracy: float


@dataclass(frozen=True)
class Finding:
    """A verdict with its evidence and what each measure alone says: the attribute `verdict_evidence` of a trace.

    Attributes:
        gradient_symmetricity: None where gradients say nothing, as is `gradients_say`.
        gradient_symmetricity_error: its standard error; None where it is not known.
        border: the verdict across the nearer gradient threshold, where that is within two standard errors.
    """

    verdict: Kind
    score: float
    gradient_symmetricity: float | None
    distance_irrelevance_runner_up: float
    accuracy: float
    gradient_symmetricity_error: float | None
    border: Kind | None
    gradients_say: Side | None
    distances_say: Literal["clock", "pizza"]

    def to_json(self) -> str:
        """One JSON object; a number that is not finite is null there."""
        return json.dumps({name: finite_or_none(value) for name, value in asdict(self).items()})

    @classmethod
    def from_json(cls, text: str) -> "Finding":
        """What `to_json` wrote; a number that is always told, and was not finite, is NaN again."""
        values = json.loads(text)
        always = ("score", "distance_irrelevance_runner_up", "accuracy")
        return cls(**values | {name: math.nan for name in always if values[name] is None})


@dataclass(frozen=True)
class Rule:
    """`pizza` or `clock` where gradients and distances both say so; `mixed` where they differ or gradients are between.

    Attributes:
        symmetric: GS from here up says pizza. Three in five of the solved public one-layer runs lie above, most of them
            above 0.985; 0.95 in its place would change one verdict in a hundred.
        asymmetric: GS below says clock. Nothing marks this one: between 0.3 and 0.95 the runs are spread out. An ideal
            clock has 0, the solved one-layer runs with an attention rate above 0.9 a median of 0.57.
        distant: runner-up DI from here up says clock, below pizza. Between two humps, near 0.2 and 0.7, few runs lie
            from 0.35 to 0.5.
        solved: accuracy below is `unsolved`, whatever the measures.
    """

    symmetric: float = 0.98
    asymmetric: float = 0.7
    distant: float = 0.5
    solved: float = 0.99

    def __post_init__(self) -> None:
        require(
            self.asymmetric < self.symmetric, f"asymmetric={self.asymmetric} must be below symmetric={self.symmetric}"
        )
        require(0 < self.distant < 1, f"distant={self.distant} must lie between 0 and 1, as in 0.5")

    def gradients_say(self, gradient_symmetricity: float) -> Side:
        """The gradient rule alone."""
        if gradient_symmetricity >= self.symmetric:
            return "pizza"
        return "clock" if gradient_symmetricity < self.asymmetric else "between"

    def distances_say(self, distance_irrelevance_runner_up: float) -> Literal["clock", "pizza"]:
        """The distance rule alone."""
        return "clock" if distance_irrelevance_runner_up >= self.distant else "pizza"

    def edge(self, gradient_symmetricity: float) -> float:
        """The nearer of the two thresholds of the gradient rule."""
        return min(self.symmetric, self.asymmetric, key=lambda edge: abs(gradient_symmetricity - edge))

    def border(self, evidence: Evidence, error: float) -> Kind | None:
        """The verdict on the other side of the nearer gradient threshold, where that is within two standard errors.

        None where it is further, is the same verdict, or where gradients or their `error` say nothing.
        """
        gs = evidence.gradient_symmetricity
        if gs is None or not abs(gs - (edge := self.edge(gs))) <= 2 * error:
            return None
        across = math.nextafter(edge, -math.inf) if gs >= edge else edge
        other = self.verdict(evidence._replace(gradient_symmetricity=across))
        return None if other == self.verdict(evidence) else other

    def verdict(self, evidence: Evidence) -> Kind:
        """The verdict; by distances alone where gradients say nothing (a task that subtracts)."""
        if not evidence.accuracy >= self.solved:  # nor where it is no number
            return "unsolved"
        by_distances = self.distances_say(evidence.distance_irrelevance_runner_up)
        gs = evidence.gradient_symmetricity
        return by_distances if gs is None or by_distances == self.gradients_say(gs) else "mixed"

    def finding(self, evidence: Evidence, error: float) -> Finding:
        """The verdict with its reasons; `error` is the standard error of the gradients, NaN where it is not known."""
        gs = evidence.gradient_symmetricity
        return Finding(
            verdict=self.verdict(evidence),
            score=self.score(evidence),
            **evidence._asdict(),
            gradient_symmetricity_error=finite_or_none(error),
            border=self.border(evidence, error),
            gradients_say=None if gs is None else self.gradients_say(gs),
            distances_say=self.distances_say(evidence.distance_irrelevance_runner_up),
        )

    def score(self, evidence: Evidence) -> float:
        """From -1 (pizza) to 1 (clock), whatever the accuracy: the mean of a place by gradients and one by distances.

        By gradients -1 above `symmetric`, 1 below `asymmetric` and linear between; by distances -1 at DI = 0, 0 at
        `distant`, 1 at DI = 1. A pizza scores below -0.5, a clock above 0.5; so may a mixed one that leans so far.
        """
        distance = min(max(evidence.distance_irrelevance_runner_up, 0.0), 1.0) - self.distant
        by_distance = distance / (1 - self.distant if distance > 0 else self.distant)
        if evidence.gradient_symmetricity is None:
            return by_distance
        share = (self.symmetric - evidence.gradient_symmetricity) / (self.symmetric - self.asymmetric)
        return (2 * min(max(share, 0.0), 1.0) - 1 + by_distance) / 2

    def flips(self, evidence: Evidence) -> list[str]:
        """What one measure alone would have to become for another verdict: `mixed if GS fell below 0.98 (now 0.9937)`.

        For each other verdict and each measure the smallest change that does it, the smallest first.
        """
        now, changes = self.verdict(evidence), {}
        edges = {
            "gradient_symmetricity": ("GS", (self.symmetric, self.asymmetric)),
            "distance_irrelevance_runner_up": ("runner-up DI", (self.distant,)),
            "accuracy": ("accuracy", (self.solved,)),
        }
        moves = []
        for field, (name, thresholds) in edges.items():
            value = getattr(evidence, field)
            if value is not None and value == value:
                moves += [(abs(value - edge), field, name, value, edge) for edge in thresholds]
        for _, field, name, value, edge in sorted(moves):
            # Just across the threshold: every rule holds its lower edge.
            word, moved = ("fell below", math.nextafter(edge, -math.inf)) if value >= edge else ("rose to", edge)
            then = self.verdict(evidence._replace(**{field: moved}))
            if then != now:
                changes.setdefault((then, name), f"{then} if {name} {word} {edge} (now {value:.4f})")
        return list(changes.values())


def mean_cosine(cosines: Float[Tensor, "*n"]) -> float:
    """Their mean, float64, -1 to 1: equal gradients have a cosine of 1 up to rounding, and so may their mean."""
    return min(max(float(cosines.double().mean()), -1.0), 1.0)


def widened(
    cosines_of: Callable[[Int[Tensor, "n 3"]], Float[Tensor, "n"]],
    triples: Int[Tensor, "n 3"],
    population: int,
    rule: Rule,
) -> tuple[float, float, int]:
    """Gradient symmetricity over as many of the triples as its place needs, its standard error, and how many these are.

    A hundred, as Zhong et al. take, then twice as many at a time, until the error is below a quarter of the distance
    from the nearer threshold. `population` is how many triples there are in all: once all are taken the error is 0.
    """
    cosines = torch.zeros(0, dtype=torch.float64)
    while True:
        count = min(max(2 * len(cosines), 100), len(triples))
        fresh = cosines_of(triples[len(cosines) : count]).double().cpu()
        cosines = torch.cat([cosines, fresh])
        mean = mean_cosine(cosines)
        error = float(cosines.std()) * math.sqrt(max(0.0, 1 - count / population) / count)
        if count == len(triples) or error < abs(mean - rule.edge(mean)) / 4:
            return mean, error, count
