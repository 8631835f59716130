"""Discs, tori and what is between them are told apart; the public models have the numbers measured by others."""

import math

import numpy as np
import pytest
import torch
import xarray as xr

import grokinterp as gi
from grokinterp import Task, circuits
from grokinterp.analysis.moments import Moments
from grokinterp.analysis.simple_neurons import SimpleNeurons
from grokinterp.measuring import snapshot_of

GeometryCircuit, Rule = circuits.geometry.GeometryCircuit, circuits.geometry.Rule
P, PHASES = 23, 24


def cluster(offsets, k=3):
    """[a, b, neuron]: cos(w a + phi) + cos(w b + phi - offset) at evenly spaced phases and all offsets."""
    phi = 2 * math.pi / PHASES * torch.arange(PHASES).repeat_interleave(len(offsets)).double()
    angle = 2 * math.pi * k / P * torch.arange(P)[:, None]
    return (angle + phi).cos()[:, None] + (angle + phi - torch.tensor(offsets).repeat(PHASES)).cos()


@pytest.mark.parametrize("expression", ["a + b", "a - b", "a * b"])
@pytest.mark.parametrize("kind", ["disc", "torus"])
def test_a_planted_shape_is_found(planted, expression, kind):
    """Both compute the task; neurons that write the phase they read have a phase sum of zero, on every cycle."""
    offsets = {"disc": [0.0], "torus": [2 * math.pi * i / 8 for i in range(8)]}[kind]
    read = GeometryCircuit().read(planted.simple_neurons(offsets=offsets, expression=expression))
    assert float(read.simple_neuron_r2_median) == pytest.approx(1, abs=1e-5)
    assert float(read.phase_sum_median) == pytest.approx(0, abs=1e-5)
    assert float(read.answer_wave_share_median) == pytest.approx(0, abs=1e-5)
    assert float(read.cluster_share_of_four) == pytest.approx(1, abs=1e-5)
    two = {"disc": 1.0, "torus": 0.5}[kind]
    assert float(read.cluster_share_of_two) == pytest.approx(two, abs=1e-5)
    components = read.cluster_components.sel(k=5, component=[1, 3]).values
    assert components.tolist() == pytest.approx([two / 2, (1 - two) / 2], abs=1e-5)
    if expression != "a * b":  # whose rows with zero nobody planted an answer for
        assert str(read.geometry.values) == kind
    assert float(read.geometry_margin) == pytest.approx(0.15, abs=1e-5)


@pytest.mark.parametrize("spread", [0.0, 0.5, 1.0, 1.2, 1.4, 2.0, 2.3, 3.0, math.pi])
def test_between_disc_and_torus_the_share_of_two_is_known(spread):
    """Of phase differences +-spread it is (1 + |cos spread|) / 2, and the rule turns at its thresholds."""
    shares = circuits.geometry.components(SimpleNeurons.of(Moments(cluster([-spread, spread]))))[2]
    assert shares[:2].sum().item() == pytest.approx((1 + abs(math.cos(spread))) / 2)
    assert shares.sum().item() == pytest.approx(1)


@pytest.mark.parametrize(
    ("two", "four", "r2", "shape"),
    [
        (0.85, 1, 1, "disc"), (0.849, 1, 1, "mixed"), (0.651, 1, 1, "mixed"), (0.65, 1, 1, "torus"),
        (0.99, 0.849, 1, "none"), (0.5, 0.85, 0.85, "torus"), (0.5, 1, 0.849, "none"), (math.nan, math.nan, 1, "none"),
    ],
)  # fmt: skip
def test_the_rule_turns_at_its_thresholds(two, four, r2, shape):
    assert Rule().geometry(two, four, r2) == shape


def test_the_margin_is_to_the_nearer_threshold():
    assert [Rule().margin(two) for two in (0.9, 0.8, 0.7, 0.5)] == pytest.approx([0.05, 0.05, 0.05, 0.15])


def test_a_phase_that_is_off_is_measured(planted):
    """Columns behind by 0.5 have a phase sum of 0.5, and the input's shape does not care."""
    read = GeometryCircuit().read(planted.simple_neurons(behind=0.5))
    assert float(read.phase_sum_median) == pytest.approx(0.5, abs=1e-5)
    assert float(read.phase_difference_median) == pytest.approx(0, abs=1e-5)
    assert float(read.cluster_share_of_two) == pytest.approx(1, abs=1e-5)


def test_seven_neurons_are_no_cluster_and_eight_are():
    """Too few have no shares, and without any cluster there is no geometry."""
    for count in (7, 8):
        some = cluster([0.0])[..., :count]
        assert circuits.geometry.components(SimpleNeurons.of(Moments(some))).isnan().all().item() == (count == 7)


def test_noise_writes_no_phase_that_it_reads_and_has_no_geometry(planted):
    """The null: of random weights R^2 is small, the phase sum is near pi / 2, and the model is not solved.

    Its phase difference is near 0 all the same: what adds two vectors of one embedding is a disc from the start.
    """
    read = GeometryCircuit().read(planted.untrained(p=23))
    assert float(read.simple_neuron_r2_median) < 0.5
    assert float(read.phase_sum_median) == pytest.approx(math.pi / 2, abs=0.35)
    assert float(read.phase_difference_median) < 0.1
    assert str(read.geometry.values) == "none"


