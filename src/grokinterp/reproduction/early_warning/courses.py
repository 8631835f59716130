"""Courses: what the bench measures of a run at each of its checkpoints, and the small table that is kept of it."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import ClassVar

import numpy as np
import pandas as pd
import xarray as xr

from grokinterp.circuits.commutator_defect import CommutatorDefect
from grokinterp.circuits.progress import Progress
from grokinterp.measuring import measure
from grokinterp.readout import Circuit
from grokinterp.reproduction.early_warning.detector import Course
from grokinterp.reproduction.reading import first_reaching
from grokinterp.runs.population.landmarks import ALL_TRAINED, SOLVED
from grokinterp.runs.run import Run

MEASURES: dict[str, str] = {
    "latent accuracy": "`latent_circuit`: rebuilt network on unswapped test rows",
    "latent accuracy over its null": "the same, minus that with shuffled columns",
    "phase sum": "`latent_circuit`: median |phi_a + phi_b - psi|",
    "restricted loss, own keys": "`progress`, key frequencies of that checkpoint; over ln p",
    "excluded loss, own keys": "`progress`, key frequencies of that checkpoint; over ln p",
    "Gini": "`embedding_gini`",
    "weight norm": "root of the sum of squares, over that at step 0",
    "commutator defect": "`commutator_defect`, 3 draws of at most 256 rows, over that at step 0",
    "train-loss slope": "change of ln train loss over change of ln step since the checkpoint before",
    "test loss": "all test rows; over ln p",
    "unswapped accuracy": "the network's own, on test rows whose swap is not trained on",
}
"""The measures that may win, and what each is."""

ORACLES: dict[str, str] = {
    "restricted loss, final keys": "`progress`, key frequencies of the last checkpoint; over ln p",
    "excluded loss, final keys": "`progress`, key frequencies of the last checkpoint; over ln p",
}
"""Measures that know the end of the run: one that never groks has no key frequencies. They cannot win."""

BASELINES: dict[str, str] = {
    "constant": "always 0: warns at once of every run, or of none",
    "clock": "the step",
    "train share": "the fraction of the table that is trained on",
    "weight decay": "the decay",
}
"""What is known without looking at the network."""

EVERY = (*MEASURES, *ORACLES, *BASELINES)

LANDMARKS = ("memorised_step", "grokked_step")

DEFECT = CommutatorDefect(rows=256, draws=3)


@dataclass(frozen=True)
class OwnProgress(Progress):
    """Progress measures whose key frequencies are those of each checkpoint, so that no later one is asked."""

    name: ClassVar[str] = "own_progress"

    def fit(self, final: object) -> "OwnProgress":
        """Itself: nothing is chosen at the end."""
        del final
        return self


def course_of(run: Run) -> Course:
    """Measure one run of the bench at all of its checkpoints."""
    first = _trace(run, "loss", "latent_circuit", "progress", "embedding", DEFECT)
    own = _trace(run, OwnProgress())
    steps = first.step.values.astype(float)
    log_p = math.log(run.task.n_values)
    column = lambda name, trace=first: (
        trace[name].values.astype(float) if name in trace else np.full(len(steps), math.nan)
    )
    norm, defect = np.sqrt(column("weight_norm_squared")), column("commutator_defect")
    constant = lambda value: np.full(len(steps), float(value))
    config = run.config
    values = {
        "latent accuracy": column("latent_accuracy_unswapped"),
        "latent accuracy over its null": column("latent_accuracy_unswapped") - column("latent_accuracy_shuffled"),
        "phase sum": column("latent_phase_sum"),
        "restricted loss, own keys": column("restricted_loss", own) / log_p,
        "excluded loss, own keys": column("excluded_loss", own) / log_p,
        "Gini": column("embedding_gini"),
        "weight norm": norm / norm[0],
        "commutator defect": defect / defect[0],
        "train-loss slope": slope(steps, column("train_loss")),
        "test loss": column("test_loss") / log_p,
        "unswapped accuracy": column("test_accuracy_unswapped"),
        "restricted loss, final keys": column("restricted_loss") / log_p,
        "excluded loss, final keys": column("excluded_loss") / log_p,
        "constant": constant(0),
        "clock": steps,
        "train share": constant(config.split.frac),
        "weight decay": constant(config.optimiser.weight_decay),
    }
    return Course(steps, values, *landmarks_of(run))


def landmarks_of(run: Run) -> tuple[float, float]:
    """The first recorded steps with all training rows, and with 99 % of the test rows right; NaN: never."""
    return first_reaching(run, "train_accuracy", ALL_TRAINED), first_reaching(run, "test_accuracy", SOLVED)


def slope(steps: np.ndarray, losses: np.ndarray) -> np.ndarray:
    """The change of ln loss over that of ln step since the checkpoint before; NaN where there is none, or step 0."""
    tiny = np.finfo(float).tiny
    with np.errstate(divide="ignore", invalid="ignore"):
        rate = np.diff(np.log(np.maximum(losses, tiny))) / np.diff(np.log(steps))
    return np.concatenate([[math.nan], np.where(steps[:-1] > 0, rate, math.nan)])


def _trace(run: Run, *circuits: str | Circuit) -> xr.Dataset:
    return measure(run, circuits, progress=False)


# -- the table that is kept


def write(courses: Mapping[int, Course], path: Path) -> None:
    """Write courses, by the number of their run in the draw: a parquet file with a row a run and checkpoint."""
    frames = [
        pd.DataFrame({"run": number, "step": course.steps, **_landmarks(course), **course.values})
        for number, course in sorted(courses.items())
    ]
    table = pd.concat(frames, ignore_index=True)
    table = table.astype({name: "float32" for name in table.columns if name not in ("run", "step", *LANDMARKS)})
    path.parent.mkdir(parents=True, exist_ok=True)
    table.to_parquet(path, index=False)


def read(path: Path) -> dict[int, Course]:
    """Read the courses that `write` wrote."""
    table = pd.read_parquet(path)
    measures = [name for name in table.columns if name not in ("run", "step", *LANDMARKS)]
    return {
        int(number): Course(  # pyright: ignore[reportArgumentType]  # a group's key is the number
            rows["step"].to_numpy(float),
            {name: rows[name].to_numpy(float) for name in measures},
            *(float(rows[name].iloc[0]) for name in LANDMARKS),
        )
        for number, rows in table.groupby("run")
    }


def _landmarks(course: Course) -> dict[str, float]:
    return {name: getattr(course, name) for name in LANDMARKS}


def as_kept(courses: Sequence[Course]) -> list[Course]:
    """Round values as the table holds them, so that a threshold is the same before and after it was written."""
    rounded = lambda course: {name: values.astype("float32").astype(float) for name, values in course.values.items()}
    return [replace(course, values=rounded(course)) for course in courses]
