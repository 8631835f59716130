"""What can be given where a run is asked."""

from pathlib import Path

import numpy as np
import pytest

import grokinterp as gi
from grokinterp.errors import BadRequest
from grokinterp.importers import opened, opened_one
from grokinterp.runs.population.collection import Runs
from grokinterp.runs.run import Run


def test_a_path_is_loaded_and_a_list_taken_together(small_run: Path) -> None:
    """Text, a path, a run, and lists of them; a name that comes twice is numbered."""
    run = gi.load(small_run)
    assert opened(run) is run
    for given in (str(small_run), small_run, [small_run]):
        one = opened(given)
        assert isinstance(one, Run)
        assert one.path == run.path
    both = opened([run, str(small_run)])
    assert isinstance(both, Runs)
    assert list(both) == ["small", "small-2"]


def test_measure_takes_a_path_one_circuit_and_one_step(small_run: Path) -> None:
    """`measure(path, "loss", steps=300)`: one name is no list of letters, one step no list of digits."""
    trace = gi.measure(str(small_run), "loss", steps=300, progress=False)
    assert trace.step.values.tolist() == [300]
    again = gi.measure(small_run, ["loss"], steps=np.array([300, 300]), progress=False, cache=False)
    assert again.step.values.tolist() == [300]
    assert float(again["train_loss"][0]) == float(trace["train_loss"][0])
    assert gi.measure([small_run, small_run], "loss", steps=300, progress=False).sizes["run"] == 2
    with pytest.raises(BadRequest, match="choose one by its name"):
        opened_one([small_run, small_run])


def test_a_run_counts_its_checkpoints_from_the_end(small_run: Path) -> None:
    """`run[-1]` is the last checkpoint; a step below zero is none."""
    run = gi.load(small_run)
    assert (run[-1].step, run[-4].step) == (300, 0)
    with pytest.raises(BadRequest, match="no checkpoint at step -5"):
        run[-5]
