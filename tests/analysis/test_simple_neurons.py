"""Waves are found with the amplitude, phase and share that they were planted with."""

import dataclasses
import math

import pytest
import torch

from grokinterp.analysis.moments import Moments
from grokinterp.analysis.simple_neurons import COUNTED, OutputWaves, SimpleNeurons, wrapped


def cosine(n, k, phase):
    """cos(2 pi k x / n + phase) at x = 0 .. n - 1, float64."""
    return (2 * math.pi * k / n * torch.arange(n, dtype=torch.float64) + phase).cos()


@pytest.mark.parametrize("n", [7, 10, 11])
def test_a_planted_neuron_is_read_as_it_was_planted(n):
    """Frequency, both amplitudes and phases, the constant and the variance; R^2 is 1."""
    a, b = 1.5 * cosine(n, 2, 0.4), 0.5 * cosine(n, 2, -2.5)
    read = SimpleNeurons.of(Moments((3 + a[:, None] + b)[..., None]))
    assert read.frequency.tolist() == [2]
    assert read.amplitude.flatten().tolist() == pytest.approx([1.5, 0.5])
    assert read.phase.flatten().tolist() == pytest.approx([0.4, -2.5])
    assert (read.mean.item(), read.variance.item(), read.r2.item()) == pytest.approx((3, (1.5**2 + 0.5**2) / 2, 1))
    on_a, on_b = read.on(n)
    torch.testing.assert_close(on_a[:, 0], a)
    torch.testing.assert_close(on_b[:, 0], b)


def test_the_nyquist_wave_has_its_whole_variance():
    """At k = n/2 the coefficient is A and not A/2, the variance A^2 and not A^2/2."""
    n = 8
    wave = 0.7 * cosine(n, 4, 0.0)
    read = SimpleNeurons.of(Moments((wave[:, None] + 2 * wave)[..., None]))
    assert read.frequency.tolist() == [4]
    assert read.amplitude.flatten().tolist() == pytest.approx([0.7, 1.4])
    assert (read.variance.item(), read.r2.item()) == pytest.approx((0.7**2 + 1.4**2, 1))
    column = OutputWaves.of(wave[None])
    assert (column.frequency.item(), column.amplitude.item(), column.ipr.item()) == pytest.approx((4, 0.7, 1))
    assert column.phase.item() == pytest.approx(0)


def test_r2_is_the_share_of_one_frequency():
    """A product of waves, a second frequency and the constant are no part of a simple neuron."""
    n = 11
    simple = cosine(n, 3, 1.0)[:, None] + cosine(n, 3, 1.0)
    product = cosine(n, 3, 0.0)[:, None] * cosine(n, 3, 0.0)  # variance 1/4
    other = cosine(n, 5, 0.3).expand(n, n)  # variance 1/2
    read = SimpleNeurons.of(Moments(torch.stack([simple + product, simple + other, simple * 0 + 2], -1)))
    assert read.frequency.tolist()[:2] == [3, 3]
    assert read.r2.tolist()[:2] == pytest.approx([1 / 1.25, 1 / 1.5])
    assert math.isnan(read.r2[2]) and read.counted.tolist() == [True, True, False]


def test_a_neuron_counts_from_a_hundredth_of_the_largest_variance():
    """An amplitude of a tenth is a variance of a hundredth."""
    n = 11
    wave = cosine(n, 2, 0.0)[:, None] + cosine(n, 2, 0.0)
    read = SimpleNeurons.of(Moments(torch.stack([wave, 0.101 * wave, 0.099 * wave], -1)))
    assert read.counted.tolist() == [True, True, False]


def test_a_column_is_read_at_its_own_strongest_frequency():
    """Of two equal waves the IPR is 1/2, of one 1; the smaller of two unequal ones is left out."""
    n = 13
    one, two = 2 * cosine(n, 4, 0.9), cosine(n, 1, 0.0) + cosine(n, 6, 0.0)
    read = OutputWaves.of(torch.stack([one + 5, two, one + cosine(n, 2, 0.0)]))
    assert read.frequency.tolist()[::2] == [4, 4]
    assert read.phase.tolist()[::2] == pytest.approx([0.9, 0.9])
    assert read.ipr.tolist() == pytest.approx([1, 0.5, (16 + 1) / 25])
    assert read.amplitude.tolist()[::2] == pytest.approx([2, 2])


def test_phases_are_compared_around_the_circle():
    """A whole turn is nothing, and the largest distance is half of one."""
    angles = torch.tensor([0.1, -0.1, 2 * math.pi - 0.1, 4 * math.pi + 0.1, math.pi, 1.5 * math.pi])
    expected = torch.tensor([0.1, 0.1, 0.1, 0.1, math.pi, 0.5 * math.pi])
    torch.testing.assert_close(wrapped(angles), expected, atol=1e-5, rtol=0)


def test_a_hundredth_of_the_largest_variance_counts_and_less_does_not():
    """At the bound itself and one float below it; nothing of a layer that is constant."""
    wave = cosine(11, 2, 0.0)[:, None] + cosine(11, 2, 0.0)
    read = SimpleNeurons.of(Moments(torch.stack([wave] * 3, -1)))
    at = lambda *variances: dataclasses.replace(read, variance=torch.tensor(variances, dtype=torch.float64)).counted
    assert at(1.0, COUNTED, math.nextafter(COUNTED, 0)).tolist() == [True, True, False]
    assert at(0.0, 0.0, 0.0).tolist() == [False] * 3


@pytest.mark.parametrize("sign", [1, -1])
def test_means_by_answer_are_of_the_operation(sign):
    """A wave of a + b (a - b) has its coefficient there, at its phase, and none by either operand alone."""
    n, k = 11, 3
    place = torch.arange(n, dtype=torch.float64)
    x = (2 * math.pi * k / n * (place[:, None] + sign * place) + 0.4).cos()[..., None]
    waves = Moments(x, sign=sign).waves
    assert waves[:2].abs().max() < 1e-12 and waves[2].abs().sum().item() == pytest.approx(0.5)
    assert waves[2, k - 1, 0].angle().item() == pytest.approx(0.4)
    assert Moments(x, sign=-sign).waves.abs().max() < 1e-12


def test_moments_of_what_a_layer_reads_are_those_of_its_neurons():
    """Mean, waves, variance and covariances through W and b, and of the pre-activations themselves."""
    x, W, b = (torch.randn(*shape, dtype=torch.float64) for shape in ((7, 7, 3), (3, 5), (5,)))
    through, direct = Moments(x + 2, W, b), Moments((x + 2) @ W + b)
    for name in ("mean", "waves", "variance"):
        torch.testing.assert_close(getattr(through, name), getattr(direct, name))
    clusters = [torch.tensor([4, 1]), torch.tensor([0])]
    cells = ((x + 2) @ W + b).flatten(0, 1)
    expected = torch.cov(cells.T, correction=0)
    for moments in (through, direct):
        for found, cluster in zip(moments.covariances(clusters), clusters, strict=True):
            torch.testing.assert_close(found, expected[cluster][:, cluster])
