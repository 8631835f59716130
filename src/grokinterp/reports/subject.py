"""Subject: the run that a page is about, and what `measure` says of it, each thing measured once."""

import json
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import numpy as np
import pandas as pd
import xarray as xr

from grokinterp import circuits as shipped
from grokinterp import measuring
from grokinterp.analysis.outcome import SCORES, Ending, Outcome
from grokinterp.errors import BadRequest
from grokinterp.readout import Circuit
from grokinterp.reports.section import Absent
from grokinterp.runs.directory import TRACES
from grokinterp.runs.run import Run, last_recorded

FRAMES = 16
"""How many checkpoints the slider moves through at most; the file grows with it."""

MASKED = 256
"""How many sets of heads are taken out in all: those of every frame for 4 heads, of the last alone for 8."""


@dataclass(frozen=True)
class Landmarks:
    """The first recorded steps at which the training rows, and 99 % of the test rows, were answered."""

    memorised_step: int | None = None
    grokked_step: int | None = None


class Subject:
    """A run with its traces. What does not apply is `Absent`, with the reason."""

    def __init__(
        self, run: Run, circuits: Iterable[str | Path | Circuit] = (), cache: bool = True, progress: bool = False
    ):
        self.run = run
        self.own: list[str | Circuit] = []
        for given in circuits:
            if isinstance(given, Path) or (isinstance(given, str) and given.endswith(".py")):
                self.own += shipped.from_file(given)
            else:
                self.own.append(given)
        measuring.choose(self.own, frozenset())  # a name that no circuit bears is refused now, not told as a gap
        # What has no path has no content by which the cache could tell it from another of its name.
        self.cache = cache and run.path is not None
        self.progress = progress
        self._read: set[str] = set()

    @cached_property
    def metrics(self) -> pd.DataFrame:
        return self.run.metrics

    @cached_property
    def why_not_measured(self) -> str | None:
        if not self.run.steps:
            return "The file holds curves but no weights, so nothing can be measured on it."
        if not (self.run.has_task and self.run.has_config):
            return "The task or the model is not known, so nothing can be measured on the weights."
        return None

    def measured(
        self, circuits: Sequence[str | Circuit], steps: Sequence[int] | None = None, on_request: Sequence[str] = ()
    ) -> xr.Dataset | Absent:
        """A trace of these circuits, or why there is none."""
        if self.why_not_measured:
            return Absent(self.why_not_measured)
        try:
            trace = measuring.measure(
                self.run, circuits, steps=steps, on_request=on_request, cache=self.cache, progress=self.progress
            )
        except BadRequest as error:
            return Absent(f"It could not be measured: {error}.")
        self._read |= {each if isinstance(each, str) else each.name for each in circuits}
        return trace

    @cached_property
    def trace(self) -> xr.Dataset | Absent:
        """All circuits that are read by default, and the caller's own, at every checkpoint."""
        return self.measured([*measuring.default_names(), *self.own])

    @cached_property
    def skipped(self) -> dict[str, str]:
        """Which circuits do not apply, and why."""
        return {} if isinstance(self.trace, Absent) else json.loads(self.trace.attrs["skipped"])

    @property
    def unread(self) -> dict[str, str]:
        """The circuits that nothing has read for this page so far, though they apply: what each measures."""
        if isinstance(self.trace, Absent) or not self.run.model_config.is_described:
            return {}
        final = measuring.snapshot_of(self.run, self.run.final.step)
        left = {name: circuit for name, circuit in shipped.registered().items() if name not in self._read}
        return {name: circuit.summary for name, circuit in left.items() if circuit.why_not(final) is None}

    @cached_property
    def frame_steps(self) -> list[int]:
        """The checkpoints that the slider moves through, the first and the last among them."""
        return thinned(self.run.steps, FRAMES)

    @cached_property
    def frames(self) -> xr.Dataset | Absent:
        """The heavy pictures at `frame_steps`: circles, example neurons, and attention for every pair of operands."""
        if self.why_not_measured:
            return Absent(self.why_not_measured)
        pairs = ["attention_to"] if len(self.run.task.grid_shape) == 2 else []
        return self.measured(["circles", "neuron_maps", "attention"], self.frame_steps, pairs)

    @cached_property
    def ablation(self) -> xr.Dataset | Absent:
        """One part at a time taken out of the last checkpoint."""
        ablation = self.measured(["ablation"], self.run.steps[-1:])
        skipped = {} if isinstance(ablation, Absent) else json.loads(ablation.attrs["skipped"])
        return Absent(f"There is no ablation: {skipped['ablation']}.") if skipped else ablation

    def requested(self, name: str, variables: Sequence[str]) -> xr.Dataset | Absent:
        """What a circuit that waits to be asked for has read of this run, for this page or earlier; nothing is read."""
        if isinstance(self.trace, Absent) or all(variable in self.trace for variable in variables):
            return self.trace
        path = self.run.path
        if not self.cache or path is None or (path.is_dir() and not any((path / TRACES).glob(f"{name}-*"))):
            return Absent(f"{name} has not been read")
        steps = sorted(measuring.kept(self.run, shipped.registered()[name]))
        return self.measured([name], steps) if steps else Absent(f"{name} has not been read")

    def on_one_hots(self, name: str) -> xr.Dataset | Absent:
        """What a circuit reads of the last checkpoint of a network whose neurons read the numbers themselves."""
        if self.why_not_measured:
            return Absent(self.why_not_measured)
        if not any(parameter.endswith("W_in") for parameter, _ in self.run.model_config.token_rows):
            return Absent("no neurons read one-hots")
        return self.measured([name], self.run.steps[-1:])

    @cached_property
    def head_masks(self) -> xr.Dataset | Absent:
        """Every set of heads taken out, at as many of `frame_steps` as there is time for."""
        if self.why_not_measured:
            return Absent(self.why_not_measured)
        last = self.measured(["head_masks"], self.run.steps[-1:])
        if isinstance(last, Absent) or "mask" not in last.dims:
            return last if isinstance(last, Absent) else Absent(json.loads(last.attrs["skipped"])["head_masks"])
        return self.measured(["head_masks"], thinned(self.frame_steps, max(1, MASKED // last.sizes["mask"])))

    @cached_property
    def landmarks(self) -> Landmarks:
        """By the rules of the `loss` circuit, from whichever is finer: the recorded curves or the trace."""
        sides = ["train_accuracy", "test_accuracy"]
        curves = self.metrics.loc[self.metrics[sides].notna().any(axis=1), ["step", *sides]]
        trace = None if isinstance(self.trace, Absent) or "loss" in self.skipped else self.trace
        if len(curves) > 1 and (trace is None or len(curves) >= trace.sizes["step"]):
            landmarks = shipped.loss.Loss().summarise(curves.set_index("step").to_xarray())
        elif trace is not None and trace.sizes["step"] > 1:
            landmarks = trace.attrs
        else:
            return Landmarks()
        # Rows that are trained on once and never again are not memorised.
        endless = self.run.has_task and self.run.task.is_endless
        return Landmarks(None if endless else landmarks.get("memorised_step"), landmarks.get("grokked_step"))

    @cached_property
    def ending(self) -> Ending | None:
        """Where the training stopped; None where that is not known."""
        return Ending.of(self.run)

    @cached_property
    def outcome(self) -> Outcome:
        """Of the last checkpoint, or the last recorded accuracies where nothing was measured."""
        if not isinstance(self.trace, Absent) and "all_accuracy" in self.trace:
            last = self.trace.isel(step=-1)
            scores = {name: float(last[name]) for name in SCORES if name in last}
            return Outcome.of(scores, self.ending, not self.run.unexplained)
        accuracies = [name for name in SCORES if name.endswith("accuracy") and name in self.metrics]
        recorded = {name: last_recorded(self.metrics, name) for name in accuracies}
        scores = {name: last[1] for name, last in recorded.items() if last is not None}
        return Outcome.of(scores, self.ending, not self.run.unexplained)

    @property
    def why_nothing_is_claimed(self) -> str | None:
        """Why no part is told as one that the model computes with; None where it may be."""
        if self.outcome.is_solved:
            return None
        return "The weights are not explained" if self.run.unexplained else "The task is not solved"

    @cached_property
    def phases(self) -> list[tuple[str, int, int]]:
        """(name, first step, last step) of each phase that the trace shows of a solved model, in order."""
        if isinstance(self.trace, Absent) or not self.outcome.is_solved:
            return []
        return phases_of(self.trace)


def phases_of(trace: xr.Dataset) -> list[tuple[str, int, int]]:
    """(name, first step, last step) of each phase that a trace's attributes tell; of a solved model they are phases.

    None without key frequencies: the curves of a memory rise and fall too.
    """
    if trace.sizes.get("step", 1) < 2 or not list(trace.attrs.get("key_frequencies", [])):
        return []
    phases, start = [], int(trace.step[0])
    for name in ("memorisation_end", "circuit_formation_end", "cleanup_end"):
        if name in trace.attrs:
            end = int(trace.attrs[name])
            if end > start:  # else it lies between two checkpoints, or there is none
                phases.append((name.removesuffix("_end").replace("_", " "), start, end))
            start = end
    return phases


def thinned(steps: Sequence[int], at_most: int) -> list[int]:
    """Evenly chosen steps, the first and the last among them; the last alone where one is to be kept."""
    if len(steps) <= at_most:
        return list(steps)
    if at_most == 1:
        return [steps[-1]]
    return [steps[round(i)] for i in np.linspace(0, len(steps) - 1, at_most)]
