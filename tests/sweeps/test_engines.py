"""Every engine trains the same runs, whatever is killed; how far a run is, its directory says and nobody else."""

import os
import signal
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import Executor, Future
from contextlib import contextmanager
from importlib import import_module
from pathlib import Path
from typing import Any

import pytest
import torch

import grokinterp as gi
from grokinterp.errors import ConfigError
from grokinterp.runs import lock
from grokinterp.runs.directory import is_finished
from grokinterp.sweeps import SweepError, sweep
from grokinterp.sweeps.engines import _executor
from grokinterp.sweeps.standing import submit

RUN = {"expression": "a + b", "frac": 0.5, "d_model": 16, "n_heads": 2, "d_mlp": 16, "checkpoint_every": 10}
SMALL = {"name": "small", "run": {**RUN, "steps": 40}, "grid": {"p": [7, 13], "lr": [1e-3, 1e30]}}
LONG = {
    "name": "long",
    "run": {**RUN, "p": 7, "steps": 500, "metrics_every": 50, "checkpoint_every": 250},
    "grid": {"seed": [0, 1]},
}

pytestmark = pytest.mark.slow


def until(holds: Callable[[], object]) -> None:
    """Wait for a state."""
    end = time.monotonic() + 240
    while not holds():
        assert time.monotonic() < end
        time.sleep(0.02)


def lines_of(path: Path) -> int:
    """How many lines a file has; none where there is no such file."""
    return len(path.read_text().splitlines()) if path.exists() else 0


def weights(runs: gi.Runs) -> dict[str, dict[str, torch.Tensor]]:
    """The final weights of every run that is finished."""
    return {name: run.final.parameters for name, run in runs.items() if is_finished(run.path)}


def are_equal(one: dict[str, dict[str, torch.Tensor]], other: dict[str, dict[str, torch.Tensor]]) -> bool:
    """Whether runs have the same weights, bit for bit."""
    return one.keys() == other.keys() and all(
        torch.equal(one[name][key], value) for name in other for key, value in other[name].items()
    )


@contextmanager
def dask(workers: int) -> Iterator[Executor]:
    """Dask's workers on this machine."""
    distributed = import_module("distributed") if os.environ.get("CI") else pytest.importorskip("distributed")
    with (
        distributed.LocalCluster(
            n_workers=workers, threads_per_worker=1, host="127.0.0.1", dashboard_address="127.0.0.1:0"
        ) as cluster,
        distributed.Client(cluster) as client,
    ):
        yield client.get_executor()


@pytest.fixture(scope="module")
def trained(tmp_path_factory):
    """Runs trained by a process here, two of which diverge: their weights, and the lines of those that failed."""
    return failing_sweep(tmp_path_factory.mktemp("engines") / "here", workers=1)


def failing_sweep(out: Path, **engine: Any) -> tuple[dict[str, dict[str, torch.Tensor]], dict[str, str]]:
    """The weights of the runs of SMALL that finish, and the line of each that does not."""
    with pytest.raises(SweepError, match="2 of 4 runs failed") as lost:
        sweep(SMALL, out=out, progress=False, **engine)
    return weights(gi.load(out)), {name: line.partition(" (log")[0] for name, line in lost.value.failed.items()}


def test_slurm_trains_what_is_trained_here(slurm, trained, tmp_path):
    """The weights of a run are the same, bit for bit, and so is why one fails, all four of them in one job."""
    del slurm
    options = {"runs_per_job": 4, "mem": "600"}
    there, failed = failing_sweep(tmp_path / "small", engine="slurm", slurm=options)
    here, failed_here = trained
    assert len(here) == 2 and are_equal(there, here) and failed == failed_here


