"""Images of lines: the pixels of the line and no others, its reduced gradient as class, noise of exactly so many."""

import math
from fractions import Fraction

import pytest
import torch

from grokinterp.errors import BadRequest
from grokinterp.tasks import Task
from grokinterp.tasks.lines import pixels_of_line, reduced_gradients

SMALL = {"size": 9, "length": 7, "largest": 2}


def test_classes_are_the_reduced_gradients_in_order():
    """Largest 2: 0, 1/2, 1, 2 with both signs, and vertical. Largest 3: 1/3, 2/3, 3/2 and 3 with both signs as well."""
    assert len(reduced_gradients(2)) == 8 and len(reduced_gradients(3)) == 16
    for gradients in (reduced_gradients(2), reduced_gradients(3)):
        *finite, last = gradients
        slopes = [Fraction(dy, dx) for dx, dy in finite]
        assert last == (0, 1) and slopes == sorted(set(slopes))
        assert all(math.gcd(dx, dy) == 1 and dx > 0 for dx, dy in finite)


@pytest.mark.parametrize("gradient", reduced_gradients(3), ids=str)
def test_a_line_holds_its_lattice_points_and_stays_near(gradient):
    """From its first pixel on, every (dx, dy) step that fits is lit; all pixels are within half of the exact line."""
    dx, dy = gradient
    columns, rows = (each.tolist() for each in pixels_of_line(gradient, 8).T)
    assert len(set(zip(columns, rows, strict=True))) == 8
    # The start is the left end of a flat line, and the upper end of a steep one: lower where the gradient is negative.
    start = (columns[0], rows[0])
    steps = range(1 + 7 // max(abs(dx), abs(dy)))
    sign = 1 if dy >= 0 else -1
    points = {(start[0] + t * dx, start[1] + t * abs(dy) * sign) for t in steps}
    assert points <= set(zip(columns, rows, strict=True))
    for x, y in zip(columns, rows, strict=True):
        # Along the axis in which the line has one pixel a column (or row), off by at most a half.
        off = (y - start[1]) * abs(dx) - sign * (x - start[0]) * abs(dy)
        assert abs(off) <= max(abs(dx), abs(dy)) / 2


def test_every_place_of_every_line_has_one_row():
    """Images of a class are translates: as many as places, all different, each with `length` pixels lit."""
    task = Task("lines", **SMALL)
    images = task.clean.reshape(-1, 9, 9)
    assert (images.sum((1, 2)) == 7).all() and len(task.clean.unique(dim=0)) == len(task.clean)
    for answer, gradient in enumerate(task.gradients):
        pixels = pixels_of_line(gradient, 7)
        width, height = (pixels.amax(0) + 1).tolist()
        rows = (task.labels == answer).nonzero().flatten()
        assert len(rows) == (9 - width + 1) * (9 - height + 1)
        for row in rows[:: max(1, len(rows) // 5)]:
            lit = images[row].nonzero().flip(1)
            assert (lit.amin(0) == task.operands[row, 1:3]).all()
            assert {tuple(p) for p in (lit - lit.amin(0)).tolist()} == {tuple(p) for p in pixels.tolist()}
    assert torch.equal(task.inputs, task.clean) and not task.has_tokens and task.has_classes
    grid = task.to_grid(task.labels.double())
    assert grid.shape == (8, 9, 9, 1) and int((~grid.isnan()).sum()) == len(task.labels)


@pytest.mark.parametrize(("flips", "outliers"), [(5, 0), (0, 6), (3, 4)])
def test_noise_changes_exactly_so_many_pixels(flips, outliers):
    """Flips alone invert n pixels; outliers alone light n dark ones; after flips, outliers meet dark pixels only."""
    task = Task("lines", **SMALL, flips=flips, outliers=outliers, copies=2)
    changed = (task.inputs != task.clean).sum(1)
    assert task.inputs.unique().tolist() == [0, 1]
    if not outliers:
        assert (changed == flips).all()
    elif not flips:
        assert (changed == outliers).all() and (task.inputs >= task.clean).all()
    else:
        flipped = Task("lines", **SMALL, flips=flips, copies=2).inputs
        assert ((task.inputs != flipped).sum(1) == outliers).all() and (task.inputs >= flipped).all()
    assert not torch.equal(task.inputs[0], task.inputs[1]) and torch.equal(task.clean[0], task.clean[1])
    assert torch.equal(task.inputs, Task("lines", **SMALL, flips=flips, outliers=outliers, copies=2).inputs)


def test_copies_of_a_line_are_on_one_side():
    """No test row is a noisy copy of a line that was trained on."""
    task = Task("lines", **SMALL, flips=4, copies=3).split(frac=0.5, seed=1)
    sides = task.is_train.reshape(-1, 3)
    assert (sides.all(1) | ~sides.any(1)).all() and 0 < int(sides[:, 0].sum()) < len(sides)


@pytest.mark.parametrize(
    ("parameters", "remedy"),
    [
        ({"size": 2}, "size=16"),
        ({"length": 20}, "at most|from 2 to"),
        ({"largest": 8}, "largest=3"),
        ({"length": 4, "largest": 3}, "raise it"),
        ({"flips": 250}, "at most 248"),
        ({"outliers": -1}, "0 or more"),
        ({"copies": 0}, "1 or more"),
        ({"size": 64, "length": 8, "copies": 9}, "lower size or copies"),
        ({"p": 5}, "It has: size"),
    ],
    ids=str,
)
def test_refusals_name_the_remedy(parameters, remedy):
    """One line each."""
    with pytest.raises(BadRequest, match=remedy) as refused:
        Task("lines", **parameters)
    assert "\n" not in str(refused.value)
