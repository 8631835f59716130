"""Start: what `resume` does with what it finds."""

import shutil

import pandas as pd
import pytest
import torch

import grokinterp as gi
from grokinterp.errors import BadRequest, ConfigError
from grokinterp.models.initialisation import initialise
from grokinterp.runs.directory import open_run
from grokinterp.runs.run import RunError
from grokinterp.runs.writer import RunWriter, save_run
from grokinterp.training.planning import plan
from grokinterp.training.start import find_device, initial_parameters, part_of
from grokinterp.training.trainer import _remarks

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


def test_parts_are_those_of_furuta_et_al():
    """Embeddings of every operand and of positions; the unembedding; all between is the transformer."""
    parts = {
        name: part_of(name) for name in ("embed.W_E", "embed_b.W_E", "pos_embed.W_pos", "unembed.W_U", "ln_final.w")
    }
    assert parts == {
        "embed.W_E": "embed", "embed_b.W_E": "embed", "pos_embed.W_pos": "embed", "unembed.W_U": "unembed",
        "ln_final.w": "transformer",
    }  # fmt: skip
    assert part_of("embed_c.W_E") == "embed"
    assert part_of("blocks.0.mlp.W_in") == part_of("inner_embed.W_E") == "transformer"


@pytest.mark.parametrize(("sees_gpu", "found"), [(True, "cuda"), (False, "cpu")])
def test_auto_is_the_fastest_there_is(monkeypatch, sees_gpu, found):
    monkeypatch.setattr(torch.cuda, "is_available", lambda: sees_gpu)
    assert find_device("auto").type == found and find_device("cpu").type == "cpu"
    if sees_gpu:
        assert find_device("cuda").type == "cuda"
    else:
        with pytest.raises(ConfigError, match="torch sees no GPU"):
            find_device("cuda")


def test_pretrained_parts_have_to_fit(tmp_path, population_as_written):
    """Of another width, or of many runs; what is not asked for is drawn as ever."""
    train(tmp_path / "source", seed=1, steps=10)
    wanted = {"pretrained": str(tmp_path / "source"), "pretrained_parts": ("unembed",)}
    config, _ = plan("a + b", **{**FIELDS, **wanted})
    parameters, drawn = initial_parameters(config), initialise(config.model, config.seed)
    source = open_run(tmp_path / "source").final.parameters
    assert torch.equal(parameters["unembed.W_U"], source["unembed.W_U"])
    assert torch.equal(parameters["embed.W_E"], drawn["embed.W_E"])
    with pytest.raises(ConfigError, match=r"unembed.W_U is \(4, 6\) in .* and \(8, 6\) here"):
        train(tmp_path / "wide", d_model=8, **wanted)
    with pytest.raises(ConfigError, match="is a directory of runs; name one of them"):
        train(tmp_path / "many", **{**wanted, "pretrained": str(population_as_written)})


def test_a_recipe_of_its_own_is_said_where_nobody_named_one():
    """A task's own, in one line; nothing of the mainline's, nor of one that was asked for."""
    digits, addition = plan("digits")[0], plan("a + b", p=5)[0]
    assert ["digits is trained with its own recipe" in remark for remark in _remarks(digits, None)] == [True]
    assert _remarks(digits, "digits") == _remarks(addition, None) == []
