"""Omnigrok (Liu et al. 2023, arXiv 2210.01117) and Grokfast (Lee et al. 2024, arXiv 2405.20233): ways to train."""

from typing import Any

from grokinterp.reproduction.claim import Values, claim
from grokinterp.reproduction.claims.nanda import MAIN
from grokinterp.reproduction.needed_run import Training, training
from grokinterp.reproduction.reading import end_of, first_reaching
from grokinterp.reproduction.target import at_least, at_most
from grokinterp.runs.run import Run

_CURVES: dict[str, Any] = {"metrics_every": 10, "checkpoint_every": 0}
FIXED = training(
    "a + b", 12, p=113, frac=0.3, seed=0, steps=10_000, stop_after_grokking=500, init_scale=0.8, weight_decay=0.0,
    fixed_norm=True, **_CURVES,
)  # fmt: skip


@claim(
    "omnigrok-fixed-norm",
    "Liu et al. 2023 (Omnigrok), modular addition",
    "With the weight norm held at 0.8 of its initial value and no weight decay there is no grokking: test accuracy "
    "follows training accuracy at once.",
    {"test accuracy": at_least(0.99), "steps to 99 %, over the mainline's": at_most(0.5)},
    recipe="Nanda et al.'s recipe at p = 113 and 30 %, initial weights times 0.8, rescaled to their norm after every "
    "step, weight decay 0; the mainline with weight decay 1 beside it.",
    measured="last test accuracy, and first steps with 99 % test accuracy",
    trainings=[FIXED, MAIN],
)
def fixed_norm(run: Run, main: Run) -> Values:
    steps = {name: first_reaching(each, "test_accuracy", 0.99) for name, each in (("fixed", run), ("main", main))}
    return {
        "test accuracy": end_of(run, "test_accuracy"),
        "steps to 99 %, over the mainline's": steps["fixed"] / steps["main"],
        "memorised at": first_reaching(run, "train_accuracy", 0.99),
        "understood at": steps["fixed"],
    }


def _multiplication(decay: float, filter: str) -> Training:
    minutes = {1.0: 3, 0.1: 20}[decay]
    fields = {"grokfast": filter} if filter != "none" else {}
    return training(
        "a * b", minutes, "furuta", p=97, frac=0.5, seed=0, steps=20_000, stop_after_grokking=200,
        weight_decay=decay, **fields, **_CURVES,
    )  # fmt: skip


SETTING = (
    "a * b mod 97, half the table, Furuta et al.'s one-layer transformer where theirs has two layers with LayerNorm; "
    "EMA of 0.98, gain 2. Their 43.8 compares runs of different weight decay; here it is the same, {decay}, on both."
)


def _speed(plain: Run, fast: Run) -> Values:
    steps = {name: first_reaching(run, "test_accuracy", 0.95) for name, run in (("plain", plain), ("fast", fast))}
    return {
        "speed-up": steps["plain"] / steps["fast"],
        "steps, plain": steps["plain"],
        "steps, Grokfast": steps["fast"],
    }


@claim(
    "grokfast-decay-1",
    "Lee et al. 2024 (Grokfast), table of modular multiplication",
    "Grokfast shortens the way to 95 % test accuracy, also at equal weight decay (1).",
    {"speed-up": at_least(1.5)},
    recipe=SETTING.format(decay=1),
    measured="steps to 95 % test accuracy without Grokfast, over those with it",
    trainings=[_multiplication(1.0, "none"), _multiplication(1.0, "ema")],
)
def grokfast(plain: Run, fast: Run) -> Values:
    return _speed(plain, fast)


@claim(
    "grokfast-decay-tenth",
    "Lee et al. 2024 (Grokfast), table of modular multiplication",
    "Grokfast shortens the way to 95 % test accuracy, also at equal weight decay (0.1).",
    {"speed-up": at_least(1.5)},
    recipe=SETTING.format(decay=0.1),
    measured="steps to 95 % test accuracy without Grokfast, over those with it",
    trainings=[_multiplication(0.1, "none"), _multiplication(0.1, "ema")],
)
def grokfast_tenth(plain: Run, fast: Run) -> Values:
    return _speed(plain, fast)
