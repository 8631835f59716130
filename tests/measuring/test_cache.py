"""The cache of readings: nothing is served but what was read of this task, these weights and this code."""

import hashlib
import io
import json
import os
import shutil
import subprocess
import sys
import textwrap
from pathlib import Path

import numpy as np
import pytest
import safetensors.numpy
import torch
import xarray as xr

import grokinterp as gi
from grokinterp import circuits
from grokinterp.cli import main
from grokinterp.measuring.trace_bytes import from_bytes, to_bytes

LOSSES = ["train_loss", "test_loss"]


@pytest.fixture(scope="module")
def trained(tmp_path_factory) -> Path:
    """A run that tells its losses itself, in its metrics."""
    out = tmp_path_factory.mktemp("cached") / "run"
    gi.train("a + b", p=11, d_model=8, n_heads=2, frac=0.5, steps=40, checkpoint_every=10, metrics_every=10,
             progress=False, out=out)  # fmt: skip
    return out


@pytest.fixture
def path(trained, tmp_path, monkeypatch) -> Path:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    return Path(shutil.copytree(trained, tmp_path / "run"))


def losses(run: gi.Run, **options) -> np.ndarray:
    trace = gi.measure(run, ["loss"], progress=False, **options)
    return np.stack([trace[name].values for name in LOSSES])


def recorded(run: gi.Run) -> np.ndarray:
    return run.metrics[LOSSES].to_numpy().T


def test_another_task_has_its_own_numbers_and_leaves_the_run_its_own(path, capsys):
    """`measure RUN --task "a * b"` and then `measure RUN` gives the losses that training wrote down, not NaN."""
    assert main(["measure", str(path), "--circuits", "loss", "--task", "a * b", "--p", "11", "--json"]) == 0
    other = json.loads(capsys.readouterr().out)
    assert main(["measure", str(path), "--circuits", "loss", "--json"]) == 0
    own = json.loads(capsys.readouterr().out)
    run = gi.load(path)
    np.testing.assert_allclose([own[name] for name in LOSSES], recorded(run)[:, -1], rtol=1e-6)
    assert other["test_loss"] != own["test_loss"]
    product = gi.load(path, task=gi.Task("a * b", p=11).split(0.5, seed=1))
    truth = gi.load(path, task=gi.Task("a * b", p=11).split(0.5, seed=1))
    np.testing.assert_array_equal(losses(product), losses(truth, cache=False))
    np.testing.assert_allclose(losses(run), recorded(run), rtol=1e-6)


def test_a_file_measured_with_two_splits_has_two_answers(path, tmp_path):
    """A state dict says nothing of its split: each that is given has its own losses, cached or not."""
    torch.save(gi.load(path).final.parameters, tmp_path / "x.pt")
    for split in ({"seed": 0}, {"frac": 0.6, "seed": 7}, {"seed": 0, "mislabelled": 9}):
        run = gi.load(tmp_path / "x.pt", task=gi.Task("a + b", p=11).split(**split))
        np.testing.assert_array_equal(losses(run), losses(run, cache=False))
        np.testing.assert_array_equal(losses(run), losses(run, cache=False))


@pytest.mark.parametrize("keep_times", [False, True])
def test_a_checkpoint_that_is_replaced_is_read_again(path, keep_times):
    """Also where the new file has the size and the modification time of the old, and the rest stays kept."""
    run = gi.load(path)
    before = losses(run)
    from grokinterp.runs.files import read_tensors, write_tensors

    file = path / "checkpoints" / "step_00000020.safetensors"
    status, (weights, metadata) = file.stat(), read_tensors(file)
    write_tensors(file, {name: 2 * tensor for name, tensor in weights.items()}, metadata)
    if keep_times:
        os.utime(file, ns=(status.st_atime_ns, status.st_mtime_ns))
    for again in (gi.load(path), run):
        np.testing.assert_array_equal(losses(again), losses(again, cache=False))
    assert (losses(run) == before).all(0).tolist() == [True, True, False, True, True]


def test_a_settled_checkpoint_is_hashed_once(path, monkeypatch):
    """What was hashed in one process is not hashed in the next, until a file's times change."""
    from grokinterp.runs import digests

    monkeypatch.setattr(digests, "SETTLED", 0)
    hashed: list[str] = []
    original = digests._digest_of_file
    monkeypatch.setattr(digests, "_digest_of_file", lambda file: hashed.append(file.name) or original(file))
    first = gi.load(path).digests([0, 10, 20])
    assert len(hashed) == 3 and len(set(first.values())) == 3
    assert gi.load(path).digests([0, 10, 20]) == first and len(hashed) == 3
    os.utime(path / "checkpoints" / "step_00000010.safetensors")
    assert gi.load(path).digests([0, 10, 20]) == first and hashed[3:] == ["step_00000010.safetensors"]
    (path / "traces" / "checkpoints.json").write_text('{"step_00000000.safetensors": "half')
    assert gi.load(path).digests([0, 10, 20]) == first and len(hashed) == 7


