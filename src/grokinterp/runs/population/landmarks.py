"""Landmarks: the first recorded steps at which training and unseen rows are answered, by thresholds stated here."""

import numpy as np
from jaxtyping import Float, Shaped

ALL_TRAINED = 1.0
"""The accuracy on training rows from which they are all memorised: the landmark `memorised_step`."""

SOLVED = 0.99
"""The accuracy on rows not trained on from which a task is solved: the landmark `grokked_step`, and the outcome. Where
no row is held out, or the split is not known, it is that on all rows."""


def first_step(steps: Shaped[np.ndarray, "step"], values: Float[np.ndarray, "step"], threshold: float) -> int | None:
    """The first step at which a curve is at or above a threshold; None where there is none."""
    reached = steps[values >= threshold]
    return int(reached[0]) if len(reached) else None
