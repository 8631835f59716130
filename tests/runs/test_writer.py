"""RunWriter and storage: whatever interrupts them leaves whole files or none."""

import errno
import json
import os
import resource
import signal
import subprocess
import sys
import textwrap

import numpy as np
import pytest
import torch

import grokinterp as gi
from grokinterp.runs import files
from grokinterp.runs.directory import open_run, read_split
from grokinterp.runs.files import StorageError, read_tensors, write_atomic, write_tensors
from grokinterp.runs.run import RunError
from grokinterp.runs.writer import RunWriter, save_run

# -- one file


def test_a_failed_write_leaves_the_old_file_and_no_temporary(tmp_path):
    """An error while writing, of whatever kind, changes nothing in the directory."""
    path = tmp_path / "x.bin"
    write_atomic(path, b"old")

    def interrupted(file):
        file.write(b"half of the new")
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        write_atomic(path, interrupted)
    assert path.read_bytes() == b"old" and os.listdir(tmp_path) == ["x.bin"]
    write_atomic(path, lambda file: file.write(b"new"))
    assert path.read_bytes() == b"new" and os.listdir(tmp_path) == ["x.bin"]


@pytest.mark.parametrize(
    ("number", "remedy"),
    [(errno.ENOSPC, "the disk is full; free some space"), (errno.EDQUOT, "quota"), (errno.EACCES, "permission denied")],
)
def test_a_refusal_of_the_system_is_one_line_with_a_remedy(tmp_path, monkeypatch, number, remedy):
    """A full disk, an exhausted quota and a missing permission are bad requests that name the path and what to do."""

    def fail(_):
        raise OSError(number, os.strerror(number))

    monkeypatch.setattr(files.os, "fsync", fail)
    with pytest.raises(StorageError, match=remedy) as refusal:
        write_atomic(tmp_path / "x.bin", b"content")
    assert str(tmp_path / "x.bin") in str(refusal.value) and "\n" not in str(refusal.value)
    assert os.listdir(tmp_path) == []


def test_a_write_that_the_system_cuts_short_leaves_nothing(tmp_path):
    """A real limit, met in the middle of a file by the kernel, leaves neither the file nor its temporary."""
    limit = resource.getrlimit(resource.RLIMIT_FSIZE)
    previous = signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    try:
        resource.setrlimit(resource.RLIMIT_FSIZE, (1000, limit[1]))
        with pytest.raises(StorageError, match="larger than the system allows"):
            write_tensors(tmp_path / "x.safetensors", {"w": torch.ones(5000)}, {})
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limit)
        signal.signal(signal.SIGXFSZ, previous)
    assert os.listdir(tmp_path) == []


@pytest.mark.skipif(os.geteuid() == 0, reason="root may write everywhere")
def test_a_directory_without_permission_is_a_bad_request(tmp_path):
    """The real thing: no permission to write."""
    (tmp_path / "locked").mkdir(mode=0o500)
    with pytest.raises(StorageError, match="permission denied"):
        write_atomic(tmp_path / "locked" / "x", b"")


def test_tensors_survive_to_the_bit(tmp_path):
    """Any dtype, shape and value, views and shared memory included, comes back as it was."""
    whole = torch.randn(4, 6)
    tensors = {
        "view": whole[:, ::2],
        "shared": whole,
        "state": torch.randint(0, 256, (5056,), dtype=torch.uint8),
        "steps": torch.tensor(2**62),
        "nan": torch.tensor([float("nan"), float("inf"), -0.0], dtype=torch.float64),
        "empty": torch.empty(0, 3),
    }
    write_tensors(tmp_path / "x.safetensors", tensors, {"note": "é"})
    back, metadata = read_tensors(tmp_path / "x.safetensors")
    assert metadata == {"note": "é"} and back.keys() == tensors.keys()
    for name, value in tensors.items():
        assert back[name].dtype == value.dtype and back[name].shape == value.shape
        assert back[name].numpy().tobytes() == value.contiguous().numpy().tobytes()


# -- a run directory


