"""Nanda et al. 2023, "Progress measures for grokking via mechanistic interpretability" (arXiv 2301.05217).

Numbers marked as read off a figure come from the vector graphics of the authors' repository, to a few percent.
"""

import math

import numpy as np
import xarray as xr

from grokinterp.analysis.cycles import Wave
from grokinterp.analysis.periodicity import Periodicity
from grokinterp.reproduction.claim import Values, claim
from grokinterp.reproduction.needed_run import Training, training
from grokinterp.reproduction.reading import (
    final,
    first,
    first_below,
    first_reaching,
    last,
    peak,
    seeds,
    trace,
)
from grokinterp.reproduction.target import at_least, at_most, factor, near, share_of
from grokinterp.runs.run import Run

PAPER = "Nanda et al. 2023"
OURS = (
    "Their task, model, optimiser and split, and their initial weights: drawn in their order, the seed gives the same "
    "numbers. Rounding differs from the first step on."
)


def mainline(seed: int) -> Training:
    """30 % of a + b mod 113; seed 0 as long as the figures, the others until cleanup has ended."""
    steps = 40_000 if seed == 0 else 16_000
    return training("a + b", 50 if seed == 0 else 20, p=113, frac=0.3, seed=seed, steps=steps)


MAIN = mainline(0)
THREE = [mainline(seed) for seed in (0, 1, 2)]
MOST = training("a + b", 2, p=113, frac=0.95, seed=0, steps=600, metrics_every=5)
MOST_AGAIN = training("a + b", 1, p=113, frac=0.95, seed=1, steps=300, metrics_every=5)

EVERY = 200
"""Steps between the checkpoints that the phases are read off."""


def progress(run: Run) -> xr.Dataset:
    """Losses and progress measures over time."""
    return trace(run, "progress", "loss", every=EVERY)


@claim(
    "nanda-phases",
    f"{PAPER}, section 5 and figure 7",
    "Training passes through memorisation, circuit formation and cleanup, ending near steps 1,400, 9,400 and 14,000.",
    {
        "memorisation ends": factor(1_400, 1.5),
        "circuit formation ends": factor(9_400, 1.5),
        "cleanup ends": factor(14_000, 1.5),
    },
    recipe=f"{OURS} The borders are found by rule, where the paper draws them by eye.",
    measured="borders by the rule of the circuit `progress`, on every second checkpoint",
    trainings=[MAIN],
    minutes=4,
)
def phases(run: Run) -> Values:
    attributes = progress(run).attrs
    names = {"memorisation ends": "memorisation_end", "circuit formation ends": "circuit_formation_end"}
    return {name: attributes.get(key, math.nan) for name, key in {**names, "cleanup ends": "cleanup_end"}.items()}


@claim(
    "nanda-test-peak",
    f"{PAPER}, figure 2 (read off)",
    "The test loss peaks at 25.8 near step 1,340, long after the training set is memorised.",
    {"peak of the test loss": factor(25.8, 1.5), "its step": factor(1_340, 1.5)},
    recipe=OURS,
    measured="the largest recorded test loss, every 100 steps",
    trainings=[MAIN],
)
def test_peak(run: Run) -> Values:
    value, step = peak(run, "test_loss")
    return {"peak of the test loss": value, "its step": step}


@claim(
    "nanda-grokking-step",
    f"{PAPER}, figure 2 (read off)",
    "Test accuracy passes 98.5 % near step 10,500, some ten thousand steps after training accuracy reaches 100 %.",
    {"test accuracy above 98.5 %": factor(10_500, 1.5), "times later than memorised": at_least(10)},
    recipe=OURS,
    measured="first recorded steps",
    trainings=[MAIN],
)
def grokking_step(run: Run) -> Values:
    grokked, memorised = first_reaching(run, "test_accuracy", 0.985), first_reaching(run, "train_accuracy", 1.0)
    return {"test accuracy above 98.5 %": grokked, "times later than memorised": grokked / memorised}


