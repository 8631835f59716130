"""Nguyen 2026, "The Discrete-Log Clock" (arXiv 2606.17399): a * b mod 113, read in the characters of its group."""

import torch

from grokinterp.analysis.cycles import Cycle
from grokinterp.analysis.key_frequencies import neuron_shares
from grokinterp.reproduction.claim import Values, claim
from grokinterp.reproduction.needed_run import training
from grokinterp.reproduction.reading import end_of, final, first_reaching, last, trace
from grokinterp.reproduction.target import at_least, at_most, near
from grokinterp.runs.run import Run

PAPER = "Nguyen 2026"
PRODUCT = training("a * b", 30, p=113, frac=0.3, seed=0, steps=25_000, stop_after_grokking=4_000, checkpoint_every=200)
OURS = (
    "Nanda et al.'s recipe on a * b mod 113, 30 % of the table, one seed, 4,000 steps past grokking; of the paper its "
    "abstract's numbers."
)


@claim(
    "dlog-groks",
    f"{PAPER}, abstract",
    "A one-layer transformer groks a * b mod 113.",
    {"test accuracy": at_least(0.99)},
    recipe=OURS,
    measured="test accuracy at the end; the step at which it passes 99 % beside it",
    trainings=[PRODUCT],
)
def groks(run: Run) -> Values:
    return {"test accuracy": end_of(run, "test_accuracy"), "step": first_reaching(run, "test_accuracy", 0.99)}


@claim(
    "dlog-sparsity",
    f"{PAPER}, abstract",
    "The embedding's spectrum is sparse in characters, Gini 0.58, and dense in additive waves, 0.07.",
    {"characters": near(0.58, 0.1), "additive waves": near(0.07, 0.05)},
    recipe=OURS,
    measured="Gini index of the norms of the embedding's rows in either basis, 0 apart",
    trainings=[PRODUCT],
)
def sparsity(run: Run) -> Values:
    end = last(run, "spectrum").sel(matrix="W_E")
    return {"characters": end.gini_multiplicative.item(), "additive waves": end.gini.item()}


@claim(
    "dlog-key-frequencies",
    f"{PAPER}, abstract",
    "Four key frequencies hold the energy of the embedding.",
    {"key frequencies": near(4, 1), "share of the energy": at_least(0.75)},
    recipe=f"{OURS} The number may differ by one with the seed.",
    measured="key frequencies by the rule of `KeyFrequencies`, and their share of the embedding's squared norm, mean "
    "apart",
    trainings=[PRODUCT],
)
def key_frequencies(run: Run) -> Values:
    end = last(run, "progress", "embedding")
    power, key = end.embedding_power.values, end.is_key.values
    return {
        "key frequencies": int(key.sum()),
        "share of the energy": float(power[key].sum() / power.sum()),
        "which": " ".join(map(str, end.k.values[key].tolist())),
    }


@claim(
    "dlog-neurons",
    f"{PAPER}, abstract",
    "96.9 % of the neurons are tuned to one multiplicative frequency.",
    {"share of neurons": near(0.969, 0.1)},
    recipe=f"{OURS} The abstract does not say what tuned means; here FVE above 0.85, as Nanda et al.",
    measured="share of neurons that one frequency of discrete logs explains to more than 85 %",
    trainings=[PRODUCT],
)
def neurons(run: Run) -> Values:
    fve = last(run, "neurons").neuron_fve.values
    return {"share of neurons": float((fve > 0.85).mean()), "share above 0.5": float((fve > 0.5).mean())}


@claim(
    "dlog-additive-neurons",
    f"{PAPER}, abstract (what follows from it)",
    "No additive frequency explains a neuron: the clock runs on discrete logs.",
    {"share of neurons, additive": at_most(0.05)},
    recipe=OURS,
    measured="share of neurons that one additive frequency explains to more than 85 %",
    trainings=[PRODUCT],
)
def additive_neurons(run: Run) -> Values:
    snapshot = final(run)
    shares, _ = neuron_shares(Cycle.of(snapshot.task, "additive").grid(snapshot["blocks.0.mlp.hook_post"]))
    best = shares.max(dim=0).values
    return {"share of neurons, additive": float((best > 0.85).double().mean()), "median": float(torch.median(best))}


@claim(
    "dlog-sparsity-rises",
    f"{PAPER}, abstract (what follows from it)",
    "Sparsity in characters comes with grokking; in additive waves there is none at any time.",
    {"characters, end less start": at_least(0.3), "additive waves, largest": at_most(0.15)},
    recipe=OURS,
    measured="Gini index of the embedding's norms over every fifth checkpoint",
    trainings=[PRODUCT],
    minutes=1,
)
def sparsity_rises(run: Run) -> Values:
    over = trace(run, "spectrum", every=1_000).sel(matrix="W_E")
    characters = over.gini_multiplicative.values
    return {
        "characters, end less start": float(characters[-1] - characters[0]),
        "additive waves, largest": float(over.gini.values.max()),
    }
