"""Nanda et al. 2023: the runs saved in the authors' repository, read again.

Targets are of an independent reading of the same files, in float64 with a cosine-first Fourier basis.
"""

from pathlib import Path

import numpy as np
from torch import Tensor

from grokinterp import fourier
from grokinterp.circuits.loss import weight_norms_squared
from grokinterp.reproduction.claim import Values, claim
from grokinterp.reproduction.reading import final, last, recorded, saved, wrong_share
from grokinterp.reproduction.target import at_most, near, share_of

DECAY = "nanda/wd_10-1_mod_addition_loss_curve.pth"

WHERE = "Nanda et al. 2023 (saved runs), `wd_10-1_mod_addition_loss_curve`"
KEY = (23, 6, 37, 41, 39)
WEIGHTS = "The file's weights after 107,791 epochs with weight decay 0.1; nothing is trained."
READ = f"{WEIGHTS} The targets are an independent reading of the same weights."


@claim(
    "nanda-saved-losses",
    WHERE,
    "The saved weights have the losses that were recorded beside them: 9.2028e-9 on train, 4.9915e-7 on test.",
    {"train, evaluated over recorded": near(1, 0.005), "test, evaluated over recorded": near(1, 0.005)},
    recipe=f"{WEIGHTS} The losses were recorded one epoch earlier.",
    measured="cross-entropy in float64 over the split rebuilt from seed 1, over the last recorded loss",
    files=[DECAY],
)
def losses(path: Path) -> Values:
    run = saved(path)
    end = last(run, "loss")
    values = {}
    for side in ("train", "test"):
        before = recorded(run, f"{side}_loss")[1][-1]
        values[f"{side}, evaluated over recorded"] = end[f"{side}_loss"].item() / before
        values[f"{side} loss"] = end[f"{side}_loss"].item()
    return values


@claim(
    "nanda-saved-accuracy",
    WHERE,
    "The saved model answers every row of the table.",
    {"share of wrong rows": at_most(0)},
    recipe=READ,
    measured="share of all 12,769 rows that are answered wrongly",
    files=[DECAY],
)
def accuracy(path: Path) -> Values:
    return {"share of wrong rows": wrong_share(final(saved(path)))}


NORMS = {23: 6.84, 6: 5.75, 37: 5.47, 41: 5.32, 39: 5.00, 46: 2.53, 12: 2.30}


@claim(
    "nanda-saved-embedding",
    WHERE,
    "The embedding has five large frequencies, 23, 6, 37, 41 and 39, and a background of half their size at most.",
    {f"norm at {k}": share_of(norm, 0.005) for k, norm in NORMS.items()},
    recipe=READ,
    measured="norm of the cosine and sine rows of the embedding in the Fourier basis",
    files=[DECAY],
)
def embedding(path: Path) -> Values:
    power = fourier.power(final(saved(path)).W_E)
    return {f"norm at {k}": float(power[k - 1].sqrt()) for k in NORMS}


@claim(
    "nanda-saved-key-frequencies",
    WHERE,
    "Neurons, logits and embedding agree on the key frequencies 6, 23, 37, 39 and 41.",
    {"key frequencies": near(5, 0), "of these five": near(5, 0)},
    recipe=READ,
    measured="frequencies by the rule of `KeyFrequencies`",
    files=[DECAY],
)
def key_frequencies(path: Path) -> Values:
    end = last(saved(path), "progress")
    keys = end.k.values[end.is_key.values].tolist()
    return {
        "key frequencies": len(keys),
        "of these five": len(set(keys) & set(KEY)),
        "which": " ".join(map(str, keys)),
    }


COUNTS = {37: 127, 6: 117, 41: 105, 23: 84, 39: 54, 3: 10, 54: 7, 46: 6, 12: 1, 31: 1}


@claim(
    "nanda-saved-neurons",
    WHERE,
    "Nearly all neurons are tuned to one of the five key frequencies, 127 of them to frequency 37.",
    {f"neurons at {k}": near(count, 0) for k, count in COUNTS.items()},
    recipe=READ,
    measured="neurons whose variance the waves of k explain best, by k",
    files=[DECAY],
)
def neurons(path: Path) -> Values:
    counts = last(saved(path), "neurons").neurons_per_frequency.isel(layer=0)
    return {f"neurons at {k}": int(counts.sel(k=k)) for k in COUNTS}


