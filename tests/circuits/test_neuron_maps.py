"""Example neurons and circles: what a planted clock has, and nothing that it has not."""

import numpy as np
import pytest
import torch

from grokinterp import fourier
from grokinterp.circuits.embedding import Circles
from grokinterp.circuits.neuron_maps import NeuronMaps, examples


def test_examples_are_one_of_each_planted_frequency(planted):
    """A clock's neurons compute with k = 2 and 5: one of each, with the whole map of its activation."""
    one = planted.clock(p=11, frequencies=(2, 5))
    found = NeuronMaps().fit(one).read(one)
    assert set(found.example_frequency.values) == {2, 5}
    post = one["blocks.0.mlp.hook_post"]
    for i, neuron in enumerate(found.example.values):
        np.testing.assert_allclose(found.neuron_map[i], post[:, neuron].reshape(11, 11), rtol=1e-6)


def test_a_map_and_its_spectrum_have_the_same_energy(planted):
    """Parseval: squares of the spectrum, mean apart, are those of the map less its mean."""
    one = planted.clock(p=11, frequencies=(2, 5))
    found = NeuronMaps().fit(one).read(one)
    centred = found.neuron_map - found.neuron_map.mean(("a", "b"))
    spectrum = (found.neuron_fourier_norm**2).sum(("basis_a", "basis_b"))
    np.testing.assert_allclose(spectrum, (centred**2).sum(("a", "b")), rtol=1e-4)


def test_products_are_mapped_in_discrete_log_order(planted):
    """Rows and columns are the powers of the primitive root, zero left out."""
    one = planted.clock(p=11, frequencies=(1, 3), expression="a * b")
    found = NeuronMaps().fit(one).read(one)
    assert found.a.values.tolist() == fourier.powers(11).tolist() == found.b.values.tolist()
    assert set(found.example_frequency.values) == {1, 3}


def test_examples_are_kept_over_time(planted):
    """Chosen at the end: another checkpoint shows the same neurons, although it would choose others."""
    late, early = planted.untrained(p=11, seed=0), planted.untrained(p=11, seed=1)
    fitted = NeuronMaps().fit(late)
    kept = fitted.read(early).example.values.tolist()
    assert kept == fitted.read(late).example.values.tolist() == list(fitted.neurons or ())
    assert kept != NeuronMaps().read(early).example.values.tolist()


@pytest.mark.parametrize("expression", ["a + b", "a * b"])
def test_planted_circles_are_found_with_their_steps(planted, expression):
    """Two circles of the planted frequencies, all of the variance; neighbours are the named step, or factor, apart."""
    one = planted.clock(p=11, frequencies=(1, 3), expression=expression)
    # Circles of one size share their components in a PCA: the first is made larger.
    larger = torch.ones(one.W_E.shape[1])
    larger[:2] = 3
    one.parameters = {**one.parameters, "embed.W_E": one.parameters["embed.W_E"] * larger}
    found = Circles().fit(one).read(one)
    multiplicative = expression == "a * b"
    n = 10 if multiplicative else 11
    assert set(found.circle_frequency.values[:2]) == {1, 3}
    assert float(found.circle_variance[:2].sum()) == pytest.approx(1, abs=1e-5)
    for i in range(2):
        assert float(found.circle_purity[i]) == pytest.approx(1, abs=1e-5)
        x, y = found.circle_scores[i].values
        angle = dict(zip(found.token.values.tolist(), np.arctan2(y, x), strict=True))
        step = int(found.circle_step[i])
        for token in angle:
            neighbour = token * step % 11 if multiplicative else (token + step) % 11
            turn = (angle[neighbour] - angle[token]) / (2 * np.pi) % 1
            assert min(turn, 1 - turn) == pytest.approx(1 / n, abs=1e-3)


def test_earlier_checkpoints_are_projected_on_the_final_planes(planted):
    """Scores of another embedding in the planes of the final one, by hand."""
    final, early = planted.clock(p=11, frequencies=(2, 5)), planted.untrained(p=11)
    fitted = Circles().fit(final)
    planes = torch.tensor(fitted.planes, dtype=torch.float64)
    if early.W_E.shape[1] != planes.shape[1]:
        early.parameters = {**early.parameters, "embed.W_E": torch.randn(11, planes.shape[1])}
    W_E = early.W_E.double()
    truth = (W_E - W_E.mean(0)) @ planes.T
    np.testing.assert_allclose(
        fitted.read(early).circle_scores.values.reshape(len(planes), 11).T, truth, rtol=1e-4, atol=1e-6
    )


def test_examples_are_the_best_tuned_of_the_commonest_frequencies():
    """Three neurons of frequency 4, the second the purest, two of 1, one of 3; constants are none."""
    place = 2 * np.pi / 11 * torch.arange(11)
    wave = lambda k, other=0.0: ((k * place).cos()[:, None] + other * (2 * place).cos()).expand(11, 11)
    grid = torch.stack([wave(3), wave(4, 0.5), wave(4), wave(1, 0.2), wave(4, 0.3), wave(1), torch.ones(11, 11)], -1)
    assert [examples(grid, n) for n in (1, 2, 3, 9)] == [(2,), (2, 5), (2, 5, 0), (2, 5, 0)]
