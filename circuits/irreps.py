"""Which irreducible representations a model of a group computes with (Chughtai et al. 2023)."""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any, ClassVar, NamedTuple

import numpy as np
import torch
import xarray as xr
from jaxtyping import Bool, Float, Int
from torch import Tensor
from torch.nn import functional as F

from grokinterp.analysis.key_frequencies import LOOKUP_RATIO, NOISE, leads, remembered_rows
from grokinterp.evaluation import folded
from grokinterp.evaluation.losses import cross_entropy
from grokinterp.evaluation.snapshot import Snapshot
from grokinterp.irreps import Group, spectrum
from grokinterp.readout import Circuit, Variable, readout
from grokinterp.tasks.groups import GroupTask, why_no_group

KEY_SIMILARITY = 0.005
"""Irreps whose trace cube is more similar to the final logits than this are key (Chughtai et al. 2023, their code)."""

LEARNT_SIMILARITY = 0.05
"""An irrep is learnt at the first checkpoint where its similarity is larger (their order of learning)."""

CHUGHTAI = "Chughtai et al. 2023"


class HiddenShares(NamedTuple):
    """Shares of the neurons' variance that are functions of x, of y and of the answer, irrep by irrep."""

    a: Float[Tensor, "irrep"]
    b: Float[Tensor, "irrep"]
    answer: Float[Tensor, "irrep"]


def folded_by_answer(values: Float[Tensor, "ab *rest"], answers: Int[Tensor, "ab"], n: int) -> Float[Tensor, "g *rest"]:
    """The sum over the rows of each right answer, float64."""
    return torch.zeros(n, *values.shape[1:], dtype=torch.float64).index_add_(0, answers, values.double())


def similarities(logits: Float[Tensor, "ab g"], answers: Int[Tensor, "ab"], group: Group) -> Float[Tensor, "irrep"]:
    """The cosine of the logits, centred over the answers of each row, and every trace cube tr rho(x y z^-1).

    For the other operations x y is the row's right answer. The squares of the non-trivial ones add up to the share of
    the logits that trace cubes explain, for these are orthogonal (Chughtai et al. 2023, section 5.1).
    """
    logits = logits.double()
    centred = logits - logits.mean(1, keepdim=True)
    return spectrum.trace_similarity(folded_by_answer(centred, answers, len(group)), centred.norm().item(), group)


def operand_embeddings(snapshot: Snapshot) -> list[Float[Tensor, "g width"]]:
    """What the model reads of either operand: through the first layer for an MLP, else the embedding."""
    task = snapshot.task
    if snapshot.config.why_not_folded() is None:
        return folded.operand_tables(snapshot.config, snapshot.parameters, task)
    W_E, n = snapshot.parameters["embed.W_E"], snapshot.n_numbers
    return [W_E[zero : zero + n] for zero in task.zero_tokens if zero is not None]


def hidden_shares(neurons: Float[Tensor, "ab neuron"], answers: Int[Tensor, "ab"], group: Group) -> HiddenShares:
    """Of all neurons' variance, what lies in the matrix entries of rho(x), of rho(y) and of rho(answer).

    Neurons are centred over the table first. The three families are orthogonal for the product x y, so that all shares
    add up to at most 1; for x y x^-1 and x y x, rho(y) and rho(answer) overlap.
    """
    n = len(group)
    centred = neurons.double() - neurons.double().mean(0)
    total = centred.square().sum()
    grid = centred.unflatten(0, (n, n))
    means = [grid.mean(1), grid.mean(0), folded_by_answer(centred, answers, n) / n]
    return HiddenShares(*(n * spectrum.energies(mean, group).sum(1) / total for mean in means))


def null_similarities(
    logits: Float[Tensor, "ab g"], answers: Int[Tensor, "ab"], remembered: Bool[Tensor, "ab"], group: Group
) -> Float[Tensor, "irrep"]:
    """The cosine that each trace cube must exceed to be told from a memory and from noise.

    LOOKUP_RATIO times, in squares, what it has where a model's own logits are those of a table of the `remembered`
    rows: the right one in its place there, those of wrong answers in any order within a row. And NOISE times the
    square that noise of the same size puts into one direction.
    """
    n, logits = len(group), logits.double()
    by_answer = folded_by_answer(leads(logits, answers) * remembered, answers, n)
    folded = by_answer.diag() - by_answer[:, None] / n
    lookup = spectrum.trace_similarity(folded, (logits - logits.mean(1, keepdim=True)).norm().item(), group)
    return (LOOKUP_RATIO * lookup.square()).clamp(min=NOISE / (n**2 * (n - 1))).sqrt()


def borne_out(last: xr.Dataset) -> list[str]:
    """The key irreps of a checkpoint that are more than memory and noise, where it needs them more than all else."""
    if not float(last.excluded_loss_irreps) > float(last.restricted_loss_irreps):
        return []
    holds = last.is_key_irrep.values.astype(bool) & (last.logit_similarity.values > last.logit_similarity_null.values)
    return last.irrep.values[holds].tolist()


