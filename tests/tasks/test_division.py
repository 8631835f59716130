"""Division without a modulus: the table, its two forms, and the split that leaves the large operands out."""

import pytest
import torch

import grokinterp as gi
from grokinterp.errors import BadRequest
from grokinterp.tasks import Task


def test_quotients_are_those_of_whole_numbers():
    """All pairs of 1 .. n; the grid has no value where an operand is zero."""
    task = Task("division", n=7)
    assert task.operands.tolist() == [[a, b] for a in range(1, 8) for b in range(1, 8)]
    assert task.labels.tolist() == [a // b for a, b in task.operands.tolist()]
    grid = task.to_grid(task.labels.double())
    assert grid.shape == (8, 8) and grid[0].isnan().all() and grid[:, 0].isnan().all()
    assert not grid[1:, 1:].isnan().any()
    # a < b in n (n - 1) / 2 of the n^2 pairs: the quotient 0 is the commonest.
    assert task.majority_rate == pytest.approx(21 / 49)


def test_numbers_are_read_and_answered_as_they_are():
    """float32 rows (a, b) and float32 quotients, one output column."""
    task = Task("division", n=5, form="numbers")
    assert torch.equal(task.inputs, task.operands.float()) and not task.has_tokens and not task.has_classes
    assert torch.equal(task.labels, task.inputs[:, 0] / task.inputs[:, 1]) and task.n_answers == 1
    assert task.positions == (-1,)


@pytest.mark.parametrize(("n", "frac", "bound"), [(40, 0.25, 20), (40, 0.249, 19), (6, 1.0, 6), (6, 0.5, 4)])
def test_the_split_extrapolate_trains_below_a_bound(n, frac, bound):
    """The largest bound whose bound^2 pairs are no more than frac of the n^2."""
    task = Task("division", n=n).split(frac=frac, split="extrapolate")
    assert torch.equal(task.is_train, (task.operands <= bound).all(1))
    assert bound**2 <= frac * n**2 < (bound + 1) ** 2


def test_the_split_extrapolate_is_any_tables():
    """Numbers mod 5 below 3: 9 of 25 rows."""
    task = Task("a + b", p=5).split(frac=0.4, split="extrapolate")
    assert int(task.is_train.sum()) == 9 and task.operands[task.is_train].max() == 2
    with pytest.raises(BadRequest, match="leaves nothing to train on"):
        Task("division", n=5).split(frac=0.01, split="extrapolate")


@pytest.mark.parametrize(
    ("parameters", "remedy"),
    [
        ({"n": 1}, "n=40"),
        ({"n": 10_000}, "use numbers up to"),
        ({"form": "fractions"}, "classes.*numbers"),
        ({"layout": "power"}, "use 'a b ='"),
        ({"p": 5}, "It has: n"),
    ],
    ids=str,
)
def test_refusals_name_the_remedy(parameters, remedy):
    """One line each."""
    with pytest.raises(BadRequest, match=remedy) as refused:
        Task("division", **parameters)
    assert "\n" not in str(refused.value)


@pytest.mark.parametrize(
    ("task", "options", "remedy"),
    [
        ("division", {"preset": "nalu", "form": "classes"}, "asks for a class; use a preset"),
        ("division", {"preset": "nanda", "form": "numbers"}, "without tokens; use a preset .*nalu"),
        ("a + b", {"preset": "nalu"}, "asks for a class"),
        ("division", {"preset": "lines_patches", "form": "numbers"}, "does not divide images of 2 pixels"),
        ("lines", {"preset": "lines_patches", "patch": 3}, "does not divide images of 256 pixels"),
        ("lines", {"preset": "lines_nested", "inner_width": 2}, "lower n_heads"),
        ("lines", {"preset": "nanda"}, "use a preset whose model reads it .*lines_pixels"),
    ],
)
def test_what_does_not_fit_is_refused_before_training(task, options, remedy, tmp_path):
    """A model that answers with numbers, images, rows of two: each only with its own kind."""
    with pytest.raises(BadRequest, match=remedy) as refused:
        gi.train(task, **options, out=tmp_path / "run", progress=False)
    assert "\n" not in str(refused.value) and not (tmp_path / "run").exists()
