"""`make slurm`: a job that reaches its limit of two minutes is queued again and goes on, twice."""

import json
import subprocess
import time

from grokinterp.runs.files import read_metadata
from grokinterp.sweeps.standing import submit

SPEC = {
    "name": "limit",
    "run": {"expression": "a + b", "p": 7, "steps": 10_000_000, "checkpoint_every": 10_000_000, "metrics_every": 1000},
}


def test_the_time_limit(slurm, tmp_path):
    """Its state is of a later step after each restart."""
    standing = submit(SPEC, tmp_path / "limit", slurm={"time": 2})
    (name,), (job,) = standing.alive, standing.jobs
    run, reached = tmp_path / "limit" / name, [0]
    for restarts in (1, 2):
        end = time.monotonic() + 300
        while f"Restarts={restarts}" not in slurm.ask("scontrol", "show", "job", job):
            assert time.monotonic() < end and submit(SPEC, tmp_path / "limit", slurm={"time": 2}).alive
            time.sleep(3)
        reached.append(json.loads(read_metadata(run / "optimiser.safetensors")["state"])["step"])
    subprocess.run(["scancel", job], check=True)
    assert reached[0] < reached[1] < reached[2]
