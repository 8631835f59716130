"""Run, Checkpoint, Runs: what a user reads of a run."""

from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import torch

import grokinterp as gi
from grokinterp.runs.directory import open_run
from grokinterp.runs.files import StorageError
from grokinterp.runs.population.collection import Runs
from grokinterp.runs.provenance import Provenance
from grokinterp.runs.run import Run, RunError, check_fits
from grokinterp.runs.store import MemoryStore


def curves_only(name="curves", notes=()):
    metrics = pd.DataFrame({"step": [0, 1], "train_loss": [2.0, 1.0]})
    return Run(MemoryStore({}, metrics), name, provenance=Provenance.of_file("curves", Path("x.pth"), notes))


def test_a_run_gives_back_what_was_written(small, small_run):
    """Configuration, task with its mask, steps, weights to the bit and metrics survive the disk."""
    run = open_run(small_run)
    assert run.config == small.config
    assert run.task.expression == "a + b" and run.task.parameters == small.task.parameters
    assert torch.equal(run.task.is_train, small.task.is_train)
    assert torch.equal(run.task.inputs, small.task.inputs)
    assert run.steps == [0, 100, 200, 300] and len(run) == 4 and 200 in run and 250 not in run
    for checkpoint in run:
        expected = small.weights(checkpoint.step)
        assert checkpoint.parameters.keys() == expected.keys()
        assert all(torch.equal(value, expected[name]) for name, value in checkpoint.parameters.items())
    assert run.metrics["step"].tolist() == list(range(0, 301, 50))
    assert run.metrics["train_loss"].tolist() == [1 / (step + 1) for step in range(0, 301, 50)]
    assert run.metrics["train_accuracy"].isna().all()
    assert [*run.metrics.columns[:5]] == ["step", "train_loss", "test_loss", "train_accuracy", "test_accuracy"]


def test_parameters_are_not_kept_in_memory(small_run):
    """Each use reads the file: an edit of one dictionary is not seen by the next."""
    run = open_run(small_run)
    in_memory = Run(MemoryStore({100: run[100].parameters.copy}), "memory", run.config, run.task)
    for checkpoint in (run[100], in_memory[100]):
        checkpoint.parameters["embed.W_E"].zero_()
        assert checkpoint.parameters["embed.W_E"].abs().sum() > 0
        assert checkpoint.parameters["embed.W_E"].dtype == torch.float32


def test_a_missing_step_names_its_neighbours(small_run):
    """A wrong step is refused with the nearest ones."""
    run = open_run(small_run)
    with pytest.raises(RunError, match=r"no checkpoint at step 140; the nearest are 0, 100, 200, 300"):
        run[140]
    with pytest.raises(RunError, match="whole number"):
        run["final"]
    assert run[np.int64(100)].step == 100
    assert run.final.step == 300


def test_a_checkpoint_becomes_a_hooked_model(small, small_run):
    """model() computes the function of these weights and carries the task."""
    from grokinterp.evaluation.evaluator import evaluator

    run = open_run(small_run)
    model = run.final.model()
    assert model.task is run.task
    logits = model(run.task.inputs)[:, -1]
    expected = evaluator(run.final.config, run.task)(small.weights(300))
    torch.testing.assert_close(logits, expected, rtol=1e-5, atol=1e-5)


def test_a_curves_only_run_says_what_it_lacks():
    """Without weights there are metrics, and clear refusals of everything else."""
    run = curves_only()
    assert run.steps == [] and len(run) == 0 and bool(run)
    assert run.metrics["train_loss"].tolist() == [2.0, 1.0]
    for ask in (lambda: run.final, lambda: run[0]):
        with pytest.raises(RunError, match=r"only curves; see run\.metrics"):
            ask()
    with pytest.raises(RunError, match=r"task of curves is not known; .*gi.load\(.*task=gi.Task"):
        _ = run.task
    with pytest.raises(RunError, match="tells no configuration"):
        _ = run.config


def test_a_damaged_checkpoint_is_one_clear_line(small_run):
    """A truncated checkpoint is named, with what to do; the other checkpoints stay readable."""
    path = small_run / "checkpoints" / "step_00000100.safetensors"
    path.write_bytes(path.read_bytes()[:-100])
    run = open_run(small_run)
    with pytest.raises(StorageError, match=r"step_00000100.safetensors is truncated .*; delete it") as refusal:
        _ = run[100].parameters
    assert "\n" not in str(refusal.value)
    assert run[200].parameters


