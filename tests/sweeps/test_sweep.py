"""A sweep's runs are those that would be trained alone, whatever is killed, added or asked for again."""

import errno
import os
import sys
from concurrent.futures import ThreadPoolExecutor

import pytest
import torch

import grokinterp as gi
from grokinterp.errors import ConfigError
from grokinterp.runs import files, lock
from grokinterp.runs.directory import is_finished
from grokinterp.runs.summary import Summary
from grokinterp.sweeps import SweepError, sweep

RUN = {"expression": "a + b", "p": 7, "frac": 0.5, "d_model": 16, "n_heads": 2, "d_mlp": 16, "checkpoint_every": 10}
SPEC = {"name": "small", "run": {**RUN, "steps": 20}, "grid": {"lr": [1e-3, 3e-3], "seed": [0, 1]}}

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def swept(tmp_path_factory):
    """Four runs of twenty steps, by two workers."""
    out = tmp_path_factory.mktemp("sweep") / "small"
    return sweep(SPEC, out=out, workers=2, progress=False), out


def test_a_swept_run_is_the_run_trained_alone(swept, tmp_path):
    """Bit for bit, with one thread."""
    runs, _ = swept
    assert len(runs) == 4
    name = next(name for name in runs if name.startswith("lr0.003-seed1"))
    alone = gi.train(
        "a + b", **{k: v for k, v in SPEC["run"].items() if k != "expression"}, lr=3e-3, seed=1,
        out=tmp_path / "alone", threads=1, progress=False,
    )  # fmt: skip
    assert runs[name].steps == alone.steps == [0, 10, 20]
    for step in alone.steps:
        mine, other = runs[name][step].parameters, alone[step].parameters
        assert all(torch.equal(mine[key], other[key]) for key in other)


@pytest.fixture(scope="module")
def here():
    """An engine without the start of a process: one thread of this one."""
    with ThreadPoolExecutor(1) as executor:
        yield executor


def test_what_is_trained_is_not_trained_again(swept):
    """The same call changes no file of a finished run, and starts no worker."""
    _, out = swept
    before = {path: path.stat().st_mtime_ns for path in out.rglob("*.safetensors")}
    sweep(SPEC, out=out, workers=2, progress=False)
    assert {path: path.stat().st_mtime_ns for path in out.rglob("*.safetensors")} == before


def test_a_sweep_grows_and_is_not_contradicted(swept, here):
    """More steps, seeds and an axis extend the directory; fewer, or another field, are refused by name."""
    _, out = swept
    bigger = {**SPEC, "run": {**SPEC["run"], "steps": 30}, "grid": {"lr": [1e-3, 3e-3], "seed": [0, 1, 2]}}
    names = set(sweep(SPEC, out=out, progress=False))
    grown = sweep(bigger, out=out, executor=here, progress=False)
    assert names < set(grown) and len(grown) == 6
    assert all(run.steps[-1] == 30 and is_finished(run.path) for run in grown.values())
    axis = {**bigger, "grid": {**bigger["grid"], "weight_decay": [1.0, 0.1]}}
    assert names < set(sweep(axis, out=out, executor=here, progress=False))
    with pytest.raises(ConfigError, match=r"steps=30 and this spec asks for 20"):
        sweep({**axis, "run": SPEC["run"]}, out=out, progress=False)
    with pytest.raises(ConfigError, match=r"checkpoint_every=10 and this spec asks for 5"):
        sweep({**axis, "run": {**bigger["run"], "checkpoint_every": 5}}, out=out, progress=False)
    with pytest.raises(ConfigError, match=r"frac was 0.5 and is 0.4"):
        sweep({**axis, "run": {**bigger["run"], "frac": 0.4}}, out=out, progress=False)


def test_one_failing_run_costs_the_others_nothing(here, tmp_path):
    """A rate at which training diverges is named at the end, with its log; all others are trained."""
    spec = {**SPEC, "grid": {"lr": [1e-3, 1e30], "seed": [0]}}
    with pytest.raises(SweepError, match="1 of 2 runs failed") as refusal:
        sweep(spec, out=tmp_path / "s", executor=here, progress=False)
    (name, line), logs = *refusal.value.failed.items(), list((tmp_path / "s" / "logs").iterdir())
    assert name.startswith("lr1e-30-seed0-") and "the training loss became" in line
    assert len(logs) == 1 and str(logs[0]) in str(refusal.value) and "Traceback" in logs[0].read_text()
    assert len(gi.load(tmp_path / "s")) == 2
    finished = [path for path in (tmp_path / "s").iterdir() if is_finished(path)]
    assert [path.name.split("-seed")[0] for path in finished] == ["lr0.001"]
    (diverged,) = (path for path in (tmp_path / "s").glob("lr1e*"))
    assert Summary.read(diverged).failure == line.partition(" (log: ")[0]


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="knows files by their descriptors as Linux does")
def test_a_full_disk_costs_the_runs_that_it_met(here, monkeypatch, tmp_path):
    """The others are trained; once there is room the same sweep trains those that it met, and no others."""
    spec, real = {**SPEC, "grid": {"seed": [0, 1]}}, os.fsync

    def full_for_the_first(descriptor: int) -> None:
        if "seed0" in os.readlink(f"/proc/self/fd/{descriptor}"):
            raise OSError(errno.ENOSPC, "full")
        real(descriptor)

    with monkeypatch.context() as patch, pytest.raises(SweepError, match="1 of 2 runs failed") as refusal:
        patch.setattr(files.os, "fsync", full_for_the_first)
        sweep(spec, out=tmp_path / "s", executor=here, progress=False)
    assert "the disk is full; free some space" in str(refusal.value) and "seed0" in str(refusal.value)
    before = {path: path.stat().st_mtime_ns for path in (tmp_path / "s").glob("seed1*/checkpoints/*")}
    runs = sweep(spec, out=tmp_path / "s", executor=here, progress=False)
    assert [run.steps for run in runs.values()] == [[0, 10, 20]] * 2 and len(before) == 3
    assert {path: path.stat().st_mtime_ns for path in before} == before
    assert not list((tmp_path / "s" / "logs").iterdir())


def test_a_second_sweep_is_told_who_has_the_directory(swept):
    """Two sweeps never train one run."""
    _, out = swept
    with lock.held(out, "sweep") as other, pytest.raises(lock.HeldError, match=f"process {other.process} .*sweep"):
        sweep(SPEC, out=out, progress=False)


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        ({"engine": "lokal"}, "no engine 'lokal'. Did you mean 'local'"),
        ({"workers": 0}, "workers=0 must be"),
        ({"workers": 2, "executor": ThreadPoolExecutor(1)}, "an executor has its own workers"),
    ],
    ids=["engine", "workers", "executor"],
)
def test_what_cannot_train_is_refused_first(fields, message, tmp_path):
    """Nothing is written."""
    with pytest.raises(ConfigError, match=message):
        sweep(SPEC, out=tmp_path / "s", **fields)
    assert not (tmp_path / "s").exists()
