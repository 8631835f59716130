"""Grokking = phase change + regularisation + limited data (Nanda and Lieberum): the grid of fraction and decay."""

import math

from grokinterp.circuits.loss import LATER, REGIMES, regime_of
from grokinterp.reproduction.claim import Values, claim
from grokinterp.reproduction.needed_run import Training, training
from grokinterp.reproduction.reading import first_reaching, recorded
from grokinterp.reproduction.target import at_least, at_most, near, yes
from grokinterp.runs.run import Run

PAPER = "Nanda et al. 2023 (phase changes)"
LITTLE, MEDIUM, MUCH = FRACTIONS = (0.2, 0.5, 0.9)
NONE, SOME, FULL = DECAYS = (0.0, 0.3, 1.0)
STEPS = 15_000
OURS = (
    f"a + b mod 113 by the two-layer network of Chughtai et al. (preset chughtai) in batches of 512, which is twenty "
    f"times as quick as their transformer, one seed, {STEPS:,} steps or until 500 after grokking; 20, 50 and 90 % of "
    "the table."
)


def cell(frac: float, decay: float) -> Training:
    """One run of the grid."""
    return training(
        "a + b", 1.5, "chughtai", p=113, frac=frac, weight_decay=decay, batch_size=512, steps=STEPS,
        metrics_every=50, checkpoint_every=1_000, stop_after_grokking=500,
    )  # fmt: skip


def _steps(run: Run) -> tuple[float, float]:
    """The first recorded steps with all training rows and with 99 % of the test rows right; NaN: never."""
    return first_reaching(run, "train_accuracy", 1.0), first_reaching(run, "test_accuracy", 0.99)


def _best(run: Run) -> float:
    return float(recorded(run, "test_accuracy")[1].max())


BETWEEN = (0.3, 0.4, MEDIUM)


@claim(
    "regimes-data",
    f"{PAPER}, grokking = phase change + regularisation + limited data",
    "With weight decay little data is memorised, medium data is grokked, and much is understood at once.",
    {
        "largest test accuracy with little": at_most(0.5),
        "test over train step, medium": at_least(LATER),
        "test over train step, much": at_most(LATER),
    },
    recipe=f"{OURS} Decay 1; medium in three settings, 30, 40 and 50 %, since where it lies is not said.",
    measured="first recorded step with 99 % of the test rows right over that with all training rows right",
    trainings=[cell(frac, FULL) for frac in (LITTLE, *BETWEEN, MUCH)],
    minutes=0.1,
)
def data(little: Run, *runs: Run) -> Values:
    later = {f"{run.config.split.frac:.0%}": _steps(run)[1] / _steps(run)[0] for run in runs}
    *medium, much = later.items()
    return {
        "largest test accuracy with little": _best(little),
        "test over train step, medium": dict(medium),
        "test over train step, much": much[1],
        "largest test accuracy, medium": {f"{run.config.split.frac:.0%}": _best(run) for run in runs[:-1]},
    }


@claim(
    "regimes-regularisation",
    f"{PAPER}, grokking = phase change + regularisation + limited data",
    "Medium data is understood the earlier the more the weights decay, and not without decay.",
    {"largest test accuracy without decay": at_most(0.5), "earlier at decay 1 than at 0.3": yes()},
    recipe=f"{OURS} Half the table; decay {NONE:g}, {SOME:g} and {FULL:g}.",
    measured="first recorded step with 99 % of the test rows right",
    trainings=[cell(MEDIUM, decay) for decay in DECAYS],
    minutes=0.1,
)
def regularisation(*runs: Run) -> Values:
    steps = {f"decay {decay:g}": _steps(run)[1] for decay, run in zip(DECAYS, runs, strict=True)}
    late, early = steps[f"decay {SOME:g}"], steps[f"decay {FULL:g}"]
    return {
        "largest test accuracy without decay": _best(runs[0]),
        "earlier at decay 1 than at 0.3": bool(early < (math.inf if math.isnan(late) else late)),
        "step": steps,
    }


@claim(
    "regimes-grid",
    f"{PAPER}, grokking = phase change + regularisation + limited data",
    "Over fraction and decay all three regimes are seen, and little data is only memorised whatever the decay.",
    {"regimes seen": near(3, 0), "largest test accuracy with little": at_most(0.5)},
    recipe=f"{OURS} Decay {NONE:g}, {SOME:g} and {FULL:g}: nine runs, three of them settings with little data.",
    measured=f"at once: 99 % of the test rows right before {LATER:g} times the step with all training rows right; "
    "grokked: later; memorised: never",
    trainings=[cell(frac, decay) for frac in FRACTIONS for decay in DECAYS],
    minutes=0.1,
    negative=True,
)
def grid(*runs: Run) -> Values:
    cells = {f"{run.config.split.frac:.0%}, decay {run.config.optimiser.weight_decay:g}": run for run in runs}
    outcomes = {}
    for name, run in cells.items():
        memorised, grokked = (None if math.isnan(step) else step for step in _steps(run))
        outcomes[name] = regime_of(memorised, grokked)
    return {
        "regimes seen": len(set(outcomes.values()) & set(REGIMES[1:])),
        "regime": outcomes,
        "largest test accuracy with little": {
            name: _best(run) for name, run in cells.items() if run.config.split.frac == LITTLE
        },
    }


FURTHER = (0.35, 0.45)


@claim(
    "regimes-data-between",
    f"{PAPER}, grokking = phase change + regularisation + limited data",
    "With weight decay medium data is grokked, long after it is memorised (second and third setting: 35 and 45 %).",
    {"test over train step": at_least(LATER)},
    recipe=f"{OURS} Decay 1; regimes-data had 30, 40 and 50 %.",
    measured="first recorded step with 99 % of the test rows right over that with all training rows right",
    trainings=[cell(frac, FULL) for frac in FURTHER],
    minutes=0.1,
)
def between(*runs: Run) -> Values:
    steps = {f"{run.config.split.frac:.0%}": _steps(run) for run in runs}
    return {
        "test over train step": {name: grokked / memorised for name, (memorised, grokked) in steps.items()},
        "largest test accuracy": {f"{run.config.split.frac:.0%}": _best(run) for run in runs},
    }
