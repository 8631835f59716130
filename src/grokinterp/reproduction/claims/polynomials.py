"""Doshi, He, Das and Gromov 2024 (arXiv 2406.03495): which modular polynomials squaring neurons learn."""

from typing import Any

from grokinterp.reproduction.claim import Values, claim
from grokinterp.reproduction.needed_run import Training, training
from grokinterp.reproduction.reading import end_of, last
from grokinterp.reproduction.target import at_least, at_most
from grokinterp.runs.run import Run

PAPER = "Doshi et al. 2024 (arXiv 2406.03495)"


def _run(task: str, **more: Any) -> Training:
    fields = {"weight_decay": 5.0, "steps": 500, "metrics_every": 50, "checkpoint_every": 0, "frac": 0.5, **more}
    return training(task, 0.4, "doshi", p=59, seed=0, corrupt=0.0, **fields)


RECIPE = (
    "Preset doshi without corrupted labels at p = 59: half of the rows, 500 squaring neurons, squared error, AdamW at "
    ".01 with decay {decay}, 500 steps, seed 0; the source's p and decay are other ones."
)
PRODUCT = _run("a * b")
DECAYS = (0.5, 2.0, 5.0)


@claim(
    "product-learnt",
    f"{PAPER}, modular multiplication",
    "A network of squaring neurons groks multiplication.",
    {"test accuracy": at_least(0.95), "train accuracy": at_least(0.99)},
    recipe=RECIPE.format(decay=5) + " Rows with a zero are among them, which the logarithm does not cover.",
    measured="accuracy at the end",
    trainings=[PRODUCT],
)
def product(run: Run) -> Values:
    return {"test accuracy": end_of(run, "test_accuracy"), "train accuracy": end_of(run, "train_accuracy")}


@claim(
    "product-waves-of-logarithms",
    f"{PAPER}, modular multiplication",
    "Its neurons ride on one wave each of the operands' discrete logarithms, and their phases add up.",
    {"median R2": at_least(0.9), "median phase sum": at_most(0.2)},
    recipe=RECIPE.format(decay=5),
    measured="as for gromov-phases, on the cycle of discrete logarithms",
    trainings=[PRODUCT],
)
def waves(run: Run) -> Values:
    end = last(run, "geometry")
    return {"median R2": end.simple_neuron_r2_median.item(), "median phase sum": end.phase_sum_median.item()}


@claim(
    "polynomial-of-a-sum-learnt",
    f"{PAPER}, classification of polynomials",
    "A polynomial that is a sum of one of a and one of b is learnt: a^2 + b^2.",
    {"test accuracy": at_least(0.95)},
    recipe=RECIPE.format(decay=5),
    measured="accuracy on unseen rows at the end; beside it on rows whose swap is unseen too",
    trainings=[_run("a ^ 2 + b ^ 2")],
)
def squares(run: Run) -> Values:
    return {
        "test accuracy": end_of(run, "test_accuracy"),
        "train accuracy": end_of(run, "train_accuracy"),
        "test accuracy, unswapped": end_of(run, "test_accuracy_unswapped"),
    }


@claim(
    "polynomial-mixed-not-learnt",
    f"{PAPER}, classification of polynomials",
    "A polynomial that is neither a sum nor a product of one of a and one of b is not: a^3 + a b.",
    {"test accuracy": at_most(0.2), "train accuracy": at_least(0.9)},
    recipe=RECIPE.format(decay="0.5, 2 and 5") + " 70 % of the rows.",
    measured="accuracy on unseen and on training rows at the end, in each of three settings",
    trainings=[_run("a ^ 3 + a * b", weight_decay=decay, frac=0.7) for decay in DECAYS],
    negative=True,
)
def mixed(*runs: Run) -> Values:
    of = lambda curve: {f"decay {run.config.optimiser.weight_decay:g}": end_of(run, curve) for run in runs}
    return {"test accuracy": of("test_accuracy"), "train accuracy": of("train_accuracy")}
