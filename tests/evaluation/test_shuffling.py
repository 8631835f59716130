"""The start of Python's shuffle is that of Python's shuffle."""

import random

import numpy as np
import pytest

from grokinterp.evaluation.shuffling import first_shuffled


@pytest.mark.parametrize("n", [1, 2, 343, 2**10, 2**10 + 1, 1331, 2**15 - 1, 40_000, 117_649])
@pytest.mark.parametrize("seed", [42, 7])
def test_it_is_pythons_own(n, seed):
    """Below, at and above the sizes where draws are looked at together, and where a bit more is drawn."""
    order = list(range(n))
    random.Random(seed).shuffle(order)
    for count in (1, 100, n, n + 1):
        np.testing.assert_array_equal(first_shuffled(n, count, seed), order[:count])
