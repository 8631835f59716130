"""What a run records of itself is held against what is asked of it: step, identity, split, modulus, optimiser state."""

import shutil
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch

import grokinterp as gi
from grokinterp.runs.directory import open_run
from grokinterp.runs.files import read_tensors, write_tensors
from grokinterp.runs.packing import pack
from grokinterp.runs.run import RunError
from grokinterp.runs.writer import RunWriter

OPTIONS = {"p": 5, "d_model": 4, "n_heads": 2, "d_mlp": 4, "frac": 0.5, "checkpoint_every": 10, "metrics_every": 10}
FIRST_FORMAT = Path(__file__).parent / "data" / "first_format"
"""Two runs that the first version wrote, whose identity counted the steps: `added` was prolonged from 20 to 30 steps,
`other` has another seed."""


def trained(out: Path, **options) -> Path:
    gi.train("a + b", **{**OPTIONS, "steps": 30, **options}, out=out, progress=False, threads=1)
    return out


@pytest.fixture(scope="module")
def ours(tmp_path_factory) -> Path:
    """The same two runs, written now."""
    place = tmp_path_factory.mktemp("ours")
    trained(place / "added", steps=20)
    trained(place / "added", resume=True)
    trained(place / "other", steps=20, seed=1)
    return place


@pytest.fixture(params=["ours", "first format"])
def runs(request, ours, tmp_path) -> Path:
    return Path(shutil.copytree(ours if request.param == "ours" else FIRST_FORMAT, tmp_path / "runs"))


def test_both_load_and_go_on_to_the_same_weights(runs, ours, tmp_path):
    """Prolonged runs are whole, measure to what training wrote down, and resume bit for bit."""
    run = open_run(runs / "added")
    assert run.steps == [0, 10, 20, 30] and all(checkpoint.parameters for checkpoint in run)
    trace = gi.measure(run, ["loss"], progress=False)
    np.testing.assert_allclose(trace.train_loss, run.metrics.train_loss, rtol=1e-5)
    trained(runs / "added", steps=40, resume=True)
    trained(tmp_path / "anew", steps=40)
    run, anew = open_run(runs / "added"), open_run(tmp_path / "anew")
    assert run.steps == [0, 10, 20, 30, 40] and run.config.identity == anew.config.identity
    for step in run.steps:  # a machine may round unlike the one that wrote the first format
        torch.testing.assert_close(run[step].parameters, anew[step].parameters, rtol=1e-3, atol=1e-5)


def renamed(runs: Path) -> None:
    checkpoints = runs / "added" / "checkpoints"
    (checkpoints / "step_00000010.safetensors").rename(checkpoints / "step_00000015.safetensors")


def swapped(step: int) -> Callable[[Path], None]:
    def swap(runs: Path) -> None:
        name = f"checkpoints/step_{step:08d}.safetensors"
        shutil.copy(runs / "other" / name, runs / "added" / name)

    return swap


@pytest.mark.parametrize(
    ("change", "step", "message"),
    [
        (renamed, 15, "step_00000015.safetensors holds step 10; give it back its name"),
        (swapped(0), 0, "is a checkpoint of another run .*restore its own"),
        (swapped(10), 10, "is a checkpoint of another run .*restore its own"),
        (swapped(20), 20, "is a checkpoint of another run .*restore its own"),
    ],
)
def test_a_checkpoint_of_another_step_or_run_is_refused(runs, change, step, message):
    """Step and identity stand in the file; the other checkpoints stay readable."""
    change(runs)
    run = open_run(runs / "added")
    with pytest.raises(RunError, match=message) as refused:
        _ = run[step].parameters
    assert "\n" not in str(refused.value)
    assert run[30].parameters
    with pytest.raises(RunError, match=message):
        gi.measure(run, ["loss"], progress=False)


def test_an_optimiser_state_of_another_run_is_refused(runs):
    """Before anything is written: by what it says, or, of the first format, by the weights of its step."""
    shutil.copy(runs / "other" / "optimiser.safetensors", runs / "added" / "optimiser.safetensors")
    before = {file: file.read_bytes() for file in (runs / "added").rglob("*") if file.is_file()}
    with pytest.raises(RunError, match="is the state of another run; restore its own"):
        trained(runs / "added", steps=40, resume=True)
    assert before == {file: file.read_bytes() for file in (runs / "added").rglob("*") if file.is_file()}


def test_a_split_that_is_missing_or_foreign_is_refused(runs):
    """Losses over the wrong rows, or over none, are not shown."""
    shutil.copy(runs / "other" / "split.npz", runs / "added" / "split.npz")
    with pytest.raises(RunError, match=r"split.npz\) is (of another run|not the one it was written with); restore it"):
        _ = open_run(runs / "added").task
    (runs / "added" / "split.npz").unlink()
    with pytest.raises(RunError, match=r"split.npz\) is missing; restore it from a copy"):
        gi.measure(open_run(runs / "added"), ["loss"], progress=False)


def test_a_third_party_run_may_have_no_split(runs, tmp_path):
    """A copy of a file whose split is unknown is no damaged run."""
    torch.save(open_run(runs / "added").final.parameters, tmp_path / "x.pt")
    from grokinterp.runs.writer import save_run

    copy = save_run(gi.load(tmp_path / "x.pt", task=gi.Task("a + b", p=5)), tmp_path / "copy")
    assert copy.task.is_train is None
    assert gi.load(pack(copy, tmp_path / "copy.safetensors")).task.is_train is None


def test_another_task_is_asked_of_the_same_tokens_only(runs, tmp_path):
    """Text takes the run's modulus; another modulus is refused; the run's own task keeps its split."""
    packed = pack(open_run(runs / "added"), tmp_path / "packed.safetensors")
    for path in (runs / "added", packed):
        product = gi.load(path, task="a * b").task
        assert product.parameters["p"] == 5 and product.is_train is None
        for other in (gi.Task("a + b", p=3), gi.Task("a + b", p=4, layout="a b")):
            with pytest.raises(RunError, match=r"was trained on 'a \+ b' with p=5.*give one on the same"):
                gi.load(path, task=other)
        for own in ("a + b", gi.Task("a + b", p=5)):
            assert torch.equal(gi.load(path, task=own).task.is_train, gi.load(path).task.is_train)
        split = gi.Task("a + b", p=5).split(0.4, seed=3)
        assert torch.equal(gi.load(path, task=split).task.is_train, split.is_train)


def test_what_is_no_optimiser_state_is_one_clear_line(ours, tmp_path):
    """Tensors without the counts that resumption needs."""
    run = Path(shutil.copytree(ours / "added", tmp_path / "run"))
    tensors, _ = read_tensors(run / "optimiser.safetensors")
    write_tensors(run / "optimiser.safetensors", tensors, {"state": "half"})
    with pytest.raises(RunError, match="is no optimiser state; train it anew with --overwrite"):
        RunWriter.reopen(run)
