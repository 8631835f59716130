"""Which task a file's weights answer, of several that it may have been trained on."""

import pytest
import torch

import grokinterp as gi
from grokinterp.importers.reading.candidates import Candidate
from grokinterp.importers.reading.classic import best_task


def asked(snapshot, *formulas, rows=None):
    reading = Candidate(snapshot.config, snapshot.parameters, {})
    tasks = [gi.Task(formula, p=11, layout="a b =") for formula in formulas]
    return best_task([reading], tasks, torch.arange(121) if rows is None else rows)


@pytest.mark.parametrize("order", [("a + b", "a - b", "a * b"), ("a * b", "a - b", "a + b")])
def test_the_task_is_the_one_with_the_smallest_loss_wherever_it_stands(planted, order):
    """A planted sum, asked for among others: its loss is that of its own logits."""
    snapshot = planted.transformer_clock(p=11)
    task, score = asked(snapshot, *order)
    assert task.expression == "a + b" and score.accuracy == 1
    assert score.loss == pytest.approx(snapshot.loss(snapshot.logits), rel=1e-4)


def test_weights_that_answer_none_have_no_task(planted):
    """As they are drawn, and on a difference that a sum answers near chance."""
    assert asked(planted.untrained(), "a + b", "a - b") is None
    assert asked(planted.transformer_clock(p=11), "a - b", "a * b") is None


def test_few_rows_on_which_operations_agree_are_told_apart_by_loss(planted):
    """Rows with b = 0, where a + b is a - b: both are right there, and then the first stands."""
    rows = torch.arange(0, 121, 11)
    task, score = asked(planted.transformer_clock(p=11), "a - b", "a + b", rows=rows)
    assert score.accuracy == 1 and task.expression == "a - b"
    with_another = torch.cat([rows, torch.tensor([13, 14])])
    assert asked(planted.transformer_clock(p=11), "a - b", "a + b", rows=with_another)[0].expression == "a + b"
