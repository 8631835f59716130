"""What `measure` prints for a reader: units beside numbers, and no dictionary."""

import json

import pytest
import xarray as xr

from grokinterp.cli import readings


@pytest.fixture
def trace():
    """Three numbers, of which one has no unit and one is not known."""
    known = {"train_loss": (0.5, "nats"), "gini": (0.25, "1"), "test_loss": (float("nan"), "nats")}
    return xr.Dataset({name: ((), value, {"units": unit}) for name, (value, unit) in known.items()})


VALUES = {
    "step": 3,
    "train_loss": 0.5,
    "gini": 0.25,
    "test_loss": float("nan"),
    "verdict_margin": -0.4,
    "irreps_learnt": "standard at 100",
    "readable_step": 75,
    "outcome": "failed",
    "key_frequencies": [],
    "key_frequencies_by_rule": json.dumps({"logits": [], "neurons": [1, 2]}),
    "verdict_rule": json.dumps({"solved": 0.99}),
    "grokked_rule": "first checkpoint with test accuracy >= 0.99",
    "skipped": json.dumps({"cosets": "no group", "cells": "no cells"}),
}


def test_numbers_have_units_and_reasons_are_sentences(trace):
    """Units stand beside what has one; rules and what was not read come last, and nothing is printed as JSON."""
    assert [" ".join(line.split()) for line in readings.lines(VALUES, trace, is_explained=True)] == [
        "step 3",
        "train_loss 0.5 nats",
        "gini 0.25",
        "test_loss nan",
        "outcome failed",
        "key_frequencies none",
        "frequencies by the logits alone: none",
        "frequencies by the neurons alone: 1, 2",
        "grokked: first checkpoint with test accuracy >= 0.99",
        "not read, since they do not apply: cosets, cells (--json says why)",
    ]


def test_scores_are_told_of_what_is_solved_and_doubted_where_nothing_explains_the_weights(trace):
    """A run that failed has no verdict's margin; a reading that explains nothing is named at each of its numbers."""
    lines = [*readings.lines(VALUES | {"outcome": "solved"}, trace, is_explained=False)]
    assert any(line.startswith("verdict_margin") for line in lines)
    doubted = [line.split()[0] for line in lines if line.endswith("(not explained)")]
    assert doubted == [
        "train_loss",
        "gini",
        "test_loss",
        "verdict_margin",
        "irreps_learnt",
        "readable_step",
        "key_frequencies",
    ]


def test_of_a_step_that_is_the_first_one_read_it_is_said(trace):
    """What was so at the first checkpoint that was read may have been so before; step 0 has no before."""
    for steps, said in (([7, 9], "7 or earlier: it is the first that was read"), ([3, 7], "7"), ([0, 7], "7")):
        read = trace.expand_dims(step=steps)
        lines = [*readings.lines({"grokked_step": 7}, read, is_explained=True)]
        assert lines == [f"grokked_step  {said}"]
