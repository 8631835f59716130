"""Pruning: how much is left of a network without the neurons of many waves, or without those of few."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import ClassVar

import numpy as np
import torch
import xarray as xr
from jaxtyping import Float
from torch import Tensor

from grokinterp.analysis.cycles import Wave
from grokinterp.analysis.simple_neurons import OutputWaves, SimpleNeurons, inverse_participation, powers
from grokinterp.evaluation.losses import accuracy
from grokinterp.evaluation.snapshot import Snapshot
from grokinterp.interventions import Ablator
from grokinterp.readout import Circuit, Variable, readout

PAPER = "Doshi et al. 2023, pruning by inverse participation ratio"
ORDERS = ("lowest first", "highest first", "random")


def neuron_ipr(snapshot: Snapshot, wave: Wave) -> Float[Tensor, "neuron"]:
    """[neuron]: the mean inverse participation ratio of what it reads of a, of b, and of what it writes.

    Read are the parts of its pre-activation that depend on one operand alone; written is its column of W_L. Constants
    are left out of all three. A ratio of a constant counts 0.
    """
    read = powers(SimpleNeurons.first_of(snapshot, wave).moments.waves[:2], wave.cycle)
    ratios = [*inverse_participation(read), OutputWaves.last_of(snapshot, wave).ipr]
    return torch.stack(ratios).nan_to_num(0.0).mean(0)


@dataclass(frozen=True)
class IPRPruning(Circuit):
    """Accuracy against the share of neurons that are kept, the rest at zero, pruned in three orders.

    Neurons that compute the answer ride on one wave (ratio near 1), those that remember rows on many (near 0). With the
    lowest ratios pruned first, memory of corrupted labels is lost before the answers to unseen rows; with the highest
    first it is the other way round. Were the hypothesis false, both orders would do what the random one does, which
    stands beside them.
    """

    name: ClassVar[str] = "ipr_pruning"
    descriptions: ClassVar[Mapping[str, str]] = {
        "neuron_ipr": (
            "how far each neuron holds one frequency alone, as an inverse participation ratio; 1 where it does"
        ),
        "pruned_accuracy_test": "accuracy on rows not trained on with so large a share of neurons kept, in each order",
        "pruned_accuracy_clean": "the same on training rows that were taught their right answer",
        "pruned_accuracy_corrupted": "the same on training rows that were taught a wrong answer, by that answer",
    }
    only_on_request: ClassVar[bool] = True
    shares: tuple[float, ...] = (1.0, 0.9, 0.8, 0.7, 0.6, 0.5, 0.4, 0.3, 0.2, 0.1, 0.0)
    seed: int = 0

    def why_not(self, snapshot: Snapshot) -> str | None:
        task, layers = snapshot.task, snapshot.config.layer_neurons
        if len(layers) != 1 or "blocks.0.mlp.hook_pre" not in snapshot.names:
            return f"it prunes the one layer of neurons that is read out, and the model has {len(layers)}"
        return Wave.why_not(task) or ("the task has no split" if task.is_train is None else None)

    def read(self, snapshot: Snapshot, requested: frozenset[str] = frozenset()) -> xr.Dataset:
        del requested
        task, wave = snapshot.task, Wave.required(snapshot.task)
        assert task.is_train is not None
        ratios = neuron_ipr(snapshot, wave)
        ascending = ratios.argsort(stable=True)
        shuffled = torch.randperm(len(ratios), generator=torch.Generator().manual_seed(self.seed))
        orders = dict(zip(ORDERS, (ascending, ascending.flip(0), shuffled), strict=True))
        corrupted = task.is_corrupted
        sides = {
            "test": (~task.is_train, task.labels),
            "clean": (task.is_train & ~corrupted, task.labels),
            **({"corrupted": (corrupted, task.train_labels)} if corrupted.any() else {}),
        }
        accuracies = {name: np.full((len(ORDERS), len(self.shares)), np.nan) for name in sides}
        ablator = Ablator(snapshot)
        for i, order in enumerate(orders.values()):
            for j, share in enumerate(self.shares):
                pruned = order[: len(order) - round(share * len(order))].tolist()
                logits = ablator.logits(neurons=[(0, neuron) for neuron in pruned]) if pruned else snapshot.logits
                for name, (rows, labels) in sides.items():
                    if rows.any():
                        accuracies[name][i, j] = accuracy(logits[rows], labels[rows]).item()
        words = {"test": "rows not trained on", "clean": "training rows", "corrupted": "corrupted rows, as taught"}
        return readout(
            {
                "neuron_ipr": Variable(("neuron",), ratios, "1", f"mean of a, b and the column of W_L; {PAPER}"),
                **{
                    f"pruned_accuracy_{name}": Variable(("order", "kept"), values, "share", f"{words[name]}; {PAPER}")
                    for name, values in accuracies.items()
                },
            },
            {"order": [*ORDERS], "kept": [*self.shares]},
        )