@dataclass(frozen=True)
class Irreps(Circuit):
    """What logits, embeddings, unembedding and neurons hold of each irrep; the losses with and without the key ones.

    Key irreps are chosen at the final checkpoint, or given by name in `key`. The neurons' part in key irreps is their
    projection on functions rho(answer): restricted losses keep only that part, over all rows; excluded losses take it
    out, on training rows (all, where the split is not known). a + b mod p is left to `progress`, whose
    frequencies are the irreps of the cyclic group; the task `cyclic` reads it here.
    """

    name: ClassVar[str] = "irreps"
    descriptions: ClassVar[Mapping[str, str]] = {
        "irrep_dimension": "the dimension of each irreducible representation over the real numbers",
        "is_key_irrep": "whether the trace of an irrep shows in the final logits",
        "logit_similarity": "how alike the logits and the trace of an irrep at x y z^-1 are",
        "logit_similarity_null": "the similarity that a table of the training rows, or noise, has too",
        "logit_irrep_fve": "how much of the logits the traces of all irreps but the trivial one explain",
        "embedding_fve": "how much of both operands' embeddings lies in an irrep",
        "embedding_a_fve": "how much of the first operand's embedding lies in an irrep",
        "embedding_b_fve": "how much of the second operand's embedding lies in an irrep",
        "unembedding_fve": "how much of the map from neurons to logits lies in an irrep",
        "hidden_a_fve": "how much of the neurons' variance functions of an irrep of x explain",
        "hidden_b_fve": "how much of the neurons' variance functions of an irrep of y explain",
        "hidden_answer_fve": "how much of the neurons' variance functions of an irrep of the answer x y explain",
        "key_embedding_fve": "how much of both operands' embeddings lies in the key irreps together",
        "key_unembedding_fve": "how much of the map from neurons to logits lies in the key irreps together",
        "key_hidden_fve": "how much of the neurons' variance the key irreps explain together",
        "restricted_loss_irreps": "loss with the neurons' parts of key irreps of the answer alone",
        "excluded_loss_irreps": "loss without the neurons' parts of key irreps of the answer",
        "restricted_loss_by_irrep": "loss with the neurons' part of one irrep of the answer alone",
        "excluded_loss_by_irrep": "loss without the neurons' part of one irrep of the answer",
    }
    key: tuple[str, ...] | None = None

    def why_not(self, snapshot: Snapshot) -> str | None:
        if reason := why_no_group(snapshot.task):
            return reason
        if not snapshot.layers("mlp.hook_post"):
            return "an attention-only model has no neurons (blocks.0.mlp.hook_post)"
        return None

    def fit(self, final: Snapshot) -> "Irreps":
        if self.key is not None:
            return self
        group = _group(final)
        similarity = similarities(_logits(final), final.labels, group)
        names = [irrep.name for irrep in group.irreps]
        return replace(self, key=tuple(names[i] for i in range(1, len(names)) if similarity[i] > KEY_SIMILARITY))

    def read(self, snapshot: Snapshot, requested: frozenset[str] = frozenset()) -> xr.Dataset:
        del requested
        group, logits = _group(snapshot), _logits(snapshot)
        names = [irrep.name for irrep in group.irreps]
        chosen = self.key if self.key is not None else self.fit(snapshot).key
        key = [i for i, name in enumerate(names) if name in (chosen or ())]
        similar = similarities(logits, snapshot.labels, group)
        hidden = hidden_shares(snapshot[snapshot.layers("mlp.hook_post")[-1]], snapshot.labels, group)
        first, second = operand_embeddings(snapshot)
        embedding = spectrum.shares(torch.cat([first, second], 1), group)
        unembedding = spectrum.shares(snapshot.W_L.T, group)
        losses = _losses(snapshot, group, key)
        by_irrep = {
            "irrep_dimension": [irrep.dimension for irrep in group.irreps],
            "is_key_irrep": [i in key for i in range(len(names))],
            "logit_similarity": similar,
            "logit_similarity_null": null_similarities(logits, snapshot.labels, remembered_rows(snapshot.task), group),
            "embedding_fve": embedding,
            "embedding_a_fve": spectrum.shares(first, group),
            "embedding_b_fve": spectrum.shares(second, group),
            "unembedding_fve": unembedding,
            "hidden_a_fve": hidden.a,
            "hidden_b_fve": hidden.b,
            "hidden_answer_fve": hidden.answer,
            "restricted_loss_by_irrep": losses.restricted_by,
            "excluded_loss_by_irrep": losses.excluded_by,
        }
        of_all = {
            "logit_irrep_fve": similar[1:].square().sum(),
            "key_embedding_fve": embedding[key].sum(),
            "key_unembedding_fve": unembedding[key].sum(),
            "key_hidden_fve": sum(part[key].sum() for part in hidden),
            "restricted_loss_irreps": losses.restricted,
            "excluded_loss_irreps": losses.excluded,
        }
        variables = {
            name: Variable(("irrep",), by_irrep[name], units, source)
            if name in by_irrep
            else Variable((), of_all[name], units, source)
            for name, (units, source) in _sources(snapshot.task.is_train is not None).items()
        }
        return readout(variables, {"irrep": np.array(names)})

    def summarise(self, trace: xr.Dataset) -> dict[str, Any]:
        """The key irreps in the order in which they are learnt."""
        learnt = {}
        for name in trace.irrep.values[trace.is_key_irrep.values[-1]]:
            above = trace.logit_similarity.sel(irrep=name).values > LEARNT_SIMILARITY
            if above.any():
                learnt[str(name)] = int(trace.step.values[above.argmax()])
        order = sorted(learnt, key=learnt.__getitem__)
        return {"irreps_learnt": ", ".join(f"{name} at {learnt[name]}" for name in order)} if order else {}


