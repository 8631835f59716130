"""What is said of a shape and of readability stands beside what the other shape and the shuffled waves would give."""

import numpy as np
import pytest
import xarray as xr

from grokinterp.analysis.clock_or_pizza import Finding
from grokinterp.reports import verdict
from grokinterp.reports.sections import geometry, latent_circuit


def shaped(shape="disc", two=0.97, r2=0.95):
    """A trace of one checkpoint."""
    scalars = {"simple_neuron_r2_median": r2, "cluster_share_of_two": two, "geometry": shape, "geometry_margin": 0.12}
    variables = {name: ("step", [value]) for name, value in scalars.items()}
    return xr.Dataset({**variables, "neuron_is_counted": (("step", "neuron"), [[True, True, False]])}, {"step": [9]})


@pytest.mark.parametrize(
    ("trace", "words"),
    [
        (
            shaped(),
            [
                "lie on a disc",
                "97.00\xa0%",
                "a disc: 100 %, a torus: 50 %",
                "95.00\xa0%",
                "median of 2 neurons",
                "12.0 points away",
            ],
        ),
        (shaped("torus", 0.53), ["lie on a torus", "53.00\xa0%"]),
        (shaped("mixed", 0.75), ["between a disc and a torus"]),
        (shaped("none", 0.9, 0.4), ["on neither", "40.00\xa0%", "too little for a shape"]),
        (shaped("none", np.nan), ["no frequency with 8 neurons"]),
    ],
)
def test_a_shape_is_told_with_what_both_shapes_have(trace, words):
    said = geometry.sentence(trace)
    assert [word for word in words if word not in said] == []


@pytest.mark.parametrize(
    ("called", "shape", "disagrees"),
    [
        ("clock", "disc", True), ("clock", "torus", False), ("pizza", "torus", True), ("pizza", "disc", False),
        ("clock", "mixed", True), ("mixed", "disc", False), ("clock", "none", False),
    ],
)  # fmt: skip
def test_the_verdict_says_where_the_geometry_is_of_another_kind(called, shape, disagrees):
    """A pizza adds vectors, on a disc; what is neither by one of both disagrees with nothing."""
    said = verdict._geometry(shaped(shape), Finding(called, 1.0, 1.0, 0.0, 1.0, None, None, "clock", "clock"))
    assert bool(said) == disagrees
    assert all("97.00\xa0%" in each and called in each for each in said)


def readable(step):
    """A trace of three checkpoints whose answer is readable from `step` on."""
    accuracy = {"unswapped": [0.02, 0.4, 0.8], "shuffled": [0.02, 0.03, 0.01]}
    variables = {f"latent_accuracy_{name}": ("step", values) for name, values in accuracy.items()}
    return xr.Dataset(variables, {"step": [0, 10, 20]}, {} if step is None else {"readable_step": step})


def test_readable_is_told_with_the_shuffled_waves_beside_it():
    said = latent_circuit.sentence(readable(10), 50)
    for words in (
        "From step 10 on",
        "answers 40.00\xa0%",
        "answer 3.00\xa0%",
        "80.00\xa0% and 1.00\xa0%",
        "at step 50",
    ):
        assert words in said
    assert "At no checkpoint" in latent_circuit.sentence(readable(None), None)


def test_one_checkpoint_does_not_tell_since_when():
    """Weights of a file, at their only step: readable there, and nothing is known of before."""
    said = latent_circuit.sentence(readable(20).isel(step=[-1]), None)
    assert said.startswith("At step 20, the first that is kept, the phases") and "at the end" not in said
