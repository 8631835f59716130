"""What a model still does without each of its heads, neuron clusters, frequencies and components."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, ClassVar, get_args

import numpy as np
import torch
import xarray as xr
from jaxtyping import Bool, Float, Int
from torch import Tensor
from torch.nn import functional as F

from grokinterp.analysis.cycles import Wave
from grokinterp.analysis.key_frequencies import neuron_shares
from grokinterp.evaluation.snapshot import Snapshot
from grokinterp.interventions import Ablator, Component, Where, cycle_length
from grokinterp.readout import Circuit, Variable, readout
from grokinterp.tasks import Task

MEASURES = ("train_loss", "test_loss", "train_accuracy", "test_accuracy", "loss", "accuracy")
PLACES: tuple[Where, ...] = get_args(Where)


def measures(logits: Float[Tensor, "ab answer"], task: Task) -> dict[str, float]:
    """Mean cross-entropy (nats, float64) and accuracy, by the names of `MEASURES`: either side of the split, all rows.

    Training rows are scored by the labels trained on; test rows, and all rows together, by the answers. NaN for a
    side without rows, or where the split is not known.
    """
    answers = task.answer_labels
    nowhere = torch.zeros(len(answers), dtype=torch.bool)
    is_train, is_test = (nowhere, nowhere) if task.is_train is None else (task.is_train, ~task.is_train)
    log_probabilities = F.log_softmax(logits.double(), -1)
    guess = logits.argmax(-1)
    values = {}
    sides = (("train_", is_train, task.train_answer_labels), ("test_", is_test, answers), ("", ~nowhere, answers))
    for side, rows, labels in sides:
        values[f"{side}loss"] = F.nll_loss(log_probabilities[rows], labels[rows]).item() if rows.any() else np.nan
        values[f"{side}accuracy"] = (guess == labels)[rows].double().mean().item() if rows.any() else np.nan
    return values


def clusters(post: Float[Tensor, "ab neuron"], task: Task) -> Int[Tensor, "neuron"]:
    """[neuron]: the frequency that explains most of each neuron's variance over the table; 0 for a dead neuron.

    Nanda et al. 2023's neuron frequencies, whatever share they explain. Raises `BadRequest` for a task without a wave.
    """
    share, variance = neuron_shares(Wave.required(task).grid(post))
    return torch.where(variance > 0, share.argmax(0) + 1, 0)


@dataclass(frozen=True)
class AblationCircuit(Circuit):
    """Loss and accuracy after taking out one part at a time (`grokinterp.ablate`).

    Heads; neuron clusters, a layer's neurons of one frequency (`clusters`); frequencies, in each `place` that `ablate`
    knows as `where`; components, of which `none` is the model as it is. Left out: heads of a model without attention,
    and clusters and all places but the embedding where the task's answers ride on no wave.
    """

    name: ClassVar[str] = "ablation"
    descriptions: ClassVar[Mapping[str, str]] = {
        f"{measure}_without_{part}": f"{rows} of the model with one {words} at a time taken out"
        for measure, rows in zip(
            MEASURES,
            ("train loss", "test loss", "train accuracy", "test accuracy", "loss on all rows", "accuracy on all rows"),
            strict=True,
        )
        for part, words in {
            "component": "component",
            "frequency": "frequency",
            "head": "attention head",
            "cluster": "frequency's neurons",
        }.items()
    }
    only_on_request: ClassVar[bool] = True
    how: str = "zero"
    seed: int = 0

    def why_not(self, snapshot: Snapshot) -> str | None:
        if not snapshot.config.stream_points:
            return f"this {snapshot.config.kind} has no hook points (hook_embed)"
        return None if snapshot.task.has_classes else "answers are numbers, and these losses are of classes"

    def read(self, snapshot: Snapshot, requested: frozenset[str] = frozenset()) -> xr.Dataset:
        del requested
        ablator, config, task = Ablator(snapshot), snapshot.config, snapshot.task
        has_wave = Wave.of(task) is not None
        components = [name for name in get_args(Component) if config.why_not_ablated(name) is None]
        frequencies = range(1, cycle_length(task) // 2 + 1)
        places = PLACES if has_wave else PLACES[:1]

        def without(**parts: Any) -> Mapping[str, float]:
            return measures(ablator.logits(how=self.how, seed=self.seed, **parts), task)

        whole = without()
        parts: dict[str, tuple[tuple[str, ...], Any]] = {
            "component": (("component",), [whole, *(without(components=[name]) for name in components)]),
            "frequency": (("place", "k"), [[without(frequencies=[k], where=at) for k in frequencies] for at in places]),
        }
        if config.layer_heads:
            heads = [[without(heads=[(i, j)]) for j in range(n)] for i, n in enumerate(config.layer_heads)]
            parts["head"] = (("layer", "head"), heads)
        layers = [int(name.split(".")[1]) for name in snapshot.layers("mlp.hook_post")]
        if layers and has_wave:
            cluster = {layer: clusters(snapshot[f"blocks.{layer}.mlp.hook_post"], task) for layer in layers}
            members = [[_pairs(layer, cluster[layer] == k) for k in frequencies] for layer in layers]
            # Without any neuron of the frequency nothing is taken out.
            left = [[without(neurons=neurons) if neurons else whole for neurons in row] for row in members]
            parts["cluster"] = (("layer", "k"), left)
        return readout(_variables(parts), {"component": ["none", *components], "place": [*places], "k": [*frequencies]})


def _pairs(layer: int, chosen: Bool[Tensor, "neuron"]) -> list[tuple[int, int]]:
    return [(layer, neuron) for neuron in chosen.nonzero().flatten().tolist()]


def _variables(parts: Mapping[str, tuple[tuple[str, ...], Any]]) -> dict[str, Variable]:
    """`{measure}_without_{part}` for each measure, out of (nested lists of) all measures at once."""
    variables = {}
    for part, (dims, nested) in parts.items():
        values = np.array(nested, dtype=object)
        for measure in MEASURES:
            units = "nats" if measure.endswith("loss") else "share"
            array = np.vectorize(lambda one, measure=measure: one[measure], otypes=[float])(values)
            source = f"{measure} of the model without one {part} at a time"
            variables[f"{measure}_without_{part}"] = Variable(dims, array, units, source)
    return variables
