"""Table: one row a run of what varies and what it came to, off config, metrics and summary; nothing is computed."""

import logging
from collections.abc import Mapping
from typing import Any, Literal, TypeAlias

import numpy as np
import pandas as pd

from grokinterp.errors import BadRequest
from grokinterp.runs import lock
from grokinterp.runs.directory import is_finished
from grokinterp.runs.population.fields import BLANK, fields_of, varied
from grokinterp.runs.population.landmarks import ALL_TRAINED, SOLVED, first_step
from grokinterp.runs.population.wanted import log_of
from grokinterp.runs.run import CURVES, Run
from grokinterp.runs.summary import Summary

Status: TypeAlias = Literal["finished", "stopped", "running", "failed", "missing", "damaged"]

UNSWAPPED = "test_accuracy_unswapped"
_WHOLE = ("steps", "memorised_step", "grokked_step")
_REAL = (*CURVES, UNSWAPPED, "wall_seconds")
RESULTS = (
    "status",
    "steps",
    "memorised_step",
    "grokked_step",
    *CURVES,
    UNSWAPPED,
    "verdict",
    "geometry",
    "key_frequencies",
    "wall_seconds",
)
"""The columns after the fields that vary: what a run came to."""


def table(runs: Mapping[str, Run], missing: Mapping[str, Mapping[str, Any]] | None = None) -> pd.DataFrame:
    """One row a run, by name: every field that varies, then RESULTS, blank where nothing was measured or recorded.

    `memorised_step` and `grokked_step` are the first recorded steps with ALL_TRAINED of the training rows and SOLVED
    of the test rows; losses (nats) and accuracies are the last recorded ones; verdict, geometry and key frequencies
    those of the last checkpoint, where `measure` has read them. `missing` are runs that are wanted and not there, with
    their fields. A run with a damaged file is blank but for its fields and a status that says so; a warning names the
    file.
    """
    fields = {name: fields_of(run) for name, run in runs.items()}
    columns_of_fields = varied(fields.values(), (missing or {}).values())
    fields |= {name: dict(row) for name, row in (missing or {}).items()}
    results = {name: _results_or_damage(name, run) for name, run in runs.items()}
    results |= {name: {"status": "missing"} for name in missing or {}}
    columns = {name: _column([row.get(name, BLANK) for row in fields.values()]) for name in columns_of_fields}
    for name in RESULTS:
        values = [row.get(name, BLANK) for row in results.values()]
        columns[name] = _column(values, "Int64" if name in _WHOLE else "float64" if name in _REAL else "object")
    return pd.DataFrame(columns).set_axis(pd.Index(list(fields), name="run", dtype=object))


def status_of(run: Run, summary: Summary) -> Status | None:
    """How far a run is; None where other code trained it, which counts as it likes, or it lies nowhere.

    `stopped` was interrupted and goes on when it is asked to, `running` is being written now, `failed` lost its loss or
    has left the log of an error.
    """
    path = run.path
    if run.provenance.trained_elsewhere or path is None or not path.is_dir():
        return None
    if is_finished(path):
        return "finished"
    if lock.holder(path) is not None:
        return "running"
    diverged = (run.recorded(["diverged"])["diverged"] == 1).any()
    return "failed" if diverged or summary.failure or log_of(path).exists() else "stopped"


def _results_or_damage(name: str, run: Run) -> dict[str, Any]:
    try:
        return _results(run)
    except BadRequest as refusal:
        logging.getLogger(__name__).warning("%s is left blank: %s", name, refusal)
        return {"status": "damaged"}


def _results(run: Run) -> dict[str, Any]:
    recorded, steps = run.recorded(["step", *CURVES, UNSWAPPED]), run.steps
    at = recorded["step"]
    summary = summary_of(run)
    values: dict[str, Any] = {
        "status": status_of(run, summary),
        "steps": max([*at[-1:].astype(int).tolist(), *steps[-1:]], default=None),
        "memorised_step": first_step(at, recorded["train_accuracy"], ALL_TRAINED),
        "grokked_step": first_step(at, recorded["test_accuracy"], SOLVED),
    }
    for name in (*CURVES, UNSWAPPED):
        known = recorded[name][~np.isnan(recorded[name])]
        values[name] = float(known[-1]) if len(known) else summary.scores.get(name, summary.values.get(name))
    return {
        **values,
        "verdict": summary.verdict,
        "geometry": summary.geometry,
        "key_frequencies": summary.key_frequencies,
        "wall_seconds": summary.wall_seconds,
    }


def summary_of(run: Run) -> Summary:
    """What is kept of a run's last checkpoint; what was read off an earlier one is not what the run came to."""
    summary = Summary() if run.path is None or not run.path.is_dir() else Summary.read(run.path)
    steps = run.steps
    return summary.of(steps[-1]) if steps and summary.step is not None else summary


def _column(values: list[Any], dtype: str | None = None) -> pd.Series:
    """Of fields the kind that holds them all without rounding: whole numbers stay whole where others are blank."""
    if dtype is None:
        kinds = {type(value) for value in values if value is not BLANK}
        whole = kinds == {int}
        real = bool(kinds) and kinds <= {int, float}
        full = BLANK not in values
        dtype = ("int64" if full else "Int64") if whole else "float64" if real else "object"
    if dtype == "float64":
        return pd.Series(np.array([np.nan if value is BLANK else value for value in values], dtype=np.float64))
    return pd.Series(values, dtype=dtype)  # type: ignore[call-overload]
