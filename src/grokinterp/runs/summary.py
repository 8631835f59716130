"""Summary: what was read of a run, kept beside it as `summary.json`, so that a table of a thousand runs opens at once.

Training at the end of a swept run and `measure` write it; whoever shows a run reads it. It holds nothing that could
not be read again: a damaged one counts as none, and what is said of a checkpoint that is no longer the last is left
out.
"""

import contextlib
import json
import math
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import Any

import xarray as xr

from grokinterp.runs.directory import is_run
from grokinterp.runs.files import StorageError, read_json, write_atomic
from grokinterp.runs.writer import resumable_step

SUMMARY = "summary.json"

SCORES = ("train_loss", "test_loss", "train_accuracy", "test_accuracy", "test_accuracy_unswapped")


@dataclass(frozen=True)
class Summary:
    """What is known of a run beside its configuration and curves; a field that was not measured is None.

    Attributes:
        step: the last checkpoint, of which the scores, `verdict`, `geometry` and `key_frequencies` are.
        scores: SCORES of it, in nats and as shares, as a sweep or `measure` has read them; NaN where a sweep knows
            that there are no such rows.
        verdict, geometry, key_frequencies: as the circuits have them; `()` where no frequency is key.
        values: every number that circuits gave of it, by its name in a trace; none that is not finite.
        asked: the circuits that were asked of it, those that do not apply to it among them.
        circuits: those that a sweep was told to read, and has read off every checkpoint; () of other runs.
        seconds, timed: the time that training took, and over how many steps.
        ensemble: with how many runs it was trained at once (`members`, 1 alone), and the seconds of a step `together`
            and `alone` that decided it; None where none was asked for.
        failure: why the last attempt to train ended before it should, in a line.
    """

    step: int | None = None
    scores: Mapping[str, float] = field(default_factory=dict)
    verdict: str | None = None
    geometry: str | None = None
    key_frequencies: tuple[int, ...] | None = None
    values: Mapping[str, float] = field(default_factory=dict)
    asked: tuple[str, ...] = ()
    circuits: tuple[str, ...] = ()
    seconds: float = 0.0
    timed: int = 0
    ensemble: Mapping[str, float] | None = None
    failure: str | None = None

    @property
    def wall_seconds(self) -> float | None:
        """How long training took; None where an attempt that was killed took some of its steps."""
        return self.seconds if self.step is not None and self.timed == self.step else None

    def of(self, step: int) -> "Summary":
        """What still holds where `step` is the last checkpoint: all of it, or what does not speak of a checkpoint."""
        if step == self.step:
            return self
        kept = {"seconds": self.seconds, "timed": self.timed, "ensemble": self.ensemble, "failure": self.failure}
        return Summary(step=step, **kept)

    def with_trace(self, trace: xr.Dataset) -> "Summary":
        """With what a trace says of the last checkpoint, where it has that one; what it does not say stays."""
        # Where no circuit applies to the run there is nothing at any step.
        if self.step is None or "step" not in trace.coords or self.step not in trace.step.values:
            return self
        at = trace.step.values.tolist().index(self.step)
        columns = {str(name): trace.variables[name] for name in trace.data_vars}
        scalars = {name: each.values[at].item() for name, each in columns.items() if each.dims == ("step",)}
        readings: dict[str, Any] = {name: str(scalars[name]) for name in ("verdict", "geometry") if name in scalars}
        if "key_frequencies" in trace.attrs:
            readings["key_frequencies"] = tuple(int(k) for k in trace.attrs["key_frequencies"])
        numbers = {name: float(value) for name, value in scalars.items() if isinstance(value, int | float)}
        values = {**self.values, **{name: value for name, value in numbers.items() if math.isfinite(value)}}
        read = {name: float(scalars[name]) for name in SCORES if name in scalars and scalars[name] == scalars[name]}
        asked = {*self.asked, *filter(None, str(trace.attrs.get("circuits", "")).split(", "))}
        asked |= set(json.loads(trace.attrs.get("skipped", "{}")))
        # A sweep's own stand: of endless data it knows what training recorded, which no checkpoint shows.
        scores = {**read, **self.scores}
        return replace(self, **readings, scores=scores, values=values, asked=tuple(sorted(asked)))

    @classmethod
    def read(cls, directory: Path) -> "Summary":
        """The summary of the run in this directory; an empty one where there is none, or it is damaged."""
        try:
            return cls._from_json(read_json(directory / SUMMARY))
        except (OSError, ValueError, TypeError, LookupError, AttributeError, OverflowError):
            return cls()

    def write(self, directory: Path) -> None:
        """Keep it beside the run. Raises `StorageError` where the system refuses."""
        entries = asdict(self)
        entries["scores"] = {name: _as_json(value) for name, value in self.scores.items()}
        write_atomic(directory / SUMMARY, (json.dumps(entries, indent=1, allow_nan=False) + "\n").encode())

    @classmethod
    def _from_json(cls, entries: Mapping[str, Any]) -> "Summary":
        scores = {name: math.nan if value is None else float(value) for name, value in entries["scores"].items()}
        frequencies, ensemble = entries["key_frequencies"], entries.get("ensemble")
        return cls(
            step=None if entries["step"] is None else int(entries["step"]),
            scores=scores,
            verdict=_text(entries["verdict"]),
            geometry=_text(entries["geometry"]),
            key_frequencies=None if frequencies is None else tuple(map(int, frequencies)),
            values={str(name): float(value) for name, value in entries.get("values", {}).items()},
            asked=tuple(map(str, entries.get("asked", ()))),
            circuits=tuple(map(str, entries["circuits"])),
            seconds=float(entries["seconds"]),
            timed=int(entries["timed"]),
            ensemble=None if ensemble is None else {str(name): float(value) for name, value in ensemble.items()},
            failure=_text(entries["failure"]),
        )


def add_pace(path: Path, begun: int, seconds: float, **changes: Any) -> None:
    """Add the seconds that training took since it was at step `begun`, also of a run that stops and goes on later.

    `changes` are other fields of the summary. A note that there is no room for is left out: it costs no run.
    """
    with contextlib.suppress(StorageError):
        if is_run(path):
            before = Summary.read(path)
            steps = before.timed + resumable_step(path) - begun
            replace(before, seconds=before.seconds + seconds, timed=steps, **changes).write(path)


def _as_json(value: float) -> float | str | None:
    """A number as JSON has it: NaN is null, and an infinite one, for which JSON has no word either, `"inf"`."""
    return value if math.isfinite(value) else None if math.isnan(value) else str(value)


def _text(value: Any) -> str | None:
    return None if value is None else str(value)