@pytest.mark.parametrize("damage", ["cut", "flipped", "empty", "rubbish"])
def test_a_damaged_cache_counts_as_absent(path, damage):
    """Cut, or one bit of a number changed: the checkpoints are read again."""
    run = gi.load(path)
    truth = losses(run)
    (file,) = (path / "traces").glob("loss-*.trace")
    content = file.read_bytes()
    number = content.index(np.float64(truth[1, -1]).tobytes())
    flipped = bytearray(content)
    flipped[number + 5] ^= 1
    file.write_bytes({"cut": content[:-999], "flipped": bytes(flipped), "empty": b"", "rubbish": b"x" * 5000}[damage])
    np.testing.assert_array_equal(losses(run), truth)
    assert file.read_bytes() == content


def forged(kept: xr.Dataset, forgery: str) -> bytes:
    """What somebody puts into a cache with the right checksum."""
    loss = kept["train_loss"]
    match forgery:
        case "netcdf":
            buffer = io.BytesIO()
            kept.to_netcdf(buffer, engine="h5netcdf")
            return buffer.getvalue()
        case "no steps":
            return to_bytes(kept.isel(step=0, drop=True))
        case "steps twice":
            return to_bytes(xr.concat([kept, kept], "step"))
        case "another shape":
            return to_bytes(kept.assign(train_loss=loss.expand_dims(odd=3, axis=1)))
        case "another type":
            return to_bytes(kept.assign(train_loss=loss.astype(str)))
        case "no characters":
            arrays = safetensors.numpy.load(to_bytes(kept))
            return safetensors.numpy.save({name: each | np.uint32(2**31) if each.dtype == np.uint32 else each
                                           for name, each in arrays.items()})  # fmt: skip
        case "deep":
            return safetensors.numpy.save({"description": np.frombuffer(b"[" * 10**6, np.uint8)})
    return b"x" * 5000


@pytest.mark.parametrize(
    "forgery",
    ["rubbish", "netcdf", "no steps", "steps twice", "another shape", "another type", "no characters", "deep"],
)
def test_a_forged_cache_counts_as_absent(path, forgery):
    """A checksum is no signature: whatever is under the right name, the numbers are those of the weights."""
    run = gi.load(path)
    everything = lambda: gi.measure(run, ["loss"], steps=[0, 40], progress=False)
    fresh = everything()
    (file,) = (path / "traces").glob("loss-*.trace")
    original = file.read_bytes()
    # As a third step is missing from it, what is kept is joined with what is read.
    content = forged(from_bytes(original[:-32]), forgery)
    file.write_bytes(content + hashlib.sha256(content).digest())
    whole = gi.measure(run, ["loss"], progress=False)
    np.testing.assert_allclose(np.stack([whole[name].values for name in LOSSES]), recorded(run), rtol=1e-6)
    xr.testing.assert_identical(everything(), fresh)


@pytest.mark.parametrize("place", ["pipe", "device", "directory"])
@pytest.mark.parametrize("name", ["trace", "checkpoints.json"])
def test_a_cache_that_is_no_file_counts_as_absent(path, name, place):
    """A pipe would be waited for, a device read without end."""
    run = gi.load(path)
    truth = losses(run)
    (file,) = (path / "traces").glob("loss-*.trace") if name == "trace" else [path / "traces" / name]
    file.unlink(missing_ok=True)
    match place:
        case "pipe":
            os.mkfifo(file)
        case "device":
            file.symlink_to("/dev/zero")
        case _:
            file.mkdir()
    np.testing.assert_array_equal(losses(gi.load(path)), truth)


def test_what_is_kept_is_what_was_read(path):
    """A trace out of the cache is identical to the one that was read: values, types, units and order."""
    run = gi.load(path)
    fresh = gi.measure(run, progress=False, cache=False)
    gi.measure(run, steps=[20, 0], progress=False)
    for _ in range(2):
        xr.testing.assert_identical(gi.measure(run, progress=False), fresh)
    assert gi.measure(run, ["loss"], steps=[30, 10], progress=False).step.values.tolist() == [30, 10]