def test_create_writes_what_a_run_needs(small, tmp_path):
    """config.json says versions, identity and the resolved task; split.npz holds the mask, and wrong labels if any."""
    task = small.task.split(frac=0.35, seed=0, split="nanda", mislabelled=3)
    RunWriter.create(tmp_path / "deep" / "run", small.config, task)
    data = json.loads((tmp_path / "deep" / "run" / "config.json").read_text())
    assert data["format_version"] == 1 and data["identity"] == small.config.identity
    assert data["versions"]["torch"] == torch.__version__ and data["created"]
    assert data["task"]["parameters"]["p"] == 5
    arrays = read_split(tmp_path / "deep" / "run")
    assert np.array_equal(arrays["is_train"], task.is_train) and np.array_equal(
        arrays["train_labels"], task.train_labels
    )
    assert int((arrays["train_labels"] != task.labels.numpy()).sum()) == 3
    assert torch.equal(open_run(tmp_path / "deep" / "run").task.train_labels, task.train_labels)


def test_an_existing_run_is_refused_unless_overwritten(small, small_run):
    """A run is never replaced unasked, and the refusal names the ways out."""
    with pytest.raises(RunError, match=r"--resume.*--overwrite.*--out"):
        RunWriter.create(small_run, small.config, small.task)
    assert open_run(small_run).steps == [0, 100, 200, 300]
    RunWriter.create(small_run, small.config, small.task, overwrite=True)
    assert open_run(small_run).steps == [] and os.listdir(small_run.parent) == [small_run.name]


def test_what_is_no_run_is_never_deleted(small, tmp_path):
    """Overwriting is for runs: a directory with anything else in it, or a file, is left alone."""
    (tmp_path / "thesis").mkdir()
    (tmp_path / "thesis" / "chapter.tex").write_text("years of work")
    (tmp_path / "file").write_text("x")
    with pytest.raises(RunError, match="is no run, so it is left alone"):
        RunWriter.create(tmp_path / "thesis", small.config, small.task, overwrite=True)
    with pytest.raises(RunError, match="is a file"):
        RunWriter.create(tmp_path / "file", small.config, small.task, overwrite=True)
    assert (tmp_path / "thesis" / "chapter.tex").read_text() == "years of work"
    (tmp_path / "empty").mkdir()
    RunWriter.create(tmp_path / "empty", small.config, small.task)
    assert open_run(tmp_path / "empty").config == small.config


@pytest.mark.parametrize("call", range(5))
@pytest.mark.parametrize("name", ["fsync", "rename", "replace", "mkdir"])
@pytest.mark.parametrize("overwrite", [False, True], ids=["new", "overwrite"])
def test_an_interrupted_create_leaves_no_run_and_the_old_one_whole(
    small, small_run, monkeypatch, overwrite, name, call
):
    """Whichever of its writes or renames fails, create leaves what was there before, or has done all of it."""
    target = small_run if overwrite else small_run.with_name("other")
    calls, real = iter(range(100)), getattr(os, name)

    def fail(*args, **keywords):
        if next(calls) == call:
            raise OSError(errno.ENOSPC, "full")
        return real(*args, **keywords)

    monkeypatch.setattr(os, name, fail)
    try:
        RunWriter.create(target, small.config, small.task, overwrite=overwrite)
        created = True
    except StorageError:
        created = False
    assert sorted(os.listdir(small_run.parent)) == sorted({"small", target.name} if created else {"small"})
    assert open_run(small_run).steps == ([] if created and overwrite else [0, 100, 200, 300])


def test_a_link_to_a_run_stays_a_link(small, tmp_path):
    """Overwriting through a symbolic link replaces the run it points to."""
    (tmp_path / "scratch").mkdir()
    RunWriter.create(tmp_path / "scratch" / "run", small.config, small.task)
    (tmp_path / "link").symlink_to(tmp_path / "scratch" / "run")
    RunWriter.create(tmp_path / "link", small.config.replace(lr=0.5), small.task, overwrite=True)
    assert (tmp_path / "link").is_symlink()
    assert open_run(tmp_path / "scratch" / "run").config.optimiser.lr == 0.5


