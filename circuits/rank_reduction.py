"""How much of each layer's rank a model needs."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import ClassVar

import numpy as np
import torch
import xarray as xr
from jaxtyping import Float
from torch import Tensor

from grokinterp.evaluation.evaluator import Evaluator, evaluator
from grokinterp.evaluation.losses import accuracy
from grokinterp.evaluation.snapshot import Snapshot, rows_at_once
from grokinterp.readout import Circuit, Variable, readout

SOURCE = "truncated SVD of each weight matrix of the layer; the layers and shares are our choice"


def of_rank(W: Float[Tensor, "*head inputs outputs"], share: float, name: str = "W") -> Float[Tensor, "*head _ _"]:
    """The nearest matrix with round(share * full rank) of its singular values, the largest; 0 is the zero matrix.

    A matrix of several heads is one, [d, head * d_head], or of `W_O` [head * d_head, d].
    """
    heads = W.ndim == 3
    joined = W.flatten(0, 1) if name.endswith("W_O") else W.transpose(0, 1).flatten(1) if heads else W
    left, singular, right = torch.linalg.svd(joined.double(), full_matrices=False)
    n = round(share * len(singular))
    reduced = ((left[:, :n] * singular[:n]) @ right[:n]).to(W.dtype)
    if heads and not name.endswith("W_O"):
        return reduced.unflatten(1, (W.shape[0], W.shape[2])).transpose(0, 1)
    return reduced.reshape(W.shape)


def layers_of(parameters: Mapping[str, Tensor]) -> dict[str, list[str]]:
    """`embed`, `blocks.0.attn`, `blocks.0.mlp`, ..., `unembed` -> the weight matrices that can be reduced.

    Position embeddings are left out: they act on nothing.
    """
    layers: dict[str, list[str]] = {}
    for name, value in parameters.items():
        layer, leaf = name.rsplit(".", 1)
        if value.ndim > 1 and leaf != "W_pos":
            layers.setdefault(layer, []).append(name)
    return layers


@dataclass(frozen=True)
class RankReduction(Circuit):
    """Accuracy on rows that were not trained on, at most `rows` of them, with one layer at a time reduced in rank.

    Every weight matrix of the layer keeps that share of its singular values (`of_rank`), biases stay. With `share` 1
    the model is as it was. In a model of patches `embed` is what combines a patch's pixels.
    """

    name: ClassVar[str] = "rank_reduction"
    descriptions: ClassVar[Mapping[str, str]] = {
        "accuracy_at_rank": "accuracy on rows not trained on with one layer's matrix reduced to a share of its rank",
    }
    only_on_request: ClassVar[bool] = True
    shares: tuple[float, ...] = (0.0, 0.05, 0.1, 0.2, 0.3, 0.5, 0.7, 0.9, 1.0)
    rows: int = 500
    seed: int = 0

    def why_not(self, snapshot: Snapshot) -> str | None:
        if not snapshot.task.has_classes:
            return "there is no accuracy to lose: answers are numbers"
        return None

    def read(self, snapshot: Snapshot, requested: frozenset[str] = frozenset()) -> xr.Dataset:
        del requested
        evaluate, layers = evaluator(snapshot.config, snapshot.task), layers_of(snapshot.parameters)
        accuracies = np.zeros((len(layers), len(self.shares)))
        for i, names in enumerate(layers.values()):
            for j, share in enumerate(self.shares):
                reduced = {name: of_rank(snapshot.parameters[name], share, name) for name in names}
                accuracies[i, j] = self._accuracy(snapshot, evaluate, {**snapshot.parameters, **reduced})
        return readout(
            {"accuracy_at_rank": Variable(("layer", "share"), accuracies, "share of rows", SOURCE)},
            {"layer": [*layers], "share": list(self.shares)},
        )

    def _accuracy(self, snapshot: Snapshot, evaluate: Evaluator, parameters: Mapping[str, Tensor]) -> float:
        task, rows = snapshot.task, snapshot.task.rows_held_out
        rows = rows[torch.randperm(len(rows), generator=torch.Generator().manual_seed(self.seed))[: self.rows]]
        with torch.no_grad():
            parts = [evaluate(parameters, part, for_gradient=False) for part in rows.split(rows_at_once(task.inputs))]
        return accuracy(torch.cat(parts)[..., : task.n_answers], task.labels[rows]).item()
