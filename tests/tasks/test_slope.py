"""Slopes of lines through two grid points: classes counted by hand, and swaps that share an answer."""

import math
from fractions import Fraction

import pytest
import torch

from grokinterp.circuits import loss
from grokinterp.errors import BadRequest
from grokinterp.tasks import Task


@pytest.mark.parametrize(
    ("n", "classes"),
    [
        (2, 4),  # 0, 1, -1 and vertical
        (3, 8),  # 1/2 and 2 with both signs as well
        # Coprime pairs of 1 .. 9: 2 (phi(1) + ... + phi(9)) - 1 = 55, with two signs, and 0 and vertical.
        (10, 112),
    ],
)
def test_classes_are_the_reduced_gradients(n, classes):
    """As many as counted by hand; n^2 (n^2 - 1) rows, since two equal points have no line."""
    task = Task("slope", n=n)
    assert task.n_answers == len(task.labels.unique()) == classes
    assert len(task.inputs) == n**2 * (n**2 - 1) and task.n_vocab == n**2 + 1


def test_classes_ascend_and_vertical_is_last():
    """Every row against exact fractions."""
    task = Task("slope", n=4)
    xy = [divmod(token, 4) for token in range(16)]
    exact = []
    for p, q in task.operands.tolist():
        dx, dy = xy[q][0] - xy[p][0], xy[q][1] - xy[p][1]
        exact.append(Fraction(dy, dx) if dx else math.inf)
    order = sorted(set(exact))
    assert task.labels.tolist() == [order.index(gradient) for gradient in exact] and order[-1] == math.inf
    assert task.coordinates.tolist() == [list(point) for point in xy]
    assert task.tokens[:2] == ["(0,0)", "(0,1)"] and task.tokens[-1] == "="


def test_a_swap_has_the_same_slope_and_unswapped_rows_tell():
    """A model that remembers unordered pairs is right on training rows and their swaps, and on no unswapped row."""
    task = Task("slope", n=3).split(frac=0.5, seed=0)
    assert task.is_commutative
    known = task.is_train | task.is_train[task.swapped]
    logits = torch.zeros(len(task.inputs), task.n_answers)
    guess = torch.where(known, task.labels, (task.labels + 1) % 8)
    logits[torch.arange(len(logits)), guess] = 1
    found = loss.losses(logits, task)
    assert found["train_accuracy"] == 1 and found["test_accuracy_unswapped"] == 0
    assert found["test_accuracy"] == pytest.approx(float(known[~task.is_train].double().mean())) and known.any()


@pytest.mark.parametrize(
    ("parameters", "remedy"),
    [({"n": 1}, "n=10"), ({"n": 48}, "from 2 to 47"), ({"layout": "power"}, "layout='a b ='"), ({"p": 5}, "It has: n")],
)
def test_refusals_name_the_remedy(parameters, remedy):
    """One line each."""
    with pytest.raises(BadRequest, match=remedy) as refused:
        Task("slope", **parameters)
    assert "\n" not in str(refused.value)