def test_a_model_that_is_not_solved_has_numbers_and_no_geometry(planted):
    """A disc whose columns point elsewhere answers nothing right."""
    read = GeometryCircuit().read(planted.simple_neurons(behind=math.pi))
    assert float(read.cluster_share_of_two) == pytest.approx(1, abs=1e-5)
    assert str(read.geometry.values) == "none"


def test_behind_another_layer_there_is_no_phase_sum(planted):
    """The first layer's output is not read out directly where another follows."""
    read = GeometryCircuit().read(planted.noise(Task("a + b", p=11).split(frac=0.5, seed=0), n_layers=2))
    assert np.isnan(read.phase_sum.values).all() and np.isnan(float(read.phase_sum_median))
    assert np.isfinite(float(read.phase_difference_median))


def test_a_task_that_adds_nothing_is_left_out(planted):
    assert "no sum of operands" in (GeometryCircuit().why_not(planted.untrained(p=11, expression="a^2 + b^2")) or "")


@pytest.mark.parametrize(
    ("file", "counted", "r2", "difference", "phase_sum", "two", "shape"),
    [
        ("pizza/model_p99zdpze5l.pt", 506, 0.983, 0.004, 0.0059, 0.987, "disc"),
        ("pizza/model_2k4ohj6bhd.pt", 507, 0.975, 0.0055, 0.0256, 0.985, "disc"),
        ("pizza/model_q9rsl94xlv.pt", 512, 0.968, 0.0045, 0.0393, 0.975, "disc"),
        ("nanda/wd_10-1_mod_addition_loss_curve.pth", 143, 0.965, 0.0016, 0.0343, 0.975, "disc"),
        ("pizza/model_p71frej8t7.pt", 228, 0.980, 0.000, None, 0.981, "disc"),
        ("pizza/model_7r4zst7evs.pt", 250, 0.997, 1.675, 0.0195, 0.525, "torus"),
    ],
)
def test_published_models_have_the_geometry_measured_elsewhere(
    data, file, counted, r2, difference, phase_sum, two, shape
):
    """Clocks by Zhong et al.'s measures, q9rsl94xlv and 7r4zst7evs, are a disc and a torus."""
    run = gi.load(data(file))
    read = GeometryCircuit().read(snapshot_of(run, run.final.step))
    assert int(read.neuron_is_counted.sum()) == counted
    assert float(read.simple_neuron_r2_median) == pytest.approx(r2, abs=0.001)
    assert float(read.phase_difference_median) == pytest.approx(difference, abs=0.004 if shape == "disc" else 0.11)
    assert float(read.phase_sum_median) == pytest.approx(phase_sum or math.nan, abs=0.01, nan_ok=True)
    assert float(read.cluster_share_of_two) == pytest.approx(two, abs=0.015)
    assert str(read.geometry.values) == shape


@pytest.mark.parametrize(("expression", "sign"), [("a + b", 1), ("a - b", -1)])
def test_frequencies_and_phases_rebuild_the_neurons(planted, expression, sign):
    """Every planted neuron is cos(w a + phi_a) + cos(w b +- phi_b), up to its size."""
    one = planted.simple_neurons(offsets=[0.4, 2.0], expression=expression)
    read = GeometryCircuit().read(one)
    a, b = (one.task.operands.double().numpy()[:, i, None] * 2 * math.pi / 23 for i in (0, 1))
    k = read.simple_neuron_frequency.values
    rebuilt = np.cos(k * a + read.phase_a.values) + np.cos(k * b + sign * read.phase_b.values)
    (pre,) = one.layers("mlp.hook_pre")
    found = one[pre].double().numpy()
    for each in (rebuilt, found):
        each -= each.mean(0)
        each /= np.linalg.norm(each, axis=0)
    assert (rebuilt * found).sum(0) == pytest.approx(1, abs=1e-5)
    assert sorted({round(each, 3) for each in np.abs(read.phase_difference.values)}) == [0.4, 2.0]
    assert read.simple_neuron_r2.values == pytest.approx(1, abs=1e-5)
    assert read.answer_wave_share.values == pytest.approx(0, abs=1e-5)


def test_the_summary_is_of_the_last_checkpoint():
    found = GeometryCircuit().summarise(xr.Dataset({"geometry": ("step", ["none", "disc"])}))
    assert found["geometry"] == "disc"


def test_solved_is_said_of_unseen_rows(planted):
    """A product's rows with a zero have no planted answer: that does not count where they are trained on."""
    offsets = [2 * math.pi * i / 8 for i in range(8)]
    one = planted.simple_neurons(offsets=offsets, expression="a * b")
    zero = (one.task.operands == 0).any(1)
    for is_train, shape in ((zero, "torus"), (~zero, "none"), (zero | ~zero, "none")):
        task = one.task.with_split(is_train)
        read = GeometryCircuit().read(type(one)(0, one.config, task, one.parameters))
        assert str(read.geometry.values) == shape
