"""Trajectory: how many directions the weights move in over training (arXiv 2602.16746)."""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np
import torch
import xarray as xr
from jaxtyping import Float
from torch import Tensor

from grokinterp.analysis.pca import pca
from grokinterp.evaluation.snapshot import Snapshot
from grokinterp.readout import Circuit, Variable, readout

SOURCE = "arXiv 2602.16746, over checkpoints"
COMPONENTS = 5


def sketch(weights: Float[Tensor, "n"], size: int, seed: int) -> Float[Tensor, "bucket"]:
    """A count sketch: each weight, its sign drawn, added to one of `size` places, all by the seed.

    Distances and angles between vectors sketched by one seed are kept to about sqrt(2 / size) of themselves, so that
    a trajectory of any model takes `size` numbers a checkpoint.
    """
    generator = torch.Generator().manual_seed(seed)
    place = torch.randint(size, weights.shape, generator=generator)
    sign = torch.randint(2, weights.shape, generator=generator) * 2.0 - 1.0
    return torch.zeros(size, dtype=torch.float64).index_add_(0, place, sign.double() * weights.double())


@dataclass(frozen=True)
class Trajectory(Circuit):
    """A sketch of all weights whose names `pattern` finds; over the checkpoints, its principal components.

    Attributes: `trajectory_shares`, the shares of the path's variance in its first components (2 % off at 4,096
    places), and `trajectory_pc1_share`, the first of them. Null: a path that runs straight has 1, and so would any
    short one; a random walk has 6 / pi^2 = .61. So a large first share alone says little.
    """

    name: ClassVar[str] = "trajectory"
    descriptions: ClassVar[Mapping[str, str]] = {
        "weight_sketch": "all weights in short, as sums of random signs: distances between checkpoints are kept",
    }
    only_on_request: ClassVar[bool] = True
    pattern: str = "."
    size: int = 4096
    seed: int = 0

    def why_not(self, snapshot: Snapshot) -> str | None:
        if not any(re.search(self.pattern, name) for name in snapshot.weights):
            return f"no parameter's name has {self.pattern!r} in it"
        return None

    def read(self, snapshot: Snapshot, requested: frozenset[str] = frozenset()) -> xr.Dataset:
        del requested
        chosen = [value for name, value in snapshot.weights.items() if re.search(self.pattern, name)]
        values = sketch(torch.cat([value.detach().flatten() for value in chosen]), self.size, self.seed)
        source = f"count sketch of the weights, seed {self.seed}; {SOURCE}"
        return readout({"weight_sketch": Variable(("bucket",), values, "1", source)})

    def summarise(self, trace: xr.Dataset) -> dict[str, Any]:
        path = torch.from_numpy(np.asarray(trace["weight_sketch"].values, dtype=np.float64))
        if len(path) < 3:
            return {}  # two points are on a line whatever the weights did
        shares = pca(path, COMPONENTS).variance_share.tolist()
        return {"trajectory_pc1_share": shares[0], "trajectory_shares": shares}
