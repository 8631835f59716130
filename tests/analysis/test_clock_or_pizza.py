"""A verdict needs both rules, and what is said to flip it does."""

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

import grokinterp as gi
from grokinterp.analysis.clock_or_pizza import Evidence, Rule


@pytest.mark.parametrize(
    ("gs", "di", "accuracy", "verdict"),
    [
        (0.99, 0.2, 1.0, "pizza"),
        (0.4, 0.9, 1.0, "clock"),
        (0.99, 0.9, 1.0, "mixed"),
        (0.4, 0.2, 1.0, "mixed"),
        (0.85, 0.9, 1.0, "mixed"),
        (0.99, 0.2, 0.98, "unsolved"),
        (None, 0.2, 1.0, "pizza"),
        (None, 0.9, 1.0, "clock"),
    ],
)
def test_the_verdict_needs_both_rules(gs, di, accuracy, verdict):
    """Gradients and distances must say the same; where gradients say nothing, distances decide alone."""
    assert Rule().verdict(Evidence(gs, di, accuracy)) == verdict


@given(st.floats(-1, 1) | st.none(), st.floats(0, 1), st.floats(0, 1))
def test_what_would_flip_a_verdict_does(gs, di, accuracy):
    """Every flip named is one: the measure moved across the threshold it names gives the verdict it names."""
    rule, evidence = Rule(), Evidence(gs, di, accuracy)
    now, score = rule.verdict(evidence), rule.score(evidence)
    assert -1 <= score <= 1
    if gs is not None:
        assert (now != "pizza" or score <= -0.5) and (now != "clock" or score >= 0.5)
    fields = {"GS": "gradient_symmetricity", "runner-up DI": "distance_irrelevance_runner_up", "accuracy": "accuracy"}
    flips = rule.flips(evidence)
    for flip in flips:
        then, rest = flip.split(" if ")
        name, rest = rest.split(" fell below " if " fell below " in rest else " rose to ")
        edge = float(rest.split()[0])
        value = getattr(evidence, fields[name])
        beyond = math.nextafter(edge, -1) if value >= edge else edge
        assert rule.verdict(evidence._replace(**{fields[name]: beyond})) == then != now
    assert flips


def test_thresholds_out_of_order_are_refused():
    """A rule whose gradient thresholds cross would call one model clock and pizza."""
    with pytest.raises(gi.BadRequest, match="must be below symmetric"):
        Rule(asymmetric=0.99)
    with pytest.raises(gi.BadRequest, match="between 0 and 1"):
        Rule(distant=1.0)


def test_flips_are_told_the_smallest_change_first():
    """A clock that is .01 above the accuracy, .05 above the distances' threshold and .2 below the gradients'."""
    flips = Rule().flips(Evidence(0.5, 0.55, 1.0))
    assert [flip.split(" if ")[1].split(" fell")[0].split(" rose")[0] for flip in flips] == [
        "accuracy",
        "runner-up DI",
        "GS",
    ]
