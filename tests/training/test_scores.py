"""Scores of training: what each number is of, and by which rule."""

import math

import pytest
import torch

import grokinterp as gi
from grokinterp.config import ScheduleConfig
from grokinterp.evaluation.losses import loss
from grokinterp.training import scores
from grokinterp.training.batches import batches
from grokinterp.training.scores import Scores

CPU = torch.device("cpu")


class Fixed:
    """An evaluator that answers with a table of logits, whatever the parameters."""

    def __init__(self, logits: torch.Tensor):
        self.logits = logits

    def __call__(self, parameters, rows=None, *, for_gradient=True):
        return self.logits if rows is None else self.logits[rows]

    def of(self, parameters, inputs):
        raise NotImplementedError


def scored(task: gi.Task, logits: torch.Tensor) -> dict[str, float]:
    return Scores(task, CPU, batches(task, None, 0, CPU))(Fixed(logits), {"w": torch.tensor([3.0, 4.0])}, 0)


def test_numbers_are_scored_by_their_squared_error():
    """Off by 2 in half of the rows and right in the others: a mean square of 2, where the mean distance is 1."""
    task = gi.Task("division", n=4, form="numbers").split(frac=0.5, seed=0)
    off = torch.zeros(16)
    for side in (task.is_train, ~task.is_train):
        off[side.nonzero().flatten()[::2]] = 2.0
    found = scored(task, (task.labels + off)[:, None])
    assert found["train_loss"] == pytest.approx(2) and found["test_loss"] == pytest.approx(2)
    assert found["train_accuracy"] == found["test_accuracy"] == 0.5
    assert loss((task.labels + off)[:, None], task.labels).item() == pytest.approx(2)


def test_each_side_is_scored_by_its_own_labels():
    """Training rows by the labels trained on, test rows by the answers; weights by their squares."""
    task = gi.Task("a + b", p=5).split(frac=0.6, seed=0, mislabelled=3)
    right = 30 * torch.nn.functional.one_hot(task.labels, task.n_answers).float()
    found = scored(task, right)
    assert found["train_accuracy"] == pytest.approx(12 / 15) and found["test_accuracy"] == 1
    assert found["train_loss"] == pytest.approx(30 * 3 / 15, rel=1e-6)
    assert found["test_loss"] == pytest.approx(4 * math.exp(-30), rel=1e-6)
    assert found["weight_norm_squared"] == 25
    uniform = scored(task, torch.zeros(25, task.n_answers))
    assert [uniform["train_loss"], uniform["test_loss"]] == pytest.approx([math.log(task.n_answers)] * 2)


def test_rows_taught_a_wrong_answer_have_curves_of_their_own():
    """One that answers all rows rightly refuses them, a memory has them as taught; without such rows there are none."""
    task = gi.Task("a + b", p=5).split(frac=0.6, seed=0, corrupt=0.2)
    rows = torch.nn.functional.one_hot
    knows, remembers = (scored(task, 30 * rows(labels, 5).float()) for labels in (task.labels, task.train_labels))
    assert (knows["train_accuracy_clean"], knows["train_accuracy_corrupted"]) == (1, 0)
    assert knows["train_accuracy_corrected"] == 1 and knows["train_loss_corrupted"] == pytest.approx(30)
    assert (remembers["train_accuracy_corrupted"], remembers["train_accuracy_corrected"]) == (1, 0)
    assert knows["train_loss_clean"] == remembers["train_loss_clean"] == pytest.approx(4 * math.exp(-30), rel=1e-6)
    clean = gi.Task("a + b", p=5).split(frac=0.6, seed=0)
    assert not [name for name in scored(clean, torch.zeros(25, clean.n_answers)) if "corrupted" in name]


def test_what_is_lowered_stands_beside_the_cross_entropy():
    """Zero logits miss a one-hot of n columns by 1 / n in the mean square; plain runs have no such column."""
    task = gi.Task("a + b", p=5).split(frac=0.6, seed=0)
    zeros = Fixed(torch.zeros(25, task.n_answers))
    of = lambda **fields: Scores(task, CPU, batches(task, None, 0, CPU), ScheduleConfig(**fields))(
        zeros, {"w": torch.ones(1)}, 0
    )
    assert of(loss="mse")["objective"] == pytest.approx(1 / task.n_answers)
    assert of(loss="mse")["train_loss"] == pytest.approx(math.log(task.n_answers))
    assert of(temperature=2.0)["objective"] == pytest.approx(math.log(task.n_answers)) and "objective" not in of()


def test_a_table_in_pieces_has_the_scores_of_the_whole(monkeypatch):
    """Seven rows at a time, of several operations: each number as of all rows at once."""
    task = gi.Task("a + b; a - b", p=5).split(frac=0.5, seed=0)
    logits = torch.randn(50, task.n_answers)
    whole = scored(task, logits)
    monkeypatch.setattr(scores, "TOKENS_SCORED_AT_ONCE", 7 * task.inputs.shape[1])
    assert scored(task, logits) == whole
    right = logits.argmax(1) == task.labels
    for i, operation in enumerate(task.operations):
        rows = ~task.is_train & (task.operation == i)
        assert whole[f"test_accuracy[{operation}]"] == pytest.approx(right[rows].double().mean().item())


def test_remembered_pairs_do_not_help_with_unswapped_rows():
    """A model that knows the training pairs in either order, and nothing else; of a - b there is no such number."""
    task = gi.Task("a + b", p=7).split(frac=0.5, seed=0)
    known = task.is_train | task.is_train[task.swapped]
    guess = torch.where(known, task.labels, (task.labels + 1) % 7)
    found = scored(task, torch.nn.functional.one_hot(guess, task.n_answers).float())
    assert (
        found["test_accuracy_unswapped"]
        == 0
        < found["test_accuracy"]
        == pytest.approx((known & ~task.is_train).sum().item() / (~task.is_train).sum().item())
    )
    other = gi.Task("a - b", p=7).split(frac=0.5, seed=0)
    assert "test_accuracy_unswapped" not in scored(other, torch.zeros(49, other.n_answers))
