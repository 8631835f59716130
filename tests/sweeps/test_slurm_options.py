"""What Slurm is asked for: read from KEY=VALUE, refused in a line, and as the text that sbatch is given."""

import sys
from dataclasses import fields
from pathlib import Path

import pytest

from grokinterp.cli import main
from grokinterp.errors import ConfigError
from grokinterp.sweeps import sweep
from grokinterp.sweeps.engines.slurm.options import MOST_JOBS, SlurmOptions
from grokinterp.sweeps.engines.slurm.queue import Queue, SlurmAwayError
from grokinterp.sweeps.engines.slurm.submission import Submission

SPEC = {"name": "small", "run": {"expression": "a + b", "p": 7, "steps": 20}, "grid": {"seed": [0, 1, 2]}}


@pytest.mark.parametrize(
    ("time", "minutes"),
    [("90", 90), (90, 90), ("90:30", 91), ("2:00:00", 120), ("1-12", 2160), ("1-0:30", 1470), ("1-0:0:1", 1441)],
)
def test_times_are_as_slurm_writes_them(time, minutes):
    """Minutes, minutes:seconds, hours:minutes:seconds, days-hours and so on; a begun minute counts."""
    assert SlurmOptions.read({"time": time}).minutes == minutes


def test_words_and_a_dictionary_say_the_same():
    """Setup lines come in their order, and may hold an equals sign."""
    words = ["partition=cpu", "cpus-per-task=4", "setup=module load python", "setup=export A=1"]
    options = {"partition": "cpu", "cpus_per_task": 4, "setup": ["module load python", "export A=1"]}
    assert SlurmOptions.read(words) == SlurmOptions.read(options)


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["partion=cpu"], "no option 'partion'. Did you mean 'partition'"),
        (["partition"], "is not KEY=VALUE, as in --slurm partition=cpu"),
        (["mem=1G", "mem=2G"], "mem is given twice; only setup lines can be"),
        (["time=soon"], "time='soon' is no time; give minutes, hours:minutes:seconds or days-hours"),
        (["time=0"], "time=0 must be at least one minute"),
        (["runs_per_job=many"], "runs_per_job='many' is no whole number"),
        (["cpus_per_task=0"], "cpus_per_task=0 must be at least 1"),
    ],
)
def test_what_slurm_is_not_asked_for(words, message):
    """One line names the word."""
    with pytest.raises(ConfigError, match=message) as refusal:
        SlurmOptions.read(words)
    assert "\n" not in str(refusal.value)


def test_the_guide_has_every_option():
    """Each has its place in the table of docs/slurm.md."""
    guide = (Path(__file__).parents[2] / "docs" / "slurm.md").read_text()
    table = guide.partition("| `--slurm` |")[2].partition("\n\n")[0]
    assert not [field.name for field in fields(SlurmOptions) if f"`{field.name}=" not in table]


def test_runs_are_shared_out_to_jobs():
    """A job has a run for each of its cores, more where asked, and so many that Slurm takes the array."""
    assert SlurmOptions().batch_size(8) == 1
    assert SlurmOptions(cpus_per_task=4).batch_size(8) == 4
    assert SlurmOptions(cpus_per_task=4, runs_per_job=10).batch_size(8) == 10
    assert SlurmOptions().batch_size(5 * MOST_JOBS) == 5


def test_a_dry_run_shows_what_sbatch_would_be_given(tmp_path, capsys, monkeypatch):
    """Also where there is no Slurm, and nothing is written."""
    monkeypatch.setenv("PATH", str(tmp_path))
    (tmp_path / "small.toml").write_text(
        '[run]\nexpression = "a + b"\np = 7\nsteps = 20\nd_model = 16\nd_mlp = 16\n[grid]\nseed = "0..4"\n'
    )
    out = tmp_path / "out"
    asked = ["partition=cpu", "gres=gpu:1", "account=me", "mem=2G"]
    words = [*asked, "time=2:00:00", "runs_per_job=2", "setup=module load x"]
    options = ["--engine", "slurm", "--workers", "2", *(part for word in words for part in ("--slurm", word))]
    main(["sweep", str(tmp_path / "small.toml"), "--out", str(out), "--dry-run", *options])
    lines = capsys.readouterr().out.splitlines()
    for flag in (*asked, "time=120", "array=0-2%2", "signal=USR2@90", "requeue"):
        assert f"#SBATCH --{flag}" in lines
    assert lines.index("module load x") < next(i for i, line in enumerate(lines) if line.startswith("srun "))
    assert not out.exists()


