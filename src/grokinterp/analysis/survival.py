"""Survival: how many steps runs take to reach something, those that have not yet counted as censored, not dropped."""

import warnings
from dataclasses import dataclass

import numpy as np
from jaxtyping import Float
from scipy import stats

from grokinterp.analysis.proportions import CONFIDENCE


@dataclass(frozen=True)
class Reached:
    """The share of runs that have reached a landmark by each step, by Kaplan and Meier (1958).

    Attributes:
        steps, share: the curve rises to `share` at each of `steps`, where a run reached it or was last seen without.
        low, high: its pointwise interval, on the log-log scale; NaN where it is not defined.
        censored: the last steps of those runs that have not reached it.
        n: how many runs there are.
    """

    steps: Float[np.ndarray, "event"]
    share: Float[np.ndarray, "event"]
    low: Float[np.ndarray, "event"]
    high: Float[np.ndarray, "event"]
    censored: Float[np.ndarray, "run"]
    n: int

    @classmethod
    def of(cls, reached: Float[np.ndarray, "run"], last: Float[np.ndarray, "run"]) -> "Reached":
        """`reached` is the step of each run's landmark, NaN where it has none; `last` the last step it was seen at.

        Raises `ValueError` where there is no run, or one was neither seen nor reached anything.
        """
        times, is_censored = _times(reached, last)
        survivors = stats.ecdf(stats.CensoredData.right_censored(times, is_censored)).sf
        with warnings.catch_warnings(), np.errstate(all="ignore"):
            warnings.simplefilter("ignore", RuntimeWarning)  # at shares of 0 and 1 there is no log-log scale
            interval = survivors.confidence_interval(CONFIDENCE, method="log-log")
        return cls(
            steps=survivors.quantiles.astype(np.float64),
            share=1 - survivors.probabilities,
            low=1 - interval.high.probabilities,
            high=1 - interval.low.probabilities,
            censored=np.sort(times[is_censored]),
            n=len(times),
        )

    @property
    def median(self) -> float | None:
        """The first step by which half of the runs have reached it; None where they have not."""
        return self._first(self.share)

    @property
    def median_interval(self) -> tuple[float | None, float | None]:
        """The steps at which the interval's upper and lower edge reach a half (Brookmeyer and Crowley 1982)."""
        return self._first(self.high), self._first(self.low)

    def _first(self, curve: Float[np.ndarray, "event"]) -> float | None:
        with np.errstate(invalid="ignore"):
            steps = self.steps[curve >= 0.5]
        return float(steps[0]) if len(steps) else None


def chance_of_delay(
    one: tuple[Float[np.ndarray, "run"], Float[np.ndarray, "run"]],
    other: tuple[Float[np.ndarray, "other"], Float[np.ndarray, "other"]],
) -> float:
    """The p-value of the log-rank test (Mantel 1966) that two groups, each as `Reached.of` takes them, are as fast.

    NaN where none of them has reached it.
    """
    samples = [_times(*group) for group in (one, other)]
    if all(is_censored.all() for _, is_censored in samples):
        return float("nan")
    x, y = (stats.CensoredData.right_censored(*sample) for sample in samples)
    with np.errstate(all="ignore"):  # where one group is at risk alone there is no variance
        return float(stats.logrank(x, y).pvalue)


def _times(
    reached: Float[np.ndarray, "run"], last: Float[np.ndarray, "run"]
) -> tuple[Float[np.ndarray, "run"], np.ndarray]:
    is_censored = np.isnan(reached)
    times = np.where(is_censored, last, reached)
    if not len(times) or np.isnan(times).any():
        raise ValueError("every run needs the step that it was last seen at, and there must be one")
    return times, is_censored
