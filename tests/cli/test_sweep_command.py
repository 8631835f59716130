"""`grokinterp sweep`: what it would do, what it says of what failed, and the codes it ends with."""

from pathlib import Path

import pytest

from grokinterp.cli import main
from grokinterp.sweeps import SweepError, running
from grokinterp.sweeps.estimate import Estimate
from grokinterp.sweeps.points import points_of
from grokinterp.sweeps.spec import Spec

SPEC = """
[run]
expression = "a + b"
p = 7
d_model = 16
n_heads = 2
d_mlp = 16
steps = 2000
[grid]
lr = [1e-3, 3e-3]
seed = "0..9"
"""


@pytest.fixture
def spec(tmp_path, monkeypatch):
    """A file of twenty runs, in a directory of its own."""
    monkeypatch.chdir(tmp_path)
    path = tmp_path / "rates.toml"
    path.write_text(SPEC)
    return path


def test_a_dry_run_writes_nothing(spec, capsys):
    """Runs, time and room: 20 runs of 21 checkpoints of 4,016 bytes or so, and a state of three of them each."""
    assert main(["sweep", str(spec), "--dry-run", "--workers", "2"]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert lines[0] == "20 runs in runs/rates, 0 of them trained" and len(lines) == 22
    assert lines[1].startswith("  lr0.001-seed0-") and lines[1].endswith(": lr=0.001, seed=0")
    assert "with 2 workers" in lines[-1] and lines[-1].endswith("MB on disk")
    assert sorted(path.name for path in spec.parent.iterdir()) == ["rates.toml"]


def test_a_dry_run_takes_runs_with_loggers(spec, capsys):
    """Loggers are told of a training and are no part of its configuration: the steps are timed without them."""
    spec.write_text(SPEC.replace("[grid]", 'loggers = "tensorboard"\n[grid]'))
    assert main(["sweep", str(spec), "--dry-run"]) == 0
    assert capsys.readouterr().out.startswith("20 runs in runs/rates, 0 of them trained")


def test_an_estimate_tells_what_goes_on_and_counts_one_of_a_thing():
    """A run that is to be prolonged is no untouched one, and there are no '1 runs', '1 minutes', '1 workers'."""
    [point] = points_of(Spec.from_dict({"run": {"expression": "a + b", "p": 7}}))
    lines = Estimate(Path("runs/x"), (point,), (point,), 60.0, 10, 1, begun=1).text().splitlines()
    assert lines[0] == "1 run in runs/x, 0 of them trained, 1 goes on"
    assert lines[-1] == "about 1 minute with 1 worker, 1 MB on disk"
    assert Estimate(Path("runs/x"), (point,), (), 0.0, 0, 1).text() == "1 run in runs/x, 1 of them trained"


def test_runs_that_failed_end_it_with_one(spec, capsys, monkeypatch):
    """Each with its line; a request that cannot be met ends it with two."""
    assert main(["sweep", str(spec.with_name("none.toml"))]) == 2

    def fail(*_: object, **__: object) -> None:
        raise SweepError({"lr1-seed0": "the training loss became nan (log: x.log)"}, 20)

    monkeypatch.setattr(running, "sweep", fail)
    with pytest.raises(SystemExit) as ended:
        main(["sweep", str(spec)])
    assert ended.value.code == 1
    assert "1 of 20 runs failed" in (shown := capsys.readouterr().err) and "lr1-seed0: the training loss" in shown
