"""Groups: Chughtai et al. 2023 (arXiv 2302.03025) on irreps and Stander et al. 2023 (arXiv 2312.06581) on cosets.

Their MLP on S5, trained anew; and on S4, which groks in a minute, held to those of their numbers that name no irrep.
"""

import math

import numpy as np

from grokinterp.reproduction.claim import Claim, Values, claim
from grokinterp.reproduction.needed_run import Training, training
from grokinterp.reproduction.reading import end_of, final, first_reaching, last, trace
from grokinterp.reproduction.target import Target, at_least, at_most, near, yes
from grokinterp.runs.run import Run

CHUGHTAI, STANDER = "Chughtai et al. 2023", "Stander et al. 2023"

S5 = training(
    "s5", 60, "chughtai", frac=0.4, seed=0, steps=100_000, checkpoint_every=500, metrics_every=250,
    stop_after_grokking=5_000,
)  # fmt: skip
S4 = training(
    "sym", 1.5, "chughtai", n=4, frac=0.7, seed=0, steps=20_000, metrics_every=250, checkpoint_every=1_000
)  # fmt: skip
GROUPS = {"s5": S5, "s4": S4}

OURS = {
    "s5": "Their MLP, optimiser and 40 % of the table of S5, one seed of their 50, at most 100,000 of 250,000 steps, "
    "and 5,000 past grokking.",
    "s4": "Their MLP and optimiser on S4, 70 % of its 576 rows, one seed, 20,000 steps; their numbers are of S5 and "
    "larger groups.",
}


# -- Chughtai et al. 2023


def _groks(group: str, run: Training) -> Claim:
    @claim(
        f"groups-{group}-groks",
        f"{CHUGHTAI}, MLPs of all groups",
        f"An MLP learns the multiplication of {group.upper()}.",
        {"test accuracy": at_least(0.99)},
        recipe=OURS[group],
        measured="largest recorded test accuracy; the steps at which training and test accuracy pass 99 % beside it",
        trainings=[run],
        minutes=0.1,
    )
    def groks(found: Run) -> Values:
        return {
            "test accuracy": float(found.metrics.test_accuracy.max()),
            "memorised at": first_reaching(found, "train_accuracy", 0.99),
            "understood at": first_reaching(found, "test_accuracy", 0.99),
        }

    return groks


GROKS_S5, GROKS_S4 = (_groks(group, run) for group, run in GROUPS.items())


def _weights(group: str, run: Training) -> Claim:
    @claim(
        f"groups-{group}-fve",
        f"{CHUGHTAI}, fractions explained (MLPs of all groups)",
        f"The key irreps of {group.upper()} explain the embeddings to 99 % or more, the unembedding to 93 % or more "
        "and the neurons to 86 % or more.",
        {"embeddings": at_least(0.99), "unembedding": at_least(0.93), "neurons": at_least(0.86)},
        recipe=OURS[group],
        measured="shares of the squared norm, and of the neurons' variance, in the matrix entries of key irreps (those "
        "whose trace cube has a cosine above 0.005 with the logits), at the last checkpoint",
        trainings=[run],
    )
    def weights(found: Run) -> Values:
        end = last(found, "irreps")
        names = {"embeddings": "key_embedding_fve", "unembedding": "key_unembedding_fve", "neurons": "key_hidden_fve"}
        key = end.irrep.values[end.is_key_irrep.values]
        return {name: end[variable].item() for name, variable in names.items()} | {"key irreps": ", ".join(key)}

    return weights


FVE_S5, FVE_S4 = (_weights(group, run) for group, run in GROUPS.items())


