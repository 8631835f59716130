"""Detector: a measure that has passed a threshold for some checkpoints on end gives a warning."""

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from jaxtyping import Bool, Float, Int

from grokinterp.analysis.outcome import HALF
from grokinterp.analysis.proportions import Share
from grokinterp.circuits.loss import regime_of
from grokinterp.errors import require

HOLD = 2
"""For how many checkpoints on end the threshold has to be passed; the warning is given at the last of them."""

FALSE_ALARMS = 0.1
"""The largest share of the runs that do not grok in which a threshold may warn, where it is chosen."""

CANDIDATES = 200
"""How many thresholds are tried of each measure and direction: quantiles of its values where they are chosen."""

RESAMPLES = 2_000

RIGHT = "unswapped accuracy"
"""By which a run that has not grokked is a memoriser at its end, or on its way (`analysis.outcome`)."""


@dataclass(frozen=True, eq=False)
class Course:
    """What was measured of one run.

    Attributes:
        steps: of the checkpoints, ascending.
        values: of each measure at each of them, NaN where it is not defined.
        memorised_step, grokked_step: the first recorded steps with all training rows, and with 99 % of the test rows
            right; NaN where there is none.
    """

    steps: Float[np.ndarray, "step"]
    values: dict[str, Float[np.ndarray, "step"]]
    memorised_step: float
    grokked_step: float

    @property
    def is_at_once(self) -> bool:
        """Whether it generalises at once: it has nothing that could be announced."""
        steps = (None if math.isnan(step) else step for step in (self.memorised_step, self.grokked_step))
        return regime_of(*steps) == "generalises at once"

    @property
    def is_undecided(self) -> bool:
        """Whether it has not grokked and is half right at its end: a warning is neither true of it nor false."""
        return not self.has_grokked and bool(self.values.get(RIGHT, np.zeros(1))[-1] >= HALF)

    @property
    def is_counted(self) -> bool:
        """Whether it groks, or does not."""
        return not (self.is_at_once or self.is_undecided)

    @property
    def has_grokked(self) -> bool:
        """Whether it did within its steps."""
        return not math.isnan(self.grokked_step)

    def has(self, measure: str) -> bool:
        """Whether a measure is defined at any checkpoint."""
        return measure in self.values and bool(np.isfinite(self.values[measure]).any())


@dataclass(frozen=True)
class Detector:
    """A threshold of a measure, passed from below where `rises`, else from above; a NaN threshold never warns."""

    measure: str
    threshold: float
    rises: bool
    hold: int = HOLD

    def warned_at(self, course: Course) -> float:
        """The step of the first checkpoint up to which it has been passed `hold` times on end; NaN: never."""
        if self.measure not in course.values:
            return math.nan
        values = course.values[self.measure]
        passed = values >= self.threshold if self.rises else values <= self.threshold
        at = np.flatnonzero(_run_lengths(passed) >= self.hold)
        return float(course.steps[at[0]]) if len(at) else math.nan

    def lead(self, course: Course) -> float:
        """Steps from the warning to grokking, 0 where it does not come before; NaN of a run that does not grok."""
        lead = course.grokked_step - self.warned_at(course)
        return math.nan if not course.has_grokked else lead if lead > 0 else 0.0

    def lead_share(self, course: Course) -> float:
        """The lead over the step of grokking: 1 at once, 0 not before."""
        return self.lead(course) / course.grokked_step if course.grokked_step > 0 else self.lead(course)

    def is_false_alarm(self, course: Course) -> bool:
        """Whether it warns in a run that does not grok."""
        return not course.has_grokked and not math.isnan(self.warned_at(course))


def _run_lengths(passed: Bool[np.ndarray, "*any step"]) -> Int[np.ndarray, "*any step"]:
    """How many times on end, up to each place, it was so."""
    counts = np.cumsum(passed, axis=-1)
    return counts - np.maximum.accumulate(np.where(passed, 0, counts), axis=-1)


