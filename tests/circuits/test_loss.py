"""Losses and accuracies on the right rows, with the right labels, and the steps at which they were reached."""

import math

import pytest
import torch
import xarray as xr

from grokinterp.circuits import loss
from grokinterp.evaluation.snapshot import Snapshot
from grokinterp.tasks import Task


def answering(task: Task, rows: torch.Tensor, labels: torch.Tensor, height: float = 10.0) -> torch.Tensor:
    """Logits `height` at the labels of some rows, and zero elsewhere."""
    logits = torch.zeros(len(task.inputs), task.n_answers)
    logits[rows, labels[rows]] = height
    return logits


def test_a_memory_answers_swaps_and_nothing_else():
    """A model that remembers unordered pairs is right on training rows and their swaps: unswapped accuracy is 0."""
    task = Task("a + b", p=7).split(frac=0.3, seed=0)
    known = task.is_train | task.is_train[task.swapped]
    logits = answering(task, known, task.labels)
    logits[~known, (task.labels[~known] + 1) % 7] = 1
    found = loss.losses(logits, task)
    test = ~task.is_train
    assert found["train_accuracy"] == 1 and found["test_accuracy_unswapped"] == 0
    assert found["test_accuracy"] == pytest.approx(float(known[test].double().mean())) and found["test_accuracy"] > 0
    assert found["train_loss"] == pytest.approx(math.log(1 + 6 * math.exp(-10)))
    right, wrong = math.log(1 + 6 * math.exp(-10)), math.log(math.e + 6)
    share = found["test_accuracy"]
    assert found["test_loss"] == pytest.approx(share * right + (1 - share) * wrong)


def test_mislabelled_rows_are_scored_as_they_were_trained():
    """A model that has learnt the labels of training, wrong ones included, has memorised all of them."""
    task = Task("a + b", p=7).split(frac=0.5, seed=0, mislabelled=3)
    right = loss.losses(answering(task, torch.ones(49, dtype=torch.bool), task.labels), task)
    learnt = loss.losses(answering(task, torch.ones(49, dtype=torch.bool), task.train_labels), task)
    assert learnt["train_accuracy"] == 1 and learnt["test_accuracy"] == 1
    assert right["train_accuracy"] == pytest.approx(1 - 3 / 24) and right["test_accuracy"] == 1


def test_columns_that_are_no_answers_do_not_count(planted):
    """An untrained model with a column for `=` is scored among the answers 0 .. p - 1 only, in float64."""
    snapshot = planted.untrained(7)
    assert snapshot.columns.shape[1] == 8
    test = ~snapshot.task.is_train
    expected = -snapshot.columns[:, :7].double().log_softmax(1)[test, snapshot.labels[test]].mean()
    assert loss.losses(snapshot.logits, snapshot.task)["test_loss"] == pytest.approx(float(expected), rel=1e-12)


def test_what_is_not_known_is_nan():
    """Without a split there are no training rows; with frac = 1 no test rows."""
    task = Task("a + b", p=5)
    assert all(math.isnan(value) for value in loss.losses(torch.zeros(25, 5), task).values())
    everything = loss.losses(torch.zeros(25, 5), task.split(frac=1, seed=0))
    assert everything["train_loss"] == pytest.approx(math.log(5))
    assert math.isnan(everything["test_loss"]) and math.isnan(everything["test_accuracy"])


def test_weight_norms_are_sums_of_squares(planted):
    """One for each parameter by name, and their sum."""
    snapshot = planted.clock(5, (1,))
    readout = loss.Loss().read(snapshot)
    by_parameter = readout.weight_norm_squared_by_parameter
    assert by_parameter.parameter.values.tolist() == list(snapshot.parameters)
    # Five tokens on a unit circle; the fifth column is of tokens off the cycle.
    assert float(by_parameter.sel(parameter="embed.W_E")) == pytest.approx(5)
    assert float(readout.weight_norm_squared) == pytest.approx(float(by_parameter.sum()), rel=1e-6)


@pytest.mark.parametrize(
    ("train", "test", "expected"),
    [
        ([0.1, 1.0, 1.0, 1.0], [0.0, 0.5, 0.992, 1.0], {"memorised_step": 100, "grokked_step": 200}),
        ([0.1, 0.99, 1.0, 0.9], [0.0, 0.1, 0.2, 0.3], {"memorised_step": 200}),
        ([math.nan] * 4, [math.nan] * 4, {}),
    ],
)
def test_landmarks_are_the_first_steps_that_reach_their_thresholds(train, test, expected):
    """Absent where a threshold is not reached; the rules are stated beside them."""
    trace = xr.Dataset(
        {"train_accuracy": ("step", train), "test_accuracy": ("step", test)}, {"step": [0, 100, 200, 300]}
    )
    found = loss.Loss().summarise(trace)
    assert {name: step for name, step in found.items() if name.endswith("_step")} == expected
    assert "train accuracy >= 1.0" in found["memorised_rule"] and "0.99" in found["grokked_rule"]


@pytest.mark.parametrize(
    ("memorised", "grokked", "regime"),
    [
        (None, None, "not learnt"), (50, None, "memorises"), (None, 50, "generalises at once"),
        (100, 199, "generalises at once"), (100, 200, "groks"),
    ],
)  # fmt: skip
def test_a_regime_goes_by_the_two_first_steps(memorised, grokked, regime):
    """It groks where the test rows come twice as late as the training rows, or later."""
    assert loss.regime_of(memorised, grokked) == regime


def test_nandas_model_has_the_published_losses(released):
    """Weight decay 0.1: final losses 9.20e-9 and 4.99e-7, all rows right, sum of squared weights 1181."""
    final = released.final
    found = loss.Loss().read(Snapshot(final.step, final.config, released.task, final.parameters))
    assert float(found.train_loss) == pytest.approx(9.2024e-9, rel=1e-3)
    assert float(found.test_loss) == pytest.approx(4.9884e-7, rel=1e-3)
    assert found.train_accuracy == found.test_accuracy == found.test_accuracy_unswapped == 1
    assert float(found.weight_norm_squared) == pytest.approx(1181, abs=0.5)
