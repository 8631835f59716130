"""Power et al. 2022 (arXiv 2201.02177): their two-layer transformer on small data, its output layer, and sharpness."""

import itertools
import math
from typing import Any, cast

import torch
from scipy.stats import spearmanr

from grokinterp.circuits.output_layer import OutputLayer, explained, kept, nearest_step, tsne
from grokinterp.irreps.cosets import subgroups
from grokinterp.reproduction.claim import Claim, Values, claim
from grokinterp.reproduction.claims.groups import S5
from grokinterp.reproduction.needed_run import Training, training
from grokinterp.reproduction.reading import end_of, final, first_reaching, last
from grokinterp.reproduction.target import at_least, at_most, near, yes
from grokinterp.runs.run import Run
from grokinterp.tasks.groups import GroupTask

PAPER = "Power et al. 2022"
STEPS = 4_000
OURS = (
    "Their transformer, batches of 512 and weight decay 1, p = 97, one seed a fraction, shrunk to "
    f"{STEPS:,} of 100,000 steps and, to stay within them, to larger fractions than their smallest."
)


def fraction(formula: str, frac: float, minutes: float) -> Training:
    """One operation on a share of its table, until 100 steps after it generalises."""
    return training(formula, minutes, "power", frac=frac, steps=STEPS, metrics_every=50, stop_after_grokking=100)


ADD = [fraction("a + b", frac, minutes) for frac, minutes in ((0.7, 1), (0.6, 1.5), (0.5, 2))]
DIVIDE = [fraction("a / b", frac, minutes) for frac, minutes in ((0.8, 1), (0.7, 1.5), (0.6, 2))]


@claim(
    "power-parameters",
    f"{PAPER}, appendix (model)",
    "The transformer has about 400,000 parameters beside its embeddings, 394,240 in their code, 455,424 with them.",
    {"beside embeddings": near(394_240, 0), "with embeddings of their 239 tokens": near(455_424, 0)},
    recipe="Counted on a run of the preset; their vocabulary holds all operations at once, a run's only its own.",
    measured="entries of all weights but the embedding and the unembedding; and of these for 239 tokens",
    trainings=ADD[:1],
    minutes=0.1,
    derived=True,
)
def parameters(run: Run) -> Values:
    weights = run.final.parameters
    of_tokens = [name for name in weights if name.partition(".")[0] in ("embed", "pos_embed", "unembed")]
    beside = sum(weights[name].numel() for name in weights if name not in of_tokens)
    width = weights["embed.W_E"].shape[1]
    return {"beside embeddings": beside, "with embeddings of their 239 tokens": beside + 2 * 239 * width}


# -- steps against the fraction of the data


def _fractions(id: str, formula: str, runs: list[Training]) -> Claim:
    *more, least = (f"{run.fields['frac']:.0%}" for run in runs)
    shares = f"{', '.join(more)} and {least}"

    @claim(
        f"power-fractions-{id}",
        f"{PAPER}, figure of steps to generalise against the fraction of data",
        f"{formula} generalises, and the less of its table is trained on, the more steps it takes; here {shares}.",
        {"largest fraction generalises": yes(), "steps grow as the fraction falls": yes()},
        recipe=OURS,
        measured="first recorded step with 99 % test accuracy, every 50 steps; never counts as more than any",
        trainings=runs,
        minutes=0.1,
    )
    def fractions(*found: Run) -> Values:
        steps = {f"{run.config.split.frac:g}": first_reaching(run, "test_accuracy", 0.99) for run in found}
        in_order = [math.inf if math.isnan(step) else step for step in steps.values()]  # fractions fall
        best = {f"{run.config.split.frac:g}": float(run.metrics.test_accuracy.max()) for run in found}
        return {
            "largest fraction generalises": math.isfinite(in_order[0]),
            "steps grow as the fraction falls": all(a < b for a, b in itertools.pairwise(in_order)),
            "steps to 99 %": steps,
            "largest test accuracy": best,
        }

    return fractions


FRACTIONS_ADD = _fractions("add", "a + b", ADD)
FRACTIONS_DIVIDE = _fractions("div", "a / b", DIVIDE)


# -- the output layer


