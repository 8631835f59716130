"""Whatever is killed, and however: nothing is torn, nobody trains on, and the same sweep goes on."""

import os
import signal
import subprocess
import sys
import threading
import time
from concurrent.futures import ThreadPoolExecutor

import pytest
import torch

import grokinterp as gi
from grokinterp.runs import lock
from grokinterp.runs.directory import is_finished
from grokinterp.runs.summary import Summary
from grokinterp.sweeps import SweepError, sweep
from grokinterp.sweeps.points import points_of
from grokinterp.sweeps.progress import last_step
from grokinterp.sweeps.spec import Spec

RUN = {"expression": "a + b", "p": 7, "frac": 0.5, "d_model": 16, "n_heads": 2, "d_mlp": 16, "checkpoint_every": 0}

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(not sys.platform.startswith("linux"), reason="looks at processes as Linux has them"),
]


def wait_for(condition, process=None) -> None:
    """Until it holds; a process that ends before is a failure."""
    end = time.monotonic() + 240
    while not condition():
        assert (process is None or process.poll() is None) and time.monotonic() < end
        time.sleep(0.02)


def hear_interrupts() -> None:
    """Tests that run in a shell's background inherit that interrupts are ignored."""
    signal.signal(signal.SIGINT, signal.SIG_DFL)


def is_alive(pid: int) -> bool:
    try:
        with open(f"/proc/{pid}/stat") as file:
            return file.read().rpartition(")")[2].split()[0] != "Z"
    except FileNotFoundError:
        return False


def test_a_killed_worker_costs_its_own_run_alone(tmp_path):
    """Another worker takes its place; the run that it trained is named, with a log, and can go on."""
    variants = [{"name": "long", "steps": 10**6, "seed": 0}, {"name": "short", "steps": 10, "seed": 1}]
    spec, out = Spec.from_dict({"run": RUN, "variant": variants}), tmp_path / "s"
    long = out / points_of(spec)[0].name

    def kill() -> None:
        wait_for((long / "metrics.jsonl").exists)
        os.kill(lock.holder(long).process, signal.SIGKILL)

    killer = threading.Thread(target=kill)
    killer.start()
    with pytest.raises(SweepError) as refusal:
        sweep(spec, out=out, workers=1, progress=False)
    killer.join()
    line = refusal.value.failed[long.name]
    assert list(refusal.value.failed) == [long.name] and "its worker ended (killed by signal 9) (log: " in line
    assert [is_finished(path) for path in sorted(out.glob("[ls]*-*"))] == [False, True]
    assert "killed by signal 9" in Summary.read(long).failure and len(list((out / "logs").iterdir())) == 1


SCRIPT = """
import sys
from grokinterp.sweeps import sweep
sweep(sys.argv[1], out=sys.argv[2], workers=1, progress=False)
"""


def test_stopped_then_killed_it_goes_on(tmp_path):
    """Ctrl-C of the command, then kill -9 of a script without a main guard: equal weights, no row twice."""
    spec = Spec.from_dict({"run": {**RUN, "steps": 800, "metrics_every": 10}, "grid": {"seed": [0]}})
    (tmp_path / "spec.toml").write_text(spec.to_toml())
    (tmp_path / "script.py").write_text(SCRIPT)
    out = tmp_path / "s"
    path = out / points_of(spec)[0].name

    def start(*words: str) -> tuple[subprocess.Popen, int]:
        """A sweep that trains, and the process that does."""
        known = last_step(path)
        process = subprocess.Popen(
            [sys.executable, *words], stderr=subprocess.PIPE, text=True, preexec_fn=hear_interrupts
        )
        wait_for(lambda: last_step(path) > known, process)
        return process, lock.holder(path).process

    words = ("-m", "grokinterp", "sweep", str(tmp_path / "spec.toml"), "--out", str(out), "--workers", "1")
    process, worker = start(*words)
    process.send_signal(signal.SIGINT)
    assert "the same sweep again goes on" in process.communicate()[1] and process.returncode == 130
    assert not is_alive(worker) and Summary.read(path).timed > 0

    process, worker = start(str(tmp_path / "script.py"), str(tmp_path / "spec.toml"), str(out))
    process.kill()
    process.communicate()
    wait_for(lambda: not is_alive(worker))  # within two seconds on a machine that does little else

    with ThreadPoolExecutor(1) as executor:
        (run,) = sweep(spec, out=out, executor=executor, progress=False).values()
    assert run.metrics["step"].is_unique and run.steps == [0, 800]
    fields = {name: value for name, value in spec.run.items() if name != "expression"}
    alone = gi.train("a + b", **fields, seed=0, out=tmp_path / "alone", threads=1, progress=False)
    assert run.metrics.equals(alone.metrics)
    assert all(torch.equal(run.final.parameters[name], value) for name, value in alone.final.parameters.items())
