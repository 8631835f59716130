"""Circles on their own: planted ones are found, the formulas are one another, published FVE are met."""

import math

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

import grokinterp as gi
from grokinterp.analysis import circle_formulas
from grokinterp.analysis.cycles import Wave
from grokinterp.evaluation.snapshot import Snapshot
from grokinterp.measuring import snapshot_of


@pytest.mark.parametrize(
    ("run_id", "circle", "frequency", "expected"),
    [
        ("p99zdpze5l", 0, 17, {"clock": 75.41, "pizza": 98.31, "pizza_of_four": 98.36, "pizza_smooth": 99.18}),
        ("p99zdpze5l", 1, 3, {"clock": 75.62, "pizza": 98.31, "pizza_of_four": 98.30, "pizza_smooth": 99.18}),
        ("p99zdpze5l", 2, 15, {"clock": 75.38, "pizza": 98.41, "pizza_of_four": 98.61, "pizza_smooth": 99.28}),
        ("p99zdpze5l", 3, 17, {"accompanying_pizza": 97.56}),
        ("p99zdpze5l", 4, 3, {"accompanying_pizza": 97.23}),
        ("p99zdpze5l", 5, 15, {"accompanying_pizza": 97.69}),
        ("p71frej8t7", 0, 29, {"clock": 75.27, "pizza": 97.99, "pizza_of_four": 98.03, "pizza_smooth": 98.85}),
        ("p71frej8t7", 1, 24, {"clock": 74.71, "pizza": 97.48, "pizza_of_four": 97.57, "pizza_smooth": 98.33}),
        ("p71frej8t7", 2, 14, {"clock": 75.46, "pizza": 98.22, "pizza_of_four": 98.13, "pizza_smooth": 98.98}),
    ],
)
def test_published_circles_on_their_own(data, run_id, circle, frequency, expected):
    """Zhong et al.'s circles, isolated by pairs of components: frequency, and FVE (2r - 1) to the printed digits.

    Circles 4 to 6 of Model A sit at twice the frequency of 1 to 3, and the distances show the frequency they accompany.
    """
    run = gi.load(data(f"pizza/model_{run_id}.pt"))
    snapshot = snapshot_of(run, run.final.step)
    pair = (2 * circle, 2 * circle + 1)
    W_E = circle_formulas.isolate_components(snapshot.parameters["embed.W_E"], pair)
    alone = Snapshot(0, snapshot.config, run.task, {**snapshot.parameters, "embed.W_E": W_E})
    wave = Wave.of(run.task)
    correct = wave.grid(alone.logits.gather(1, alone.labels[:, None])[:, 0])
    assert circle_formulas.frequency_of_step(circle_formulas.distance_step(correct), 59) == frequency
    for name, percent in expected.items():
        r = circle_formulas.correlation(wave.grid(alone.logits), getattr(circle_formulas, name), frequency)
        assert 100 * circle_formulas.explained_as_published(r) == pytest.approx(percent, abs=0.006), name


def test_both_isolations_find_a_planted_circle():
    """Of circles with different radii in different planes, either way of isolating finds the same one."""
    p, generator = 11, torch.Generator().manual_seed(0)
    planes = torch.linalg.qr(torch.randn(6, 6, dtype=torch.float64, generator=generator)).Q
    circle = lambda k, r: torch.stack(
        [f(2 * math.pi * k * torch.arange(p).double() / p) * r for f in (torch.cos, torch.sin)], 1
    )
    first, second = circle(3, 2.0) @ planes[:2], circle(5, 1.0) @ planes[2:4]
    W_E = first + second + planes[4]
    torch.testing.assert_close(circle_formulas.isolate_frequency(W_E, 3), first + planes[4])
    torch.testing.assert_close(circle_formulas.isolate_components(W_E, (0, 1)), first + planes[4])
    torch.testing.assert_close(circle_formulas.isolate_components(W_E, (2, 3)), second + planes[4])


@given(st.integers(1, 6), st.integers(1, 1000))
def test_the_pizza_formulas_are_one_another(k, seed):
    """Q_pizza as coded, with sums of cosines and sines, is the product form, and does not notice whole turns."""
    p = 13
    place = torch.randint(0, p, (3, 50), generator=torch.Generator().manual_seed(seed)).double()
    a, b, c = 2 * math.pi * k * place / p
    s0, s1 = a.cos() + b.cos(), a.sin() + b.sin()
    coded = ((c / 2).cos() * s0 + (c / 2).sin() * s1).abs() - (-(c / 2).sin() * s0 + (c / 2).cos() * s1).abs()
    torch.testing.assert_close(circle_formulas.pizza(a, b, c), coded)
    torch.testing.assert_close(
        circle_formulas.pizza(a, b, c), circle_formulas.pizza(a + 2 * math.pi, b, c - 2 * math.pi)
    )
    accompanying = -(c.cos() * ((2 * a).cos() + (2 * b).cos()) + c.sin() * ((2 * a).sin() + (2 * b).sin()))
    torch.testing.assert_close(circle_formulas.accompanying_pizza(a, b, c), accompanying)


