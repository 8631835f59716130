"""Causes of the delay: softmax collapse, the held norm, Muon, curvature across the path, and its few directions."""

import math
import statistics
from itertools import pairwise
from typing import Any

from grokinterp.reproduction.claim import Values, claim
from grokinterp.reproduction.needed_run import Training, training
from grokinterp.reproduction.reading import end_of, first_reaching, last, recorded, seeds, trace
from grokinterp.reproduction.target import Target, at_least, at_most
from grokinterp.runs.run import Run

PRIETO = "Prieto et al. 2025 (arXiv 2501.04697)"
PATH = "arXiv 2602.16746"
SEEDS = (0, 1, 2)


def small(seed: int, **more: Any) -> Training:
    """A network of ours, which with decay 2 groks within a thousand steps and half a minute."""
    fields = {
        "p": 31, "frac": 0.6, "d_model": 64, "n_heads": 4, "d_mlp": 256, "lr": 3e-3, "weight_decay": 0.0,
        "steps": 2_000, "checkpoint_every": 100, "metrics_every": 20, "loss_dtype": "float32",
    }  # fmt: skip
    return training("a + b", 0.5, seed=seed, **{**fields, **more})


OURS = "Ours, not theirs: a one-layer transformer on a + b mod 31, 60 % of the table, rate .003, seeds 0 to 2, float32."
PLAIN = [small(seed) for seed in SEEDS]
DECAYED = [small(seed, weight_decay=2.0) for seed in SEEDS]


def _ends(runs: tuple[Run, ...]) -> dict[str, float]:
    return dict(zip(seeds(runs), (end_of(run, "test_accuracy_unswapped") for run in runs), strict=True))


def _against_plain(runs: tuple[Run, ...]) -> Values:
    """Seeds trained in the way of the claim, then the same with plain cross-entropy."""
    own, plain = _ends(runs[: len(SEEDS)]), _ends(runs[len(SEEDS) :])
    return {
        "median unseen accuracy": statistics.median(own.values()),
        "gain over cross-entropy": statistics.median(own.values()) - statistics.median(plain.values()),
        "unseen accuracy": own,
        "unseen accuracy, cross-entropy": plain,
    }


@claim(
    "prieto-stablemax",
    f"{PRIETO}, StableMax",
    "Without weight decay a network groks with StableMax in the place of softmax, and with softmax it does not.",
    {"median unseen accuracy": at_least(0.95), "gain over cross-entropy": at_least(0.5)},
    recipe=f"{OURS} No weight decay, 2,000 steps.",
    measured="accuracy on rows whose swap is unseen too at the end, the median over seeds, and minus that with softmax",
    trainings=[*(small(seed, loss="stablemax") for seed in SEEDS), *PLAIN],
)
def stablemax(*runs: Run) -> Values:
    return _against_plain(runs)


@claim(
    "prieto-perpendicular",
    f"{PRIETO}, perpendicular gradient",
    "Without weight decay a network groks once the gradient along its own weights is taken out.",
    {"median unseen accuracy": at_least(0.95), "gain over cross-entropy": at_least(0.5)},
    recipe=f"{OURS} No weight decay, 2,000 steps.",
    measured="as for StableMax",
    trainings=[*(small(seed, perpendicular_gradient=True) for seed in SEEDS), *PLAIN],
)
def perpendicular(*runs: Run) -> Values:
    return _against_plain(runs)


@claim(
    "prieto-collapse",
    f"{PRIETO}, softmax collapse",
    "Where a network without weight decay stops at its training rows, most have a loss of exactly 0 in float32.",
    {"median zero-loss share": at_least(0.5)},
    recipe=f"{OURS} No weight decay, 2,000 steps.",
    measured="the share of training rows whose float32 cross-entropy is exactly 0 at the end, the median over seeds; "
    "beside it weight norm and scale of logits",
    trainings=PLAIN,
    by_heart=True,
)
def collapse(*runs: Run) -> Values:
    ends = [last(run, "softmax_collapse") for run in runs]
    of = lambda name: dict(zip(seeds(runs), (float(end[name]) for end in ends), strict=True))
    return {
        "median zero-loss share": statistics.median(of("zero_loss_share_float32").values()),
        "zero-loss share, float64": of("zero_loss_share_float64"),
        "logit scale": of("logit_scale"),
        "weight norm": of("weight_norm"),
    }


def _falls_after(run: Run) -> bool:
    """Whether test accuracy falls below 90 % once it has reached 99 %."""
    _, values = recorded(run, "test_accuracy")
    reached = (values >= 0.99).argmax() if (values >= 0.99).any() else len(values)
    return bool((values[reached:] < 0.9).any())