def choose(measure: str, courses: Sequence[Course]) -> Detector:
    """Choose threshold and direction: the largest mean share of the lead at FALSE_ALARMS of false alarms at most.

    The mean is over runs that grok and have the measure, a missed one counting 0; false alarms are a share of the runs
    that do not grok and have it. Of equally good thresholds of a direction the middle one is taken, and of equally
    good directions the one with fewer false alarms, then the rising one. Where nothing warns in time the threshold is
    NaN.
    """
    defined = [course for course in courses if course.has(measure)]
    thresholds = _candidates(measure, defined)
    best: tuple[tuple[float, float], Detector] = (0.0, 0.0), Detector(measure, math.nan, True)
    for rises in (True, False):
        leads, alarms = _scores(measure, thresholds, rises, defined)
        allowed = (alarms <= FALSE_ALARMS) & (leads > 0)
        if not allowed.any():
            continue
        score = max(zip(leads[allowed], -alarms[allowed], strict=True))
        equal = thresholds[allowed & (leads == score[0]) & (-alarms == score[1])]
        if score > best[0]:
            best = score, Detector(measure, float(equal[len(equal) // 2]), rises)
    return best[1]


def _candidates(measure: str, courses: Sequence[Course]) -> Float[np.ndarray, "threshold"]:
    pooled = np.concatenate([np.zeros(0), *(course.values[measure] for course in courses)])
    values = np.unique(pooled[np.isfinite(pooled)])
    return values if len(values) <= CANDIDATES else np.unique(np.quantile(values, np.linspace(0, 1, CANDIDATES)))


def _scores(
    measure: str, thresholds: Float[np.ndarray, "threshold"], rises: bool, courses: Sequence[Course]
) -> tuple[Float[np.ndarray, "threshold"], Float[np.ndarray, "threshold"]]:
    """Mean share of the lead and share of false alarms of each threshold: `Detector`'s, of many at a time."""
    leads: list[np.ndarray] = []
    alarms: list[np.ndarray] = []
    for course in courses:
        values = course.values[measure]
        passed = values >= thresholds[:, None] if rises else values <= thresholds[:, None]
        warns = _run_lengths(passed) >= HOLD
        steps = np.where(warns.any(1), course.steps[warns.argmax(1)], math.inf)
        if course.has_grokked:
            leads.append(np.maximum(course.grokked_step - steps, 0) / course.grokked_step)
        else:
            alarms.append(np.isfinite(steps))
    nothing = np.zeros((1, len(thresholds)))
    return np.mean(leads or nothing, axis=0), np.mean(alarms or nothing, axis=0)


@dataclass(frozen=True)
class Interval:
    """A number and the 95 % bootstrap interval over runs."""

    value: float
    low: float
    high: float

    @classmethod
    def of(cls, values: Float[np.ndarray, "run"], statistic: Callable[..., Any] = np.mean, seed: int = 0) -> "Interval":
        """The percentile interval of a statistic, by RESAMPLES seeded draws of as many runs; NaN of none."""
        if not len(values):
            return cls(math.nan, math.nan, math.nan)
        rows = np.random.default_rng(seed).integers(len(values), size=(RESAMPLES, len(values)))
        low, high = np.quantile(statistic(values[rows], axis=1), [0.025, 0.975])
        return cls(float(statistic(values)), float(low), float(high))


@dataclass(frozen=True, eq=False)
class Trial:
    """A detector on runs that it was not chosen on.

    Attributes:
        lead_share, lead: of the runs that grok, a missed one counting 0, and one without the measure too; the mean of
            the shares of the step of grokking, the median of the steps.
        lead_where_defined: `lead_share` of the runs that have the measure.
        missed: the share of the runs that grok, with Wilson's interval; one without the measure is missed.
        false_alarms: the share of the runs that do not grok and have the measure, with Wilson's interval.
        leads: the share of each run that groks, in order; NaN of one without the measure.
    """

    detector: Detector
    lead_share: Interval
    lead: Interval
    lead_where_defined: Interval
    missed: Share
    false_alarms: Share
    leads: Float[np.ndarray, "run"]

    @classmethod
    def of(cls, detector: Detector, courses: Sequence[Course]) -> "Trial":
        """Raises `BadRequest` where there is no run."""
        require(len(courses) > 0, "a detector is tried on runs, and there are none")
        grokked = [course for course in courses if course.has_grokked]
        others = [course for course in courses if not course.has_grokked and course.has(detector.measure)]
        defined = np.array([course.has(detector.measure) for course in grokked], dtype=bool)
        shares = np.array([detector.lead_share(course) for course in grokked], dtype=float)
        steps = np.array([detector.lead(course) for course in grokked], dtype=float)
        return cls(
            detector,
            Interval.of(shares),
            Interval.of(steps, np.median),
            Interval.of(shares[defined]),
            Share.of(int((shares == 0).sum()), len(grokked)),
            Share.of(sum(map(detector.is_false_alarm, others)), len(others)),
            np.where(defined, shares, math.nan),
        )

    def ahead_of(self, other: "Trial") -> Interval:
        """By how much its share of the lead is larger, run by run, where both measures are defined."""
        difference = self.leads - other.leads
        return Interval.of(difference[~np.isnan(difference)])