def _sources(is_split: bool) -> dict[str, tuple[str, str]]:
    """The unit and source of every variable, in a trace's order; `is_split` where training rows are known."""
    rows = "training rows" if is_split else "all rows: the split is not known"
    energy, share = "share of squared norm", "share of variance"
    return {
        "irrep_dimension": ("1", "over the real numbers"),
        "is_key_irrep": ("1", f"similarity > {KEY_SIMILARITY} at the end"),
        "logit_similarity": ("cosine", f"logits and tr rho(x y z^-1); {CHUGHTAI}, 5.1"),
        "logit_similarity_null": ("cosine", "below it a table of the training rows, or noise, would do"),
        "logit_irrep_fve": (energy, f"all trace cubes but the trivial; {CHUGHTAI}, 5.1"),
        "embedding_fve": (energy, f"of both operands; {CHUGHTAI}, 5.2"),
        "embedding_a_fve": (energy, f"W_x W, or W_E; {CHUGHTAI}, 5.2"),
        "embedding_b_fve": (energy, f"W_y W, or W_E; {CHUGHTAI}, 5.2"),
        "unembedding_fve": (energy, f"W_out W_U; {CHUGHTAI}, 5.2"),
        "hidden_a_fve": (share, f"functions rho(x); {CHUGHTAI}, 5.2"),
        "hidden_b_fve": (share, f"functions rho(y); {CHUGHTAI}, 5.2"),
        "hidden_answer_fve": (share, f"functions rho(x y); {CHUGHTAI}, 5.2"),
        "key_embedding_fve": (energy, "key irreps together"),
        "key_unembedding_fve": (energy, "likewise"),
        "key_hidden_fve": (share, f"their MLP FVE; {CHUGHTAI}"),
        "restricted_loss_irreps": ("nats", f"rho(x y) of key irreps alone; {CHUGHTAI}, 5.3"),
        "excluded_loss_irreps": ("nats", f"key irreps taken out, {rows}; {CHUGHTAI}, 5.3"),
        "restricted_loss_by_irrep": ("nats", "one irrep alone, all rows"),
        "excluded_loss_by_irrep": ("nats", f"one irrep taken out, {rows}; {CHUGHTAI}, 5.3"),
    }


class _Losses(NamedTuple):
    restricted: float
    excluded: float
    restricted_by: list[float]
    excluded_by: list[float]


def _losses(snapshot: Snapshot, group: Group, key: list[int]) -> _Losses:
    """Of the neurons' projections on rho(answer), which depend on the answer alone: |G| rows hold them."""
    n = len(group)
    neurons = folded_by_answer(snapshot[snapshot.layers("mlp.hook_post")[-1]], snapshot.labels, n) / n
    bias = snapshot.parameters.get("unembed.b_U", torch.zeros(1))[..., :n].double()
    W_L = snapshot.W_L[:, :n].double()
    train = slice(None) if snapshot.task.is_train is None else snapshot.task.is_train
    logits, labels = _logits(snapshot)[train].double(), snapshot.labels[train]
    restricted, excluded = [], []
    for irreps in (key, *([i] for i in range(len(group.irreps)))):
        kept = spectrum.part(neurons, group, irreps) @ W_L
        restricted.append(F.cross_entropy(kept + bias, torch.arange(n)).item())
        excluded.append(cross_entropy(logits - kept[labels], labels).item())
    return _Losses(restricted[0], excluded[0], restricted[1:], excluded[1:])


def _group(snapshot: Snapshot) -> Group:
    assert isinstance(snapshot.task, GroupTask)
    return snapshot.task.group


def _logits(snapshot: Snapshot) -> Float[Tensor, "ab g"]:
    return snapshot.logits[:, : snapshot.n_numbers]