@claim(
    "nanda-key-frequencies",
    f"{PAPER}, section 4.1",
    "The model uses five key frequencies.",
    {"key frequencies": near(5, 1)},
    recipe=f"{OURS} The five are of their seed; other draws may use one more or fewer.",
    measured="frequencies on which neurons, logits and embedding agree (`KeyFrequencies`), at the end",
    trainings=THREE,
)
def key_frequencies(*runs: Run) -> Values:
    keys = {name: key_of(run) for name, run in zip(seeds(runs), runs, strict=True)}
    return {
        "key frequencies": {name: len(key) for name, key in keys.items()},
        "which": {name: " ".join(map(str, key)) for name, key in keys.items()},
    }


def key_of(run: Run) -> list[int]:
    """The key frequencies at the end."""
    at_end = last(run, "progress")
    return at_end.k.values[at_end.is_key.values].tolist()


@claim(
    "nanda-neurons",
    f"{PAPER}, section 4.3",
    "84.6 % of the neurons (433 of 512) are explained by one frequency to more than 85 % of their variance.",
    {"share of neurons": near(0.846, 0.1)},
    recipe=OURS,
    measured="share of MLP neurons with FVE above 0.85 by the best single frequency, at the end",
    trainings=THREE,
)
def neurons(*runs: Run) -> Values:
    shares = [float((last(run, "neurons").neuron_fve.values > 0.85).mean()) for run in runs]
    return {"share of neurons": dict(zip(seeds(runs), shares, strict=True)), "mean": float(np.mean(shares))}


@claim(
    "nanda-logits",
    f"{PAPER}, section 4.2",
    "The five waves cos(w(a + b - c)) of the key frequencies explain about 95 % of the logits' variance.",
    {"share explained": near(0.95, 0.05)},
    recipe=OURS,
    measured="centred share of the logits' variance in those waves, at the end",
    trainings=THREE,
)
def logits(*runs: Run) -> Values:
    return {"share explained": {name: key_share(run) for name, run in zip(seeds(runs), runs, strict=True)}}


def key_share(run: Run) -> float:
    """Their centred share of the logits' variance at the end."""
    snapshot, wave = final(run), Wave.of(run.task)
    assert wave is not None
    return float(Periodicity.of(snapshot.logits, wave).share[[k - 1 for k in key_of(run)]].sum())


@claim(
    "nanda-restricted",
    f"{PAPER}, section 4.4",
    "Keeping the key frequencies alone improves on the whole model: the restricted loss is below the test loss.",
    {"restricted loss over test loss": at_most(1)},
    recipe=f"{OURS} Figures: 5.5e-8 against 3.1e-7 at epoch 39,000.",
    measured="restricted loss and full loss on test rows, at the end",
    trainings=THREE,
)
def restricted(*runs: Run) -> Values:
    ends = {name: last(run, "progress", "loss") for name, run in zip(seeds(runs), runs, strict=True)}
    ratio = lambda end: float(end.restricted_test_loss / end.test_loss)
    return {"restricted loss over test loss": {name: ratio(end) for name, end in ends.items()}}


@claim(
    "nanda-excluded",
    f"{PAPER}, section 5.1 and figure 7",
    "The excluded loss rises before the test loss falls: the circuit forms while nothing shows on the test rows.",
    {
        "excluded loss above 1 (share of the steps to grokking)": at_most(0.75),
        "test loss then, over its peak": at_least(0.5),
    },
    recipe=f"{OURS} Figures: excluded above 1 at epoch 4,000 while the test loss is 22.5 of 25.8; it falls below 1 "
    "near 9,900.",
    measured="excluded loss of all frequencies (their `full` curve) over every second checkpoint",
    trainings=[MAIN],
    minutes=4,
)
def excluded(run: Run) -> Values:
    over = progress(run)
    curve, steps = over.excluded_loss_full.values, over.step.values
    start = int(curve[steps <= 3_000].argmin())
    risen = first(steps[start:], curve[start:] > 1)
    fallen = first_below(run, "test_loss", 1.0, after_peak=True)
    then = float(over.test_loss.sel(step=risen)) if not math.isnan(risen) else math.nan
    return {
        "excluded loss above 1 (share of the steps to grokking)": risen / fallen,
        "test loss then, over its peak": then / peak(run, "test_loss")[0],
        "step of the rise": risen,
        "step of the fall": fallen,
    }