@claim(
    "groups-s5-key-irreps",
    f"{CHUGHTAI}, key irreps of the 50 seeds of S5",
    "Few irreps are key, two to five; sign and standard nearly always are, the one of dimension 6 never is.",
    {"key irreps": Target(2, 5, "2 to 5"), "sign": yes(), "standard": yes(), "dimension 6": at_most(0)},
    recipe=f"{OURS['s5']} Sign was key in 49 of their runs and standard in 49.",
    measured="irreps whose trace cube has a cosine above 0.005 with the logits, at the last checkpoint",
    trainings=[S5],
)
def key_irreps(run: Run) -> Values:
    end = last(run, "irreps")
    key = {str(name): int(d) for name, d in zip(end.irrep.values, end.irrep_dimension.values, strict=True)
           if end.is_key_irrep.sel(irrep=name)}  # fmt: skip
    similar = {name: end.logit_similarity.sel(irrep=name).item() for name in end.irrep.values[1:]}
    return {
        "key irreps": len(key),
        "sign": "sign" in key,
        "standard": "standard" in key,
        "dimension 6": sum(d == 6 for d in key.values()),
        "similarity": {str(name): value for name, value in similar.items()},
    }


@claim(
    "groups-s5-sign-first",
    f"{CHUGHTAI}, order of learning over the 50 seeds of S5",
    "The sign irrep is learnt first, as in 45 of their 50 runs.",
    {"sign first": yes()},
    recipe=OURS["s5"],
    measured="the first checkpoint, of those 2,500 steps apart, with a trace cube of cosine above 0.05 with the logits",
    trainings=[S5],
    minutes=2,
)
def sign_first(run: Run) -> Values:
    # Learnt together at one checkpoint, the more similar one came first.
    similar = trace(run, "irreps", every=2_500).logit_similarity
    above = similar.sel(irrep=similar.irrep.values[1:]).where(lambda each: each > 0.05)
    learnt = above.dropna("step", how="all")
    if not len(learnt.step):
        return {"sign first": False, "learnt first": "none"}
    first = str(learnt.irrep.values[int(learnt.isel(step=0).fillna(-math.inf).argmax("irrep"))])
    return {"sign first": first == "sign", "learnt first": first, "at": int(learnt.step.values[0])}


@claim(
    "groups-s5-logits",
    f"{CHUGHTAI}, fractions explained (MLPs of S5)",
    "Trace cubes explain 39 to 85 % of the logits.",
    {"share of the logits": Target(0.39, 0.85, "0.39 to 0.85")},
    recipe=OURS["s5"],
    measured="sum of the squared cosines of the centred logits with every trace cube but the trivial one",
    trainings=[S5],
)
def logits(run: Run) -> Values:
    return {"share of the logits": last(run, "irreps").logit_irrep_fve.item()}


@claim(
    "groups-s5-losses",
    f"{CHUGHTAI}, excluded and restricted losses (MLPs of all groups)",
    "Without the key irreps' part of the neurons the model is lost, 6 to 12 nats; that part alone has a loss of at "
    "most 0.007.",
    {"excluded loss": Target(6, 12, "6 to 12"), "restricted loss": at_most(0.007)},
    recipe=f"{OURS['s5']} The ranges are of their groups' means.",
    measured="loss on training rows without the projection of the neurons on rho(x y) of key irreps, and on all rows "
    "with that alone, at the last checkpoint; the recorded test loss beside them",
    trainings=[S5],
)
def losses(run: Run) -> Values:
    end = last(run, "irreps")
    return {
        "excluded loss": end.excluded_loss_irreps.item(),
        "restricted loss": end.restricted_loss_irreps.item(),
        "test loss": end_of(run, "test_loss"),
    }


# -- Stander et al. 2023