def test_numbers_are_shown_where_nothing_can_be_kept(path, capsys, caplog):
    """A cache that cannot be written costs a warning of one line, not the numbers."""
    (path / "traces").write_text("in the way")
    assert main(["measure", str(path), "--json"]) == 0
    shown = json.loads(capsys.readouterr().out)
    assert shown["test_loss"] == pytest.approx(recorded(gi.load(path))[1, -1])
    assert [record.message for record in caplog.records] == [caplog.messages[0]]
    assert "is not kept for the next time: cannot write" in caplog.messages[0]


# -- the code that numbers come from


def test_every_module_that_a_circuit_loads_counts():
    """For each circuit: what Python loads to import it, of this package, is among what is digested."""
    script = """
        import json, sys
        import importlib, pkgutil, grokinterp.circuits as circuits
        before, loaded = {name for name in sys.modules if name.startswith("grokinterp")}, {}
        for name in dir(circuits):
            for other in [name for name in sys.modules if name.startswith("grokinterp") and name not in before]:
                del sys.modules[other]
            importlib.import_module(f"grokinterp.circuits.{name}")
            loaded[name] = sorted(name for name in sys.modules if name.startswith("grokinterp"))
        print(json.dumps(loaded))
    """
    answer = subprocess.run([sys.executable, "-c", textwrap.dedent(script)], capture_output=True, text=True, check=True)
    from grokinterp.measuring.sources import reached

    loaded = json.loads(answer.stdout)
    assert loaded.keys() == {type(circuit).__module__.rpartition(".")[2] for circuit in circuits.registered().values()}
    for name, modules in loaded.items():
        assert set(modules) - {"grokinterp", "grokinterp.circuits"} <= reached([f"grokinterp.circuits.{name}"]), name
    assert {"grokinterp.fourier", "grokinterp.evaluation.fused"} <= reached(["grokinterp.circuits.progress"])
    assert not {"grokinterp.reports", "grokinterp.runs"} & reached(["grokinterp.circuits.progress"])


THEIRS = {
    "__init__": "",
    "maths/__init__": "",
    "maths/norms": "def norm(w):\n    from ..far import FACTOR\n    return FACTOR * w.norm()\n",
    "far": "FACTOR = 1.0\n",
    "size": """
        from dataclasses import dataclass
        from grokinterp.readout import Circuit, Variable, readout
        from .maths import norms

        @dataclass(frozen=True)
        class Size(Circuit):
            "Norm of the embedding."
            name = "size"
            def read(self, snapshot, requested=frozenset()):
                return readout({"size": Variable((), norms.norm(snapshot.W_E), "1", "ours")})
    """,
}
"""A package of somebody else's, whose maths is two imports away from the circuit."""


def test_an_edit_of_maths_that_a_circuit_reaches_is_noticed(path, tmp_path):
    """Imports within functions, of packages and relative ones included; without an edit, the kept numbers are used."""
    for name, text in THEIRS.items():
        file = tmp_path / "site" / "theirs" / f"{name}.py"
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(textwrap.dedent(text))
        os.utime(file, (1_700_000_000, 1_700_000_000))
    script = f"""
        import grokinterp as gi
        from theirs.size import Size
        print(gi.measure(gi.load({str(path)!r}), [Size()], progress=False)["size"].values[-1])
    """

    def size() -> float:
        environment = {**os.environ, "PYTHONPATH": str(tmp_path / "site")}
        command = [sys.executable, "-c", textwrap.dedent(script)]
        return float(subprocess.run(command, env=environment, capture_output=True, text=True, check=True).stdout)

    once = size()
    (kept,) = (path / "traces").glob("size-*.trace")
    assert size() == once and [*(path / "traces").glob("size-*.trace")] == [kept]
    (tmp_path / "site" / "theirs" / "far.py").write_text("FACTOR = 3.0\n")
    assert size() == pytest.approx(3 * once)


def test_code_edited_while_it_runs_is_not_taken_for_what_runs(tmp_path, monkeypatch):
    """The file is newer than the process: nothing is kept under its name, whichever of the two was imported."""
    from grokinterp.measuring import sources

    (tmp_path / "late_circuit.py").write_text("x = 1\n")
    monkeypatch.syspath_prepend(tmp_path)
    assert sources.digest_of_sources(["late_circuit"]) is None
    os.utime(tmp_path / "late_circuit.py", (1_700_000_000, 1_700_000_000))
    before = sources.digest_of_sources(["late_circuit"])
    assert before is not None and before == sources.digest_of_sources(["late_circuit"])
    assert sources.digest_of_sources(["a_module_that_is_nowhere"]) is None