@claim(
    "power-number-line",
    f"{PAPER}, figure of the output layer (modular addition)",
    "The output weights of a + b are a number line: those of c and c + s are neighbours, for some s (8 in theirs).",
    {"likeness": at_least(0.5), "likeness of shuffled columns": at_most(0.35), "neighbours in t-SNE": at_least(0.5)},
    recipe=f"{OURS} 70 % of the table. The figure has no number; the targets are ours. Which s it is differs by seed.",
    measured="mean centred inner product of the columns of c and c + s over their variance, for the s of the nearest; "
    "the same, s chosen anew, of the columns in random order; and the share of c with c + s or c - s among their two "
    "nearest in the t-SNE plane",
    trainings=ADD[:1],
)
def number_line(run: Run) -> Values:
    W = final(run).W_U.T[:97]
    step = nearest_step(W)
    shuffled = W[torch.randperm(len(W), generator=torch.Generator().manual_seed(0))]
    c = torch.arange(len(W))
    near_ones = _neighbours(torch.from_numpy(tsne(W)), 2)
    joined = ((near_ones - c[:, None]) % len(W)).unsqueeze(-1) == torch.tensor([step, len(W) - step])
    return {
        "likeness": kept(W, step),
        "likeness of shuffled columns": kept(shuffled, nearest_step(shuffled)),
        "neighbours in t-SNE": float(joined.any(-1).any(-1).double().mean()),
        "s": step,
    }


@claim(
    "power-s5-cosets",
    f"{PAPER}, figure of the output layer (S5)",
    "The output weights of S5 cluster by the cosets of a subgroup of order 10 or its conjugates.",
    {"variance between cosets": at_least(0.2), "of shuffled columns": at_most(0.1), "t-SNE neighbours": at_least(0.5)},
    recipe="The MLP of Chughtai et al. 2023, for want of time: their two-layer transformer on S5 takes hours on two "
    "cores. The figure has no number; the targets are ours.",
    measured="share of the variance of the output weights between the cosets of the best of the six subgroups of order "
    "10, left or right, adjusted for their number; the same of the columns in random order; the share of answers whose "
    "nearest in the t-SNE plane is of the same coset (8 % by chance); the best of subgroups of any order beside them",
    trainings=[S5],
)
def s5_cosets(run: Run) -> Values:
    snapshot = final(run)
    assert isinstance(snapshot.task, GroupTask)
    W = snapshot.W_U.T[: len(snapshot.task.group)]
    tens = [each for each in subgroups(snapshot.task.group).all if len(each) == 10]
    labels = [each.labels(side) for each in tens for side in ("left", "right")]
    shuffled = W[torch.randperm(len(W), generator=torch.Generator().manual_seed(0))]
    best = max(labels, key=lambda of: explained(W, of))
    nearest = _neighbours(torch.from_numpy(tsne(W)), 1)[:, 0]
    free = OutputLayer().fit(snapshot)
    return {
        "variance between cosets": explained(W, best),
        "of shuffled columns": max(explained(shuffled, of) for of in labels),
        "t-SNE neighbours": float((best[nearest] == best).double().mean()),
        "best of any order": f"{free.read(snapshot).output_colour.attrs['source'].split(';')[0]}",
    }


def _neighbours(points: torch.Tensor, n: int) -> torch.Tensor:
    """[point, n]: the nearest others."""
    return torch.cdist(points.double(), points.double()).fill_diagonal_(math.inf).argsort(1)[:, :n]


# -- sharpness

NETWORKS = [
    training("sym", 0.5, "chughtai", n=4, frac=frac, seed=seed, steps=5_000, metrics_every=250, checkpoint_every=0)
    for frac in (0.3, 0.5, 0.7, 0.8, 0.9)
    for seed in (0, 1)
]


@claim(
    "power-sharpness",
    f"{PAPER}, figure of sharpness (S5)",
    "The sharper the minimum, the lower the validation accuracy: Spearman's rank correlation is -0.795.",
    {"rank correlation": near(-0.795, 0.3)},
    recipe="Ten networks, shrunk to the MLP of Chughtai et al. 2023 on S4: 30 to 90 % of the table, two seeds, 5,000 "
    "steps; theirs are transformers on S5 that differ in their optimisers.",
    measured="rank correlation of the test accuracy and phi of Keskar et al. 2016 (ten dimensions, a box of 1e-3) at "
    "the last checkpoint",
    trainings=NETWORKS,
    minutes=1,
)
def sharpness(*runs: Run) -> Values:
    phi = [last(run, "sharpness").sharpness.item() for run in runs]
    reached = [end_of(run, "test_accuracy") for run in runs]
    names = [f"{run.config.split.frac:g}, seed {run.config.seed}" for run in runs]
    return {
        "rank correlation": float(cast(Any, spearmanr(phi, reached)).statistic),
        "phi in percent": dict(zip(names, phi, strict=True)),
        "test accuracy": dict(zip(names, reached, strict=True)),
    }
