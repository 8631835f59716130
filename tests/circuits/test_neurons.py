"""Neuron frequencies are those of the centred 2-D transform, found where they were planted."""

import numpy as np
import pytest
import torch

import grokinterp as gi
from grokinterp import circuits, fourier
from grokinterp.analysis.cycles import Cycle
from grokinterp.analysis.key_frequencies import neuron_shares
from grokinterp.config import EmbeddingMLPConfig
from grokinterp.evaluation.snapshot import Snapshot
from grokinterp.models.initialisation import initialise

neurons = circuits.neurons


def by_the_definition(grid):
    """[k, neuron]: block {0, cos k, sin k} x {0, cos k, sin k} of the 2-D transform over all, mean subtracted."""
    grid = grid.double() - grid.double().mean((0, 1))
    power = fourier.transform(grid, (0, 1)).square()
    of_row = fourier.basis_frequencies(len(grid))
    blocks = [torch.isin(of_row, torch.tensor([0, k])) for k in range(1, len(grid) // 2 + 1)]
    return torch.stack([power[block][:, block].sum((0, 1)) for block in blocks]) / power.sum((0, 1))


@pytest.mark.parametrize("n", [2, 3, 8, 11, 12])
def test_shares_are_the_blocks_of_the_two_dimensional_transform(n):
    """Nanda et al.'s definition to float rounding, also for even n, where the last frequency has one wave."""
    grid = torch.randn(n, n, 6, generator=torch.Generator().manual_seed(n))
    torch.testing.assert_close(neuron_shares(grid)[0], by_the_definition(grid), atol=1e-5, rtol=0)


def test_pure_and_mixed_and_dead_neurons():
    """A product of waves of one frequency has FVE 1; a mixture its share of variance; a constant has no frequency."""
    n = 13
    a, b = (2 * np.pi / n * torch.arange(n)).repeat_interleave(n), (2 * np.pi / n * torch.arange(n)).repeat(n)
    planted = {
        "product": (3 + (4 * a).cos() * (4 * b).sin(), 4, 1.0),
        "plane": ((6 * a).cos() + (6 * b).sin() + (6 * (a - b)).cos(), 6, 1.0),
        "mixture": (2 * (2 * (a + b)).cos() + (5 * a).cos(), 2, 0.8),
        "two frequencies at once": ((2 * a).cos() * (5 * b).cos() + 0.5 * (3 * b).cos(), 3, 1 / 3),
        "dead": (torch.zeros(n * n), 0, 0.0),
        "always on": (torch.full((n * n,), 0.1), 0, 0.0),
    }
    activations = torch.stack([values.float() for values, _, _ in planted.values()], 1)
    found = neurons.tuning(activations.reshape(n, n, -1))
    assert found.frequency.tolist() == [k for _, k, _ in planted.values()]
    assert found.fve.tolist() == pytest.approx([fve for _, _, fve in planted.values()], abs=1e-5)
    assert neurons.per_frequency(found.frequency, n).tolist() == [0, 1, 1, 1, 0, 1]


@pytest.mark.parametrize(("expression", "ks"), [("a + b", (2, 5)), ("a - b", (1, 3)), ("a*b", (1, 3))])
def test_planted_neurons_have_their_frequencies(planted, expression, ks):
    """Neurons are planted frequency by frequency; the last is on for zeros only, so dead on any cycle."""
    snapshot = planted.clock(11, ks, expression=expression)
    found = neurons.Neurons().read(snapshot)
    n = 10 if expression == "a*b" else 11
    assert found.neuron_frequency.dims == ("layer", "neuron")
    assert found.neuron_frequency[0].values.tolist() == [ks[0]] * n**2 + [ks[1]] * n**2 + [0]
    assert found.neurons_per_frequency[0].to_series().to_dict() == {k: n**2 * (k in ks) for k in range(1, 6)}
    assert (found.neuron_fve[0, :-1] > 0.85).all() and found.neuron_fve[0, -1] == 0


def test_multiplication_is_additive_on_request(planted):
    """Neurons of characters look untuned in the numbers' order."""
    snapshot = planted.clock(11, (1, 3), expression="a*b")
    own, additive = (neurons.Neurons(group=group).read(snapshot) for group in ("own", "additive"))
    assert own.neuron_fve[0, :-1].min() > 0.85 > additive.neuron_fve[0, :-1].max()


def test_every_layer_is_read(planted):
    """Layers of different widths: the narrower is filled with frequency 0 and NaN."""
    task = gi.Task("a / b", p=7, layout="a b").split(0.5)
    config = EmbeddingMLPConfig(hidden_sizes=(9, 5)).resolved(task.n_vocab, task.n_answers, 2)
    snapshot = Snapshot(0, config, task, initialise(config, seed=0))
    assert neurons.Neurons().why_not(snapshot) is None
    found = neurons.Neurons().read(snapshot)
    assert found.neuron_frequency.sizes == {"layer": 2, "neuron": 9}
    assert found.neuron_fve.isnull().sum("neuron").values.tolist() == [0, 4]
    assert found.neurons_per_frequency.sum("k").values.tolist() == [9, 5]
    nonzero = snapshot["blocks.1.mlp.hook_post"][Cycle.of(task).rows]
    share, index = by_the_definition(nonzero).max(0)
    np.testing.assert_allclose(found.neuron_fve[1, :5], share, atol=1e-5)
    assert found.neuron_frequency[1, :5].values.tolist() == (index + 1).tolist()


def test_tables_that_are_no_grid_are_refused(planted):
    """Each with what is missing."""
    untrained, Neurons = planted.untrained, neurons.Neurons()
    assert "mixes 2" in (Neurons.why_not(untrained(7, expression="a + b; a*b")) or "")
    assert "lacks rows" in (neurons.Neurons(group="additive").why_not(untrained(7, expression="a / b")) or "")
    assert "two operands" in (Neurons.why_not(untrained(5, expression="a + b + c")) or "")
    assert Neurons.why_not(untrained(7, expression="a^2 + b")) is None
    made = untrained(7)
    config = type(made.config)(**{**vars(made.config), "attn_only": True})
    assert "hook_post" in (Neurons.why_not(Snapshot(0, config, made.task, made.parameters)) or "")


def test_numbers_of_the_public_run(released):
    """wd_10-1 of Nanda et al.: neurons of each frequency, share with FVE >= 0.85, median."""
    found = neurons.Neurons().read(Snapshot(0, released.final.config, released.task, released.final.parameters))
    counts = found.neurons_per_frequency[0].to_series()
    assert counts[counts > 0].to_dict() == {37: 127, 6: 117, 41: 105, 23: 84, 39: 54, 3: 10, 54: 7, 46: 6, 12: 1, 31: 1}
    assert (found.neuron_fve >= 0.85).mean().item() == pytest.approx(0.361, abs=0.001)
    # The lower of the two neurons in the middle, as torch and the source take it.
    assert torch.tensor(found.neuron_fve.values).median().item() == pytest.approx(0.714, abs=0.0005)
