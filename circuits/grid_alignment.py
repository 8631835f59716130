"""Grid alignment: whether the embedding of points lies in a plane as the points do."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import ClassVar

import torch
import xarray as xr
from jaxtyping import Float
from torch import Tensor

from grokinterp.analysis.pca import pca
from grokinterp.evaluation.snapshot import Snapshot
from grokinterp.readout import Circuit, Variable, readout


def principal(W_E: Float[Tensor, "point d"]) -> Float[Tensor, "point component"]:
    """The scores of the centred embedding in its principal components, the largest first, float64.

    Those that are zero up to rounding are left out. Each component's largest score is positive.
    """
    analysis = pca(W_E, W_E.shape[1]).signed_by_scores()
    return analysis.scores[:, : analysis.rank]


def affine_r2(scores: Float[Tensor, "point component"], coordinates: Float[Tensor, "point xy"]) -> float:
    """R^2 of the best affine map from uncorrelated, centred scores to coordinates: the share of their variance, x and y
    together, that it explains. 0 for no scores; an unrelated embedding has components / (points - 1) on average.
    """
    target = coordinates.double() - coordinates.double().mean(0)
    directions = scores / scores.norm(dim=0)
    return ((directions.T @ target).square().sum() / target.square().sum()).item()


@dataclass(frozen=True)
class GridAlignment(Circuit):
    """How well a task's points can be read off their embedding by an affine map, over training.

    From the first `components` principal components, and from the whole embedding. The latter is 1 for any embedding
    with at least as many dimensions as points less one: read it for narrow models only. `grid_plane` is the embedding
    in its first two components: the grid, where the model has found it.
    """

    name: ClassVar[str] = "grid_alignment"
    descriptions: ClassVar[Mapping[str, str]] = {
        "grid_r2": "how well an affine map reads a point's place off so many principal components of its embedding",
        "grid_r2_all": "the same of all components",
        "grid_plane": "where the points stand in the first two principal components of their embedding",
    }
    components: tuple[int, ...] = (2, 4, 8)

    def why_not(self, snapshot: Snapshot) -> str | None:
        if snapshot.task.coordinates is None:
            return f"the tokens of {snapshot.task.expression!r} are no points in a plane"
        return None

    def read(self, snapshot: Snapshot, requested: frozenset[str] = frozenset()) -> xr.Dataset:
        del requested
        coordinates = snapshot.task.coordinates
        assert coordinates is not None
        scores = principal(snapshot.vocabulary[: len(coordinates)])
        source = "affine map by least squares from the centred embedding's principal components to (x, y)"
        r2 = [affine_r2(scores[:, :count], coordinates) for count in self.components]
        plane = torch.zeros(len(scores), 2, dtype=scores.dtype)
        plane[:, : scores.shape[1]] = scores[:, :2]
        return readout(
            {
                "grid_r2": Variable(("components",), torch.tensor(r2), "R^2", source),
                "grid_r2_all": Variable((), affine_r2(scores, coordinates), "R^2", f"{source}, all of them"),
                "grid_plane": Variable(("point", "component"), plane, "weights", "first two principal components"),
            },
            {"components": list(self.components), "component": [1, 2]},
        )
