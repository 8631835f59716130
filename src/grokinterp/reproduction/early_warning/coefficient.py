"""The local learning coefficient as a warning: it costs more, so it is read off fewer runs and checkpoints."""

from dataclasses import replace

import numpy as np

from grokinterp.circuits.local_learning_coefficient import LocalLearningCoefficient
from grokinterp.measuring import measure
from grokinterp.reproduction.early_warning.courses import landmarks_of
from grokinterp.reproduction.early_warning.detector import Course
from grokinterp.reproduction.early_warning.settings import CHECKPOINTS, Drawn, Half, drawn, halves
from grokinterp.runs.run import Run

RUNS = 6
"""How many runs of a half: the first in the order of the draw."""

AT = CHECKPOINTS[4:29:4]
"""Its checkpoints, seven from step 30 to 870; of a run that ends before some of them, those it has."""

SAMPLED = LocalLearningCoefficient(chains=3, burn_in=50, draws=100, rows=256)

NAMES = {"llc": "LLC", "llc_standard_error": "LLC, standard error", "llc_r_hat": "LLC, R-hat"}


def chosen(half: Half) -> list[Drawn]:
    """The runs of a half whose coefficient is sampled."""
    return [run for run in drawn() if halves()[run.setting] == half][:RUNS]


def coefficient_of(run: Run) -> Course:
    """Sample the coefficient of one run at its checkpoints."""
    trace = measure(run, [SAMPLED], steps=[step for step in AT if step in run.steps], progress=False)
    values = {name: trace[variable].values.astype(float) for variable, name in NAMES.items()}
    return Course(trace.step.values.astype(float), values, *landmarks_of(run))


def at_the_same(course: Course, other: Course) -> Course:
    """Keep of another course of the run the checkpoints that one has: it may warn as seldom as the coefficient does."""
    rows = np.isin(other.steps, course.steps)
    return replace(other, steps=other.steps[rows], values={name: each[rows] for name, each in other.values.items()})
