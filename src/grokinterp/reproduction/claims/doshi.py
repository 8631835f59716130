"""Doshi et al. 2023 (arXiv 2310.13061): to grok or not to grok, where some of the labels trained on are wrong."""

from collections.abc import Mapping
from typing import Any

from grokinterp.reproduction.claim import Claim, Values, claim
from grokinterp.reproduction.needed_run import Training, training
from grokinterp.reproduction.reading import end_of, last, recorded
from grokinterp.reproduction.target import Target, at_least, at_most, near
from grokinterp.runs.run import Run

PAPER = "Doshi et al. 2023"
WITHIN = 0.03
"""Of their accuracies, whose wrong rows are other ones than ours."""


def _corrupted(decay: float, steps: int, minutes: float, **more: Any) -> Training:
    fields = {"weight_decay": decay, "steps": steps, "metrics_every": 50, "checkpoint_every": 0, **more}
    return training("a + b", minutes, "doshi", p=97, seed=0, **fields)


RECIPE = (
    "Their network and optimiser (preset doshi, p = 97, half of the rows), weight decay {decay}, {steps:,} steps, 35 % "
    "of the training rows with a wrong label; theirs are drawn from all answers, so that one in 97 is right by chance."
)
COEXISTENCE = _corrupted(0.0, 1_000, 2)
PARTIAL = _corrupted(5.0, 500, 1)
FULL = _corrupted(15.0, 500, 1)
FORGETTING = _corrupted(20.0, 5_000, 8)


def _accuracies(run: Run) -> dict[str, float]:
    names = {"train accuracy": "train_accuracy", "test accuracy": "test_accuracy"}
    beside = {f"{part} rows": f"train_accuracy_{part}" for part in ("clean", "corrupted", "corrected")}
    return {name: end_of(run, curve) for name, curve in {**names, **beside}.items()}


@claim(
    "doshi-clean",
    f"{PAPER}, phase diagrams",
    "Without corrupted labels the network has learnt every row within 100 steps.",
    {"train accuracy": at_least(0.99), "test accuracy": at_least(0.99)},
    recipe="Their network and optimiser (preset doshi, p = 97, half of the rows), weight decay 5, 100 steps.",
    measured="accuracy on the rows trained on, and on all others",
    trainings=[_corrupted(5.0, 100, 0.5, corrupt=0.0)],
)
def clean(run: Run) -> Values:
    return {"train accuracy": end_of(run, "train_accuracy"), "test accuracy": end_of(run, "test_accuracy")}


def _regime(
    id: str, statement: str, targets: Mapping[str, Target], run: Training, measured: str = "as for the coexistence"
) -> Claim:
    config = run.config()
    recipe = RECIPE.format(decay=f"{config.optimiser.weight_decay:g}", steps=config.schedule.steps)
    of = claim(id, f"{PAPER}, phase diagrams", statement, targets, recipe=recipe, measured=measured, trainings=[run])
    return of(_accuracies)


COEXISTS = _regime(
    "doshi-coexistence",
    "Without weight decay the wrong labels are remembered and the rule is known: memory and generalisation coexist.",
    {"train accuracy": near(0.978, WITHIN), "test accuracy": near(0.983, WITHIN)},
    COEXISTENCE,
    "accuracy by the labels trained on, wrong ones included, and on unseen rows; beside them clean rows, "
    "corrupted ones by the label that they were taught and by their answer",
)
PARTLY_INVERTS = _regime(
    "doshi-partial-inversion",
    "With weight decay 5 the network answers a part of the corrupted training rows rightly, against their labels.",
    {"train accuracy": near(0.786, WITHIN), "test accuracy": near(1.0, WITHIN)},
    PARTIAL,
)
INVERTS = _regime(
    "doshi-full-inversion",
    "With weight decay 15 every corrupted label is refused: the network answers those training rows rightly.",
    {"train accuracy": near(0.654, WITHIN), "test accuracy": near(1.0, WITHIN), "corrected rows": at_least(0.99)},
    FULL,
)


@claim(
    "doshi-forgetting",
    f"{PAPER}, phase diagrams",
    "With weight decay 20 the network ends up knowing nothing: its weights have decayed.",
    {
        "train accuracy": near(0.009, WITHIN),
        "test accuracy": near(0.011, WITHIN),
        "squared weight norm, over the initial one": at_most(0.01),
    },
    recipe=RECIPE.format(decay=20, steps=5_000),
    measured="as for the coexistence, and the sum of squared weights at the end, over that of the initial ones",
    trainings=[FORGETTING],
)
def forgetting(run: Run) -> Values:
    norms = recorded(run, "weight_norm_squared")[1]
    return {**_accuracies(run), "squared weight norm, over the initial one": norms[-1] / norms[0]}


@claim(
    "doshi-pruning",
    f"{PAPER}, pruning by inverse participation ratio",
    "Pruning the neurons of many waves takes the memory of wrong labels away and leaves the rule; pruning those of one "
    "wave does the reverse.",
    {"rule minus memory, lowest pruned": at_least(0.8), "memory minus rule, highest pruned": at_least(0.8)},
    recipe=RECIPE.format(decay=0, steps=1_000) + " Half of the neurons are pruned, in the order of their ratio.",
    measured="accuracy on unseen rows minus that on corrupted rows by the labels they were taught, the half with the "
    "lowest ratios at zero; the negative of it, the half with the highest at zero; both with a random half",
    trainings=[COEXISTENCE],
)
def pruning(run: Run) -> Values:
    half = last(run, "ipr_pruning").sel(kept=0.5)
    gap = half.pruned_accuracy_test - half.pruned_accuracy_corrupted
    return {
        "rule minus memory, lowest pruned": float(gap.sel(order="lowest first")),
        "memory minus rule, highest pruned": -float(gap.sel(order="highest first")),
        "rule minus memory, random": float(gap.sel(order="random")),
    }
