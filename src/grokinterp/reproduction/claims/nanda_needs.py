"""What grokking needs (Nanda et al. 2023 and their saved runs): how much of the table, decay, precision."""

import itertools
import math
import statistics
from typing import Any, cast

from scipy.stats import spearmanr

from grokinterp.reproduction.claim import Values, claim
from grokinterp.reproduction.claims.causes import OURS as SMALL
from grokinterp.reproduction.claims.causes import SEEDS, small
from grokinterp.reproduction.claims.nanda import OURS, PAPER, key_of, key_share
from grokinterp.reproduction.needed_run import Training, training
from grokinterp.reproduction.reading import end_of, first_below, recorded, seeds
from grokinterp.reproduction.target import Target, at_least, at_most, factor, yes
from grokinterp.runs.run import Run

# -- how much of the table is trained on

EPOCHS = {
    0.95: 157, 0.9: 222, 0.8: 252, 0.7: 222, 0.6: 440, 0.5: 956, 0.4: 3_109, 0.3: 7_930, 0.28: 15_037, 0.25: 21_848
}  # fmt: skip
"""His file `mod_addition_frac_train_sweep`: epochs until the test loss is below 0.1 after its peak."""

_BRIEF: dict[str, Any] = {"stop_after_grokking": 100, "metrics_every": 10, "checkpoint_every": 0}


def fraction(frac: float, steps: int, minutes: float) -> Training:
    """A training until shortly after grokking."""
    return training("a + b", minutes, p=113, frac=frac, seed=0, steps=steps, **_BRIEF)


def _epochs(runs: tuple[Run, ...]) -> dict[str, float]:
    return {f"epochs at {run.config.split.frac:g}": first_below(run, "test_loss", 0.1, after_peak=True) for run in runs}


def _his(fractions: list[float]) -> dict[str, Target]:
    return {f"epochs at {frac:g}": factor(EPOCHS[frac], 2) for frac in fractions}


@claim(
    "nanda-fractions-large",
    f"{PAPER}, saved run `mod_addition_frac_train_sweep`",
    "With 70 and 50 % of the table, two of his six fractions of half or more, test loss falls below 0.1 within a "
    "thousand epochs.",
    _his([0.7, 0.5]),
    recipe=f"{OURS} One seed a fraction, as his.",
    measured="first recorded step with test loss below 0.1 after its peak, within a factor 2 of his",
    trainings=[fraction(0.7, 1_000, 1), fraction(0.5, 2_500, 2)],
)
def fractions_large(*runs: Run) -> Values:
    return _epochs(runs)


@claim(
    "nanda-fractions-small",
    f"{PAPER}, saved run `mod_addition_frac_train_sweep`",
    "With 40 % of the table grokking takes thousands of epochs, 3,109; not tried: 28 and 25 %, of 15,037 and 21,848.",
    _his([0.4]),
    recipe=f"{OURS} One seed, as his.",
    measured="first recorded step with test loss below 0.1 after its peak, within a factor 2 of his",
    trainings=[fraction(0.4, 7_000, 5)],
)
def fractions_small(*runs: Run) -> Values:
    return _epochs(runs)


SHRUNK = [
    small(seed, frac=frac, weight_decay=2.0, steps=8_000, stop_after_grokking=100, checkpoint_every=0)
    for frac in (0.9, 0.75, 0.6, 0.5)
    for seed in SEEDS
]


