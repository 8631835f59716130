"""What is kept beside a run for tables: it says of the last checkpoint what was read of it, and nothing else."""

import json
import math
from dataclasses import replace

import numpy as np
import pytest
import xarray as xr

import grokinterp as gi
from grokinterp.runs.summary import SUMMARY, Summary

FULL = Summary(
    step=300,
    scores={"train_loss": 0.5, "test_accuracy_unswapped": math.nan},
    verdict="clock",
    key_frequencies=(2, 5),
    circuits=("loss",),
    seconds=12.5,
    timed=300,
)


def test_what_is_written_is_read(tmp_path):
    """All fields come back; no test rows (NaN) are null in the file."""
    FULL.write(tmp_path)
    read = Summary.read(tmp_path)
    assert math.isnan(read.scores["test_accuracy_unswapped"]) and "NaN" not in (tmp_path / SUMMARY).read_text()
    assert repr(read) == repr(FULL) and read.wall_seconds == 12.5


def test_a_loss_that_ran_away_is_kept_in_json(tmp_path):
    """JSON has no word for infinity: it stands there as text, and comes back as a number."""
    scores = {"train_loss": math.inf, "test_loss": -math.inf, "train_accuracy": 0.25}
    replace(FULL, scores=scores).write(tmp_path)

    def refuse(word: str) -> None:
        raise AssertionError(f"{word} is no JSON")

    json.loads((tmp_path / SUMMARY).read_text(), parse_constant=refuse)
    assert Summary.read(tmp_path).scores == scores


@pytest.mark.parametrize("text", ["", "{", "[]", "{}", '{"step": "x"}', "[" * 9000, '{"step": 1, "scores": 3}'])
def test_a_damaged_one_counts_as_none(tmp_path, text):
    """It holds nothing that could not be read again."""
    (tmp_path / SUMMARY).write_text(text)
    assert Summary.read(tmp_path) == Summary() == Summary.read(tmp_path / "none")


def test_a_prolonged_run_keeps_its_time_and_no_readings():
    """What was read of step 300 is not said of step 400; neither is a time that does not cover it."""
    longer = FULL.of(400)
    assert (longer.verdict, longer.key_frequencies, longer.scores) == (None, None, {})
    assert (longer.seconds, longer.timed, longer.wall_seconds) == (12.5, 300, None)
    assert FULL.of(300) == FULL


def test_a_trace_says_what_it_has_of_the_last_checkpoint():
    """Other readings stay; a trace without that checkpoint changes nothing."""
    trace = xr.Dataset({"verdict": ("step", np.array(["unsolved", "pizza"]))}, {"step": [0, 300]})
    read = FULL.with_trace(trace)
    assert read.verdict == "pizza" and read.key_frequencies == (2, 5)
    assert FULL.with_trace(trace.assign_attrs(key_frequencies=[3])).key_frequencies == (3,)
    assert FULL.with_trace(trace.sel(step=[0])) == FULL


def test_a_trace_says_the_scores_that_nobody_has_kept():
    """Those of the last checkpoint; what a sweep has written stands, and NaN is no score."""
    columns = {"test_loss": [3.0, 0.25], "train_loss": [3.0, 0.125], "test_accuracy": [0.0, math.nan]}
    trace = xr.Dataset({name: ("step", values) for name, values in columns.items()}, {"step": [0, 300]})
    assert replace(FULL, scores={}).with_trace(trace).scores == {"train_loss": 0.125, "test_loss": 0.25}
    assert FULL.with_trace(trace).scores["train_loss"] == FULL.scores["train_loss"] == 0.5


def test_a_trace_of_circuits_that_do_not_apply_says_nothing(small_run):
    """A sum has no irreps: the trace is empty, and so is what it adds to the run's summary."""
    trace = gi.measure(small_run, ["irreps", "cosets"], progress=False, cache=False)
    assert not trace.data_vars and "irreps" in trace.attrs["skipped"]
