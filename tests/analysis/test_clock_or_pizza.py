"""A verdict needs both rules, and what is said to flip it does."""

import math

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

import grokinterp as gi
from grokinterp.analysis.clock_or_pizza import Evidence, Finding, Rule, mean_cosine, widened


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


@pytest.mark.parametrize("gs", [0.71, None])
@pytest.mark.parametrize("di", [0.9, math.nan])
def test_a_finding_comes_back_from_its_json(gs, di):
    """The reports read what the trace was told, and JSON has no word for a number that is not finite."""
    finding = Rule().finding(Evidence(gs, di, 1.0), math.nan)
    text = finding.to_json()
    assert "NaN" not in text and Finding.from_json(text).to_json() == text
    assert Finding.from_json(text).distances_say == ("clock" if di == 0.9 else "pizza")
    assert math.isnan(Finding.from_json(text).distance_irrelevance_runner_up) == math.isnan(di)


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


@pytest.mark.parametrize(("mean", "most"), [(0.0, 100), (0.6, 800), (0.7, 4000)])
def test_the_nearer_the_threshold_the_more_triples(mean, most):
    """Until the error is below a quarter of the distance: a hundred far away, all at the threshold itself."""
    generator = torch.Generator().manual_seed(0)
    cosines = mean + 0.4 * torch.randn(4000, generator=generator, dtype=torch.float64)
    cosines[:] += mean - cosines.mean()
    triples, taken = torch.arange(4000)[:, None].expand(4000, 3), []

    def cosines_of(some: torch.Tensor) -> torch.Tensor:
        taken.extend(some[:, 0].tolist())
        return cosines[some[:, 0]]

    found, error, count = widened(cosines_of, triples, 205_379, Rule())
    assert taken == list(range(len(taken))) and count == len(taken) <= most
    assert error == pytest.approx(0.4 / len(taken) ** 0.5, rel=0.2)
    assert abs(found - mean) < 4 * error
    assert (len(taken) == 4000) == (mean == 0.7)


def test_a_mean_cosine_is_a_cosine():
    """Rounding may leave a cosine, and so a mean, beyond 1."""
    assert [mean_cosine(torch.full((3,), sign * 1.0000002)) for sign in (-1, 1)] == [-1, 1]
    assert mean_cosine(torch.tensor([-1.0, 0.5, 0.8])) == pytest.approx(0.1)


def test_all_triples_leave_no_error():
    """A table of 1,331 triples is read whole; its mean is no estimate."""
    cosines = torch.linspace(0.4, 1.0, 1331, dtype=torch.float64)[torch.randperm(1331)]
    triples = torch.arange(1331)[:, None].expand(1331, 3)
    found = widened(lambda some: cosines[some[:, 0]], triples, 1331, Rule(asymmetric=0.7001))
    assert found == pytest.approx((0.7, 0, 1331))


@pytest.mark.parametrize(
    ("gs", "di", "error", "border"),
    [
        (0.7036, 0.98, 0.0063, "clock"),
        (0.6990, 0.98, 0.0063, "mixed"),
        (0.7130, 0.98, 0.0063, None),
        (0.7036, 0.2, 0.0063, None),  # it would be mixed on the other side too
        (0.9790, 0.2, 0.001, "pizza"),
        (0.7036, 0.98, math.nan, None),
        (0.7036, 0.98, 0.0, None),
        (None, 0.98, math.nan, None),
    ],
)
def test_a_border_is_two_errors_wide(gs, di, error, border):
    """What the verdict would be on the other side, where the error does not tell on which side it stands."""
    assert Rule().border(Evidence(gs, di, 1.0), error) == border


def test_every_threshold_holds_its_lower_edge():
    """At the threshold itself and one float below it."""
    rule = Rule()
    below = lambda edge: math.nextafter(edge, 0)
    assert [rule.gradients_say(gs) for gs in (0.98, below(0.98), 0.7, below(0.7))] == [
        "pizza", "between", "between", "clock"
    ]  # fmt: skip
    assert [rule.distances_say(di) for di in (0.5, below(0.5))] == ["clock", "pizza"]
    assert [rule.verdict(Evidence(0.0, 0.9, x)) for x in (0.99, below(0.99))] == ["clock", "unsolved"]


def test_the_score_is_the_mean_of_two_places():
    """By hand: ends, thresholds and middles of either scale; by distances alone where gradients say nothing."""
    score = lambda gs, di: Rule().score(Evidence(gs, di, 1.0))
    assert [score(None, di) for di in (0.0, 0.25, 0.5, 0.75, 1.0)] == pytest.approx([-1, -0.5, 0, 0.5, 1])
    assert [score(gs, 0.5) for gs in (1.0, 0.98, 0.84, 0.7, -1.0)] == pytest.approx([-0.5, -0.5, 0, 0.5, 0.5])
    assert score(0.84, 0.75) == pytest.approx(0.25)
    assert score(None, -0.2) == -1  # a distance irrelevance below 0 says no more than 0 does
    low = Rule(distant=0.2)
    assert [low.score(Evidence(None, di, 1.0)) for di in (0.1, 0.2, 0.6)] == pytest.approx([-0.5, 0, 0.5])


@pytest.mark.parametrize(("error", "count"), [(0.0495, 100), (0.0505, 200)])
def test_triples_are_enough_at_a_quarter_of_the_distance(error, count):
    """Cosines of mean .5, .2 from the threshold: an error on either side of .05 at a hundred, and at most at more."""
    spread = error * math.sqrt(100) * math.sqrt(99 / 100)
    taken = []

    def cosines(triples):
        taken.append(len(triples))
        return 0.5 + spread * torch.tensor([1.0, -1.0], dtype=torch.float64).repeat(len(triples) // 2)

    mean, left, _ = widened(cosines, torch.zeros(400, 3, dtype=torch.int64), 10**12, Rule())
    assert mean == pytest.approx(0.5) and sum(taken) == count
    assert left == pytest.approx(spread / math.sqrt(count - 1))
