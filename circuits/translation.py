"""Whether a model of images says the same of a line wherever it lies."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import ClassVar

import torch
import xarray as xr
from jaxtyping import Float, Int
from torch import Tensor

from grokinterp.analysis.moments import group_means
from grokinterp.analysis.pca import pca
from grokinterp.evaluation.snapshot import Snapshot
from grokinterp.readout import Circuit, Variable, readout
from grokinterp.tasks.lines import Lines


def between(x: Float[Tensor, "ab d"], groups: Int[Tensor, "ab"]) -> float:
    """The share of x's variance that lies between the groups' means: 1 where each group is one point.

    NaN where x does not vary.
    """
    x = x.double()
    total = (x - x.mean(0)).square().sum()
    return (1 - (x - group_means(x, groups)[groups]).square().sum() / total).item()


def plane(x: Float[Tensor, "ab d"]) -> Float[Tensor, "ab component"]:
    """The first two principal components (one, where x is as narrow), centred, float64.

    Each points to where its entries' cubes sum to more.
    """
    scores = pca(x, 2).scores
    return scores * torch.where(scores.pow(3).sum(0) < 0, -1, 1)


@dataclass(frozen=True)
class Translation(Circuit):
    """Translation invariance of the representation: the images of a class are translates of one line.

    The measure is `between`, of the representation the unembedding reads (before its LayerNorm), in the plane of its
    first two principal components and in all dimensions; `translation_invariance_of_pixels` is that of the images
    themselves, which no model has touched. 1: where a line lies makes no difference. All of it is our definition.
    """

    name: ClassVar[str] = "translation"
    descriptions: ClassVar[Mapping[str, str]] = {
        "translation_invariance_in_plane": (
            "how alike a line's translates are in two principal components of the last layer"
        ),
        "translation_invariance": "how alike a line's translates are in the whole last layer",
        "translation_invariance_of_pixels": "how alike a line's translates are as images",
        "translation_plane": "where the rows stand in two principal components of the last layer",
        "translation_class": "the class of each of these rows",
    }

    def why_not(self, snapshot: Snapshot) -> str | None:
        if not isinstance(snapshot.task, Lines):
            return f"the rows of {snapshot.task.expression!r} are no translates of one another; see 'lines'"
        return None

    def read(self, snapshot: Snapshot, requested: frozenset[str] = frozenset()) -> xr.Dataset:
        del requested
        ends = snapshot.layers("hook_resid_post")
        place = (ends or snapshot.names)[-1]
        x, labels = snapshot[place], snapshot.labels
        scores = plane(x)
        source = f"ours: share of the variance of {place} between classes"
        units = "share of variance"
        variables = {
            "translation_invariance_in_plane": Variable((), between(scores, labels), units, source),
            "translation_invariance": Variable((), between(x, labels), units, source),
            "translation_invariance_of_pixels": Variable(
                (), between(snapshot.task.inputs, labels), units, "ours: the same of the images themselves"
            ),
            "translation_plane": Variable(("row", "component"), scores, "1", f"2-D PCA of {place}"),
            "translation_class": Variable(("row",), labels, "class", "the class of each row of the plane"),
        }
        return readout(variables)