@claim(
    "nanda-excluded-end",
    f"{PAPER}, figure 7 (read off)",
    "At the end the training rows cannot be answered without the key frequencies: excluded loss 5.98, accuracy 0.016.",
    {"excluded loss": factor(5.98, 1.5), "excluded accuracy": at_most(0.1)},
    recipe=f"{OURS} Their figure removes all frequencies; ours the key ones.",
    measured="excluded loss and accuracy on training rows, at the end",
    trainings=[MAIN],
)
def excluded_end(run: Run) -> Values:
    end = last(run, "progress")
    return {"excluded loss": end.excluded_loss.item(), "excluded accuracy": end.excluded_accuracy.item()}


@claim(
    "nanda-weight-norm",
    f"{PAPER}, figure 7 (read off)",
    "The sum of squared weights falls in cleanup, from 2,000 to 995.",
    {"before cleanup": share_of(2_000, 0.3), "after cleanup": share_of(995, 0.2), "after over before": at_most(0.7)},
    recipe=OURS,
    measured="sum of squared weights at the two borders of cleanup, found by rule",
    trainings=[MAIN],
    minutes=4,
)
def weight_norm(run: Run) -> Values:
    over = progress(run)
    steps = [over.attrs.get(name) for name in ("circuit_formation_end", "cleanup_end")]
    before, after = (over.weight_norm_squared.sel(step=step).item() if step else math.nan for step in steps)
    return {"before cleanup": before, "after cleanup": after, "after over before": after / before}


PARTS = {
    "W_E": 165,
    "W_V": 148,
    "W_O": 148,
    "W_in": 155,
    "W_out": 156,
    "W_U": 151,
    "W_K": 13,
    "W_Q": 13.2,
    "W_pos": 7.7,
}


@claim(
    "nanda-weight-norm-end",
    f"{PAPER}, figure of the sums of squared weights by parameter (read off)",
    "At the end the weights' squares sum to 955, about 150 in each large matrix and 13 in keys and queries.",
    {"total": share_of(955, 0.15), **{name: share_of(value, 0.4) for name, value in PARTS.items()}},
    recipe=OURS,
    measured="sums of squares of every parameter at step 40,000",
    trainings=[MAIN],
)
def weight_norm_end(run: Run) -> Values:
    end = last(run, "loss")
    by_parameter = end.weight_norm_squared_by_parameter
    values = {str(name).rsplit(".", 1)[-1]: by_parameter.sel(parameter=name).item() for name in end.parameter.values}
    return {"total": end.weight_norm_squared.item(), **{name: values[name] for name in PARTS}}


@claim(
    "nanda-sparsity",
    f"{PAPER}, section 5.1",
    "The Fourier norms of the embedding and of the neuron-logit map become sparse: their Gini indices rise.",
    {"rise of W_E": at_least(0.2), "rise of W_L": at_least(0.2)},
    recipe=OURS,
    measured="Gini index of the Fourier norms at the end less at the start",
    trainings=THREE,
)
def sparsity(*runs: Run) -> Values:
    ends = {name: trace(run, "spectrum", steps=[0, run.steps[-1]]).gini for name, run in
            zip(seeds(runs), runs, strict=True)}  # fmt: skip
    rise = lambda gini, matrix: float(gini.sel(matrix=matrix)[-1] - gini.sel(matrix=matrix)[0])
    return {f"rise of {matrix}": {name: rise(gini, matrix) for name, gini in ends.items()} for matrix in ("W_E", "W_L")}


@claim(
    "nanda-95",
    f"{PAPER}, appendix (95 % of the table)",
    "With 95 % of the table there is no grokking: train and test loss show the same phase change, at the same time.",
    {"test below 0.1 over train below 0.1 (steps)": near(1, 0.3), "train below 0.1": factor(150, 2)},
    recipe=f"{OURS} Two seeds.",
    measured="first recorded steps, every 5; his curves pass 0.1 at 150 and 157",
    trainings=[MOST, MOST_AGAIN],
)
def ninety_five(*runs: Run) -> Values:
    train, test = (
        {name: first_below(run, curve, 0.1) for name, run in zip(seeds(runs), runs, strict=True)}
        for curve in ("train_loss", "test_loss")
    )
    return {
        "test below 0.1 over train below 0.1 (steps)": {name: test[name] / train[name] for name in train},
        "train below 0.1": train,
    }
