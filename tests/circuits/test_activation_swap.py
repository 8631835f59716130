"""Activations are swapped exactly, in any model of one layer; what follows of even and odd ones is found."""

import math

import pytest
import torch
from torch.nn import functional as F

import grokinterp as gi
from grokinterp.circuits.activation_swap import ActivationSwap, swapped_logits
from grokinterp.config import EmbeddingMLPConfig, OneHotMLPConfig, TransformerConfig
from grokinterp.evaluation.snapshot import Snapshot
from grokinterp.models.functional import ACTIVATIONS
from grokinterp.models.initialisation import initialise

EVEN = ("relu", "square", "abs", "fourth", "eighth", "exp", "log1p_exp_2x")
ODD = ("identity", "cube", "tanh")


CONFIGS = [
    OneHotMLPConfig(d_mlp=9),
    EmbeddingMLPConfig(d_embed=4, hidden_sizes=(9,)),
    TransformerConfig(d_model=8, d_mlp=9, n_heads=2),
]


@pytest.mark.parametrize("config", CONFIGS, ids=lambda config: config.kind)
def test_swapping_is_building_the_model_with_the_other_activation(config):
    """On random weights, biases and a path around the neurons included."""
    task = gi.Task("a + b", p=7, layout="a b").split(0.5)
    own = config.resolved(7, 7, 2)
    weights = {name: value + 0.1 for name, value in initialise(own, 0).items()}
    snapshot = Snapshot(0, own, task, weights)
    for activation in ("square", "exp", "relu"):
        other = type(own)(**{**vars(own), "activation": activation})
        torch.testing.assert_close(
            swapped_logits(snapshot, activation).float(), Snapshot(0, other, task, weights).logits, atol=1e-4, rtol=1e-4
        )


def test_even_parts_answer_and_odd_ones_do_not(planted):
    """Of squares of waves in phase, all eleven frequencies: right under each activation that has an even part."""
    read = ActivationSwap().read(planted.built("quadratic", 23, range(1, 12), 12))
    assert str(read.own_activation.values) == "square"
    assert read.swapped_accuracy.sel(activation=list(EVEN)).values.tolist() == [1] * len(EVEN)
    # At phase and opposite phase an odd activation writes the same wave up and down: no logit is left.
    assert read.swapped_loss.sel(activation=list(ODD)).values.tolist() == pytest.approx([math.log(23)] * 3)
    assert read.activation.values.tolist() == list(ACTIVATIONS)
    assert float(read.ipr_in) == pytest.approx(1, abs=1e-5) and float(read.ipr_out) == pytest.approx(1, abs=1e-5)
    assert float(read.same_frequency) == 1 and float(read.phase_alignment_median) == pytest.approx(0, abs=1e-5)


def test_a_phase_that_is_off_and_several_waves_are_measured(planted):
    """Columns behind by half a radian; and of two equal waves an IPR of a half."""
    read = ActivationSwap().read(planted.simple_neurons(behind=0.5))
    assert float(read.phase_alignment_median) == pytest.approx(0.5, abs=1e-5) and float(read.phase_alignment_near) == 0
    one = planted.built("quadratic", 23, [2, 3], 12)
    W_in, W_U = one.parameters["blocks.0.mlp.W_in"], one.parameters["unembed.W_U"]
    both = {"blocks.0.mlp.W_in": W_in[:, :12] + W_in[:, 12:], "unembed.W_U": W_U[:12] + W_U[12:]}
    config = type(one.config)(**{**vars(one.config), "d_mlp": 12})
    read = ActivationSwap().read(Snapshot(0, config, one.task, both))
    assert float(read.ipr_in) == pytest.approx(0.5, abs=1e-5) and float(read.ipr_out) == pytest.approx(0.5, abs=1e-5)


def test_noise_answers_nothing_under_any_and_has_no_phases():
    """The null: chance, a median of pi / 2, one neuron in 11 with the same frequency, an IPR of many waves."""
    task = gi.Task("a + b", p=23, layout="a b").split(0.5)
    config = OneHotMLPConfig().resolved(23, 23, 2)
    read = ActivationSwap().read(Snapshot(0, config, task, initialise(config, 0)))
    assert (read.swapped_accuracy.values < 0.15).all()
    assert float(read.phase_alignment_median) == pytest.approx(math.pi / 2, abs=0.15)
    assert float(read.same_frequency) == pytest.approx(1 / 11, abs=0.05) and float(read.ipr_in) < 0.3


def test_a_task_on_no_cycle_is_swapped_all_the_same(planted):
    """Its waves are NaN, its losses are not."""
    read = ActivationSwap().read(planted.untrained(p=7, expression="a^2 + b^2"))
    assert read.swapped_loss.notnull().all() and math.isnan(float(read.ipr_in)) and read.phase_alignment.isnull().all()


def test_models_of_other_shapes_are_left_out_with_the_reason(planted):
    """Two layers, and a norm between neurons and logits."""
    task = gi.Task("a + b", p=7).split(0.5)
    assert "the model has 2" in (ActivationSwap().why_not(planted.noise(task, n_layers=2)) or "")
    assert "a norm stands" in (ActivationSwap().why_not(planted.noise(task, normalization="pre")) or "")


def test_one_hot_networks_are_rebuilt_and_have_a_shape(planted):
    """Geometry and latent circuit read one-hots; exactly what a formula writes is rebuilt."""
    snapshot = planted.built("gromov", 13, [2, 5], 5, frac=0.6)
    geometry, latent = (gi.circuits.registered()[name].read(snapshot) for name in ("geometry", "latent_circuit"))
    assert str(geometry.geometry.values) == "torus" and float(geometry.simple_neuron_r2_median) == pytest.approx(1)
    assert float(latent.latent_accuracy_unswapped) == 1 and float(latent.latent_accuracy_shuffled) < 0.4
    loss = F.cross_entropy(snapshot.logits.double()[~snapshot.task.is_train], snapshot.labels[~snapshot.task.is_train])
    assert float(latent.latent_loss) == pytest.approx(loss.item(), rel=1e-3)


@pytest.mark.parametrize(("behind", "near"), [(0.24, 1), (0.26, 0)])
def test_a_quarter_of_a_radian_is_near(planted, behind, near):
    read = ActivationSwap().read(planted.simple_neurons(behind=behind))
    assert float(read.phase_alignment_near) == near and float(read.same_frequency) == 1


def test_a_neuron_without_a_wave_has_no_phase_and_no_vote(planted):
    """Two dead neurons, one at its input and one at its output, beside those of a circuit in phase."""
    one = planted.built("quadratic", 23, [2, 3], 12)
    W_in, W_U = (one.parameters[name].clone() for name in ("blocks.0.mlp.W_in", "unembed.W_U"))
    W_in[:, 0], W_U[1] = 0, 0
    read = ActivationSwap().read(Snapshot(0, one.config, one.task, {"blocks.0.mlp.W_in": W_in, "unembed.W_U": W_U}))
    assert read.phase_alignment.isnull().values.tolist() == [True, True, *[False] * 22]
    assert float(read.same_frequency) == 1 and float(read.phase_alignment_median) == pytest.approx(0, abs=1e-5)
    assert float(read.ipr_in) == pytest.approx(1, abs=1e-5) and float(read.phase_alignment_near) == 1