def test_a_killed_writer_leaves_a_readable_run(small, tmp_path):
    """kill -9 in the middle of writing leaves whole checkpoints, and metrics up to the last whole line."""
    script = textwrap.dedent(f"""
        import itertools, torch
        from grokinterp.config import RunConfig
        from grokinterp.models.initialisation import initialise
        from grokinterp.runs.writer import RunWriter
        from grokinterp.tasks import build
        config = RunConfig.from_json({small.config.to_json()!r})
        task = build(config.task)
        weights = initialise(config.model.resolved(6, 5, 3), 0)
        writer = RunWriter.create({str(tmp_path / "run")!r}, config, task)
        for step in itertools.count():
            writer.write_checkpoint(step, weights)
            writer.append_metrics({{"step": step, "train_loss": 1.0}})
            if step == 20:
                print("ready", flush=True)
    """)
    process = subprocess.Popen([sys.executable, "-c", script], stdout=subprocess.PIPE, text=True)
    assert process.stdout.readline() == "ready\n"
    process.kill()
    process.wait()
    process.stdout.close()
    run = open_run(tmp_path / "run")
    assert len(run.steps) > 20
    for checkpoint in run:
        assert checkpoint.parameters
    assert run.metrics["step"].tolist() == list(range(len(run.metrics))) and len(run.metrics) > 20


def test_a_metrics_line_that_fails_is_taken_back(small, tmp_path, monkeypatch):
    """A full disk in the middle of a line leaves the earlier lines whole and the next one on its own."""
    writer = RunWriter.create(tmp_path / "run", small.config, small.task)
    writer.append_metrics({"step": 0, "train_loss": torch.tensor(1.5, dtype=torch.float64)})
    limit = resource.getrlimit(resource.RLIMIT_FSIZE)
    size = (tmp_path / "run" / "metrics.jsonl").stat().st_size
    previous = signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    try:
        resource.setrlimit(resource.RLIMIT_FSIZE, (size + 5, limit[1]))
        with pytest.raises(StorageError, match=r"metrics\.jsonl"):
            writer.append_metrics({"step": 1, "train_loss": 1.0})
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limit)
        signal.signal(signal.SIGXFSZ, previous)
    writer.append_metrics({"step": 2, "train_loss": float("inf")})
    assert open_run(writer.path).metrics[["step", "train_loss"]].to_numpy().tolist() == [[0, 1.5], [2, np.inf]]


# -- resumption


def test_reopen_goes_back_to_the_optimiser_state(small, small_run):
    """Checkpoints and metrics later than the state go, the rest stays to the bit, and the run goes on."""
    writer = RunWriter.reopen(small_run)
    writer.write_optimiser_state({"m": torch.tensor([1.5])}, {"step": 200, "rng": [1, 2]})
    writer = RunWriter.reopen(small_run)
    tensors, state = writer.read_optimiser_state()
    assert state == {"step": 200, "rng": [1, 2]} and torch.equal(tensors["m"], torch.tensor([1.5]))
    run = open_run(small_run)
    assert run.steps == [0, 100, 200]
    assert run.metrics["step"].tolist() == [0, 50, 100, 150, 200]
    assert run.metrics["train_loss"].tolist() == [1 / (step + 1) for step in range(0, 201, 50)]
    writer.append_metrics({"step": 250, "train_loss": 0.0})
    writer.finish()
    assert run.metrics["step"].tolist() == [0, 50, 100, 150, 200, 250]
    assert not (small_run / "metrics.jsonl").exists()
    assert RunWriter.reopen(small_run).read_optimiser_state()[1]["step"] == 200


def test_reopen_may_lengthen_a_run_and_change_nothing_else(small, small_run):
    """Only the schedule may differ on resumption."""
    with pytest.raises(RunError, match=r"other settings \(lr 0.001 / 1.0, .* only the schedule can change"):
        RunWriter.reopen(small_run, small.config.replace(lr=1.0))
    created = json.loads((small_run / "config.json").read_text())["created"]
    RunWriter.reopen(small_run, small.config.replace(steps=900))
    assert open_run(small_run).config.schedule.steps == 900
    assert json.loads((small_run / "config.json").read_text())["created"] == created


def test_reopen_refuses_what_cannot_go_on(small, small_run, tmp_path):
    """No run, or a run without an optimiser state, names the remedy."""
    with pytest.raises(RunError, match="leave out --resume"):
        RunWriter.reopen(tmp_path / "nothing")
    (small_run / "optimiser.safetensors").unlink()
    with pytest.raises(RunError, match="--overwrite"):
        RunWriter.reopen(small_run)
    assert open_run(small_run).steps == [0, 100, 200, 300]


def test_reopen_removes_what_a_kill_left(small_run):
    """Temporaries of a killed process go when its run is taken up again."""
    for directory in (small_run, small_run / "checkpoints"):
        (directory / ".x.1234.tmp").write_bytes(b"half")
    RunWriter.reopen(small_run)
    assert not [*small_run.rglob(".*.tmp")]


