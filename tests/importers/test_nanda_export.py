"""A run as Nanda's full_run_data.pth: our importer and his orientation agree with the run it was made of."""

import pytest
import torch

import grokinterp as gi
from grokinterp.cli import main
from grokinterp.importers._parameters import from_early, to_early
from grokinterp.importers.nanda_export import write_nanda


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    """Twenty steps of his network at a tenth of the size, losses at each."""
    return gi.train(
        "a + b", p=7, frac=0.6, steps=20, d_model=16, n_heads=2, d_mlp=24, metrics_every=1, checkpoint_every=10,
        out=tmp_path_factory.mktemp("export") / "run", progress=False,
    )  # fmt: skip


def test_the_file_is_read_back_as_the_run(run, tmp_path):
    """Weights bit for bit, steps, losses, task, split and settings; every key that his notebook takes is there."""
    path = write_nanda(run, tmp_path / "full_run_data.pth")
    content = torch.load(path, weights_only=True)
    assert {"state_dicts", "epochs", "train_losses", "test_losses", "model", "config"} <= content.keys()
    assert content["epochs"] == [0, 10, 20] and len(content["train_losses"]) == 20
    assert content["state_dicts"][1]["embed.W_E"].shape == (16, 8)  # [d_model, vocabulary]
    assert content["state_dicts"][1]["blocks.0.attn.W_O"].shape == (16, 16)
    assert content["config"]["fn_name"] == "add" and content["config"]["frac_train"] == 0.6
    again = gi.load(path, activation="relu")
    assert again.steps == run.steps and again.task.expression == "a + b" and again.task.sizes == (7, 7)
    assert again.task.is_train.equal(run.task.is_train)
    for step in run.steps:
        for name, value in run[step].parameters.items():
            assert again[step].parameters[name].equal(value), (step, name)
    assert again.metrics.train_loss.tolist() == run.metrics.train_loss.tolist()[:20]


def test_his_orientation_is_turned_and_turned_back(run):
    weights = run.final.parameters
    assert all(value.equal(weights[name]) for name, value in from_early(to_early(weights)).items())


def test_the_command_writes_a_run_that_is_named(run, tmp_path, capsys):
    assert main(["nanda", "--run", str(run.path), "--out", str(tmp_path / "x.pth")]) == 0
    assert "3 models to step 20" in capsys.readouterr().out and (tmp_path / "x.pth").is_file()


def test_what_his_format_has_no_place_for_is_refused(population, tmp_path):
    """Another attention in one line, before anything is written."""
    run = gi.load(population / "attention_rate0.5-seed0")
    with pytest.raises(gi.BadRequest, match=r"attention_rate=0\.5") as refusal:
        write_nanda(run, tmp_path / "x.pth")
    assert "\n" not in str(refusal.value) and not (tmp_path / "x.pth").exists()
