"""Scores of a model on its table: by hand on logits that are known, and for any module that maps rows to logits."""

import math

import pytest
import torch
from torch import nn

import grokinterp as gi
from grokinterp.errors import BadRequest

TASK = gi.Task("a + b", p=5).split(frac=0.4, seed=0)


class Fixed(nn.Module):
    """Says of every row of the table what it was made with, whatever its inputs say."""

    def __init__(self, logits: torch.Tensor):
        super().__init__()
        self.logits, self.dropout = logits, nn.Dropout(0.5)

    def forward(self, rows: torch.Tensor) -> torch.Tensor:
        assert not self.training and not torch.is_grad_enabled()
        return self.logits


def test_a_model_that_knows_its_training_rows_alone():
    """Right with probability 1/2 there and uniform elsewhere: losses log 2 and log 5, accuracies 1 and by hand."""
    logits = torch.zeros(25, 5)
    train = TASK.is_train.nonzero().flatten()
    logits[train, TASK.labels[train]] = math.log(4)  # 4 of 8
    model = Fixed(logits)
    scores = gi.evaluate(model, TASK)
    assert scores["train_loss"] == pytest.approx(math.log(2)) and scores["test_loss"] == pytest.approx(math.log(5))
    first = (TASK.labels[~TASK.is_train] == 0).double().mean().item()  # the first of equal logits is the guess
    assert scores["train_accuracy"] == 1 and scores["test_accuracy"] == pytest.approx(first)
    assert model.training


def test_logits_of_every_position_are_read_at_the_last():
    """[n, positions, vocabulary]: the scored position, and the columns that are answers."""
    whole = torch.full((25, 3, 6), 9.0)
    whole[:, -1, :5] = torch.eye(5)[TASK.labels] * 50
    assert gi.evaluate(Fixed(whole), TASK)["test_accuracy"] == 1


def test_inside_an_ablation_it_scores_what_is_left():
    """Other numbers inside the block, and the same as before behind it."""
    config = gi.RunConfig().replace(d_model=16, n_heads=2, d_mlp=16).model
    from grokinterp import models

    model = models.build(config, task=TASK, seed=1)
    before = gi.evaluate(model)
    with gi.ablate(model, heads=[(0, 0), (0, 1)], layers=(0,)):
        without = gi.evaluate(model)
    assert before == gi.evaluate(model) and without != before


@pytest.mark.parametrize(
    ("model", "task", "message"),
    [
        (Fixed(torch.zeros(25, 3)), TASK, "are logits .rows, 5 answers."),
        (Fixed(torch.zeros(25)), TASK, "gives a tensor of shape .25."),
        (Fixed(torch.zeros(25, 5)), gi.Task("a + b", p=5), "no split yet"),
        (Fixed(torch.zeros(24, 5)), TASK, "gives 24 answers to 25 rows; one a row is read"),
        (nn.Linear(3, 5), TASK, "Linear cannot be called on rows of task.inputs .RuntimeError: .*wrap it in a module"),
        (nn.Identity(), None, "Identity carries no task"),
    ],
)
def test_what_cannot_be_scored_is_refused(model, task, message):
    """One line says what the model gave, or what is missing."""
    with pytest.raises(BadRequest, match=message):
        gi.evaluate(model, task)


@pytest.mark.parametrize("form", ["one position", "all positions"])
def test_two_scored_positions_are_read_where_they_are(form):
    """Power's layout: right where answer and end both are, a loss that is the mean of both, in each part of a table."""
    task = gi.Task("a + b", p=5, layout="power").split(frac=0.4, seed=0)
    logits = torch.zeros(25, 6, task.n_vocab)
    rows = torch.arange(25)
    logits[rows, -2, task.labels[:, 0]] = 50.0
    logits[rows[::2], -1, task.labels[::2, 1]] = 50.0
    if form == "one position":  # a model that computes the position of the answer alone
        alone = gi.Task("a + b", p=5, layout="a b =").split(frac=0.4, seed=0)
        assert gi.evaluate(Fixed(logits[:, -2:-1]), alone)["test_accuracy"] == 1
        return
    scores = gi.evaluate(Fixed(logits), task)
    half = (rows % 2 == 0).double()
    assert scores["test_accuracy"] == pytest.approx(half[~task.is_train].mean().item())
    off = math.log(task.n_answers) / 2
    assert scores["train_loss"] == pytest.approx(off * (1 - half[task.is_train].mean().item()))


def test_numbers_have_squared_errors_and_mislabelled_rows_their_own_labels():
    """Off by 3 on training rows alone; and of answers, those taught where they were taught others."""
    task = gi.Task("division", n=5, form="numbers").split(frac=0.4, seed=0)
    found = gi.evaluate(Fixed((task.labels + 3.0 * task.is_train)[:, None]), task)
    assert (found["train_loss"], found["test_loss"]) == (pytest.approx(9), pytest.approx(0))
    assert (found["train_accuracy"], found["test_accuracy"]) == (0, 1)
    wrong = gi.Task("a + b", p=5).split(frac=0.6, seed=0, mislabelled=3)
    right = gi.evaluate(Fixed(50 * torch.eye(5)[wrong.labels]), wrong)
    assert right["train_accuracy"] == pytest.approx(12 / 15) and right["test_accuracy"] == 1


def test_a_large_table_is_given_in_parts(monkeypatch):
    """Seven rows at a time: the scores of the whole, and the model in the mode that it was in."""
    monkeypatch.setattr("grokinterp.evaluation.table_scores.TOKENS_IN_ONE_CALL", 7 * 3 + 2)
    seen = []

    class Knows(nn.Module):
        def forward(self, rows):
            seen.append(len(rows))
            return 9 * torch.eye(5)[(rows[:, 0] + rows[:, 1]) % 5]

    assert gi.evaluate(Knows().eval(), TASK)["test_accuracy"] == 1 and seen == [7, 7, 7, 4]
