"""Measures of the delay's causes, on functions and networks whose values are derived."""

import math

import pytest
import torch

from grokinterp import circuits
from grokinterp.circuits.commutator_defect import CommutatorDefect, commutator_defect
from grokinterp.circuits.softmax_collapse import SoftmaxCollapse
from grokinterp.circuits.trajectory import Trajectory, sketch
from grokinterp.evaluation.snapshot import Snapshot
from grokinterp.measuring.reading import join
from grokinterp.readout import Variable, readout

NAMES = ("softmax_collapse", "commutator_defect", "trajectory")


def test_they_wait_to_be_asked_for():
    """Nobody who does not name them pays for them."""
    assert all(circuits.registered()[name].only_on_request for name in NAMES)


def test_two_quadratics_commute_as_their_matrices_do():
    """Gradients A x and B x: exactly |(BA - AB) x| / (|A x| |B x|) whatever the rate; 0 where the matrices commute."""
    A, B, C = (M @ M.T for M in torch.randn(3, 5, 5, dtype=torch.float64))
    x = torch.randn(5, dtype=torch.float64)
    expected = ((B @ A - A @ B) @ x).norm() / ((A @ x).norm() * (B @ x).norm())
    for eta in (1e-3, 1e-1):
        assert commutator_defect(lambda y: A @ y, lambda y: B @ y, x, eta) == pytest.approx(expected.item(), rel=1e-6)
    assert commutator_defect(lambda y: C @ y, lambda y: C @ C @ y, x, 1e-2) == pytest.approx(0, abs=1e-9)


@pytest.fixture(scope="module")
def clock(planted) -> Snapshot:
    """A planted clock, with a split."""
    snapshot = planted.clock(p=11, frequencies=(2, 5))
    task = snapshot.task.split(frac=0.5, seed=0)
    return Snapshot(0, snapshot.config, task, snapshot.parameters)


def test_the_defect_is_of_the_training_loss(small):
    """Of weights as drawn: positive, and to first order free of the rate."""
    snapshot = Snapshot(0, small.config.model, small.task, small.weights(0))
    one, other = (CommutatorDefect(eta=eta, draws=2).read(snapshot) for eta in (1e-3, 1e-4))
    assert one.commutator_defect.item() > 0
    assert one.commutator_defect.item() == pytest.approx(other.commutator_defect.item(), rel=1e-2)


@pytest.mark.parametrize(("scale", "single", "double"), [(1.0, 0, 0), (1e3, 1, 1)])
def test_collapse_is_the_share_of_rows_without_a_loss(clock, scale, single, double):
    """With the unembedding a thousand times as large every right row's loss is 0; the logits' scale grows alike."""
    scaled = {**clock.parameters, "unembed.W_U": scale * clock.parameters["unembed.W_U"]}
    read = SoftmaxCollapse().read(Snapshot(0, clock.config, clock.task, scaled))
    assert read.zero_loss_share_float32.item() == single and read.zero_loss_share_float64.item() == double
    plain = SoftmaxCollapse().read(clock)
    assert read.logit_scale.item() == pytest.approx(scale * plain.logit_scale.item(), rel=1e-5)
    logits = clock.logits[clock.task.is_train].double()
    assert plain.logit_scale.item() == pytest.approx(
        (logits - logits.mean(1, keepdim=True)).square().mean().sqrt().item()
    )


def path(points: torch.Tensor) -> float:
    """The first share of a path of points [step, n], through its sketch."""
    steps = {
        i: readout({"weight_sketch": Variable(("bucket",), sketch(x, 4096, 0), "1", "")}) for i, x in enumerate(points)
    }
    return Trajectory().summarise(join(steps))["trajectory_pc1_share"]


def test_a_line_has_one_direction_a_circle_two_and_a_random_walk_its_own_share():
    """1, 1/2, and 6 / pi^2 of a long walk in many dimensions, to what a sketch of 4,096 places keeps."""
    n, generator = 20_000, torch.Generator().manual_seed(1)
    u, v = torch.randn(2, n, generator=generator)
    t = torch.linspace(0, 1, 40)[:, None]
    assert path(t * u + v) == pytest.approx(1, abs=1e-6)
    angle = 2 * math.pi * torch.arange(40)[:, None] / 40
    assert path(angle.cos() * u + angle.sin() * v) == pytest.approx(0.5, abs=0.03)
    walk = torch.randn(60, n, generator=generator).cumsum(0)
    assert path(walk) == pytest.approx(6 / math.pi**2, abs=0.03)


def test_a_pattern_chooses_parameters(clock):
    """The layer alone; a name that none has is a reason."""
    layer = Trajectory(pattern="mlp").read(clock)
    assert not layer.weight_sketch.equals(Trajectory().read(clock).weight_sketch)
    assert "no parameter's name" in (Trajectory(pattern="nothing").why_not(clock) or "")
