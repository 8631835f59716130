"""How much of a fall happens at once: curves whose steepest tenth is known by hand."""

import numpy as np
import pytest

from grokinterp.reproduction.phase import Fall, steepest

STEPS = np.arange(0, 1001, 50.0)


def curve(*falls: tuple[int, float]) -> np.ndarray:
    """10 at first, and from each of these steps on another value."""
    values = np.full(len(STEPS), 10.0)
    for step, value in falls:
        values[STEPS >= step] = value
    return values


def test_the_steepest_tenth_is_found_with_its_middle():
    """From 400 to 500, both ends counted, it falls by 8 of 9; at 450 just half of that is done."""
    assert steepest(STEPS, curve((450, 6), (500, 2), (550, 1))) == Fall(pytest.approx(8 / 9), 400, 450)
    assert steepest(STEPS, curve((450, 6.1), (500, 2), (550, 1))) == Fall(pytest.approx(8 / 9), 400, 500)


def test_a_straight_line_falls_by_a_tenth_and_the_first_of_equals_counts():
    assert steepest(STEPS, -STEPS) == Fall(pytest.approx(0.1), 0, 50)
    assert steepest(STEPS, curve((200, 7), (800, 4))).start == 100
    assert steepest(STEPS, curve()) == Fall(0, 0, 0)


def test_steps_may_be_uneven():
    """A tenth of the steps, not of what was recorded: within 100 steps there is one fall of 3, never that of 5."""
    steps, values = np.array([0.0, 90, 300, 420, 1000]), np.array([9.0, 6, 6, 1, 1])
    assert steepest(steps, values) == Fall(pytest.approx(3 / 8), 0, 90)