# -- any run as a directory


def test_save_run_copies_any_run(small, small_run, tmp_path):
    """A run saved anew has the same task, weights and metrics, and says where it came from."""
    run = open_run(small_run)
    copy = save_run(run, tmp_path / "copy")
    assert copy.config == run.config and copy.steps == run.steps and copy.metrics.equals(run.metrics)
    assert torch.equal(copy.task.is_train, run.task.is_train)
    assert copy.source["copied_from"] == f"{small_run} (run directory)"
    assert all(torch.equal(copy[200].parameters[n], value) for n, value in run[200].parameters.items())
    assert isinstance(gi.load(tmp_path / "copy"), gi.Run)


@pytest.mark.parametrize("at", ["checkpoint", "metrics"])
def test_a_copy_that_fails_half_way_leaves_nothing(small_run, tmp_path, monkeypatch, at):
    """Built hidden and renamed last: a run that was there is there still, and no partial one loads."""
    run, target = open_run(small_run), tmp_path / "copies" / "copy"
    save_run(run, target)
    from grokinterp.runs import writer

    def fail(*_):
        raise KeyboardInterrupt

    patched = (RunWriter, "write_checkpoint") if at == "checkpoint" else (writer, "write_metrics")
    monkeypatch.setattr(*patched, fail)
    for name in ("copy", "another"):
        with pytest.raises(KeyboardInterrupt):
            save_run(run, target.with_name(name), overwrite=True)
    assert os.listdir(target.parent) == ["copy"] and open_run(target).steps == run.steps


@pytest.mark.parametrize("inside", [False, True])
def test_a_run_is_not_written_over_what_it_is_read_from(small, small_run, inside):
    """`import RUN --out RUN --overwrite` would delete the run before it is read."""
    from grokinterp.runs.packing import pack

    run = gi.load(pack(open_run(small_run), small_run / "pack.safetensors")) if inside else open_run(small_run)
    with pytest.raises(RunError, match="is where the run is read from; choose another directory"):
        save_run(run, small_run, overwrite=True)
    assert open_run(small_run).steps == [0, 100, 200, 300]


# -- what `train --resume` is asked


def train(out, **options):
    defaults = {"p": 5, "d_model": 4, "n_heads": 2, "frac": 0.5, "steps": 20, "metrics_every": 10}
    return gi.train("a + b", out=out, progress=False, **{**defaults, **options})


def test_fewer_steps_than_are_trained_are_refused(tmp_path):
    """They would never be reached. Nothing is written."""
    path = train(tmp_path / "run").path
    before = (path / "config.json").read_bytes()
    with pytest.raises(RunError, match="is trained to step 20 already; give --steps 20 or more with --resume"):
        train(path, steps=10, resume=True)
    assert (path / "config.json").read_bytes() == before and open_run(path).steps[-1] == 20


def test_a_run_that_had_nothing_starts_anew(tmp_path):
    """Killed in the first seconds, or refused a number of threads: --resume works, and loses nothing."""
    with pytest.raises(gi.BadRequest, match="threads=0"):
        train(tmp_path / "run", threads=0)
    assert not (tmp_path / "run").exists()
    anew = train(tmp_path / "anew")
    config, task = anew.config, anew.task
    RunWriter.create(tmp_path / "run", config, task)
    resumed = train(tmp_path / "run", resume=True)
    assert all(torch.equal(resumed.final.parameters[n], w) for n, w in anew.final.parameters.items())
    (tmp_path / "anew" / "optimiser.safetensors").unlink()
    with pytest.raises(RunError, match="no optimiser state"):
        train(tmp_path / "anew", resume=True)
    assert open_run(tmp_path / "anew").steps[-1] == 20


def test_a_step_is_measured_once(tmp_path, monkeypatch):
    """After a kill between the state of step 0 and the first step, its metrics are not written again."""

    def killed(*_):
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(RunWriter, "write_checkpoint", killed)
        with pytest.raises(KeyboardInterrupt):
            train(tmp_path / "run")
    assert open_run(tmp_path / "run").metrics["step"].tolist() == [0]
    assert train(tmp_path / "run", resume=True).metrics["step"].tolist() == [0, 10, 20]
