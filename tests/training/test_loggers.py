"""Who is told of a training: the same numbers as stand in the run, and nobody among them changes or stops it."""

import ast
import json
import logging
import sqlite3
from pathlib import Path

import pytest
import torch

import grokinterp as gi
from grokinterp.errors import BadRequest
from grokinterp.training import loggers
from grokinterp.training.loggers import LOGGERS, Loggers

FIELDS = {"p": 5, "d_model": 8, "n_heads": 2, "d_mlp": 8, "metrics_every": 2, "checkpoint_every": 4, "progress": False}


def train(out, steps=8, **more):
    return gi.train("a + b", **FIELDS, steps=steps, out=out, **more)


def test_functions_hear_what_the_run_keeps(tmp_path):
    """Each row and each checkpoint once, as they stand on disk; the weights are those of a run that nobody hears."""
    rows, checkpoints = [], []
    run = train(
        tmp_path / "heard",
        on_metrics=lambda step, metrics: rows.append({"step": step, **metrics}),
        on_checkpoint=lambda step, checkpoint: checkpoints.append((step, checkpoint.parameters["embed.W_E"])),
    )
    assert [row["step"] for row in rows] == run.metrics["step"].tolist() == [0, 2, 4, 6, 8]
    assert [row["test_loss"] for row in rows] == run.metrics["test_loss"].tolist()
    assert [step for step, _ in checkpoints] == run.steps == [0, 4, 8]
    alone = train(tmp_path / "alone")
    for step, W_E in checkpoints:
        assert torch.equal(W_E, alone[step].parameters["embed.W_E"])


def test_what_a_function_raises_ends_the_training_and_can_be_resumed(tmp_path):
    """An error of the caller's own reaches the caller; the run goes on to the same weights."""

    def stop(step, checkpoint):
        if step == 4:
            raise LookupError("enough")

    with pytest.raises(LookupError, match="enough"):
        train(tmp_path / "stopped", on_checkpoint=stop)
    whole, resumed = train(tmp_path / "whole"), train(tmp_path / "stopped", resume=True)
    assert torch.equal(whole.final.parameters["embed.W_E"], resumed.final.parameters["embed.W_E"])


@pytest.mark.parametrize("fails", ["begin", "log", "close"])
def test_a_logger_that_fails_stops_nothing(tmp_path, monkeypatch, caplog, fails):
    """It is named in one warning, told no more, and the run is whole."""

    class Failing:
        def __init__(self, path, config, id, step):
            self.use("begin")

        def use(self, what):
            if what == fails:
                raise ConnectionError("no network")

        def log(self, step, metrics):
            self.use("log")

        def close(self):
            self.use("close")

    monkeypatch.setitem(LOGGERS, "json", Failing)  # a name that can be imported
    with caplog.at_level(logging.WARNING):
        run = train(tmp_path / "run", loggers="json")
    assert run.steps == [0, 4, 8]
    assert [r.getMessage() for r in caplog.records] == [
        "json failed and is told no more; the run goes on (ConnectionError: no network)"
    ]


def test_a_library_is_imported_where_it_is_named_alone():
    """At the top of the module stands none of them, and one that is not there is refused before anything is written."""
    tree = ast.parse(Path(loggers.__file__).read_text())
    top = {alias.name for node in tree.body if isinstance(node, ast.Import) for alias in node.names}
    top |= {node.module.split(".")[0] for node in tree.body if isinstance(node, ast.ImportFrom)}
    assert not top & {*LOGGERS, "torch"}


def test_a_library_that_is_missing_is_refused(tmp_path, monkeypatch):
    """With the line that installs it."""
    monkeypatch.setitem(LOGGERS, "no_such_library", object)
    with pytest.raises(BadRequest, match="no_such_library is not installed; pip install no_such_library"):
        train(tmp_path / "run", loggers=["no_such_library"])
    assert not (tmp_path / "run").exists()


def test_a_sweep_is_a_group(tmp_path):
    """Told by what lies beside its runs."""
    assert loggers.group(tmp_path / "run") is None
    (tmp_path / "sweep.toml").write_text("")
    assert loggers.group(tmp_path / "run") == tmp_path.name


def twice(tmp_path, name):
    """A run that was prolonged, told to a logger both times; its rows and its id there."""
    train(tmp_path / "run", steps=4, loggers=name)
    first = json.loads((tmp_path / "run" / "loggers.json").read_text())[name]
    run = train(tmp_path / "run", loggers=name, resume=True)
    assert json.loads((tmp_path / "run" / "loggers.json").read_text())[name] == first
    return run, first


def test_tensorboard_has_the_rows(tmp_path):
    """Its own reader gives the numbers of the run, of a resumed one each step once."""
    reader = pytest.importorskip("tensorboard.backend.event_processing.event_accumulator")
    run, _ = twice(tmp_path, "tensorboard")
    events = reader.EventAccumulator(str(tmp_path / "run" / "tensorboard"))
    events.Reload()
    scalars = events.Scalars("test_loss")
    assert [event.step for event in scalars] == run.metrics["step"].tolist()
    assert [event.value for event in scalars] == pytest.approx(run.metrics["test_loss"].tolist())


@pytest.mark.slow
def test_wandb_writes_offline_runs_of_one_id(tmp_path, monkeypatch):
    """Without a login nothing asks for one: both parts lie in the run's directory under one id."""
    pytest.importorskip("wandb")
    for name, value in {"WANDB_MODE": "offline", "WANDB_SILENT": "true", "HOME": str(tmp_path)}.items():
        monkeypatch.setenv(name, value)
    _, id = twice(tmp_path, "wandb")
    parts = sorted((tmp_path / "run" / "wandb").glob("offline-run-*"))
    assert len(parts) == 2 and all(part.name.endswith(id) for part in parts)
    assert all(part.joinpath(f"run-{id}.wandb").stat().st_size > 0 for part in parts)


@pytest.mark.slow
def test_trackio_has_the_rows(tmp_path, monkeypatch):
    """Its own database on this machine has the rows of both parts under one name."""
    monkeypatch.setenv("TRACKIO_DIR", str(tmp_path / "trackio"))
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    pytest.importorskip("trackio")
    run, id = twice(tmp_path, "trackio")
    (database,) = (tmp_path / "trackio").glob("grokinterp*.db")
    with sqlite3.connect(database) as connection:
        rows = connection.execute("SELECT step FROM metrics WHERE run_name = ? ORDER BY step", [f"run-{id}"]).fetchall()
    assert [step for (step,) in rows] == run.metrics["step"].tolist()


def test_none_are_opened_where_none_are_named(tmp_path):
    """A run that nobody hears has no file of ids."""
    quiet = Loggers((), tmp_path, gi.RunConfig(), 0)
    quiet.log(0, {"train_loss": 1.0})
    quiet.close()
    assert not any(tmp_path.iterdir())