@claim(
    "nanda-saved-neuron-fve",
    WHERE,
    "36.1 % of the neurons are explained to 85 % and more by one frequency, and half of them to 71.4 % and more.",
    {"share of neurons": near(0.361, 0.001), "median": near(0.714, 0.001)},
    recipe=READ,
    measured="neurons' FVE by the best single frequency; the lower median",
    files=[DECAY],
)
def neuron_fve(path: Path) -> Values:
    fve = last(saved(path), "neurons").neuron_fve.values
    return {"share of neurons": float((fve >= 0.85).mean()), "median": float(np.sort(fve.ravel())[(fve.size - 1) // 2])}


COEFFICIENTS = {23: 26_586, 6: 7_963, 37: 5_780, 41: 5_153, 39: 4_290, 54: 23}


@claim(
    "nanda-saved-coefficients",
    WHERE,
    "The logits are made of waves cos(w(a + b - c)), with coefficients from 26,586 at frequency 23 to 4,290 at 39.",
    {f"coefficient at {k}": near(value, max(1.0, 0.001 * value)) for k, value in COEFFICIENTS.items()},
    recipe=READ,
    measured="inner products of the logits with the unit waves",
    files=[DECAY],
)
def coefficients(path: Path) -> Values:
    by_frequency = last(saved(path), "logits").logit_coefficient
    return {f"coefficient at {k}": float(by_frequency.sel(k=k)) for k in COEFFICIENTS}


@claim(
    "nanda-saved-logits",
    WHERE,
    "The five key waves hold 97.48 % of the squared norm of the logits, and all 56 no more.",
    {"five waves": near(0.9748, 0.0002), "all waves": near(0.9748, 0.0002)},
    recipe=READ,
    measured="squared cosine similarity with the logits, not centred, summed",
    files=[DECAY],
)
def logits(path: Path) -> Values:
    squares = last(saved(path), "logits").logit_cosine ** 2
    return {"five waves": float(squares.sel(k=list(KEY)).sum()), "all waves": float(squares.sum())}


@claim(
    "nanda-saved-trig-loss",
    WHERE,
    "The five waves alone answer better than the model: loss 2.20e-9 over all rows against 3.52e-7.",
    {"all rows": share_of(2.20e-9, 0.01), "test rows": share_of(2.25e-9, 0.01), "whole model": share_of(3.52e-7, 0.01)},
    recipe=READ,
    measured="restricted (trig) loss of the key frequencies, and the loss of the logits as they are",
    files=[DECAY],
)
def trig_loss(path: Path) -> Values:
    run = saved(path)
    snapshot, end = final(run), last(run, "progress")
    values = {"all rows": end.restricted_loss.item(), "test rows": end.restricted_test_loss.item()}
    return {**values, "whole model": snapshot.loss(snapshot.logits)}


@claim(
    "nanda-saved-excluded",
    WHERE,
    "Without the key frequencies the training rows are lost: loss 8.385 (cut from logits), 7.796 (from neurons).",
    {"from the logits": share_of(8.385, 0.001), "from the neurons": share_of(7.796, 0.001)},
    recipe=READ,
    measured="excluded loss on training rows, all five removed",
    files=[DECAY],
)
def excluded(path: Path) -> Values:
    end = last(saved(path), "progress")
    return {"from the logits": end.excluded_loss.item(), "from the neurons": end.excluded_loss_mlp.item()}


ONE_BY_ONE = {23: 1.176, 6: 0.0293, 37: 4.4e-4, 41: 2.6e-4, 39: 6.5e-5}


@claim(
    "nanda-saved-excluded-each",
    WHERE,
    "Of the five only frequency 23 cannot be spared: without it the train loss is 1.176, without any other below 0.03.",
    {f"without {k}": share_of(value, 0.02) for k, value in ONE_BY_ONE.items()},
    recipe=READ,
    measured="excluded loss of one key frequency on training rows",
    files=[DECAY],
)
def excluded_each(path: Path) -> Values:
    by_frequency = last(saved(path), "progress").excluded_loss_by_frequency
    return {f"without {k}": float(by_frequency.sel(k=k)) for k in ONE_BY_ONE}


@claim(
    "nanda-saved-restricted-neurons",
    WHERE,
    "The key waves of the neurons alone answer too: test loss 2.70e-9.",
    {"restricted, from the neurons": share_of(2.70e-9, 0.01)},
    recipe=f"{READ} As in TransformerLens' demo.",
    measured="restricted loss of the neurons' key waves, on test rows",
    files=[DECAY],
)
def restricted_neurons(path: Path) -> Values:
    return {"restricted, from the neurons": last(saved(path), "progress").restricted_loss_mlp.item()}


@claim(
    "nanda-saved-sparsity",
    WHERE,
    "Embedding and neuron-logit map are sparse: Gini 0.539 and 0.758.",
    {"W_E": near(0.539, 0.001), "W_L": near(0.758, 0.001)},
    recipe=READ,
    measured="Gini index of the 113 Fourier norms",
    files=[DECAY],
)
def sparsity(path: Path) -> Values:
    gini = last(saved(path), "spectrum").gini
    return {matrix: float(gini.sel(matrix=matrix)) for matrix in ("W_E", "W_L")}


@claim(
    "nanda-saved-weights",
    WHERE,
    "The weights' squares sum to 1,181, and the embedding of = has become its position's, as decay does to two "
    "parameters that are only ever added.",
    {"sum of squares": near(1_181, 1), "largest difference of the two": share_of(7.8e-6, 0.02)},
    recipe=READ,
    measured="sum of squares of all parameters, and |W_E[113] - W_pos[2]|",
    files=[DECAY],
)
def weights(path: Path) -> Values:
    parameters: dict[str, Tensor] = dict(saved(path).final.parameters)
    gap = parameters["embed.W_E"][113] - parameters["pos_embed.W_pos"][2]
    return {
        "sum of squares": sum(weight_norms_squared(parameters).values()),
        "largest difference of the two": float(gap.abs().max()),
    }
