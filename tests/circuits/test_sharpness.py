"""The largest loss in a box, for functions whose maximum there can be derived."""

import itertools

import pytest
import torch

from grokinterp.circuits.sharpness import Maximum, Sharpness, maximise
from grokinterp.config import EmbeddingMLPConfig
from grokinterp.evaluation.snapshot import Snapshot
from grokinterp.models.initialisation import initialise
from grokinterp.tasks import Task

DIMENSIONS = 4


def box(x0: torch.Tensor, epsilon: float, seed: int = 0) -> tuple[torch.Tensor, torch.Tensor]:
    """A [n, dimensions] and the bounds on y, by their definition (numpy's own pseudo-inverse)."""
    A_plus = torch.randn(DIMENSIONS, len(x0), generator=torch.Generator().manual_seed(seed), dtype=torch.float64)
    A_plus = A_plus / A_plus.norm(dim=1, keepdim=True)
    return torch.linalg.pinv(A_plus), epsilon * ((A_plus @ x0).abs() + 1)


@pytest.mark.parametrize("size", [1e-12, 1.0, 1e6])
def test_a_linear_function_is_largest_in_the_corner_its_slope_points_to(size):
    """f0 + sum_i |(A^T g)_i| b_i, however flat or steep."""
    g = torch.randn(30, generator=torch.Generator().manual_seed(1), dtype=torch.float64) * size
    x0 = torch.linspace(-3, 3, 30, dtype=torch.float64)
    A, bound = box(x0, 1e-2)
    found = maximise(lambda x: g @ x, x0, DIMENSIONS, 1e-2)
    assert found.centre == pytest.approx((g @ x0).item())
    assert found.largest - found.centre == pytest.approx(((A.T @ g).abs() @ bound).item(), rel=1e-3)


def test_a_convex_quadratic_is_largest_in_a_corner():
    """The best of the 16 corners, and not the centre or the minimum, which a minimiser would give."""
    n = 12
    root = torch.randn(n, n, generator=torch.Generator().manual_seed(2), dtype=torch.float64)
    H, x0 = root @ root.T, torch.ones(n, dtype=torch.float64)
    f = lambda x: x @ H @ x / 2
    A, bound = box(x0, 0.05)
    corners = [f(x0 + A @ (torch.tensor(s) * bound)).item() for s in itertools.product([-1.0, 1.0], repeat=DIMENSIONS)]
    found = maximise(f, x0, DIMENSIONS, 0.05, iterations=50)
    assert found.largest == pytest.approx(max(corners))
    assert found.largest > found.centre == pytest.approx(f(x0).item())


def test_a_maximum_at_the_centre_is_no_sharper_than_zero():
    """Nothing in the box is larger: phi = 0."""
    x0 = torch.ones(5, dtype=torch.float64)
    found = maximise(lambda x: -((x - 1) ** 2).sum(), x0, DIMENSIONS)
    assert found == Maximum(0.0, 0.0) and found.sharpness == 0


def test_phi_is_the_growth_in_percent_of_one_plus_the_loss():
    """100 (3 - 1) / (1 + 1)."""
    assert Maximum(1.0, 3.0).sharpness == 100


def test_it_reads_the_training_loss_and_leaves_the_weights():
    """A larger box is sharper; the same seed gives the same; weights are bit for bit what they were."""
    task = Task("a + b", p=7, layout="a b").split(frac=0.5, seed=0)
    config = EmbeddingMLPConfig(d_embed=8, hidden_sizes=(16,)).resolved(7, 7, 2)
    parameters = initialise(config, 0)
    before = {name: value.clone() for name, value in parameters.items()}
    snapshot = Snapshot(0, config, task, parameters)
    phi = [Sharpness(epsilon=e).read(snapshot).sharpness.item() for e in (1e-3, 1e-2, 1e-2)]
    assert 0 < phi[0] < phi[1] == phi[2]
    assert all(torch.equal(before[name], parameters[name]) for name in before)


def test_it_is_the_sharpness_of_the_rows_trained_on_as_they_were_taught():
    """By hand: the mean cross-entropy of those rows alone, mislabelled ones included, in the box of `maximise`."""
    task = Task("a + b", p=7, layout="a b").split(frac=0.3, seed=0, mislabelled=6)
    config = EmbeddingMLPConfig(d_embed=8, hidden_sizes=(16,)).resolved(7, 7, 2)
    parameters = {name: 3 * value.double() for name, value in initialise(config, 0).items()}

    def largest(rows: torch.Tensor, labels: torch.Tensor) -> float:
        def loss(flat: torch.Tensor) -> torch.Tensor:
            parts = zip(parameters, flat.split([value.numel() for value in parameters.values()]), strict=True)
            w = {name: part.view(parameters[name].shape) for name, part in parts}
            x = w["embed.W_E"][task.inputs[rows]]
            x = x.flatten(1) if len(w["blocks.0.mlp.W_in"]) == 16 else x.sum(1)
            x = x @ w["blocks.0.mlp.W_in"] + w.get("blocks.0.mlp.b_in", 0)
            out = torch.relu(x) @ w["unembed.W_U"] + w.get("unembed.b_U", 0)
            return torch.nn.functional.cross_entropy(out, labels[rows])

        return maximise(loss, torch.cat([value.flatten() for value in parameters.values()])).sharpness

    found = Sharpness().read(Snapshot(0, config, task, parameters)).sharpness.item()
    train = task.is_train
    expected = largest(train, task.train_labels)
    assert found == pytest.approx(expected, rel=1e-4)
    for rows, labels in ((train, task.labels), (~train, task.labels), (train | ~train, task.train_labels)):
        assert largest(rows, labels) != pytest.approx(expected, rel=1e-2)


def test_without_training_rows_there_is_no_training_loss():
    """The reason is said."""
    task = Task("a + b", p=7, layout="a b")
    config = EmbeddingMLPConfig(d_embed=8, hidden_sizes=(16,)).resolved(7, 7, 2)
    assert "no row" in Sharpness().why_not(Snapshot(0, config, task, initialise(config, 0)))
