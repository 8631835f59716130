"""The slope of the line through two points (exploration notes): the grid comes back in the embedding."""

import numpy as np

from grokinterp.reproduction.claim import Values, claim
from grokinterp.reproduction.needed_run import training
from grokinterp.reproduction.reading import end_of, first_reaching, trace
from grokinterp.reproduction.target import at_least, near, yes
from grokinterp.runs.run import Run

NOTES = "Exploration notes"
RUN = training("slope", 8, "slope")
OURS = (
    "Points of a 10 x 10 grid, 112 gradients, 70 % of the 9,900 pairs; Nanda et al.'s one-layer transformer and "
    "recipe, one seed."
)
TRIED = {1_000: (0.01, 0.38, 0.81), 3_000: (0.24, 0.52, 0.92), 4_000: (0.73, 0.88, 0.97)}
"""R^2 of the first 2, 4 and 8 principal components by step, in one earlier run of another seed and code."""

COUNTS = (2, 4, 8)


@claim(
    "slope-generalises",
    f"{NOTES}, slope of a line",
    "A transformer learns the gradient of the line through two points of a grid, also of pairs whose swap it has not "
    "seen.",
    {"test accuracy": at_least(0.99), "without swapped pairs": at_least(0.99)},
    recipe=OURS,
    measured="accuracy at the end on test pairs, and on those whose swap is not trained on; the step at which the "
    "former passes 99 % beside it",
    trainings=[RUN],
    minutes=0.1,
)
def generalises(run: Run) -> Values:
    return {
        "test accuracy": end_of(run, "test_accuracy"),
        "without swapped pairs": end_of(run, "test_accuracy_unswapped"),
        "step": first_reaching(run, "test_accuracy", 0.99),
    }


@claim(
    "slope-grid",
    f"{NOTES}, slope of a line",
    "When the model generalises its embedding lines up on the grid: it has recovered x and y.",
    {
        "first 2 at the end": at_least(0.7),
        "first 8 at the end": at_least(0.9),
        "first 2 rise after 90 % test accuracy": at_least(0.3),
    },
    recipe=OURS,
    measured="R^2 of the best affine map from the first principal components of the points' embedding to (x, y), every "
    "500 steps",
    trainings=[RUN],
    minutes=0.5,
)
def grid(run: Run) -> Values:
    over = trace(run, "grid_alignment", every=500)
    r2 = over.grid_r2.sel(components=2).values
    since = first_reaching(run, "test_accuracy", 0.9)
    before = r2[over.step.values <= since]
    end = over.grid_r2.isel(step=-1)
    return {
        **{f"first {count} at the end": float(end.sel(components=count)) for count in COUNTS},
        "90 % test accuracy at step": since,
        "first 2 rise after 90 % test accuracy": float(r2[-1] - before[-1]) if len(before) else None,
    }


@claim(
    "slope-grid-over-time",
    f"{NOTES}, slope of a line (a first try)",
    "The grid forms after generalisation begins, and sharpens: R^2 of the first 2, 4 and 8 components 0.01, 0.38, 0.81 "
    "at step 1,000, 0.24, 0.52, 0.92 at 3,000 and 0.73, 0.88, 0.97 at 4,000.",
    {
        **{f"first {count} at {step:,}": near(TRIED[step][i], 0.2) for step in TRIED for i, count in enumerate(COUNTS)},
        "in order of steps": yes(),
    },
    recipe=f"{OURS} Theirs is one run too, of another seed and split; the tolerance of 0.2 is ours.",
    measured="R^2 of the best affine map from the first principal components to (x, y); whether that of the first 2 "
    "rises from each of the three steps to the next",
    trainings=[RUN],
    minutes=0.1,
)
def grid_over_time(run: Run) -> Values:
    # A rehearsal ends before any of the three.
    steps = [min(step, run.steps[-1]) for step in TRIED]
    over = trace(run, "grid_alignment", "loss", steps=sorted(set(steps)))
    r2 = {step: over.grid_r2.sel(step=found) for step, found in zip(TRIED, steps, strict=True)}
    first_two = [float(each.sel(components=2)) for each in r2.values()]
    return {
        **{f"first {n} at {step:,}": float(each.sel(components=n)) for step, each in r2.items() for n in COUNTS},
        "in order of steps": bool((np.diff(first_two) > 0).all()),
        "test accuracy": {
            f"{step:,}": float(over.test_accuracy.sel(step=found)) for step, found in zip(TRIED, steps, strict=True)
        },
    }
