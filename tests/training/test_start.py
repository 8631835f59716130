"""Start: what `resume` does with what it finds."""

import shutil

import pandas as pd
import pytest
import torch

import grokinterp as gi
from grokinterp.errors import BadRequest, ConfigError
from grokinterp.runs.directory import open_run
from grokinterp.runs.run import RunError
from grokinterp.runs.writer import RunWriter, save_run

FIELDS = {"p": 5, "d_model": 4, "n_heads": 2, "frac": 0.5, "steps": 40, "metrics_every": 10, "checkpoint_every": 10}


def train(out, **fields) -> gi.Run:
    return gi.train("a + b", out=out, threads=1, progress=False, **{**FIELDS, **fields})


def check_same(one: gi.Run, other: gi.Run) -> None:
    assert one.steps == other.steps
    pd.testing.assert_frame_equal(one.metrics, other.metrics)
    assert all(torch.equal(one.final.parameters[name], value) for name, value in other.final.parameters.items())


@pytest.mark.parametrize("schedule", ["constant", "cosine"])
@pytest.mark.parametrize("left", ["nothing", "an empty directory", "its start", "no checkpoints", "its middle"])
def test_resume_goes_on_from_whatever_was_left(tmp_path, monkeypatch, schedule, left):
    """To the weights and metrics of a run that nothing stopped, under a schedule that depends on the length too."""
    whole, out = train(tmp_path / "whole", lr_schedule=schedule), tmp_path / "run"
    if left == "an empty directory":
        out.mkdir()
    elif left == "its middle":
        write = RunWriter.write_checkpoint

        def stop(writer, step, parameters):
            write(writer, step, parameters)
            if step == 20:
                raise KeyboardInterrupt

        monkeypatch.setattr(RunWriter, "write_checkpoint", stop)
        with pytest.raises(KeyboardInterrupt):
            train(out, lr_schedule=schedule)
        monkeypatch.undo()
        assert open_run(out).steps == [0, 10, 20]
    elif left != "nothing":
        RunWriter.create(out, whole.config, whole.task)
        if left == "no checkpoints":
            shutil.rmtree(out / "checkpoints")
    check_same(train(out, lr_schedule=schedule, resume=True), whole)


def test_a_cosine_is_not_prolonged(tmp_path):
    """Every step of it depends on the last: another length is refused before anything is written."""
    run = train(tmp_path / "run", lr_schedule="cosine")
    before = {path: path.read_bytes() for path in run.path.rglob("*") if path.is_file()}
    with pytest.raises(ConfigError, match="a cosine schedule depends on the number of steps"):
        train(run.path, lr_schedule="cosine", steps=80, resume=True)
    assert {path: path.read_bytes() for path in run.path.rglob("*") if path.is_file()} == before


def test_resume_does_not_replace_imported_curves(tmp_path):
    """A run of curves alone has no checkpoint and no state, and much to lose."""
    run = train(tmp_path / "trained")
    curves = save_run(run, tmp_path / "curves")
    shutil.rmtree(curves.path / "checkpoints")
    (curves.path / "checkpoints").mkdir()
    with pytest.raises(BadRequest, match="no optimiser state to resume from"):
        train(curves.path, resume=True)
    pd.testing.assert_frame_equal(open_run(curves.path).metrics, run.metrics)


def test_what_is_no_run_is_left_alone(tmp_path):
    """A directory with other things in it is not resumed into."""
    (tmp_path / "thesis").mkdir()
    (tmp_path / "thesis" / "chapter.tex").write_text("years of work")
    with pytest.raises(RunError, match="is no run, so it is left alone"):
        train(tmp_path / "thesis", resume=True)
    assert [entry.name for entry in tmp_path.rglob("*")] == ["thesis", "chapter.tex"]
