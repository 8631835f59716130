"""Causes of the delay that two settings did not bear out, or one clearly too short for it: each at further ones."""

import statistics

from grokinterp.reproduction.claim import Values, claim
from grokinterp.reproduction.claims import causes, causes_again
from grokinterp.reproduction.claims.causes import DECAYED, OURS, PATH, PRIETO, SEEDS, small
from grokinterp.reproduction.claims.causes_again import like
from grokinterp.reproduction.reading import end_of, first_reaching, last, seeds
from grokinterp.reproduction.target import Target, at_least
from grokinterp.runs.run import Run

SLOWER = [like(run, 0.5, weight_decay=0.7, steps=3_000) for run in DECAYED]
"""With a third of the decay more steps lie between memorising and grokking."""


@claim(
    "commutator-leads-slower",
    f"{PATH}, commutator defect",
    "Before a run groks, the commutator defect rises tenfold (third setting: a third of the decay).",
    {"least lead": at_least(1.0)},
    recipe=f"{OURS} Weight decay .7, 3,000 steps, a checkpoint every 100.",
    measured="as for commutator-leads; beside it the step with 90 % test accuracy",
    trainings=SLOWER,
    minutes=2,
)
def leads(*runs: Run) -> Values:
    steps = {name: first_reaching(run, "test_accuracy", 0.9) for name, run in zip(seeds(runs), runs, strict=True)}
    return {**causes.leads.measure(*runs), "90 % at": steps}


@claim(
    "trajectory-one-direction-slower",
    f"{PATH}, PCA of attention weights",
    "Attention weights move mainly along one direction, with 70 to 94 % of the variance (third setting: a third of the "
    "decay).",
    {"share of the first component": Target(0.7, 0.94, "70 % to 94 %")},
    recipe=f"{OURS} Weight decay .7, 3,000 steps, a checkpoint every 100.",
    measured="as for trajectory-one-direction",
    trainings=SLOWER,
)
def one_direction(*runs: Run) -> Values:
    return causes.one_direction.measure(*runs)


RATES = (3e-3, 1e-2)
STABLE = [
    small(seed, loss="stablemax", lr=rate, steps=4_000, stop_after_grokking=100) for rate in RATES for seed in SEEDS
]


@claim(
    "prieto-stablemax-longer",
    f"{PRIETO}, StableMax",
    "Without weight decay a network groks with StableMax in the place of softmax (second and third setting: 4,000 "
    "steps, and these at three times the rate).",
    {"median unseen accuracy": at_least(0.95)},
    recipe=f"{OURS} No weight decay, 4,000 steps at most, 100 past grokking; rates .003 and .01.",
    measured="accuracy on rows whose swap is unseen too at the end, the median over seeds; beside it the share of "
    "training rows whose float32 loss is exactly 0",
    trainings=STABLE,
)
def stablemax(*runs: Run) -> Values:
    by_rate = {f"rate {rate:g}": [run for run in runs if run.config.optimiser.lr == rate] for rate in RATES}
    ends = {name: [end_of(run, "test_accuracy_unswapped") for run in own] for name, own in by_rate.items()}
    zero = {name: [float(last(run, "softmax_collapse").zero_loss_share_float32) for run in own]
            for name, own in by_rate.items()}  # fmt: skip
    return {
        "median unseen accuracy": {name: statistics.median(values) for name, values in ends.items()},
        "largest unseen accuracy": {name: max(values) for name, values in ends.items()},
        "median zero-loss share": {name: statistics.median(values) for name, values in zero.items()},
    }


MUON = [like(run, 0.5, optimiser="muon", weight_decay=6.0) for run in DECAYED]


@claim(
    "muon-sooner-decay",
    "Na00s 2026, Muon",
    "With Muon a network groks in fewer steps than with AdamW (third setting: three times the decay for Muon).",
    causes_again.muon.targets,
    recipe=f"{OURS} 2,000 steps; Muon at AdamW's rate of .003, its decay 6 where AdamW's is 2.",
    measured="as for muon-sooner-faster",
    trainings=[*MUON, *DECAYED],
)
def muon(*runs: Run) -> Values:
    return causes_again.muon.measure(*runs)


PERPENDICULAR = [
    small(seed, perpendicular_gradient=True, lr=1e-2, steps=4_000, stop_after_grokking=100) for seed in SEEDS
]


@claim(
    "prieto-perpendicular-rate",
    f"{PRIETO}, perpendicular gradient",
    "Without weight decay a network groks once the gradient along its own weights is taken out (third setting: three "
    "times the rate, 4,000 steps).",
    causes_again.perpendicular.targets,
    recipe=f"{OURS} No weight decay, rate .01, 4,000 steps at most, 100 past grokking.",
    measured=causes_again.perpendicular.measured,
    trainings=PERPENDICULAR,
)
def perpendicular(*runs: Run) -> Values:
    return causes_again.perpendicular.measure(*runs)
