"""How far an embedding of points is a grid: exactly so where planted, by chance where random."""

import pytest
import torch

from grokinterp.circuits import grid_alignment
from grokinterp.config import TransformerConfig
from grokinterp.evaluation.snapshot import Snapshot
from grokinterp.models.initialisation import initialise
from grokinterp.tasks import Task

TASK = Task("slope", n=7)
X, Y = (TASK.coordinates.double() - 3).T


def snapshot(points: torch.Tensor) -> Snapshot:
    """A model whose points are embedded so; the rest of it does not matter."""
    width = points.shape[1]
    config = TransformerConfig(d_model=width, n_heads=1, output="answers").resolved(TASK.n_vocab, TASK.n_answers, 3)
    parameters = initialise(config, 0)
    parameters["embed.W_E"][:49] = points.float()
    return Snapshot(0, config, TASK, parameters)


def read(points: torch.Tensor) -> tuple[list[float], float]:
    found = grid_alignment.GridAlignment().read(snapshot(points))
    return found.grid_r2.values.tolist(), float(found.grid_r2_all)


def test_a_planted_grid_has_an_r2_of_one():
    """Any affine image of the grid, tilted, stretched and shifted, in the first two components."""
    directions = torch.randn(2, 12, dtype=torch.float64, generator=torch.Generator().manual_seed(0))
    r2, whole = read(torch.stack([X, Y], 1) @ directions + 5)
    assert r2 == pytest.approx([1, 1, 1], abs=1e-5) and whole == pytest.approx(1, abs=1e-5)


def test_a_grid_behind_larger_components_shows_from_the_third():
    """x^2 and y^2 are orthogonal to x and y on the grid: as large components, they leave the first two nothing."""
    r2, whole = read(torch.stack([9 * (X**2 - 4), 8 * (Y**2 - 4), 2 * X, Y, 0 * X, 0 * X], 1))
    assert r2 == pytest.approx([0, 1, 1], abs=1e-5) and whole == pytest.approx(1, abs=1e-5)


def test_half_a_grid_explains_half():
    """An embedding of x alone: all of x and none of y."""
    assert read(torch.stack([X, 0 * X], 1))[0] == pytest.approx([0.5] * 3, abs=1e-5)


def test_a_random_embedding_has_the_share_of_its_components():
    """c of the n - 1 dimensions that points span explain c / (n - 1) on average; all 48, anything."""
    generator = torch.Generator().manual_seed(0)
    found = torch.tensor([read(torch.randn(49, 64, generator=generator))[0] for _ in range(40)]).mean(0)
    assert found.tolist() == pytest.approx([2 / 48, 4 / 48, 8 / 48], abs=0.025)
    assert read(torch.randn(49, 64, generator=generator))[1] == pytest.approx(1, abs=1e-5)
    assert read(torch.zeros(49, 4)) == ([0, 0, 0], 0)


def test_the_plane_shows_the_grid():
    """With x stretched, the first component is x and the second y, up to sign: columns of points, in order."""
    found = grid_alignment.GridAlignment().read(snapshot(torch.stack([3 * X, Y], 1)))
    assert found.grid_plane.dims == ("point", "component") and found.grid_plane.shape == (49, 2)
    first, second = found.grid_plane.values.T
    assert abs(first) == pytest.approx(3 * abs(X.numpy()), abs=1e-5)
    assert abs(second) == pytest.approx(abs(Y.numpy()), abs=1e-5)


def test_tokens_that_are_no_points_are_left_out(planted):
    """Numbers mod p have no place in a plane."""
    assert "no points in a plane" in grid_alignment.GridAlignment().why_not(planted.untrained(5))
    assert grid_alignment.GridAlignment().why_not(snapshot(torch.zeros(49, 4))) is None
