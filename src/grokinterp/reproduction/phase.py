"""Phase: how much of a curve's fall happens at once."""

from typing import NamedTuple

import numpy as np

WINDOW = 0.1
"""The share of a run that a phase change may take (our choice). A straight line falls by a tenth in it."""


class Fall(NamedTuple):
    """The steepest fall of a curve within `WINDOW` of its steps.

    Attributes:
        share: how much of the whole range of the curve it falls through, from 0 to 1.
        start, middle: the steps at which it begins, and at which half of it is done.
    """

    share: float
    start: float
    middle: float


def steepest(steps: np.ndarray, values: np.ndarray) -> Fall:
    """The steepest fall of a curve that was recorded at these ascending steps; the first of several equal ones."""
    ends = np.searchsorted(steps, steps + WINDOW * (steps[-1] - steps[0]), side="right") - 1
    falls = values - values[ends]
    at = int(falls.argmax())
    inside = slice(at, int(ends[at]) + 1)
    half = values[inside] <= values[at] - falls[at] / 2
    whole = float(values.max() - values.min())
    share = float(falls[at]) / whole if whole else 0.0
    return Fall(share, float(steps[at]), float(steps[inside][half.argmax()]))
