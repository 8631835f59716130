"""Which task and which reading a file's weights bear out, of several that may be."""

from dataclasses import replace

import pytest
import torch

import grokinterp as gi
from grokinterp.importers.judging.answers import Answers
from grokinterp.importers.judging.judgement import judge
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


def test_an_embedding_is_multiplied_only_where_a_plain_one_does_not_do(planted):
    """Larger logits are surer of all that is known already, so that their loss is no evidence."""
    snapshot = planted.transformer_clock(p=11, layout="a b", scale=3.0)
    config, task = snapshot.config, gi.Task("a + b", p=11, layout="a b")
    readings = [
        Candidate(replace(config, embedding_scale=scale), snapshot.parameters, {"embedding_scale": scale})
        for scale in (1.0, 4.0)
    ]
    verdict = judge(readings, task)
    assert verdict.candidate.config.embedding_scale == 1
    said = {each.what: each.how for each in verdict.assumptions}
    # The clock's heads mix both positions alike, so that their mean answers as the last does.
    assert said.pop("embedding_scale=1") in ("tied", "inferred") and set(said.values()) <= {"tied"}


def test_a_loss_a_hundred_times_larger_is_not_near(planted, monkeypatch):
    """Whatever the gradients say: a reading of loss 4e-6 stands beside one of .02."""
    snapshot = planted.transformer_clock(p=11)
    readings = [Candidate(snapshot.config, snapshot.parameters, {"activation": "relu"})]
    worse = {**snapshot.parameters, "unembed.W_U": snapshot.parameters["unembed.W_U"] / 2.6}
    readings = [Candidate(snapshot.config, worse, {"activation": "gelu"}), *readings]
    monkeypatch.setattr(Answers, "slope", lambda self, one, structure=None: 1.0 + (one is readings[1]))
    verdict = judge(readings, gi.Task("a + b", p=11, layout="a b ="))
    assert verdict.candidate is readings[1] and verdict.assumptions[0].how == "inferred"


@pytest.mark.parametrize(("divisor", "how"), [(1.15, "tied"), (1.45, "inferred")])
def test_a_tie_has_a_margin_of_loss(planted, monkeypatch, divisor, how):
    """Of equal gradients: a reading of five times the loss of the one chosen is as good, one of forty times is not."""
    snapshot = planted.transformer_clock(p=11)
    chosen = Candidate(snapshot.config, snapshot.parameters, {"activation": "relu"})
    worse = {**snapshot.parameters, "unembed.W_U": snapshot.parameters["unembed.W_U"] / divisor}
    monkeypatch.setattr(Answers, "slope", lambda self, one, structure=None: 1.0)
    readings = [Candidate(snapshot.config, worse, {"activation": "gelu"}), chosen]
    verdict = judge(readings, gi.Task("a + b", p=11, layout="a b ="))
    assert verdict.candidate is chosen and verdict.assumptions[0].how == how
