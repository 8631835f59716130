"""Many runs measured: one dataset over runs, the same whoever reads them, NaN and said where a run lacks something."""

import json
import os
import sys
import threading

import numpy as np
import pandas as pd
import pytest
import torch
import xarray as xr

import grokinterp as gi
from grokinterp.cli import main
from grokinterp.config import TaskConfig
from grokinterp.evaluation import processes
from grokinterp.evaluation.processes import Processes, can_be_copied
from grokinterp.measuring import population as measuring_population
from grokinterp.models.initialisation import initialise
from grokinterp.readout import Circuit, Variable, readout
from grokinterp.runs.population.collection import Runs
from grokinterp.runs.summary import Summary
from grokinterp.runs.writer import RunWriter
from grokinterp.tasks import build


class Size(Circuit):
    """How many rows the table has: a circuit that only this module knows."""

    name = "size"

    def read(self, snapshot, requested=frozenset()):
        return readout({"rows": Variable((), float(len(snapshot.labels)), "1", "here")})


@pytest.fixture
def runs(population) -> Runs:
    return gi.load(population)


def test_final_checkpoints_are_one_dataset(runs):
    """It leads with runs; what varies, and the step of each, are coordinates; each slice is the run's own trace."""
    whole = gi.measure(runs, circuits=["loss", "embedding"], steps="final", workers=1, progress=False)
    assert whole.sizes["run"] == 6 and "step" not in whole.dims and whole.run.values.tolist() == [*runs]
    assert whole.attention_rate.values.tolist() == [0, 0, 0.5, 0.5, 1, 1] and whole.seed.values.tolist() == [0, 1] * 3
    assert whole.step.values.tolist() == [300] * 6
    assert whole.test_loss.attrs["units"] == "nats" and whole.embedding_power.dims[0] == "run"
    for name, run in list(runs.items())[:2]:
        alone = gi.measure(run, circuits=["loss", "embedding"], steps=[300], progress=False, cache=False)
        for variable in ("train_loss", "embedding_power"):
            np.testing.assert_array_equal(whole[variable].sel(run=name), alone[variable].isel(step=0))
    assert whole.not_read.values.tolist() == [""] * 6 and json.loads(whole.attrs["not_read"]) == {}


@pytest.mark.slow
@pytest.mark.parametrize("copied", [True, False])
def test_workers_read_the_same(runs, copied, monkeypatch):
    """Two processes, bit for bit what one reads, and as many runs, whether the second is a copy or begins anew."""
    if not copied:
        monkeypatch.setattr(processes, "can_be_copied", lambda: False)
    alone = gi.measure(runs, circuits=["loss", "embedding"], workers=1, progress=False, cache=False)
    together = gi.measure(runs, circuits=["loss", "embedding"], workers=2, progress=False, cache=False)
    xr.testing.assert_identical(alone, together)


def test_what_a_run_lacks_is_nan_and_said(runs, small, tmp_path):
    """A step that one has not, a circuit that does not apply, a run that cannot be read: no number, and a reason."""
    (tmp_path / "population" / "attention_rate0.0-seed0" / "checkpoints" / "step_00000100.safetensors").unlink()
    (tmp_path / "population" / "attention_rate0.0-seed1" / "checkpoints" / "step_00000300.safetensors").write_bytes(b"")
    whole = gi.measure(runs, circuits=["loss", "irreps"], steps=[0, 100], workers=1, progress=False)
    first, second = [*runs][:2]
    assert np.isnan(whole.train_loss.sel(run=first, step=100)) and np.isfinite(whole.train_loss.sel(run=first, step=0))
    assert whole.not_read.sel(run=first) == "it has no checkpoint at step 100"
    assert np.isnan(whole.train_loss.sel(run=second)).all() and "truncated" in str(
        whole.not_read.sel(run=second).item()
    )
    assert sum(json.loads(whole.attrs["not_read"])["a run"].values()) == 2
    assert whole.not_applying.sel(run=first).item().startswith('{"irreps"')
    reasons = json.loads(whole.attrs["not_applying"])["irreps"]
    assert list(reasons.values()) == [5]


def test_runs_of_other_shapes_stand_beside_each_other(runs, small, tmp_path):
    """A frequency that one task has not is NaN in its row, words there are empty, and whole numbers stay readable."""
    config = small.config.replace(task=TaskConfig("a + b", {"p": 7, "layout": "a b ="}))
    task = build(config.task).split(frac=0.35, seed=0, split="nanda")
    model = config.model.resolved(task.n_vocab, task.n_answers, task.inputs.shape[1])
    writer = RunWriter.create(tmp_path / "seven", config, task)
    writer.write_checkpoint(0, initialise(model, seed=0))
    name = next(iter(runs))
    mixed = Runs({"five": runs[name], "seven": gi.load(tmp_path / "seven")})
    whole = gi.measure(mixed, circuits=["embedding", "neurons"], workers=1, progress=False)
    assert whole.k.values.tolist() == [1, 2, 3] and whole.p.values.tolist() == [5, 7]
    power = whole.embedding_power.sel(run="five")
    assert np.isnan(power.sel(k=3)).all() and np.isfinite(power.sel(k=[1, 2])).all()
    alone = gi.measure(mixed["seven"], circuits=["embedding"], progress=False).embedding_power.isel(step=0)
    np.testing.assert_array_equal(whole.embedding_power.sel(run="seven"), alone)


