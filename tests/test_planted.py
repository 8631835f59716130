"""The planted models compute what their docstrings say: everything else is measured against them."""

import math

import pytest
import torch

from grokinterp import fourier


def waves(steps, frequencies, n):
    return sum((2 * math.pi * k * (steps % n).double() / n).cos() for k in frequencies)


@pytest.mark.parametrize("p, frequencies", [(11, (2, 5)), (13, (1,)), (12, (5, 1))])
@pytest.mark.parametrize("expression, sign", [("a + b", 1), ("a - b", -1)])
def test_clock_logits_are_the_cosines_of_a_plus_b_minus_c(planted, p, frequencies, expression, sign):
    """Exactly, at every row and answer, and so the model is right everywhere."""
    snapshot = planted.clock(p, frequencies, scale=10, expression=expression)
    a, b = snapshot.task.operands.T
    expected = 10 * waves((a + sign * b)[:, None] - torch.arange(p), frequencies, p)
    torch.testing.assert_close(snapshot.logits, expected.float(), atol=1e-3, rtol=0)
    assert torch.equal(snapshot.logits.argmax(1), snapshot.labels)


def test_multiplicative_clock_is_a_clock_of_discrete_logs(planted):
    """On nonzero rows; rows with a zero are answered by 0, with certainty."""
    p, frequencies = 11, (1, 3)
    snapshot = planted.clock(p, frequencies, scale=10, expression="a*b")
    logs = fourier.discrete_logs(p)
    a, b = logs[snapshot.task.operands].T
    on = (a >= 0) & (b >= 0)
    expected = 10 * waves((a + b)[on, None] - logs[1:], frequencies, p - 1)
    torch.testing.assert_close(snapshot.logits[on][:, 1:], expected.float(), atol=1e-3, rtol=0)
    torch.testing.assert_close(snapshot.logits[on][:, 0], torch.zeros(int(on.sum())))
    torch.testing.assert_close(snapshot.logits[~on][:, 1:], torch.zeros(2 * p - 1, p - 1), atol=1e-3, rtol=0)
    assert torch.equal(snapshot.logits.argmax(1), snapshot.labels)


def test_pizza_logits_depend_on_the_difference(planted):
    """cos(w(a + b - c)) times a size near |cos(w(a - b) / 2)| that the sum of operands does not change."""
    p, k = 31, 3
    snapshot = planted.pizza(p, (k,), scale=1)
    a, b = snapshot.task.operands.T
    wave = waves((a + b)[:, None] - torch.arange(p), (k,), p)
    size = (snapshot.logits * wave).sum(1) / wave.square().sum(1)
    torch.testing.assert_close(snapshot.logits.double(), size[:, None] * wave, atol=1e-4, rtol=0)
    half = (math.pi * k * (a - b).double() / p).cos().abs()
    torch.testing.assert_close(size, half, atol=0.02, rtol=0)


def test_attention_wave_is_a_sigmoid_of_the_difference(planted):
    """Attention from `=` to a is sigmoid(0.1 (cos(w a - 0.7) - cos(w b - 0.7))), to b the rest, to itself none."""
    p, k = 11, 3
    snapshot = planted.attention_wave(p, k, size=0.1, phase=0.7)
    a, b = (2 * math.pi * k * snapshot.task.operands.double() / p - 0.7).cos().T
    pattern = snapshot["blocks.0.attn.hook_pattern"][:, 0]
    torch.testing.assert_close(pattern[:, 0].double(), torch.sigmoid(0.1 * (a - b)), atol=1e-6, rtol=0)
    torch.testing.assert_close(pattern[:, 1].double(), torch.sigmoid(0.1 * (b - a)), atol=1e-6, rtol=0)
    assert pattern[:, 2].abs().max() < 1e-20