def _cosets(group: str, run: Training) -> Claim:
    @claim(
        f"groups-{group}-cosets",
        f"{STANDER}, coset concentration (S5)",
        f"More than 99.2 % of the neurons of {group.upper()} are concentrated on the cosets of a subgroup.",
        {"share of neurons": at_least(0.992)},
        recipe=OURS[group],
        measured="share of neurons whose coset concentration is below 1, both in their part of x (right cosets) and "
        "of y (left cosets), each over all subgroups; beside it the same of strong neurons, those that move the logits "
        "at least a tenth as much as the strongest (norm over all rows), and the most frequent subgroups",
        trainings=[run],
    )
    def cosets(found: Run) -> Values:
        end = last(found, "cosets")
        counts = {
            str(kind): int(n) for kind, n in zip(end.subgroup.values, end.coset_neurons_by_kind.values, strict=True)
        }
        most = sorted(counts, key=counts.__getitem__, reverse=True)[:3]
        snapshot = final(found)
        moved = snapshot["blocks.0.mlp.hook_post"].norm(dim=0) * snapshot.W_L.norm(dim=1)
        strong = (moved > moved.max() / 10).numpy()
        worst = np.maximum(end.coset_concentration_left.values, end.coset_concentration_right.values)
        return {
            "share of neurons": end.coset_neurons.item(),
            "share of strong neurons": float((worst[strong] < 1).mean()),
            "strong neurons": int(strong.sum()),
            "left and right subgroups conjugate": end.coset_conjugate.item(),
            "orders of the subgroups": ", ".join(f"{kind} ({counts[kind]} neurons)" for kind in most if counts[kind]),
        }

    return cosets


COSETS_S5, COSETS_S4 = (_cosets(group, run) for group, run in GROUPS.items())


def _ablation(group: str, run: Training) -> Claim:
    @claim(
        f"groups-{group}-coset-ablation",
        f"{STANDER}, ablation by concentration (S5)",
        f"Neurons of {group.upper()} that are concentrated on no cosets can be dropped: accuracy stays at 98 % or "
        "more.",
        {"accuracy": at_least(0.98)},
        recipe=OURS[group],
        measured="accuracy on all rows without the neurons of coset concentration above 1; how many those are, and the "
        "same above 1e-5, beside it",
        trainings=[run],
    )
    def ablation(found: Run) -> Values:
        end = last(found, "cosets")
        at = lambda threshold: end.sel(threshold=threshold, method="nearest")
        return {
            "accuracy": at(1.0).coset_ablated_accuracy.item(),
            "dropped": at(1.0).coset_dropped.item(),
            "accuracy above 1e-5 dropped": at(1e-5).coset_ablated_accuracy.item(),
            "dropped above 1e-5": at(1e-5).coset_dropped.item(),
        }

    return ablation


ABLATION_S5, ABLATION_S4 = (_ablation(group, run) for group, run in GROUPS.items())

SURVIVES, DESTROYED = at_least(0.99), at_most(0.1)
CAUSAL = {
    "none": SURVIVES,
    "flip both": SURVIVES,
    "absolute value": SURVIVES,
    "swap embeddings": DESTROYED,
    "flip left": DESTROYED,
    "flip right": DESTROYED,
    "noise N(0, 0.1)": SURVIVES,
    "noise N(0, 1)": near(0.978, 0.05),
    "noise N(1, 1)": near(0.88, 0.1),
    "noise N(-1, 1)": near(0.98, 0.05),
}
"""Theirs are 99.99 %, 100 %, 100 %, 1 %, 0 %, 0 %, 99.99 %, 97.8 %, 88 % and 98 %; the tolerances are ours."""


def _causal(group: str, run: Training) -> Claim:
    @claim(
        f"groups-{group}-causal",
        f"{STANDER}, causal interventions (S5)",
        f"In {group.upper()}, flipping both signs or |.| in place of ReLU changes no answer; flipping one sign or "
        "swapping the embeddings destroys all; |.| lowers the loss.",
        {**CAUSAL, "|.|: loss over the model's": at_most(1)},
        recipe=f"{OURS[group]} Noise is added to the pre-activations; their text says only noise.",
        measured="accuracy on all rows after each intervention, at the last checkpoint",
        trainings=[run],
    )
    def causal(found: Run) -> Values:
        end = last(found, "causal")
        loss = lambda name: end.causal_loss.sel(intervention=name).item()
        ratio = loss("absolute value") / loss("none")
        accuracy = {name: end.causal_accuracy.sel(intervention=name).item() for name in CAUSAL}
        return {**accuracy, "|.|: loss over the model's": ratio}

    return causal


CAUSAL_S5, CAUSAL_S4 = (_causal(group, run) for group, run in GROUPS.items())