def test_a_trace_writes_and_reads(runs, tmp_path):
    """The dataset goes through netCDF whole, also its words."""
    whole = gi.measure(runs, circuits=["loss", "clock_pizza"], workers=1, progress=False)
    whole.to_netcdf(tmp_path / "x.nc", engine="h5netcdf")
    with xr.open_dataset(tmp_path / "x.nc", engine="h5netcdf") as read:
        assert read.verdict.values.tolist() == whole.verdict.values.tolist() == ["unsolved"] * 6
        assert json.loads(read.summary.values[0])["outcome"] in ("failed", "memorised", "stopped early")


def test_tables_of_runs_know_what_was_measured(runs):
    """`measure` leaves the verdict and the numbers of the last checkpoint beside each run; steps before it do not."""
    gi.measure(runs, circuits=["loss", "clock_pizza"], steps=[0], workers=1, progress=False)
    assert runs.table["verdict"].isna().all()
    gi.measure(runs, circuits=["loss", "clock_pizza"], workers=1, progress=False)
    assert (runs.table["verdict"] == "unsolved").all() and runs.table["test_accuracy_unswapped"].notna().all()
    summary = Summary.read(runs[next(iter(runs))].path)
    assert summary.asked == ("clock_pizza", "loss") and "gradient_symmetricity" in summary.values


def test_a_circuit_that_only_this_process_knows_is_read_here(runs, monkeypatch):
    """Another process could not import it."""
    monkeypatch.setattr(measuring_population, "Processes", lambda *_: pytest.fail("a process was started"))
    whole = gi.measure(runs, circuits=Size(), workers=2, progress=False)
    assert whole.rows.values.tolist() == [25.0] * 6


@pytest.mark.parametrize(("system", "gpu"), [("linux", True), ("darwin", False)])
def test_a_process_with_a_gpu_is_not_copied(system, gpu, monkeypatch):
    """A copy lacks the threads of the GPU's driver, and on a Mac those of the system's own frameworks."""
    monkeypatch.setattr(sys, "platform", system)
    monkeypatch.setattr(torch.accelerator, "is_available", lambda: gpu)
    assert not can_be_copied()


def test_a_process_is_not_copied_beside_another_thread():
    """What that one has locked would stay locked in the copy: a cached property that it computes, for one."""
    done = threading.Event()
    thread = threading.Thread(target=done.wait)
    thread.start()
    try:
        assert not can_be_copied()
    finally:
        done.set()
        thread.join()


@pytest.mark.slow
def test_a_worker_that_dies_costs_its_own_runs(runs, monkeypatch):
    """The others are read; those that it had are said to be lost."""

    class Dying(Processes):
        def submit(self, function, *arguments):
            is_first = next(iter(arguments[0])).endswith("0.0-seed0")
            return super().submit(os._exit, 9) if is_first else super().submit(function, *arguments)

    monkeypatch.setattr(measuring_population, "Processes", Dying)
    whole = gi.measure(runs, circuits=["loss"], workers=2, progress=False)
    assert "the process that read it ended" in whole.not_read.values[0] and np.isnan(whole.train_loss[0])
    assert np.isfinite(whole.train_loss[1:]).sum() >= 4


@pytest.mark.parametrize(
    ("request_", "message"),
    [
        ({"workers": 0}, "workers=0 must be a whole number of at least 1, as in workers=2"),
        ({"steps": "last"}, "steps='last' of several runs must be 'final' or steps from 0"),
        (
            {"steps": [7]},
            "none of the 6 runs could be measured; attention_rate0.0-seed0: it has no checkpoint at step 7",
        ),
        ({"circuits": ["clck"]}, "no circuit 'clck'"),
    ],
)
def test_a_bad_request_is_one_line(runs, request_, message):
    """Before any run is read, where that can be known."""
    with pytest.raises(gi.BadRequest) as refusal:
        gi.measure(runs, progress=False, **{"workers": 1, **request_})
    assert message in str(refusal.value) and "\n" not in str(refusal.value)


def test_the_command_measures_a_directory(population, tmp_path, capsys):
    """It prints the table of all and writes a row a run; `--json` is one object by the runs' names."""
    words = ["measure", str(population), "--circuits", "loss", "clock_pizza", "--workers", "1"]
    assert main([*words, "--out", str(tmp_path / "all.csv")]) == 0
    printed = capsys.readouterr().out
    assert "attention_rate" in printed and "unsolved" in printed and "geometry" not in printed
    written = pd.read_csv(tmp_path / "all.csv")
    assert written["run"].tolist() == [*gi.load(population)] and written["attention_rate"].tolist()[-1] == 1
    assert np.isfinite(written["test_loss"]).all()
    assert main([*words, "--json", "--out", str(tmp_path / "all.nc")]) == 0
    assert set(json.loads(capsys.readouterr().out)) == {*gi.load(population)}
