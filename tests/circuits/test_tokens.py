"""Curves of single positions: derived from planted logits, and those of a published model."""

import math

import pytest
import torch
import xarray as xr

import grokinterp as gi
from grokinterp.circuits import tokens
from grokinterp.tasks import Task


def test_each_position_is_scored_by_itself():
    """Right with a margin at the first, a uniform guess at the others: known losses; their mean is the loss."""
    task = Task("digits", digits=2, data="finite", points=40).split(frac=0.5, seed=0)
    logits = torch.zeros(40, 3, 10)
    logits[torch.arange(40), 0, task.labels[:, 0]] = 5.0
    found = tokens.by_position(logits, task)
    right = math.log(1 + 9 * math.exp(-5))
    for side in ("", "train_"):
        assert found[f"{side}loss_by_position"].tolist() == pytest.approx([right, math.log(10), math.log(10)])
        assert found[f"{side}accuracy_by_position"][0] == 1
    zeros = (task.labels[~task.is_train] == 0).double().mean(0)  # argmax of a tie is the first column
    assert torch.equal(found["accuracy_by_position"][1:], zeros[1:])


def test_no_rows_are_nan():
    """Endless data have no rows that are trained on; without a split neither side is known."""
    endless = tokens.by_position(torch.zeros(50, 3, 10), Task("digits", digits=2, points=50))
    assert endless["train_loss_by_position"].isnan().all() and not endless["loss_by_position"].isnan().any()
    unknown = tokens.by_position(torch.zeros(50, 3, 10), Task("digits", digits=2, points=50, data="finite"))
    assert all(value.isnan().all() for value in unknown.values())


def test_a_position_is_learnt_below_half_the_uniform_loss():
    """The first checkpoint below ln(10) / 2 = 1.15; -1 where there is none."""
    curves = xr.Dataset(
        {
            "loss_by_position": (("step", "position"), [[2.3, 2.3], [1.1, 2.0], [1.2, 1.2]]),
            "uniform_loss": ("step", [math.log(10)] * 3),
        },
        {"step": [0, 50, 100], "position": [5, 6]},
    )
    assert tokens.Tokens().summarise(curves)["learnt_step_by_position"] == [50, -1]


def test_one_token_answers_are_left_out(planted):
    """There is nothing to take apart."""
    assert "'loss'" in tokens.Tokens().why_not(planted.untrained(5))


def test_nandas_model_adds_as_published(five_digits):
    """Five digits, 1,000 pairs: published .002 .014 .016 .018 .003 .002, accuracies .999 .996 .996 .995 1 1.

    A thousand pairs hold a handful of errors, so that these move from sample to sample: over 30 samples the standard
    deviations are at most .0053 (loss) and .0035 (accuracy), of which the bounds are three.
    """
    run = five_digits
    assert run.task.expression == "digits" and run.task.is_endless and not run.task.is_train.any()
    trace = gi.measure(run, circuits=["loss", "tokens"], progress=False, cache=False)
    assert trace.position.values.tolist() == [11, 12, 13, 14, 15, 16]
    assert trace.loss_by_position.values[0] == pytest.approx([0.002, 0.014, 0.016, 0.018, 0.003, 0.002], abs=0.018)
    assert trace.accuracy_by_position.values[0] == pytest.approx([0.999, 0.996, 0.996, 0.995, 1, 1], abs=0.0105)
    assert float(trace.test_loss[0]) == pytest.approx(float(trace.loss_by_position.mean()), rel=1e-5)


def test_each_side_of_the_split_has_its_own_rows():
    """Right with a margin on training rows alone."""
    task = Task("digits", digits=2, data="finite", points=40).split(frac=0.5, seed=0)
    logits = torch.zeros(40, 3, 10)
    logits[torch.arange(40)[:, None], torch.arange(3), task.labels] = 5.0 * task.is_train[:, None]
    found = tokens.by_position(logits, task)
    assert found["train_loss_by_position"].tolist() == pytest.approx([math.log(1 + 9 * math.exp(-5))] * 3)
    assert found["loss_by_position"].tolist() == pytest.approx([math.log(10)] * 3)
    assert (found["train_accuracy_by_position"] == 1).all() and (found["accuracy_by_position"] < 1).all()


def test_half_the_uniform_loss_itself_is_not_below_it():
    curves = xr.Dataset(
        {
            "loss_by_position": (("step", "position"), [[math.log(10) / 2, 0.0]]),
            "uniform_loss": ("step", [math.log(10)]),
        },
        {"step": [7], "position": [5, 6]},
    )
    assert tokens.Tokens().summarise(curves)["learnt_step_by_position"] == [-1, 7]