def test_how_much_of_a_pizza_is_a_clock():
    """r = E|cos u| / sqrt(E cos^2 u) = (2 / pi) sqrt 2: a clock explains 8 / pi^2 of a smooth pizza; 2r - 1 is 80 %."""
    p, k = 113, 5
    angle = 2 * math.pi * k * torch.arange(p, dtype=torch.float64) / p
    logits = circle_formulas.pizza_smooth(angle[:, None, None], angle[None, :, None], angle)
    r = circle_formulas.correlation(3 * logits - 100, circle_formulas.clock, k)
    assert r**2 == pytest.approx(8 / math.pi**2, abs=1e-4)
    assert circle_formulas.explained_as_published(r) == pytest.approx(0.8006, abs=1e-4)
    assert circle_formulas.correlation(-logits, circle_formulas.pizza_smooth, k) == pytest.approx(-1)
    assert circle_formulas.correlation(torch.full((p, p, p), 7.0), circle_formulas.clock, k) == 0
    correct = logits[torch.arange(p)[:, None], torch.arange(p), (torch.arange(p)[:, None] + torch.arange(p)) % p]
    assert circle_formulas.frequency_of_step(circle_formulas.distance_step(correct), p) == k


def test_a_circle_there_is_not_is_refused():
    """A frequency, a component or a step that does not exist: one line with the remedy."""
    with pytest.raises(gi.BadRequest, match="between 1 and 3"):
        circle_formulas.isolate_frequency(torch.ones(7, 2), 4)
    with pytest.raises(gi.BadRequest, match="between 0 and 1"):
        circle_formulas.isolate_components(torch.ones(7, 2), (1, 2))
    with pytest.raises(gi.BadRequest, match="no inverse mod 12"):
        circle_formulas.frequency_of_step(3, 12)


def test_a_correlation_sees_neither_side_s_mean():
    """Logits that are a formula, moved and stretched, have r = 1 also where the formula's own mean is not 0."""
    lifted = lambda alpha, beta, gamma: circle_formulas.clock(alpha, beta, gamma) + 3
    place = 2 * math.pi * 2 / 7 * torch.arange(7, dtype=torch.float64)
    logits = 5 * circle_formulas.clock(place[:, None, None], place[:, None], place) - 40
    assert circle_formulas.correlation(logits, lifted, 2) == pytest.approx(1)
    assert circle_formulas.correlation(-logits, lifted, 2) == pytest.approx(-1)


@pytest.mark.parametrize(("n", "k"), [(12, 5), (15, 4), (13, 4)])
def test_a_step_is_found_on_any_cycle(n, k):
    """Of n = 12 or 15 too, where steps that share a factor with n do not go through all distances."""
    place = torch.arange(n, dtype=torch.float64)
    correct = (2 * math.pi * k / n * (place[:, None] - place)).cos() + 0.01 * place
    step = circle_formulas.distance_step(correct)
    assert step <= n / 2 and k * step % n in (1, n - 1) and circle_formulas.frequency_of_step(step, n) == min(k, n - k)


def test_logits_that_vary_by_rounding_alone_have_no_correlation():
    """A wave of 1e-18 around 1 is none, one of 1e-12 is one; a formula that is constant has none either."""
    place = 2 * math.pi * 2 / 7 * torch.arange(7, dtype=torch.float64)
    wave = circle_formulas.clock(place[:, None, None], place[:, None], place)
    assert circle_formulas.correlation(1 + 1e-12 * wave, circle_formulas.clock, 2) == pytest.approx(1, abs=1e-3)
    assert circle_formulas.correlation(1 + 1e-18 * wave, circle_formulas.clock, 2) == 0
    assert circle_formulas.correlation(wave, lambda *angles: 0 * circle_formulas.clock(*angles), 2) == 0


def test_a_step_that_would_leave_distances_out_is_none():
    """Of frequency 3 on a cycle of 12 every fourth distance is alike: steps of 4 change nothing, and visit three."""
    place = torch.arange(12, dtype=torch.float64)
    correct = (2 * math.pi * 3 / 12 * (place[:, None] - place)).cos()
    assert math.gcd(circle_formulas.distance_step(correct), 12) == 1
