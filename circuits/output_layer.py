"""The output layer as a map: do the answers' weights cluster by cosets, or line up as numbers (Power et al. 2022)?"""

import math
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import ClassVar

import numpy as np
import torch
import xarray as xr
from jaxtyping import Float, Int
from scipy.stats import norm
from torch import Tensor

from grokinterp.analysis.moments import group_means
from grokinterp.analysis.pca import pca
from grokinterp.errors import BadRequest, listed
from grokinterp.evaluation.snapshot import Snapshot
from grokinterp.irreps.cosets import Subgroup, subgroups
from grokinterp.irreps.group import GroupError
from grokinterp.readout import Circuit, Variable, readout
from grokinterp.tasks.groups import GroupTask

POWER = "Power et al. 2022, figure of the output layer"


def principal_components(weights: Float[Tensor, "answer d"], n: int = 2) -> Float[Tensor, "answer component"]:
    """The rows' coordinates along their first principal components, float64; the largest of each is positive.

    NaN where a weight is not finite: a diverged model has no map.
    """
    return pca(weights, n).signed_by_scores().scores


def tsne(weights: Float[Tensor, "answer d"], seed: int = 0) -> Float[np.ndarray, "answer component"]:
    """scikit-learn's t-SNE to the plane, from the principal components on. Raises `BadRequest` where it is missing."""
    try:
        from sklearn.manifold import TSNE
    except ImportError:
        raise BadRequest("t-SNE needs scikit-learn; pip install 'grokinterp[systems]'") from None
    perplexity = min(30.0, (len(weights) - 1) / 3)
    return TSNE(init="pca", random_state=seed, perplexity=perplexity).fit_transform(weights.double().numpy())


def explained(weights: Float[Tensor, "answer d"], labels: Int[Tensor, "answer"]) -> float:
    """The share of the rows' variance that lies between groups of equal label, adjusted for their number.

    1 where all rows of a group are equal; about 0 of random rows, however many groups there are.
    """
    weights = weights.double()
    n, mean = len(weights), group_means(weights, labels)
    within = (weights - mean[labels]).square().sum() / (n - len(mean))
    return (1 - within / ((weights - weights.mean(0)).square().sum() / (n - 1))).item()


def nearest_step(weights: Float[Tensor, "answer d"]) -> int:
    """The s for which the rows of c and c + s mod p lie nearest, 1 <= s <= p / 2: a step along the number line."""
    distances = [
        (weights.roll(-s, 0) - weights).double().square().sum().item() for s in range(1, len(weights) // 2 + 1)
    ]
    return 1 + min(range(len(distances)), key=distances.__getitem__)


def kept(weights: Float[Tensor, "answer d"], step: int) -> float:
    """How alike the rows of c and c + step are: their mean inner product, centred, over the variance. At most 1."""
    centred = (weights - weights.mean(0)).double()
    return ((centred * centred.roll(-step, 0)).sum() / centred.square().sum()).item()


def noise_kept(n: int, width: int) -> float:
    """About `kept` of n rows of noise of this width at their `nearest_step`: the largest of n / 2 steps'.

    Each is a mean of n products, normal of deviation 1 / sqrt(n width) around -1 / (n - 1), as the rows are centred;
    the largest of so many normal numbers is Blom's (1958).
    """
    steps = max(1, n // 2)
    return float(norm.ppf((steps - 0.375) / (steps + 0.25))) / math.sqrt(n * width) - 1 / (n - 1)


@dataclass(frozen=True)
class OutputLayer(Circuit):
    """The columns of W_U on their first two principal components, and by t-SNE on request, with what to colour them by.

    Of a group: the cosets, left or right, of the subgroup whose cosets explain the columns best, chosen at the final
    checkpoint, among those of `order` elements where it is given (10 in the figure of Power et al. 2022 of S_5);
    of numbers, the answer mod s, c joined to c + s mod p, where s is the step whose ends lie nearest (s = 8 in their
    figure of addition mod 97).
    """

    name: ClassVar[str] = "output_layer"
    descriptions: ClassVar[Mapping[str, str]] = {
        "output_pca": "where each answer's output weights stand in two principal components",
        "output_colour": "the class that an answer is coloured by",
        "output_next": "the answer that a line leads to; -1 for none",
        "output_explained": "how well the classes, or the fixed step from answer to answer, explain the output weights",
        "output_tsne": "where t-SNE puts each answer's output weights",
    }
    only_on_request: ClassVar[bool] = True
    on_request: ClassVar[tuple[str, ...]] = ("output_tsne",)
    order: int | None = None
    subgroup: int | None = None
    side: str = "left"
    number_step: int | None = None

    def fit(self, final: Snapshot) -> "OutputLayer":
        subgroups = _subgroups(final)
        W = _columns(final)
        if not subgroups:
            return self if self.number_step is not None else replace(self, number_step=nearest_step(W))
        if self.subgroup is not None:
            return self
        score = {
            (i, side): explained(W, subgroup.labels(side))
            for i, subgroup in enumerate(subgroups)
            for side in ("left", "right")
            if self.order in (None, len(subgroup))
        }
        if not score:
            orders = listed(sorted({len(subgroup) for subgroup in subgroups}))
            raise BadRequest(f"no subgroup has order {self.order}; the orders are {orders}")
        subgroup, side = max(score, key=score.__getitem__)
        return replace(self, subgroup=subgroup, side=side)

    def why_not(self, snapshot: Snapshot) -> str | None:
        config = snapshot.config
        return None if config.has_unembedding else f"a {config.kind} has no unembedding (unembed.W_U)"

    def read(self, snapshot: Snapshot, requested: frozenset[str] = frozenset()) -> xr.Dataset:
        W = _columns(snapshot)
        subgroups = _subgroups(snapshot)
        chosen = self if self.subgroup is not None or self.number_step is not None else self.fit(snapshot)
        if subgroups:
            subgroup = subgroups[chosen.subgroup or 0]
            labels, what = subgroup.labels(chosen.side), f"{chosen.side} cosets of a subgroup {subgroup.kind}"
            following, share = torch.full((len(W),), -1), explained(W, labels)
            meaning = "share of the columns' variance between colours, adjusted for their number"
        else:
            step = chosen.number_step or 1
            labels, what = torch.arange(len(W)) % step, f"answer mod {step}"
            following, share = (torch.arange(len(W)) + step) % len(W), kept(W, step)
            noise = noise_kept(*W.shape)
            meaning = f"likeness of the columns of c and c + {step}; at most 1, of noise about {noise:.2f}"
        components = ("answer", "component")
        variables = {
            "output_pca": Variable(components, principal_components(W), "1", "principal components of W_U's columns"),
            "output_colour": Variable(("answer",), labels, "1", f"{what}; {POWER}"),
            "output_next": Variable(("answer",), following, "1", f"the answer that a line leads to, -1: none; {POWER}"),
            "output_explained": Variable((), share, "share of variance", meaning),
        }
        if "output_tsne" in requested:
            variables["output_tsne"] = Variable(components, tsne(W), "1", f"scikit-learn's t-SNE; {POWER}")
        return readout(variables, {"answer": np.array(snapshot.task.tokens[: len(W)])})


def _columns(snapshot: Snapshot) -> Float[Tensor, "answer d"]:
    task = snapshot.task
    return snapshot.W_U.T[: len(task.group) if isinstance(task, GroupTask) else task.n_values]


def _subgroups(snapshot: Snapshot) -> list[Subgroup]:
    if not isinstance(snapshot.task, GroupTask):
        return []
    try:
        return subgroups(snapshot.task.group).all
    except GroupError:
        return []
