"""Proportions: the share of runs that came to something, with an interval, and whether it differs between groups."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from jaxtyping import Bool, Shaped
from scipy import stats

CONFIDENCE = 0.95
"""Of every interval on a page of many runs."""

RESAMPLES = 999


@dataclass(frozen=True)
class Share:
    """`count` of `n`, with the Wilson interval of the probability behind it; NaN where n is 0.

    Wilson's covers at small n and near 0 and 1, where the normal one does not (Brown, Cai and DasGupta 2001).
    """

    count: int
    n: int
    low: float
    high: float

    @classmethod
    def of(cls, count: int, n: int) -> "Share":
        """Raises `ValueError` for a count below 0 or above n."""
        if n == 0:
            return cls(0, 0, float("nan"), float("nan"))
        interval = stats.binomtest(count, n).proportion_ci(CONFIDENCE, method="wilson")
        return cls(count, n, float(interval.low), float(interval.high))

    @property
    def value(self) -> float:
        return self.count / self.n if self.n else float("nan")


def chance_of_spread(reached: Bool[np.ndarray, "run"], groups: Shaped[np.ndarray, "run"]) -> float:
    """How often shares of groups lie as far apart when what was reached is dealt out to the runs anew.

    A permutation test of the variance of the groups' shares around the share of all, with RESAMPLES seeded draws, or
    all where there are fewer; NaN where there is one group, or all runs came to the same.
    """
    values, codes = np.unique(groups, return_inverse=True)
    if len(values) < 2 or reached.all() or not reached.any():
        return float("nan")
    sizes = np.bincount(codes)

    def spread(outcome: Any, axis: int = -1) -> Any:
        del axis
        sums = np.stack([outcome[..., codes == code].sum(-1) for code in range(len(values))], axis=-1)
        return ((sums / sizes - outcome.mean(-1, keepdims=True)) ** 2 * sizes).sum(-1)

    test = stats.permutation_test(
        (reached.astype(np.float64),), spread, permutation_type="pairings", vectorized=True, alternative="greater",
        n_resamples=RESAMPLES,
        random_state=np.random.default_rng(0),  # pyright: ignore[reportCallIssue]  # what scipy below 1.15 calls rng
    )  # fmt: skip
    return float(test.pvalue)


def corrected(p_values: Sequence[float]) -> list[float]:
    """P-values of several tests, as Benjamini and Yekutieli (2001) correct them, whatever the tests share."""
    return stats.false_discovery_control(p_values, method="by").tolist() if len(p_values) else []
