"""Division without a modulus: what the explorers' notes say of a transformer, and the remedy that they name, neural
arithmetic logic units (Trask et al. 2018, arXiv 1808.00508).
"""

from grokinterp.reproduction.claim import Values, claim
from grokinterp.reproduction.needed_run import Training, training
from grokinterp.reproduction.reading import end_of, last, recorded
from grokinterp.reproduction.target import at_least, at_most
from grokinterp.runs.run import Run

NOTES = "Exploration notes, plain division"
TRAINED = (
    "Integer quotients of the 1,600 pairs of numbers from 1 to 40 as classes (our choice), the mainline's one-layer "
    "transformer, 4,000 steps, seed 0. Three settings: half the pairs, 30 % of them, and the pairs up to 20."
)


def _transformer(frac: float, seed: int = 0, **fields: object) -> Training:
    return training("division", 3, "division", seed=seed, frac=frac, steps=4_000, **fields)


def _of_small(seed: int = 0, **fields: object) -> Training:
    return _transformer(0.25, seed, split="extrapolate", **fields)


HALF, THIRD, SMALL = _transformer(0.5), _transformer(0.3), _of_small()
LARGER = {"seed 0": SMALL, "seed 1": _of_small(1), "a tenth of the decay": _of_small(weight_decay=0.1)}
NALU = training("division", 1, "nalu", seed=0, form="numbers")


def _setting(run: Run) -> str:
    extrapolates = run.config.split.split == "extrapolate"
    return "numbers up to 20" if extrapolates else f"{run.config.split.frac:.0%} of the pairs"


def _commonest(run: Run) -> float:
    """The share of the commonest answer among the rows that are not trained on."""
    assert run.task.is_train is not None
    labels = run.task.labels[~run.task.is_train]
    return labels.bincount().max().item() / len(labels)


@claim(
    "division-transformer",
    NOTES,
    "A one-layer transformer memorises integer quotients and does not generalise to all others.",
    {"train accuracy": at_least(0.999), "largest test accuracy": at_most(0.95)},
    recipe=f"{TRAINED} The line between generalising and not, 95 %, is ours; the share of the commonest answer among "
    "the test rows stands beside it.",
    measured="last train accuracy, and largest recorded test accuracy",
    trainings=[HALF, THIRD, SMALL],
    minutes=0.1,
    negative=True,
)
def transformer(*runs: Run) -> Values:
    return {
        "train accuracy": {_setting(run): end_of(run, "train_accuracy") for run in runs},
        "largest test accuracy": {_setting(run): float(recorded(run, "test_accuracy")[1].max()) for run in runs},
        "commonest answer": {_setting(run): _commonest(run) for run in runs},
    }


@claim(
    "division-transformer-larger",
    NOTES,
    "Trained on small numbers, the transformer answers larger ones no better than the commonest answer does.",
    {"train accuracy": at_least(0.999), "over the commonest answer": at_most(0.0)},
    recipe="Integer quotients: trained on the 400 pairs of numbers up to 20, tested on the others up to 40; 4,000 "
    "steps. Three settings: two seeds, and a tenth of the weight decay.",
    measured="last train accuracy, and last test accuracy less the share of the commonest answer among the test rows",
    trainings=tuple(LARGER.values()),
    minutes=0.1,
    negative=True,
)
def transformer_larger(*runs: Run) -> Values:
    named = dict(zip(LARGER, runs, strict=True))
    accuracies = {name: end_of(run, "test_accuracy") for name, run in named.items()}
    return {
        "train accuracy": {name: end_of(run, "train_accuracy") for name, run in named.items()},
        "over the commonest answer": {name: accuracies[name] - _commonest(run) for name, run in named.items()},
        "accuracy": accuracies,
        "commonest answer": _commonest(runs[0]),
    }


@claim(
    "division-nalu",
    "Trask et al. 2018, table 1 (static tasks, a / b)",
    "A neural arithmetic logic unit learns division from small numbers and extrapolates to far larger ones.",
    {"error on larger numbers": at_most(0.01), "error a thousand times beyond": at_most(0.05)},
    recipe="One NALU cell, trained on a / b of the 400 pairs of numbers up to 20, tested on the others up to 40 and on "
    "1,000 pairs of numbers up to 40,000; Adam, 5,000 steps, seed 0. Their table gives no relative error: both "
    "tolerances are ours.",
    measured="mean of |answer - a/b| / (a/b)",
    trainings=[NALU],
    minutes=0.1,
)
def nalu(run: Run) -> Values:
    errors = last(run, "extrapolation")
    return {
        "error on larger numbers": errors.relative_error_test.item(),
        "error a thousand times beyond": errors.relative_error_beyond.sel(reach=1000).item(),
        "error on the rows trained on": errors.relative_error_train.item(),
    }


@claim(
    "division-nalu-cell",
    "Trask et al. 2018, equations 1 and 2",
    "The unit has found division: weights 1 and -1 behind a closed gate.",
    {"largest deviation of the weights": at_most(0.05), "gate": at_most(0.05)},
    recipe="The run of the claim before it.",
    measured="|W - (1, -1)| of W = tanh(W_hat) sigmoid(M_hat), and the mean gate",
    trainings=[NALU],
    minutes=0.1,
)
def nalu_cell(run: Run) -> Values:
    cells = last(run, "cells")
    weights = cells.cell_weight.values[:, 0]
    return {
        "largest deviation of the weights": float(max(abs(weights[0] - 1), abs(weights[1] + 1))),
        "gate": float(cells.cell_gate.values[0]),
        "weights": ", ".join(f"{weight:.4f}" for weight in weights),
    }