@claim(
    "muon-sooner",
    "Na00s 2026, Muon",
    "With Muon on the matrices between the embeddings a network groks in fewer steps than with AdamW.",
    {"steps to 99 %, over AdamW's": at_most(0.8)},
    recipe=f"{OURS} Weight decay 2, 2,000 steps; the same rate, Muon's update scaled to the size of AdamW's.",
    measured="first step with 99 % test accuracy, the median over seeds, over that with AdamW; beside it the share of "
    "seeds whose test accuracy falls below 90 % after that, which is said of Muon",
    trainings=[*(small(seed, weight_decay=2.0, optimiser="muon") for seed in SEEDS), *DECAYED],
)
def muon(*runs: Run) -> Values:
    own, plain = runs[: len(SEEDS)], runs[len(SEEDS) :]
    # A seed that never gets there counts as later than any.
    steps = lambda of: [
        step if not math.isnan(step := first_reaching(run, "test_accuracy", 0.99)) else math.inf for run in of
    ]
    return {
        "steps to 99 %, over AdamW's": statistics.median(steps(own)) / statistics.median(steps(plain)),
        "collapsed seeds, Muon": sum(map(_falls_after, own)) / len(own),
        "collapsed seeds, AdamW": sum(map(_falls_after, plain)) / len(plain),
    }


RISE = 10.0
"""How many times its median over the first five checkpoints the defect has to be, to count as risen."""


def _lead(run: Run) -> float:
    """Steps from the defect's rise to 90 % test accuracy; NaN where either never comes."""
    over = trace(run, "commutator_defect")
    defect = over.commutator_defect.values
    risen = defect >= RISE * statistics.median(defect[:5])
    start = float(over.step.values[risen.argmax()]) if risen.any() else math.nan
    return first_reaching(run, "test_accuracy", 0.9) - start


@claim(
    "commutator-leads",
    f"{PATH}, commutator defect",
    "Before a run groks, the commutator defect rises tenfold.",
    {"least lead": at_least(1.0)},
    recipe=f"{OURS} Weight decay 2, 2,000 steps. Their lead is 600 to 1,600 steps of about 3,000, in 12 of 12 runs.",
    measured="steps from the first checkpoint whose defect is ten times its median over the first five, to 90 % test "
    "accuracy, the least over seeds",
    trainings=DECAYED,
)
def leads(*runs: Run) -> Values:
    each = dict(zip(seeds(runs), map(_lead, runs), strict=True))
    return {"least lead": min(each.values(), key=lambda lead: -math.inf if math.isnan(lead) else lead), "lead": each}


@claim(
    "trajectory-one-direction",
    f"{PATH}, PCA of attention weights",
    "Attention weights move mainly along one direction: the first component has 70 to 94 % of their path's variance.",
    {"share of the first component": Target(0.7, 0.94, "70 % to 94 %")},
    recipe=f"{OURS} Weight decay 2, 2,000 steps, a checkpoint every 100.",
    measured="the share of the first principal component of the attention weights over checkpoints; a random walk has "
    "61 % in it",
    trainings=DECAYED,
)
def one_direction(*runs: Run) -> Values:
    from grokinterp.circuits.trajectory import Trajectory
    from grokinterp.measuring import measure

    shares = [measure(run, [Trajectory(pattern="attn")], progress=False).attrs["trajectory_pc1_share"] for run in runs]
    return {"share of the first component": dict(zip(seeds(runs), shares, strict=True))}


def _held(multiple: float) -> Training:
    return small(0, norm_multiple=multiple, steps=20_000, stop_after_grokking=100, checkpoint_every=0)


HELD = (0.4, 0.5, 0.6)


@claim(
    "held-norm-delays",
    "ClevixLab 2026, delay law",
    "The larger the weight norm is held, the later the network groks, exponentially.",
    {"steps, over those one norm below": at_least(1.5)},
    recipe=f"{OURS} Seed 0 alone, no weight decay, the norm held at .4, .5 and .6 of the initial one, 20,000 steps at "
    "most. Theirs is an MLP on a + b mod 59 and multiples of the norm at which it grokked freely.",
    measured="steps to 99 % test accuracy, over those at the next smaller norm; beside them the scale of logits at the "
    "end, which holding the norm moves too",
    trainings=[_held(multiple) for multiple in HELD],
)
def held(*runs: Run) -> Values:
    steps = [first_reaching(run, "test_accuracy", 0.99) for run in runs]
    names = [f"norm {multiple}" for multiple in HELD]
    return {
        "steps, over those one norm below": dict(
            zip(names[1:], (later / sooner for sooner, later in pairwise(steps)), strict=True)
        ),
        "steps": dict(zip(names, steps, strict=True)),
        "logit scale": dict(
            zip(names, (float(last(run, "softmax_collapse").logit_scale) for run in runs), strict=True)
        ),
    }
