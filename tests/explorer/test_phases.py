"""The page of phases: its dots and words are what the circuits read, and it says where there is nothing."""

import base64
import dataclasses
import math

import numpy as np
import pytest

import grokinterp as gi
from grokinterp.explorer import trajectory as trajectories
from grokinterp.explorer.page import phases
from grokinterp.explorer.page.text import percent
from grokinterp.explorer.session import Session
from grokinterp.explorer.state import State
from grokinterp.runs.run import Run
from grokinterp.runs.store import MemoryStore
from grokinterp.training.planning import plan


def numbers(encoded) -> np.ndarray:
    return np.frombuffer(base64.b64decode(encoded["bdata"]), np.float32)


def opened(snapshot) -> Run:
    """A planted snapshot as the one checkpoint of a run."""
    config = dataclasses.replace(plan("a + b", p=11)[0], model=snapshot.config)
    return Run(MemoryStore({0: lambda: dict(snapshot.parameters)}), "one", config=config, task=snapshot.task)


def shown(run: Run, step: int):
    """The session on a run, and checkpoint and trajectory of the page."""
    session = Session({"one": run}, {"one": ""})
    state = session.resolved(State(step=step, page="phases"))
    return session.checkpoint_of(state), session.trajectory(state, "phases")


def test_dots_curves_and_words_are_what_measure_reads(small_run, monkeypatch):
    """Of every counted neuron the phases, over the steps the accuracies, of the shown step the numbers in words."""
    monkeypatch.setattr(trajectories, "QUIET", 0.0)
    run = gi.load(small_run)
    trace = gi.measure(run, ["geometry", "latent_circuit", "loss"], progress=False)
    checkpoint, trajectory = shown(run, 200)
    trajectory.fill()
    trajectory.thread.join()
    drawn, now = phases.figures(checkpoint, trajectory), trace.sel(step=200)
    counted = now.neuron_is_counted.values.astype(bool)
    for axis, name in (("x", "phase_a"), ("y", "phase_b")):
        assert numbers(drawn["phases"]["data"][1][axis]) == pytest.approx(now[name].values[counted], abs=1e-6)
    read, written = (numbers(drawn["order"]["data"][1][axis]) for axis in "xy")
    apart = np.abs((written - read + math.pi) % (2 * math.pi) - math.pi)
    assert apart == pytest.approx(now.phase_sum.values[counted], abs=1e-5)
    for figure, named in (("latent", phases.ACCURACIES), ("shape", phases.SHARES)):
        for curve, name in zip(drawn[figure]["data"], named, strict=True):
            assert numbers(curve["y"]) == pytest.approx(trace[name].values.astype(np.float32), nan_ok=True)
    for name in phases.ACCURACIES:
        assert percent(now[name].item()) in phases.readable(checkpoint, trajectory)
    assert "has not solved its task, so no shape is named" in phases.shape(checkpoint, trajectory)


@pytest.mark.parametrize("kind", ["disc", "torus"])
def test_a_planted_shape_is_named_and_drawn(planted, kind):
    """A disc's dots are on the diagonal and a torus' are not; both write the phase that they read."""
    offsets = {"disc": [0.0], "torus": [2 * math.pi * i / 8 for i in range(8)]}[kind]
    snapshot = planted.simple_neurons(offsets=offsets)
    checkpoint, trajectory = shown(opened(snapshot), 0)
    drawn = phases.figures(checkpoint, trajectory)
    apart = {}
    for name in ("phases", "order"):
        dots = drawn[name]["data"][1]
        apart[name] = np.abs((numbers(dots["x"]) - numbers(dots["y"]) + math.pi) % (2 * math.pi) - math.pi).max()
    assert (apart["phases"] < 1e-3) == (kind == "disc")
    assert apart["order"] < 1e-3
    assert phases.shape(checkpoint, trajectory).startswith(f"They lie on a {kind}: two components hold")


def test_without_a_cycle_or_neurons_every_panel_says_so(planted):
    """A sum of squares goes round no cycle."""
    snapshot = planted.untrained(p=11, expression="a^2 + b^2")
    checkpoint, trajectory = shown(opened(snapshot), 0)
    for figure in phases.figures(checkpoint, trajectory).values():
        assert not figure["data"] and "no phases" in figure["layout"]["annotations"][0]["text"]
    assert phases.shape(checkpoint, trajectory) == phases.readable(checkpoint, trajectory) == ""
