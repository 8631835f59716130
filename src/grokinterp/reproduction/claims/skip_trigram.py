"""Skip trigrams (Nanda et al. 2023): A ... B -> C, with endless data and with fifty points."""

import math
from typing import Any

import numpy as np

from grokinterp.reproduction.claim import Values, claim
from grokinterp.reproduction.needed_run import Training, training
from grokinterp.reproduction.phase import steepest
from grokinterp.reproduction.reading import first, first_below, peak, recorded
from grokinterp.reproduction.target import at_least, at_most, factor, yes
from grokinterp.runs.run import Run

PAPER = "Nanda et al. 2023 (phase changes)"
OURS = (
    "Of their task ten equiprobable answers are known and no more; ours has two kinds of keys, a query of each, and 20 "
    "fillers, in one attention-only layer. Sizes, rate and batch are ours, one seed."
)
ENDLESS = training("skip_trigram", 1, "skip_trigram")


def _finite(**fields: Any) -> Training:
    return training(
        "skip_trigram", 1, "skip_trigram", data="finite", points=1_000, frac=0.05, batch_size=50, steps=5_000,
        metrics_every=50, checkpoint_every=50, **fields,
    )  # fmt: skip


FINITE = {"ours": _finite(), "one kind of key": _finite(queries=1), "decay 3": _finite(weight_decay=3.0)}


@claim(
    "skip-trigram-endless",
    f"{PAPER}, skip trigrams with infinite data",
    "After a plateau at ln 10 the loss falls in a phase change, below 1 at step 237 and below 0.1 at 321.",
    {
        "steps within 5 % of ln 10": at_least(50),
        "share of the fall in a tenth of the run": at_least(0.5),
        "below 1": factor(237, 3),
        "below 0.1": factor(321, 3),
    },
    recipe=f"{OURS} The factor is ours, since their sizes are not known.",
    measured="held-out loss, every 25 steps",
    trainings=[ENDLESS],
    minutes=0.1,
)
def endless(run: Run) -> Values:
    steps, losses = recorded(run, "test_loss")
    fall = steepest(steps, losses)
    return {
        "steps within 5 % of ln 10": first(steps, losses < 0.95 * math.log(10)),
        "share of the fall in a tenth of the run": fall.share,
        "fall from step": fall.start,
        "below 1": first_below(run, "test_loss", 1),
        "below 0.1": first_below(run, "test_loss", 0.1),
        "last test loss": float(losses[-1]),
    }


@claim(
    "skip-trigram-finite",
    f"{PAPER}, skip trigrams with 50 points",
    "With 50 rows it memorises first: the test loss peaks at 2.53 and falls later, to 0.51 at step 1,000 and 0.14 at "
    "2,000.",
    {
        "largest test loss over ln 10": at_least(1.05),
        "train loss below 0.1 first": yes(),
        "test loss at 1,000": factor(0.51, 3),
        "test loss at 2,000": factor(0.14, 3),
        "least test loss": at_most(0.1),
    },
    recipe=f"{OURS} 50 of 1,000 rows, 5,000 steps as theirs. Three settings: as with endless data; one kind of key and "
    "its query; three times the decay. The factor is ours, since their sizes are not known.",
    measured="held-out loss, every 50 steps; whether the train loss is below 0.1 before the test loss is",
    trainings=tuple(FINITE.values()),
    minutes=0.1,
)
def finite(*runs: Run) -> Values:
    values: dict[str, dict[str, float | bool]] = {}
    for name, run in zip(FINITE, runs, strict=True):
        steps, test = recorded(run, "test_loss")
        learnt, known = (first_below(run, f"{side}_loss", 0.1) for side in ("train", "test"))
        largest, at = peak(run, "test_loss")
        measured = {
            "largest test loss over ln 10": largest / math.log(10),
            "its step": at,
            "train loss below 0.1 first": bool(learnt < np.nan_to_num(known, nan=np.inf)),
            **{f"test loss at {step:,}": _at(steps, test, step) for step in (1_000, 2_000)},
            "least test loss": float(test.min()),
        }
        for what, value in measured.items():
            values.setdefault(what, {})[name] = value
    return values


def _at(steps: np.ndarray, values: np.ndarray, step: int) -> float:
    """The value recorded at a step, or the last before it."""
    return float(values[np.searchsorted(steps, step, side="right") - 1])
