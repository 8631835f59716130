"""Measures of the delay's causes, on functions and networks whose values are derived."""

import math

import pytest
import torch

from grokinterp import circuits
from grokinterp.circuits import commutator_defect as commutator_defects
from grokinterp.circuits.commutator_defect import CommutatorDefect, commutator_defect
from grokinterp.circuits.rank_reduction import RankReduction
from grokinterp.circuits.softmax_collapse import SoftmaxCollapse
from grokinterp.circuits.trajectory import Trajectory, sketch
from grokinterp.evaluation.flat_loss import FlatLoss
from grokinterp.evaluation.snapshot import Snapshot
from grokinterp.measuring.reading import join
from grokinterp.readout import Variable, readout
from grokinterp.tasks import Task

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
    found = Trajectory().summarise(join(steps))
    assert found["trajectory_shares"][0] == found["trajectory_pc1_share"] and len(found["trajectory_shares"]) == 5
    assert sum(found["trajectory_shares"]) <= 1 + 1e-9
    return found["trajectory_pc1_share"]


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


@pytest.mark.parametrize(("margin", "single", "double"), [(12.0, 0, 0), (25.0, 1, 0), (50.0, 1, 1)])
def test_each_precision_loses_a_loss_at_its_own_margin(planted, margin, single, double):
    """About 17 nats in float32 and 37 in float64; of the rows trained on alone, by the labels that they were taught."""
    task = Task("a + b", p=7, layout="a b").split(frac=0.4, seed=0, mislabelled=5)
    logits = margin * torch.eye(7)[task.train_labels]
    logits[~task.is_train] = 0  # whose loss is ln 7
    read = SoftmaxCollapse().read(planted.answering(task, logits))
    assert read.zero_loss_share_float32.item() == single and read.zero_loss_share_float64.item() == double
    # One of seven is the margin, so that the mean square around the mean is margin^2 (1/7 - 1/49).
    assert read.logit_scale.item() == pytest.approx(margin * (6 / 49) ** 0.5, rel=1e-5)
    # Of 49 neurons: two weights and a bias of 1 each, the identity, and the training rows' one logit.
    squares = 49 * 3 + 7 + int(task.is_train.sum()) * margin**2
    assert read.weight_norm.item() == pytest.approx(squares**0.5, rel=1e-5)


@pytest.mark.parametrize(("rows", "size"), [(3, 3), (512, 4)])
def test_the_batches_of_a_draw_are_disjoint_training_rows(small, monkeypatch, rows, size):
    """As many as asked for, half of the eight at most; other rows in each draw; spread and median over draws."""
    snapshot, drawn, defects = Snapshot(0, small.config.model, small.task, small.weights(0)), [], [3.0, 1.0, 7.0]
    monkeypatch.setattr(FlatLoss, "__call__", lambda self, x, rows: drawn.append(rows.tolist()) or (x**2).sum())

    def fixed(a, b, x, eta):
        assert eta == 1e-3
        a(x), b(x)
        return defects[len(drawn) // 2 - 1]

    monkeypatch.setattr(commutator_defects, "commutator_defect", fixed)
    read = CommutatorDefect(rows=rows, draws=3).read(snapshot)
    train = set(small.task.is_train.nonzero().flatten().tolist())
    for a, b in zip(drawn[::2], drawn[1::2], strict=True):
        assert len(a) == len(b) == size and len({*a, *b}) == 2 * size and {*a, *b} <= train
    assert drawn[0] != drawn[2] and len(drawn) == 6
    assert read.commutator_defect.item() == 3
    assert read.commutator_defect_spread.item() == pytest.approx((28 / 3) ** 0.5)


def test_a_path_of_two_points_says_nothing():
    """They are on a line whatever the weights did; of three on a line the share is 1."""
    readouts = {
        i: readout({"weight_sketch": Variable(("bucket",), torch.tensor([float(i), 2.0 * i]), "1", "")})
        for i in range(3)
    }
    assert Trajectory().summarise(join({i: readouts[i] for i in (0, 1)})) == {}
    assert Trajectory().summarise(join(readouts))["trajectory_pc1_share"] == pytest.approx(1)


def test_a_sketch_keeps_lengths_and_follows_its_seed():
    """Signs are drawn, so that what falls into one place does not add up: |s(x)|^2 is |x|^2 to about sqrt(2 / size)."""
    x = torch.ones(50_000)
    sizes = torch.stack([sketch(x, 4096, seed).square().sum() for seed in range(4)])
    assert (sizes / 50_000 - 1).abs().max() < 0.1 and len(sizes.unique()) == 4
    assert torch.equal(sketch(x, 64, 1), sketch(x, 64, 1)) and len(sketch(x, 64, 1)) == 64


def test_measures_of_classes_and_of_training_rows_say_what_they_lack(planted):
    """Numbers have no softmax; without a split, or a row in it, nothing is trained on."""
    numbers = planted.noise(Task("a + b", p=7).split(frac=0.5, seed=0))
    numbers.task = Task("division", n=4, form="numbers").split(frac=0.5, seed=0)
    whole = planted.noise(Task("a + b", p=7))
    none = planted.noise(Task("a + b", p=7).with_split(torch.zeros(49, dtype=torch.bool)))
    one = planted.noise(Task("a + b", p=7).with_split(torch.arange(49) == 3))
    two = planted.noise(Task("a + b", p=7).with_split(torch.arange(49) < 2))
    why = SoftmaxCollapse().why_not
    assert "no softmax" in why(numbers)
    assert "no row" in why(whole) and "no row" in why(none) and why(one) is None
    why = CommutatorDefect().why_not
    assert all("fewer than two" in why(few) for few in (whole, none, one)) and why(two) is None
    assert "numbers" in RankReduction().why_not(numbers) and RankReduction().why_not(whole) is None