def test_dask_trains_what_is_trained_here(trained, tmp_path):
    """The same of Dask's workers, though one is killed as it trains: another takes its place and goes on."""
    out, killed = tmp_path / "small", []

    def kill_the_first() -> None:
        holders = lambda: [holder for path in out.glob("p*") if (holder := lock.holder(path))]
        until(lambda: killed or killed.extend(holder.process for holder in holders()))
        os.kill(killed[0], signal.SIGKILL)

    killer = threading.Thread(target=kill_the_first)
    with dask(1) as executor:
        killer.start()
        there, failed = failing_sweep(out, executor=executor)
        killer.join()
    here, failed_here = trained
    assert len(here) == 2 and are_equal(there, here) and failed == failed_here
    assert killed[0] != os.getpid()


def test_a_slurm_job_that_is_cut_goes_on(slurm, tmp_path):
    """At the end of its time it queues again; a killed one is named once and trained by the next sweep."""
    out = tmp_path / "long"
    with pytest.raises(ConfigError, match="partition specified: nope; the partitions are debug, other: --slurm"):
        submit(LONG, out, slurm=["partition=nope"])
    assert not out.exists()
    ask = lambda: submit(LONG, out, workers=1)
    first = ask()
    assert first.finished == 0 and len(first.alive) == 2 and len(first.jobs) == 1
    cut, killed = sorted(out / name for name in first.alive)
    job = first.jobs[0]
    until(lambda: ask().alive == {cut.name: "running", killed.name: "waiting (JobArrayTaskLimit)"})
    assert "2 runs, 0 finished, 1 running, 1 waiting (JobArrayTaskLimit)" in ask().text()
    assert len(slurm.ask("squeue", "-h", "-r").splitlines()) == 2  # nothing was submitted twice

    until(lambda: lines_of(cut / "metrics.jsonl") > 1)
    slurm.ask("scancel", "--signal=USR2", f"{job}_0")
    start = (cut / "checkpoints" / "step_00000000.safetensors").stat().st_mtime_ns
    until(lambda: "Restarts=1" in slurm.ask("scontrol", "show", "job", f"{job}_0"))
    until((killed / "metrics.jsonl").exists)
    slurm.ask("scancel", "--signal=KILL", f"{job}_1")
    standings = []
    until(lambda: standings.append(ask()) or standings[-1].failed)
    assert standings[-1].failed.keys() == {killed.name}
    assert f"its Slurm job {job}_1 was killed or cancelled, and printed {out}" in standings[-1].failed[killed.name]

    runs = sweep(LONG, out=out, engine="slurm", progress=False)
    assert all(is_finished(run.path) and run.metrics["step"].is_unique for run in runs.values())
    assert (cut / "checkpoints" / "step_00000000.safetensors").stat().st_mtime_ns == start  # it did not begin anew
    fields = {name: value for name, value in LONG["run"].items() if name != "expression"}
    alone = gi.train("a + b", **fields, seed=0, out=tmp_path / "alone", threads=1, progress=False)
    assert are_equal({"": runs[cut.name].final.parameters}, {"": alone.final.parameters})


class Forgetful(Executor):
    """Does the first that it is given, and says nothing of it ever."""

    def __init__(self) -> None:
        self._has_worked = False

    def submit(self, function: Callable[..., Any], /, *arguments: Any, **named: Any) -> "Future[Any]":
        if not self._has_worked:
            threading.Thread(target=function, args=arguments, kwargs=named).start()
        self._has_worked = True
        return Future()


def test_no_promise_is_waited_on_for_ever(tmp_path, monkeypatch):
    """What an executor has trained is finished though it never says so; what it leaves alone is given up."""
    monkeypatch.setattr(_executor, "SECONDS_WITHOUT_WORK", 3.0)
    spec = {**LONG, "run": {**LONG["run"], "steps": 20}}
    with pytest.raises(SweepError, match="1 of 2 runs failed") as lost:
        sweep(spec, out=tmp_path / "small", executor=Forgetful(), progress=False)
    assert [name[:5] for name in lost.value.failed] == ["seed1"]
    assert all("its executor has worked at no run" in line for line in lost.value.failed.values())
