"""Causes of the delay that were not reproduced at the first setting, each at a second one. Both stay in the table."""

import math
import statistics
from dataclasses import replace
from itertools import pairwise
from typing import Any

from grokinterp.reproduction.claim import Values, claim
from grokinterp.reproduction.claims import causes
from grokinterp.reproduction.claims.causes import DECAYED, OURS, PATH, PRIETO, SEEDS
from grokinterp.reproduction.needed_run import Training
from grokinterp.reproduction.reading import end_of, first_reaching, last, seeds
from grokinterp.reproduction.target import Target, at_least, at_most
from grokinterp.runs.run import Run


def like(run: Training, minutes: float, **more: Any) -> Training:
    """A run with some of its fields changed."""
    return replace(run, minutes=minutes, fields={**run.fields, **more})


FINE = [like(run, 0.3, steps=1_200, checkpoint_every=20) for run in DECAYED]
"""The runs of the first setting, read five times as often: one seed grokked before the fifth checkpoint."""


@claim(
    "commutator-leads-fine",
    f"{PATH}, commutator defect",
    "Before a run groks, the commutator defect rises tenfold (second setting: read every 20 steps).",
    {"least lead": at_least(1.0)},
    recipe=f"{OURS} Weight decay 2, 1,200 steps, a checkpoint every 20 where commutator-leads has one every 100.",
    measured="as for commutator-leads",
    trainings=FINE,
)
def leads(*runs: Run) -> Values:
    return causes.leads.measure(*runs)


@claim(
    "trajectory-one-direction-fine",
    f"{PATH}, PCA of attention weights",
    "Attention weights move mainly along one direction, with 70 to 94 % of the variance (second setting: every 20 "
    "steps, to 1,200).",
    {"share of the first component": Target(0.7, 0.94, "70 % to 94 %")},
    recipe=f"{OURS} Weight decay 2, 1,200 steps, a checkpoint every 20.",
    measured="as for trajectory-one-direction",
    trainings=FINE,
)
def one_direction(*runs: Run) -> Values:
    return causes.one_direction.measure(*runs)


HELD = (0.75, 0.85, 0.95)


@claim(
    "held-norm-delays-larger",
    "ClevixLab 2026, delay law",
    "The larger the weight norm is held, the later the network groks (second setting: from the norm at which it groks "
    "freely on).",
    {"steps, over those one norm below": at_least(1.5)},
    recipe=f"{OURS} Seed 0 alone, no weight decay, the norm held at .75, .85 and .95 of the initial one, 10,000 "
    "steps at most. With decay 2 the network groks at .75; at .4 to .6 it did not even know its training rows.",
    measured="as for held-norm-delays",
    trainings=[
        like(
            DECAYED[0], 2.0, weight_decay=0.0, norm_multiple=multiple, steps=10_000, stop_after_grokking=100,
            checkpoint_every=0,
        )
        for multiple in HELD
    ],
)  # fmt: skip
def held(*runs: Run) -> Values:
    steps = [first_reaching(run, "test_accuracy", 0.99) for run in runs]
    names = [f"norm {multiple}" for multiple in HELD]
    ratios = [later / sooner for sooner, later in pairwise(steps)]
    scales = [float(last(run, "softmax_collapse").logit_scale) for run in runs]
    return {
        "steps, over those one norm below": dict(zip(names[1:], ratios, strict=True)),
        "steps": dict(zip(names, steps, strict=True)),
        "test accuracy": dict(zip(names, (end_of(run, "test_accuracy") for run in runs), strict=True)),
        "logit scale": dict(zip(names, scales, strict=True)),
    }


@claim(
    "muon-sooner-faster",
    "Na00s 2026, Muon",
    "With Muon a network groks in fewer steps than with AdamW (second setting: Muon's rate three times as large).",
    {"steps to 99 %, over AdamW's": at_most(0.8)},
    recipe=f"{OURS} Weight decay 2, 2,000 steps; Muon at a rate of .01, AdamW at .003 as in muon-sooner.",
    measured="median over seeds of the first step with 99 % test accuracy, over that with AdamW; beside it each seed's "
    "test accuracy at the end",
    trainings=[*(like(run, 0.5, optimiser="muon", lr=0.01) for run in DECAYED), *DECAYED],
)
def muon(*runs: Run) -> Values:
    own, plain = runs[: len(SEEDS)], runs[len(SEEDS) :]
    steps = lambda of: [first_reaching(run, "test_accuracy", 0.99) for run in of]
    late = statistics.median(math.inf if math.isnan(step) else step for step in steps(own))
    ratio = late / statistics.median(steps(plain))
    return {
        "steps to 99 %, over AdamW's": ratio if math.isfinite(ratio) else math.nan,
        "test accuracy, Muon": dict(zip(seeds(own), (end_of(run, "test_accuracy") for run in own), strict=True)),
        "steps to 99 %, Muon": dict(zip(seeds(own), steps(own), strict=True)),
    }


@claim(
    "prieto-perpendicular-longer",
    f"{PRIETO}, perpendicular gradient",
    "Without weight decay a network groks once the gradient along its own weights is taken out (second setting: 5,000 "
    "steps).",
    {"median unseen accuracy": at_least(0.95)},
    recipe=f"{OURS} No weight decay, 5,000 steps at most, 100 past grokking.",
    measured="accuracy on rows whose swap is unseen too at the end, the median over seeds",
    trainings=[
        like(run, 1.0, weight_decay=0.0, perpendicular_gradient=True, steps=5_000, stop_after_grokking=100)
        for run in DECAYED
    ],
)
def perpendicular(*runs: Run) -> Values:
    ends = dict(zip(seeds(runs), (end_of(run, "test_accuracy_unswapped") for run in runs), strict=True))
    steps = dict(zip(seeds(runs), (float(run.metrics.step.max()) for run in runs), strict=True))
    return {"median unseen accuracy": statistics.median(ends.values()), "unseen accuracy": ends, "last step": steps}
