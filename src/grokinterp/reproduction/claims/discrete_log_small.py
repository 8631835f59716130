"""Nguyen 2026, "The Discrete-Log Clock" (arXiv 2606.17399): what failed mod 113, in small networks and by weight."""

from grokinterp.reproduction.claim import Values, claim
from grokinterp.reproduction.claims.discrete_log import PAPER
from grokinterp.reproduction.claims.furuta_again import MULS, RECIPE
from grokinterp.reproduction.reading import final, last, seeds
from grokinterp.reproduction.target import near
from grokinterp.runs.run import Run

TUNED = 0.85
"""The share of a neuron's variance from which on it is tuned, as Nanda et al. have it; the abstract has none."""


def tuned_shares(run: Run) -> tuple[float, float]:
    """The share of the neurons that one frequency explains, each alike, and weighted by their variance."""
    tuned = last(run, "neurons").neuron_fve.values.ravel() > TUNED
    weight = final(run)["blocks.0.mlp.hook_post"].double().var(0).flatten().numpy()
    return float(tuned.mean()), float(weight[tuned].sum() / weight.sum())


@claim(
    "dlog-neurons-weighted",
    f"{PAPER}, abstract",
    "96.9 % of the neurons are tuned to one multiplicative frequency (second and third setting: seeds 0 and 1 mod 31, "
    "weighted by variance).",
    {"share of neurons, by variance": near(0.969, 0.1)},
    recipe=f"{RECIPE} The abstract says neither what tuned means nor how neurons are weighed.",
    measured=f"the share of the neurons' variance in those that one frequency of discrete logs explains to more than "
    f"{TUNED:.0%}; the plain share beside it",
    trainings=MULS[:2],
)
def neurons(*runs: Run) -> Values:
    shares = {name: tuned_shares(run) for name, run in zip(seeds(runs), runs, strict=True)}
    return {
        "share of neurons, by variance": {name: weighted for name, (_, weighted) in shares.items()},
        "share of neurons": {name: plain for name, (plain, _) in shares.items()},
    }


@claim(
    "dlog-sparsity-small",
    f"{PAPER}, abstract",
    "The embedding's spectrum is sparse in characters, Gini 0.58, and dense in additive waves, 0.07 (second and third "
    "setting: seeds 0 and 1 mod 31).",
    {"characters": near(0.58, 0.1), "additive waves": near(0.07, 0.05)},
    recipe=RECIPE,
    measured="Gini index of the norms of the embedding's rows in either basis, 0 apart",
    trainings=MULS[:2],
)
def sparsity(*runs: Run) -> Values:
    ends = {name: last(run, "spectrum").sel(matrix="W_E") for name, run in zip(seeds(runs), runs, strict=True)}
    return {
        "characters": {name: end.gini_multiplicative.item() for name, end in ends.items()},
        "additive waves": {name: end.gini.item() for name, end in ends.items()},
    }
