"""The soak of the explorer (`make soak`), in short: a few minutes of a user's actions."""

from collections import Counter
from collections.abc import Callable
from pathlib import Path
from types import ModuleType

import pytest

SCRIPT = Path(__file__).with_name("soak.py")


@pytest.fixture(scope="module")
def script(loaded: Callable[[Path], ModuleType]) -> ModuleType:
    """The script, as a module."""
    return loaded(SCRIPT)


def test_a_user_of_some_minutes_meets_no_error_and_no_leak(script, small_run):
    """Actions at random on a run of p = 5: no answer fails, the log stays empty, memory comes to rest."""
    result = script.soak([small_run, small_run], actions=150, seed=1)
    assert result.failures == []
    assert sum(result.actions.values()) == 150 and len(result.actions) > 15


def test_a_leak_and_an_error_are_noticed(script):
    """Memory that grows steadily, an answer that failed and a line in the log each fail; caches that fill do not."""
    soak = lambda memory, errors=(), log="": script.Soak(Counter(), memory, list(errors), log, 1.0)
    mega = 2**20
    filling = [mega * min(400, 100 + 30 * i) for i in range(400)]
    assert soak(filling).failures == []
    assert "memory grew" in soak([mega * (300 + i) for i in range(400)]).failures[0]
    assert soak(filling, ["change: 500"]).failures == ["change: 500"]
    assert "Traceback" in soak(filling, log="Traceback").failures[0]