def test_weights_of_another_model_are_refused(small, small_run):
    """A checkpoint whose shapes are not the configuration's is refused, not misread."""
    from grokinterp.runs.files import write_tensors

    weights = small.weights(0)
    weights["embed.W_E"] = weights["embed.W_E"][:, :4]
    write_tensors(small_run / "checkpoints" / "step_00000100.safetensors", weights, {})
    with pytest.raises(gi.BadRequest, match=r"embed.W_E is \[6, 4\] and should be \[6, 8\]"):
        _ = open_run(small_run)[100].parameters


def test_an_unfinished_run_can_be_read(small, small_run):
    """A run is readable while it trains: a metrics line cut short and temporaries are left out."""
    (small_run / "metrics.parquet").unlink()
    (small_run / "metrics.jsonl").write_text('{"step": 0, "train_loss": 1.5}\n{"step": 50, "train_lo')
    (small_run / "checkpoints" / ".step_00000400.safetensors.12ab.tmp").write_bytes(b"half")
    run = open_run(small_run)
    assert run.metrics["train_loss"].tolist() == [1.5]
    assert run.steps == [0, 100, 200, 300]


def test_a_run_without_metrics_has_an_empty_table(small_run):
    """Before the first measurement there are columns and no rows."""
    (small_run / "metrics.parquet").unlink()
    assert len(open_run(small_run).metrics) == 0
    assert "test_loss" in open_run(small_run).metrics


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        ("config.json", b'{"format_version": 1, "config"', "is not a run's configuration"),
        (
            "config.json",
            b'{"format_version": 1, "source": {}, "created": "", "versions": {}, "config": [], "task": null}',
            r"config\.json: a config is a dictionary, as run\.config\.to_json\(\) is, not \[\]",
        ),
        (
            "config.json",
            b'{"format_version": 1, "source": {}, "created": "", "versions": {}, "config": null, "task": []}',
            "is not a run's configuration",
        ),
        ("config.json", b'{"format_version": 99}', "format version 99 and this grokinterp reads 1; upgrade"),
        ("split.npz", b"PK\x03\x04 half a zip", "split.npz is truncated or damaged"),
        ("metrics.parquet", b"PAR1 half", "metrics.parquet is truncated"),
        ("metrics.jsonl", b'{"step": 0}\nrubbish\n{"step": 2}\n', "metrics.jsonl is damaged at line 2"),
    ],
)
def test_damaged_files_are_one_clear_line(small_run, name, content, message):
    """Every file of a run, damaged, is refused in one line that names it."""
    (small_run / name).write_bytes(content)
    with pytest.raises(gi.BadRequest, match=message) as refusal:
        run = open_run(small_run)
        _ = run.task, run.metrics
    assert "\n" not in str(refusal.value)


def test_runs_is_an_ordered_mapping_with_a_table(small_run):
    """Several runs by name, in order, with one row each."""
    runs = Runs({"b": open_run(small_run), "a": curves_only()}, {"c.pt": "<unreadable>"})
    assert [*runs] == ["b", "a"] and len(runs) == 2 and "a" in runs and "c.pt" not in runs
    frame = runs.to_frame()
    assert frame.index.tolist() == ["b", "a"]
    assert frame.loc["b", "expression"] == "a + b" and pd.isna(frame.loc["a", "expression"])
    assert frame["steps"].tolist() == [300, 1] and frame.equals(runs.table)
    assert "&lt;unreadable&gt;" in runs._repr_html_() and "1 files skipped" in repr(runs)
    with pytest.raises(RunError, match="no run 'x' here; the runs: b, a"):
        runs["x"]


def test_a_run_describes_itself(small_run):
    """The notebook's table and the text name the task, the checkpoints and the last values."""
    run = open_run(small_run)
    assert "a + b" in repr(run) and "4, step 0 to 300" in repr(run)
    page = curves_only(notes=["<script>"])._repr_html_()
    assert "&lt;script&gt;" in page and "<script>" not in page
    assert "step 300 of 'small'" in repr(run.final)


@pytest.mark.parametrize(
    ("task", "message"),
    [
        ({"p": 7, "layout": "a b ="}, "d_vocab=6 and the task 'a \\+ b' needs 8"),
        ({"p": 3, "layout": "a op b ="}, "n_ctx=3 and the task 'a \\+ b' needs 4"),
    ],
)
def test_a_task_that_does_not_fit_the_weights_is_refused(small, small_run, task, message):
    """A task given for a run must have the tokens, positions and answers of its model."""
    with pytest.raises(RunError, match=message):
        check_fits(gi.Task("a + b", **task), small.model, "model.pt")
    with pytest.raises(RunError, match="give the task it was trained on"):
        check_fits(gi.Task("a + b", **task), small.model, "model.pt")
