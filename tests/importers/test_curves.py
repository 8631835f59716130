"""Files of losses without weights."""

import numpy as np
import pytest
import torch

import grokinterp as gi


@pytest.fixture
def file(tmp_path):
    def write(content):
        torch.save(content, tmp_path / "curves.pth")
        return tmp_path / "curves.pth"

    return write


def test_the_released_sweep_is_ten_runs(data):
    """Each fraction is a run without checkpoints; .3 passes test loss .1 at step 7930 and stops after 8996."""
    runs = gi.load(data("nanda/mod_addition_frac_train_sweep.pth"))
    assert isinstance(runs, gi.Runs)
    assert [run.config.split.frac for run in runs.values()] == [0.95, 0.9, 0.8, 0.7, 0.6, 0.5, 0.4, 0.3, 0.28, 0.25]
    assert [len(run.metrics) for run in runs.values()] == [970, 1057, 1339, 897, 1091, 1618, 3667, 8996, 16614, 23276]
    run = runs["frac_0.3"]
    test_loss = run.metrics["test_loss"]
    peak = test_loss.idxmax()
    assert peak == 1420 and test_loss[peak] == pytest.approx(26.6, abs=0.05)
    assert (test_loss[peak:] < 0.1).idxmax() == 7930
    assert (run.metrics["train_loss"] < 0.1).idxmax() == 151
    assert test_loss.iloc[-1] < 3e-6
    assert run.steps == [] and run.task.is_train is None


@pytest.mark.parametrize("kind", ["pair", "reversed", "dictionary"])
def test_a_scan_is_one_run_a_setting(file, kind):
    """k settings and 2 k curves, train and test in turn, in either order or in a dictionary."""
    widths, curves = [8, 16], [[1.0, 0.5], [2.0, 1.5], [0.1], [0.2]]
    content = {
        "pair": [widths, curves],
        "reversed": (curves, widths),
        "dictionary": {"losses": curves, "d_models": widths},
    }
    runs = gi.load(file(content[kind]))
    assert [*runs] == ["d_model_8", "d_model_16"]
    assert runs["d_model_8"].config.model.d_model == 8
    assert runs["d_model_8"].metrics["test_loss"].tolist() == [2.0, 1.5]
    assert runs["d_model_16"].metrics["train_loss"].tolist() == [0.1]


@pytest.mark.parametrize(
    "content",
    [[3.0, 2.0, 1.0], [torch.tensor(3.0), torch.tensor(2.0), torch.tensor(1.0)], np.array([3.0, 2.0, 1.0])],
    ids=["list", "tensors", "array"],
)
def test_a_list_of_losses_is_a_training_curve(file, content):
    """Numbers in a row are the training loss by step; nothing else is claimed of them."""
    run = gi.load(file(content))
    assert run.metrics["train_loss"].tolist() == [3.0, 2.0, 1.0] and run.metrics["test_loss"].isna().all()
    assert not run.has_task and not run.has_config and run.steps == []


def test_losses_per_token_keep_their_columns(file):
    """An array [step, token] has one column a token and their mean."""
    losses = np.random.default_rng(0).random((30, 6))
    metrics = gi.load(file(losses)).metrics
    assert np.allclose(metrics["train_loss"], losses.mean(1), rtol=1e-15)
    assert np.array_equal(metrics[[f"train_loss_token_{i}" for i in range(6)]], losses)


def test_a_dictionary_of_curves_has_both(file):
    """train_losses and test_losses without weights: as in the finite runs of the phase-change tasks."""
    run = gi.load(file({"train_losses": [2.0, 1.0], "test_losses": [3.0, 2.5]}))
    assert run.metrics[["train_loss", "test_loss"]].to_numpy().tolist() == [[2.0, 3.0], [1.0, 2.5]]
    assert any("no weights" in note for note in run.source["notes"])
    task = gi.Task("a + b", p=5)
    assert gi.load(file({"train_losses": [2.0]}), task=task).task is task


def test_what_is_stated_of_a_model_is_refused_of_curves(tmp_path):
    """Losses have no activation: the option is named, not passed over."""
    torch.save({"train_losses": [1.0, 0.5], "test_losses": [2.0, 1.0]}, tmp_path / "x.pt")
    with pytest.raises(gi.BadRequest, match="losses only, and no model to have activation='gelu'"):
        gi.load(tmp_path / "x.pt", activation="gelu")
