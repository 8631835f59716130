"""Endless data in training: fresh rows at each step that resumption finds again, and metrics on held-out ones."""

import json

import pandas as pd
import pytest
import torch

import grokinterp as gi
from grokinterp.errors import BadRequest
from grokinterp.evaluation.evaluator import evaluator
from grokinterp.evaluation.losses import cross_entropy
from grokinterp.training.batches import batches
from grokinterp.training.planning import plan

TINY = {"d_model": 8, "n_heads": 2, "metrics_every": 5, "checkpoint_every": 10, "progress": False, "steps": 20}
RECIPES = {
    "digits": {"digits": 2, "points": 50, "batch_size": 16},
    "induction_small": {"points": 40, "batch_size": 16},
    "skip_trigram": {"points": 50, "batch_size": 16},
    "slope": {"n": 3},
}
ENDLESS = [name for name in RECIPES if name != "slope"]


@pytest.mark.parametrize("preset", ENDLESS)
def test_a_prolonged_run_is_the_longer_run(tmp_path, preset):
    """20 steps resumed to 40 are the 40 steps at once, weights and metrics: batches follow from seed and step."""
    fields = {**TINY, **RECIPES[preset], "preset": preset}
    whole = gi.train(out=tmp_path / "whole", **{**fields, "steps": 40})
    gi.train(out=tmp_path / "parts", **fields)
    parts = gi.train(out=tmp_path / "parts", resume=True, **{**fields, "steps": 40})
    other = gi.train(out=tmp_path / "other", **{**fields, "seed": 1})
    assert parts.steps == whole.steps == [0, 10, 20, 30, 40]
    assert all(torch.equal(w, parts.final.parameters[name]) for name, w in whole.final.parameters.items())
    pd.testing.assert_frame_equal(parts.metrics, whole.metrics)
    assert not torch.equal(other[20].parameters["embed.W_E"], whole[20].parameters["embed.W_E"])


def test_train_loss_is_of_the_fresh_batch_and_test_loss_of_the_table(tmp_path):
    """The loss at step t is of the weights before update t + 1, on the rows of that update."""
    run = gi.train(preset="digits", out=tmp_path / "run", **TINY, **RECIPES["digits"])
    evaluate = evaluator(run.config.model, run.task)
    for step in run.steps:
        row = run.metrics.set_index("step").loc[step]
        inputs, labels = run.task.fresh(16, run.config.seed, step)
        with torch.no_grad():
            weights = run[step].parameters
            fresh, held_out = evaluate(weights, inputs), evaluate(weights)
        assert row.train_loss == pytest.approx(cross_entropy(fresh, labels).item(), rel=1e-6)
        assert row.test_loss == pytest.approx(cross_entropy(held_out, run.task.labels).item(), rel=1e-6)
        assert torch.allclose(evaluate(weights, run.task.inputs), held_out, atol=1e-5)


@pytest.mark.parametrize("preset", RECIPES)
def test_every_recipe_trains_and_is_measured(tmp_path, preset):
    """The preset's own task; the loss circuit agrees with the metrics; what makes no sense is left out, with why."""
    run = gi.train(preset=preset, out=tmp_path / preset, **TINY, **RECIPES[preset])
    assert run.config.preset == preset
    assert run.metrics.train_loss.iloc[-1] < run.metrics.train_loss.iloc[0]
    trace = gi.measure(run, progress=False)
    last = run.metrics.iloc[-1]
    assert float(trace.test_loss[-1]) == pytest.approx(last.test_loss, rel=1e-6)
    assert float(trace.test_accuracy[-1]) == last.test_accuracy
    own = {"digits": {"tokens"}, "induction_small": {"tokens", "induction"}, "slope": {"grid_alignment"}}
    read = set(trace.attrs["circuits"].split(", "))
    assert {"loss"} | own.get(preset, set()) <= read
    skipped = json.loads(trace.attrs["skipped"])
    assert "progress" in skipped and all(reason and "\n" not in reason for reason in skipped.values())
    if preset != "slope":
        assert {"attention", "embedding", "neurons", "spectrum"} <= set(skipped)
    on_request = gi.measure(run, circuits=["ablation"], steps=[20], progress=False)
    assert on_request.test_loss_without_head.shape == (1, run.config.model.n_layers, 2)


def test_finite_data_are_trained_on_as_any_table(tmp_path):
    """A finite form overfits: its rows are learnt, and the metrics of both sides are those of the table."""
    fields = {**TINY, "steps": 80, "metrics_every": 80, "checkpoint_every": 0}
    run = gi.train(preset="skip_trigram", data="finite", points=100, frac=0.1, batch_size=None, weight_decay=0.0,
                   lr=1e-2, out=tmp_path / "run", **fields)  # fmt: skip
    assert int(run.task.is_train.sum()) == 10
    assert run.metrics.train_accuracy.iloc[-1] == 1 > run.metrics.test_accuracy.iloc[-1]


@pytest.mark.parametrize(
    ("task", "fields", "remedy"),
    [
        ("digits", {"preset": "nanda"}, "batch_size=64"),
        ("digits", {"preset": "digits", "frac": 0.5}, "data='finite'"),
        ("digits", {"preset": "digits", "mislabelled": 3}, "data='finite'"),
        ("slope", {"preset": "nanda"}, "output='answers'"),
    ],
)
def test_plans_that_make_no_sense_are_refused(task, fields, remedy):
    """Before anything is written, with the remedy; which then works."""
    with pytest.raises(BadRequest, match=remedy) as refused:
        plan(task, **fields)
    assert "\n" not in str(refused.value)


def test_the_remedies_work():
    """A batch size, finite data, and columns for the answers."""
    assert plan("digits", batch_size=64)[1].is_endless
    assert int(plan("digits", preset="digits", data="finite", points=400, frac=0.5)[1].is_train.sum()) == 200
    assert (
        plan("slope", output="answers", n=4)[0].model.d_vocab_out == plan("slope", output="answers", n=4)[1].n_answers
    )
    assert plan(preset="induction")[1].inputs.shape == (512, 85)
    assert plan(gi.Task("digits", digits=2), preset="digits")[1].parameters["digits"] == 2


def test_fresh_batches_follow_from_seed_and_step():
    """Neither two seeds nor two steps share a batch; the same seed and step draw it again."""
    task = gi.Task("digits", digits=3, points=50)
    drawn = lambda seed, step: batches(task, 64, seed, torch.device("cpu")).draw(step)
    inputs, labels = drawn(0, 0)
    assert inputs.shape == (64, task.inputs.shape[1]) and labels.shape == (64, task.labels.shape[1])
    assert all(torch.equal(again, first) for again, first in zip(drawn(0, 0), (inputs, labels), strict=True))
    for seed, step in ((1, 0), (0, 1)):
        assert not torch.equal(drawn(seed, step)[0], inputs)


def test_an_epoch_of_mini_batches_takes_each_training_row_once():
    """Rows are numbers of the table's, labels those trained on, in an order that follows the seed."""
    task = gi.Task("a + b", p=7).split(frac=0.5, seed=0, mislabelled=3)
    rows_of = {}
    for seed in (0, 1):
        drawn = batches(task, 10, seed, torch.device("cpu"))
        pairs = [drawn.draw(step) for step in range(3)]
        rows_of[seed] = torch.cat([rows for rows, _ in pairs])
        assert [len(rows) for rows, _ in pairs] == [10, 10, 4]
        assert torch.equal(rows_of[seed].sort().values, task.is_train.nonzero().flatten())
        assert all(torch.equal(labels, task.train_labels[rows]) for rows, labels in pairs)
    assert not torch.equal(rows_of[0], rows_of[1])
