"""What grokking needs (Nanda et al. 2023 and their saved runs): how much of the table, decay, precision."""

import itertools
import math
from typing import Any

import numpy as np

from grokinterp.reproduction.claim import Values, claim
from grokinterp.reproduction.claims.nanda import MAIN, MOST, OURS, PAPER
from grokinterp.reproduction.needed_run import Training, training
from grokinterp.reproduction.reading import end_of, first_below, recorded
from grokinterp.reproduction.target import Target, at_least, at_most, factor, yes
from grokinterp.runs.run import Run

# -- how much of the table is trained on

EPOCHS = {
    0.95: 157,
    0.9: 222,
    0.8: 252,
    0.7: 222,
    0.6: 440,
    0.5: 956,
    0.4: 3_109,
    0.3: 7_930,
    0.28: 15_037,
    0.25: 21_848,
}
"""His file `mod_addition_frac_train_sweep`: epochs until the test loss is below 0.1 after its peak."""

_MINUTES = {0.9: 3, 0.8: 3, 0.7: 3, 0.6: 3, 0.5: 3, 0.4: 6, 0.28: 18, 0.25: 26}
_BRIEF: dict[str, Any] = {"steps": 25_000, "stop_after_grokking": 500, "metrics_every": 10, "checkpoint_every": 0}


def fraction(frac: float) -> Training:
    """A training until shortly after grokking."""
    if frac in (0.95, 0.3):
        return MOST if frac == 0.95 else MAIN
    return training("a + b", _MINUTES[frac], p=113, frac=frac, seed=0, **_BRIEF)


def _epochs(runs: tuple[Run, ...]) -> dict[str, float]:
    return {f"{run.config.split.frac:g}": first_below(run, "test_loss", 0.1, after_peak=True) for run in runs}


def _his(fractions: list[float]) -> dict[str, Target]:
    return {f"epochs at {frac:g}": factor(EPOCHS[frac], 2) for frac in fractions}


LARGE = [0.95, 0.9, 0.8, 0.7, 0.6, 0.5]


@claim(
    "nanda-fractions-large",
    f"{PAPER}, saved run `mod_addition_frac_train_sweep`",
    "With half the table or more, test loss falls below 0.1 within a thousand epochs.",
    _his(LARGE),
    recipe=f"{OURS} One seed a fraction, as his.",
    measured="first recorded step with test loss below 0.1 after its peak, within a factor 2 of his",
    trainings=[fraction(frac) for frac in LARGE],
)
def fractions_large(*runs: Run) -> Values:
    return {f"epochs at {frac}": step for frac, step in _epochs(runs).items()}


@claim(
    "nanda-fractions-small",
    f"{PAPER}, saved run `mod_addition_frac_train_sweep`",
    "With less than half the table grokking takes thousands of epochs: 3,109 at 40 %, 21,848 at 25 %.",
    _his([0.4, 0.3, 0.28, 0.25]),
    recipe=f"{OURS} One seed a fraction, as his.",
    measured="first recorded step with test loss below 0.1 after its peak, within a factor 2 of his",
    trainings=[fraction(frac) for frac in (0.4, 0.3, 0.28, 0.25)],
)
def fractions_small(*runs: Run) -> Values:
    return {f"epochs at {frac}": step for frac, step in _epochs(runs).items()}


@claim(
    "nanda-fractions-order",
    f"{PAPER}, saved run `mod_addition_frac_train_sweep`",
    "The less of the table is trained on, the later the test loss falls.",
    {"rank correlation with his epochs": at_least(0.9), "later at every smaller fraction from 0.6 on": yes()},
    recipe=f"{OURS} One seed a fraction, as his; from 0.95 to 0.7 his own are not in order.",
    measured="Spearman's rank correlation of first steps with test loss below 0.1 after its peak",
    trainings=[fraction(frac) for frac in EPOCHS],
)
def fractions_order(*runs: Run) -> Values:
    epochs = _epochs(runs)
    ours, his = np.array(list(epochs.values())), np.array(list(EPOCHS.values()), dtype=float)
    known = ~np.isnan(ours)
    ranks = [np.argsort(np.argsort(x)) for x in (np.where(known, ours, np.inf), his)]
    small = [epochs[f"{frac:g}"] for frac in EPOCHS if frac <= 0.6]
    return {
        "rank correlation with his epochs": float(np.corrcoef(ranks[0], ranks[1])[0, 1]),
        "later at every smaller fraction from 0.6 on": bool(all(a < b for a, b in itertools.pairwise(small))),
        "epochs": epochs,
    }


# -- what grokking needs

_CURVES = {"p": 113, "frac": 0.3, "metrics_every": 10, "checkpoint_every": 0}
WITHOUT_DECAY = [
    training("a + b", 13, seed=seed, steps=10_000, weight_decay=0.0, **more, **_CURVES)
    for seed, more in ((0, {}), (1, {}), (0, {"lr": 3e-3}))
]


@claim(
    "nanda-no-decay",
    f"{PAPER}, section 5.3 (no grokking without regularisation)",
    "Without weight decay 30 % of the table is memorised and not understood within 10,000 steps.",
    {"train accuracy": at_least(0.999), "largest test accuracy": at_most(0.5)},
    recipe=f"{OURS} Three settings: two seeds, and three times the learning rate.",
    measured="last train accuracy and largest test accuracy, every 10 steps",
    trainings=WITHOUT_DECAY,
    negative=True,
)
def no_decay(*runs: Run) -> Values:
    name = lambda run: f"seed {run.config.seed}, rate {run.config.optimiser.lr:g}"
    return {
        "train accuracy": {name(run): end_of(run, "train_accuracy") for run in runs},
        "largest test accuracy": {name(run): float(recorded(run, "test_accuracy")[1].max()) for run in runs},
    }


SLINGS = [training("a + b", 8, seed=1, steps=6_000, loss_dtype=dtype, **_CURVES) for dtype in ("float32", "float64")]


@claim(
    "nanda-slingshots",
    f"{PAPER}, saved run `low_precision_mod_addition`",
    "With a loss in float32 the training loss jumps tenfold and more, again and again; in float64 it does not.",
    {"jumps in float32": at_least(2), "jumps in float64": at_most(0)},
    recipe=f"{OURS} 6,000 steps; his 50,000 have 75 jumps, about one in 1,400 steps early on.",
    measured="times after step 1,000 that the train loss rises above ten times its least so far since the last jump",
    trainings=SLINGS,
)
def slingshots(low: Run, high: Run) -> Values:
    return {"jumps in float32": jumps(low), "jumps in float64": jumps(high)}


def jumps(run: Run, times: float = 10, after: int = 1_000) -> int:
    """How often the training loss rises above `times` its least since the last time it did."""
    steps, losses = recorded(run, "train_loss")
    count, least = 0, math.inf
    for loss in losses[steps >= after]:
        if loss > times * least:
            count, least = count + 1, math.inf
        least = min(least, loss)
    return count