def test_a_machine_without_slurm(tmp_path, monkeypatch):
    """What is missing is named with the remedy, and nothing is written."""
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(ConfigError, match="this machine has no sbatch; sweep on a login node"):
        sweep(SPEC, out=tmp_path / "out", engine="slurm", progress=False)
    monkeypatch.setitem(sys.modules, "submitit", None)
    with pytest.raises(ConfigError, match=r"needs submitit; install it with pip install 'grokinterp\[slurm\]'"):
        sweep(SPEC, out=tmp_path / "out", engine="slurm", progress=False)
    assert not (tmp_path / "out").exists()


def test_what_sbatch_refuses_only_when_it_counts(tmp_path, monkeypatch):
    """A limit on jobs shows only as they are submitted: its own words, and nothing of the submission stays."""
    programs = tmp_path / "bin"
    programs.mkdir()
    limit = "sbatch: error: QOSMaxSubmitJobPerUserLimit"
    programs.joinpath("sbatch").write_text(f'#!/bin/sh\n[ "$1" = --test-only ] || {{ echo "{limit}" >&2; exit 1; }}\n')
    for name in ("srun", "squeue"):
        programs.joinpath(name).write_text("#!/bin/sh\n")
    for program in programs.iterdir():
        program.chmod(0o755)
    monkeypatch.setenv("PATH", f"{programs}:/usr/bin:/bin")
    with pytest.raises(ConfigError, match=r"^Slurm refuses the jobs: QOSMaxSubmitJobPerUserLimit; ask for"):
        sweep(SPEC, out=tmp_path / "out", engine="slurm", progress=False)
    assert not list((tmp_path / "out" / "slurm").iterdir())


def test_what_is_of_slurm_only(tmp_path):
    """Options, and not to wait, are refused elsewhere."""
    with pytest.raises(ConfigError, match="mem can only be asked of Slurm; add engine=slurm"):
        sweep(SPEC, out=tmp_path / "out", slurm={"mem": "1G"}, progress=False)
    with pytest.raises(ConfigError, match="the work of engine='local' ends with this process; wait for it"):
        sweep(SPEC, out=tmp_path / "out", wait=False, progress=False)
    assert not (tmp_path / "out").exists()


def test_a_controller_that_is_away_ends_no_job(tmp_path, monkeypatch):
    """The last answer stands while `squeue` fails, and for ten minutes only."""
    squeue = tmp_path / "squeue"
    monkeypatch.setenv("PATH", f"{tmp_path}:/usr/bin:/bin")
    answer = lambda text, code=0: (squeue.write_text(f"#!/bin/sh\nprintf '{text}'\nexit {code}\n"), squeue.chmod(0o755))
    answer(r"mine|3|PENDING|Priority\nmine|N/A|RUNNING|None\n")
    queue = Queue()
    states = queue.states(["mine"])
    assert states == {("mine", 3): "waiting (Priority)", ("mine", 0): "running"}
    answer("", 1)
    assert queue.states(["mine"]) == states
    monkeypatch.setattr("grokinterp.sweeps.engines.slurm.queue.SECONDS_WITHOUT_ANSWER", -1.0)
    with pytest.raises(SlurmAwayError, match="its jobs go on, and the same sweep again waits for them"):
        queue.states(["mine"])


def test_a_submission_is_remembered_until_told(tmp_path):
    """Another process reads which job has which runs, where the first was killed before it knew the number too."""
    submission = Submission.new(tmp_path / "my sweep", [["a", "b"], ["c"]]).write()
    assert submission.name.startswith("my-sweep-") and submission.job == ""
    assert list(Submission.all(tmp_path / "my sweep")) == [submission]
    submission.close()
    assert list(Submission.all(tmp_path / "my sweep")) == []