@claim(
    "nanda-fractions-order",
    f"{PAPER}, saved run `mod_addition_frac_train_sweep`",
    "The less of the table is trained on, the later the test loss falls; here p = 31, from 90 to 50 %, three seeds "
    "each.",
    {"later at every smaller fraction": yes(), "rank correlation with the fraction": at_most(-0.9)},
    recipe=f"{SMALL} Weight decay 2, 8,000 steps at most; his are of p = 113, from 95 to 25 %, one seed each.",
    measured="first step with test loss below 0.1 after its peak, never counting as later than any: whether its median "
    "over seeds grows, and Spearman's rank correlation over all runs",
    trainings=SHRUNK,
)
def fractions_order(*runs: Run) -> Values:
    steps = [first_below(run, "test_loss", 0.1, after_peak=True) for run in runs]
    late = [math.inf if math.isnan(step) else step for step in steps]
    fractions = [run.config.split.frac for run in runs]
    medians = {
        frac: statistics.median(step for step, own in zip(late, fractions, strict=True) if own == frac)
        for frac in sorted(set(fractions), reverse=True)
    }
    return {
        "later at every smaller fraction": all(a < b for a, b in itertools.pairwise(medians.values())),
        "rank correlation with the fraction": float(cast(Any, spearmanr(fractions, late)).statistic),
        "median step": {f"{frac:g}": step for frac, step in medians.items()},
    }


# -- what grokking needs

FRESH = [small(seed, weight_decay=2.0) for seed in range(3, 8)]
"""Networks that no other claim has been read off."""


@claim(
    "nanda-seeds",
    f"{PAPER}, appendix (further seeds)",
    "Every seed groks with a few key frequencies that explain most of its logits; here p = 31, seeds 3 to 7.",
    {"test accuracy": at_least(0.99), "key frequencies": Target(1, 5, "1 to 5"), "share explained": at_least(0.9)},
    recipe=f"{SMALL} Weight decay 2, 2,000 steps; theirs are of p = 113. Few is a third of the 15 frequencies at most.",
    measured="key frequencies and their share of the logits' variance, at the end",
    trainings=FRESH,
)
def sparse_seeds(*runs: Run) -> Values:
    named = dict(zip(seeds(runs), runs, strict=True))
    return {
        "test accuracy": {name: end_of(run, "test_accuracy") for name, run in named.items()},
        "key frequencies": {name: len(key_of(run)) for name, run in named.items()},
        "share explained": {name: key_share(run) for name, run in named.items()},
    }


WITHOUT_DECAY = [
    small(seed, lr=rate, steps=4_000, checkpoint_every=0) for seed, rate in ((3, 3e-3), (4, 3e-3), (3, 9e-3))
]


@claim(
    "nanda-no-decay",
    f"{PAPER}, section 5.3 (no grokking without regularisation)",
    "Without weight decay the training rows are memorised and the others not understood; here p = 31, 60 % of the "
    "table, 4,000 steps.",
    {"train accuracy": at_least(0.999), "largest unseen accuracy": at_most(0.5), "with decay 2": at_least(0.99)},
    recipe=f"{SMALL} Three settings: seeds 3 and 4, and three times the rate; decay 2 at seed 3 beside them.",
    measured="last train accuracy, and largest accuracy on rows whose swap is unseen too, every 20 steps",
    trainings=[*WITHOUT_DECAY, FRESH[0]],
    negative=True,
)
def no_decay(*runs: Run) -> Values:
    *without, decayed = runs
    name = lambda run: f"seed {run.config.seed}, rate {run.config.optimiser.lr:g}"
    best = lambda run: float(recorded(run, "test_accuracy_unswapped")[1].max())
    return {
        "train accuracy": {name(run): end_of(run, "train_accuracy") for run in without},
        "largest unseen accuracy": {name(run): best(run) for run in without},
        "with decay 2": best(decayed),
    }


SLINGS = [
    training("a + b", 2, p=59, frac=0.3, seed=1, steps=6_000, loss_dtype=dtype, metrics_every=10, checkpoint_every=0)
    for dtype in ("float32", "float64")
]


@claim(
    "nanda-slingshots",
    f"{PAPER}, saved run `low_precision_mod_addition`",
    "With a loss in float32 the training loss jumps tenfold and more, again and again; in float64 it does not. Here "
    "p = 59.",
    {"jumps in float32": at_least(2), "jumps in float64": at_most(0)},
    recipe="Their model, optimiser and 30 % of the table at p = 59; his are of 113. 6,000 steps; his 50,000 have 75 "
    "jumps, about one in 1,400 steps early on.",
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
