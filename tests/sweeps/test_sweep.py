"""A sweep's runs are those that would be trained alone, whatever is killed, added or asked for again."""

import os
import signal
import subprocess
import sys
import time
from concurrent.futures import ThreadPoolExecutor

import pytest
import torch

import grokinterp as gi
from grokinterp.errors import ConfigError
from grokinterp.evaluation.processes import Processes
from grokinterp.runs.directory import is_finished
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


def test_a_killed_worker_costs_its_own_task_alone():
    """The pool goes on, and says which task was lost."""
    with Processes(1) as pool:
        lost, kept = pool.submit(os.abort), pool.submit(os.getpid)
        with pytest.raises(Exception, match="Abnormal termination"):
            lost.result()
        assert kept.result() != os.getpid()


SCRIPT = """
import sys
from grokinterp.sweeps import sweep
sweep({spec!r}, out=sys.argv[1], workers=2, progress=False)
"""


def _children(pid: int) -> set[int]:
    listed = subprocess.run(["ps", "-o", "pid=", "--ppid", str(pid)], capture_output=True, text=True).stdout
    return {int(word) for word in listed.split()}


def _is_alive(pid: int) -> bool:
    try:
        with open(f"/proc/{pid}/stat") as file:
            return file.read().rpartition(")")[2].split()[0] != "Z"
    except FileNotFoundError:
        return False


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="looks at /proc")
def test_killing_all_of_it_loses_nothing(tmp_path):
    """A script without a main guard, killed while it trains: its workers end, the same sweep goes on, equal weights."""
    spec = {**SPEC, "run": {**SPEC["run"], "steps": 1500, "metrics_every": 10}, "grid": {"seed": [0, 1]}}
    script, out = tmp_path / "script.py", tmp_path / "s"
    script.write_text(SCRIPT.format(spec=spec))
    process = subprocess.Popen([sys.executable, str(script), str(out)])
    while len([path for path in out.glob("*/metrics.jsonl") if path.stat().st_size > 1000]) < 2:
        assert process.poll() is None
        time.sleep(0.05)
    workers = _children(process.pid)
    os.kill(process.pid, signal.SIGKILL)
    process.wait()
    while any(map(_is_alive, workers)):  # within two seconds on a quiet machine
        time.sleep(0.05)
    runs = sweep(spec, out=out, workers=2, progress=False)
    for run in runs.values():
        assert run.metrics["step"].is_unique and run.steps[-1] == 1500
    fields = {name: value for name, value in spec["run"].items() if name != "expression"}
    alone = gi.train("a + b", **fields, seed=1, out=tmp_path / "alone", threads=1, progress=False)
    again = next(run for name, run in runs.items() if name.startswith("seed1"))
    mine, other = again.final.parameters, alone.final.parameters
    assert all(torch.equal(mine[key], other[key]) for key in other)
