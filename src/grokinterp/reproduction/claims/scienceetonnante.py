"""scienceetonnante/grokking (the code of a video): minimal grokking, an embedding and one hidden layer, mod 53."""

import math
import statistics

from grokinterp.reproduction.claim import Values, claim
from grokinterp.reproduction.needed_run import training
from grokinterp.reproduction.reading import end_of, first_below, first_reaching, last, peak, recorded, seeds
from grokinterp.reproduction.target import at_least, at_most, near, share_of
from grokinterp.runs.run import Run

SOURCE = "scienceetonnante/grokking"
RUNS = [training("a + b", 4, "scienceetonnante", seed=seed, steps=44_000) for seed in (42, 0, 1)]
EPOCH = 22
"""Steps: 1,404 rows in batches of 64."""

OURS = (
    "Their model, optimiser and batches, seed 42 and two more, 2,000 of their 20,000 epochs; torch draws other "
    "weights, splits and batches from the seed than their numpy does."
)


def _epochs(steps: dict[str, float]) -> dict[str, float]:
    return {name: step / EPOCH for name, step in steps.items()}


def _each(runs: tuple[Run, ...], curve: str, threshold: float) -> dict[str, float]:
    return _epochs({name: first_reaching(run, curve, threshold) for name, run in zip(seeds(runs), runs, strict=True)})


@claim(
    "sci-memorised",
    f"{SOURCE}, log",
    "The training rows are memorised by epoch 240.",
    {"epoch": share_of(240, 0.25)},
    recipe=OURS,
    measured="first epoch with training accuracy 100 %, every 5 epochs",
    trainings=RUNS,
)
def memorised(*runs: Run) -> Values:
    return {"epoch": _each(runs, "train_accuracy", 1.0)}


@claim(
    "sci-ninety",
    f"{SOURCE}, log",
    "Test accuracy passes 90 % near epoch 900.",
    {"epoch": share_of(900, 0.25)},
    recipe=OURS,
    measured="first epoch with test accuracy of 90 % or more, every 5 epochs",
    trainings=RUNS,
)
def ninety(*runs: Run) -> Values:
    return {"epoch": _each(runs, "test_accuracy", 0.9)}


@claim(
    "sci-hundred",
    f"{SOURCE}, log",
    "Test accuracy is 100 % near epoch 1,200.",
    {"epoch": share_of(1_200, 0.25)},
    recipe=OURS,
    measured="first epoch with test accuracy 100 %, every 5 epochs",
    trainings=RUNS,
)
def hundred(*runs: Run) -> Values:
    return {"epoch": _each(runs, "test_accuracy", 1.0)}


@claim(
    "sci-plateau",
    f"{SOURCE}, log",
    "Up to epoch 400, long after memorisation, not one test row is answered.",
    {"largest test accuracy up to epoch 400": at_most(0.01)},
    recipe=f"{OURS} Their log rounds to 0.0 %; chance is 1.9 %.",
    measured="largest recorded test accuracy from epoch 20 to 400",
    trainings=RUNS,
)
def plateau(*runs: Run) -> Values:
    measured = {}
    for name, run in zip(seeds(runs), runs, strict=True):
        steps, values = recorded(run, "test_accuracy")
        chosen = values[(steps >= 20 * EPOCH) & (steps <= 400 * EPOCH)]
        measured[name] = float(chosen.max()) if len(chosen) else math.nan
    return {"largest test accuracy up to epoch 400": measured}


@claim(
    "sci-test-peak",
    f"{SOURCE}, log",
    "The test loss peaks at 6.83 near epoch 220.",
    {"peak": share_of(6.83, 0.15), "epoch": share_of(220, 0.25)},
    recipe=OURS,
    measured="the largest recorded test loss and its epoch",
    trainings=RUNS,
)
def test_peak(*runs: Run) -> Values:
    peaks = {name: peak(run, "test_loss") for name, run in zip(seeds(runs), runs, strict=True)}
    return {
        "peak": {name: value for name, (value, _) in peaks.items()},
        "epoch": {name: step / EPOCH for name, (_, step) in peaks.items()},
    }


@claim(
    "sci-stays",
    f"{SOURCE}, log",
    "Once at 100 %, test accuracy never leaves it.",
    {"least test accuracy afterwards": at_least(1.0)},
    recipe=f"{OURS} Their log says so from epoch 3,000 on; ours is read from the first 100 % to epoch 2,000.",
    measured="least recorded test accuracy after the first 100 %",
    trainings=RUNS,
)
def stays(*runs: Run) -> Values:
    measured = {}
    for name, run in zip(seeds(runs), runs, strict=True):
        steps, values = recorded(run, "test_accuracy")
        after = values[steps >= first_reaching(run, "test_accuracy", 1.0)]
        measured[name] = float(after.min()) if len(after) else math.nan
    return {"least test accuracy afterwards": measured}


@claim(
    "sci-test-loss",
    f"{SOURCE}, log",
    "At epoch 2,000 the test loss is 0.0000.",
    {"epoch of a test loss below 0.00005": at_most(2_000)},
    recipe=OURS,
    measured="first epoch with a test loss that rounds to 0.0000",
    trainings=RUNS,
)
def test_loss(*runs: Run) -> Values:
    named = zip(seeds(runs), runs, strict=True)
    epochs = {name: first_below(run, "test_loss", 5e-5, after_peak=True) for name, run in named}
    ends = dict(zip(seeds(runs), (end_of(run, "test_loss") for run in runs), strict=True))
    return {"epoch of a test loss below 0.00005": _epochs(epochs), "test loss at epoch 2,000": ends}


@claim(
    "sci-circles",
    f"{SOURCE}, figure of the embedding's principal components",
    "The embedding's first twelve principal components show six clean circles, each of a frequency of its own.",
    {"circles": near(6, 0), "frequencies": near(6, 0)},
    recipe=OURS,
    measured="pairs of the first twelve components with at least 90 % of their power at one frequency",
    trainings=RUNS,
)
def circles(*runs: Run) -> Values:
    ends = {name: last(run, "circles") for name, run in zip(seeds(runs), runs, strict=True)}
    return {
        "circles": {name: int((end.circle_purity.values >= 0.9).sum()) for name, end in ends.items()},
        "frequencies": {name: len(set(end.circle_frequency.values.tolist())) for name, end in ends.items()},
        "least purity": {name: float(end.circle_purity.values.min()) for name, end in ends.items()},
    }


SHORTER = [training("a + b", 0.7, "scienceetonnante", seed=seed, steps=320 * EPOCH) for seed in range(2, 7)]


@claim(
    "sci-memorised-seeds",
    f"{SOURCE}, log",
    "The training rows are memorised by epoch 240 (second setting: the median of five further seeds).",
    {"median epoch": share_of(240, 0.25)},
    recipe="Their model, optimiser and batches, seeds 2 to 6, 320 epochs; one that is not there by then counts as 320.",
    measured="first epoch with training accuracy 100 %, every 5 epochs",
    trainings=SHORTER,
)
def memorised_seeds(*runs: Run) -> Values:
    epochs = _each(runs, "train_accuracy", 1.0)
    return {
        "median epoch": statistics.median(320.0 if math.isnan(epoch) else epoch for epoch in epochs.values()),
        "epoch": epochs,
    }
