"""Whose cosets each neuron of a model of a group is constant on (Stander et al. 2023)."""

from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache
from typing import ClassVar, NamedTuple

import numpy as np
import torch
import xarray as xr
from jaxtyping import Float, Int
from torch import Tensor

from grokinterp.evaluation.losses import accuracy, cross_entropy
from grokinterp.evaluation.snapshot import Snapshot
from grokinterp.irreps.cosets import MOST_SUBGROUPS, Subgroups, concentrations, subgroups, within_shares
from grokinterp.irreps.group import GroupError
from grokinterp.readout import Circuit, Variable, readout
from grokinterp.tasks.groups import GroupTask, why_no_group

STANDER = "Stander et al. 2023"

THRESHOLDS = (1.0, 1e-1, 1e-2, 1e-3, 1e-4, 1e-5, 1e-6)
"""Neurons above 1 are no coset neurons; below 1e-5 are those of models trained long (Stander et al. 2023)."""

ROUNDING = 1e-10
"""Concentrations up to here are the same: float32 weights know no smaller ones."""


class Concentration(NamedTuple):
    """For each neuron the subgroup whose cosets it is most constant on; `value` is NaN for a constant neuron."""

    value: Float[Tensor, "neuron"]
    subgroup: Int[Tensor, "neuron"]
    within: Float[Tensor, "neuron"]


def best(all_of_them: Float[Tensor, "subgroup neuron"], of: Subgroups) -> Concentration:
    """The subgroup of least concentration; the largest of those where it is nothing but rounding.

    A function that is constant on the cosets of a subgroup is so on those of the subgroups within it.
    """
    value, subgroup = all_of_them.clamp(min=ROUNDING).nan_to_num(torch.inf).min(0)  # the first, hence the largest
    value = all_of_them.gather(0, subgroup[None])[0]
    return Concentration(value, subgroup, within_shares(value, of.orders[subgroup], of.group))


def of_neurons(
    snapshot: Snapshot, of: Subgroups
) -> tuple[Float[Tensor, "subgroup neuron"], Float[Tensor, "subgroup neuron"]]:
    """Concentrations of the first layer's pre-activations: their part of x on right cosets, of y on left ones."""
    n = len(of.group)
    grid = snapshot["blocks.0.mlp.hook_pre"].unflatten(0, (n, n)).double()
    return concentrations(grid.mean(1), of, "right"), concentrations(grid.mean(0), of, "left")


@lru_cache(maxsize=8)
def noise_share(of: Subgroups, neurons: int = 1000) -> float:
    """The share of neurons that are noise, L(x) and R(y) drawn alike, which count as concentrated on cosets.

    The null of `coset_neurons`: in a small group noise is constant on the cosets of some subgroup often enough.
    """
    noise = torch.randn(2, len(of.group), neurons, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
    left, right = (best(concentrations(f, of, side), of) for f, side in zip(noise, ("right", "left"), strict=True))
    return float((torch.maximum(left.value, right.value) < 1).double().mean())


@dataclass(frozen=True)
class Cosets(Circuit):
    """Coset concentration of the first layer's pre-activations, their part of x on right cosets, of y on left ones.

    A pre-activation's part of x is its mean over y: up to a constant L(x) of an MLP's L(x) + R(y). Minima are over all
    subgroups but the trivial one and the whole group. A neuron counts by the larger of its two minima. `ablated`
    variables are of the model without the neurons above each threshold (first layer's, last layer's if it is the same).
    """

    name: ClassVar[str] = "cosets"
    descriptions: ClassVar[Mapping[str, str]] = {
        "coset_concentration_left": (
            "how concentrated each neuron's part of x is on right cosets of its best subgroup; 0: all"
        ),
        "coset_concentration_right": (
            "how concentrated each neuron's part of y is on left cosets of its best subgroup; 0: all"
        ),
        "coset_within_left": "the share of the variance of a neuron's part of x that lies within cosets",
        "coset_within_right": "the share of the variance of a neuron's part of y that lies within cosets",
        "coset_subgroup_left": "the class of the subgroup on whose cosets a neuron's part of x is most concentrated",
        "coset_subgroup_right": "the class of the subgroup on whose cosets a neuron's part of y is most concentrated",
        "coset_neurons": "the share of neurons that are concentrated on cosets",
        "coset_conjugate": "the share of coset neurons whose two subgroups are conjugate",
        "coset_neurons_by_kind": "how many coset neurons each class of subgroups has",
        "coset_dropped": "how many neurons are taken out at each threshold of concentration",
        "coset_ablated_accuracy": "accuracy on all rows without the neurons above each threshold",
        "coset_ablated_loss": "loss on all rows without the neurons above each threshold",
        "coset_concentrations_left": "how concentrated each neuron's part of x is on the cosets of every subgroup",
        "coset_concentrations_right": "how concentrated each neuron's part of y is on the cosets of every subgroup",
    }
    on_request: ClassVar[tuple[str, ...]] = ("coset_concentrations_left", "coset_concentrations_right")
    most_subgroups: int = MOST_SUBGROUPS

    def why_not(self, snapshot: Snapshot) -> str | None:
        if reason := why_no_group(snapshot.task):
            return reason
        if "blocks.0.mlp.hook_pre" not in snapshot:
            return "an attention-only model has no neurons (blocks.0.mlp.hook_pre)"
        if "blocks.1.mlp.hook_pre" in snapshot:
            return "the model has several layers; the coset circuit is one of a single layer of neurons"
        try:
            subgroups = self._subgroups(snapshot)
        except GroupError as error:
            return str(error)
        return None if subgroups.all else f"{subgroups.group.name} has no subgroups but itself and the trivial one"

    def read(self, snapshot: Snapshot, requested: frozenset[str] = frozenset()) -> xr.Dataset:
        subgroups = self._subgroups(snapshot)
        left_all, right_all = of_neurons(snapshot, subgroups)
        left, right = best(left_all, subgroups), best(right_all, subgroups)
        worst = torch.maximum(left.value, right.value).nan_to_num(torch.inf)
        kinds = np.array([subgroup.kind for subgroup in subgroups.all])
        kind_of = {"left": kinds[left.subgroup.numpy()], "right": kinds[right.subgroup.numpy()]}
        is_coset = (worst < 1).numpy()
        same = kind_of["left"] == kind_of["right"]
        ablated = _ablated(snapshot, worst)

        neuron, threshold = ("neuron",), ("threshold",)
        sums = f"sum over cosets, least of all subgroups; {STANDER}, 6"
        share = "between 0 and 1: the same subgroup's share of variance within cosets"
        kind = "order, and which class of conjugates; of the least concentration"
        counts = [int((kind_of["right"][is_coset] == name).sum()) for name in subgroups.kinds]
        variables = {
            "coset_concentration_left": Variable(neuron, left.value, "1", f"part of x, right cosets; {sums}"),
            "coset_concentration_right": Variable(neuron, right.value, "1", f"part of y, left cosets; {sums}"),
            "coset_within_left": Variable(neuron, left.within, "share of variance", f"part of x; {share}"),
            "coset_within_right": Variable(neuron, right.within, "share of variance", f"part of y; {share}"),
            "coset_subgroup_left": Variable(neuron, kind_of["left"], "class", f"part of x; {kind}"),
            "coset_subgroup_right": Variable(neuron, kind_of["right"], "class", f"part of y; {kind}"),
            "coset_neurons": Variable((), is_coset.mean(), "share of neurons", f"concentration < 1; {STANDER}, 6"),
            "coset_conjugate": Variable(
                (),
                same[is_coset].mean() if is_coset.any() else np.nan,
                "share of coset neurons",
                f"left and right subgroups conjugate, as the circuit needs them; {STANDER}, 5",
            ),
            "coset_neurons_by_kind": Variable(("subgroup",), counts, "neurons", "coset neurons, by their part of y"),
            "coset_dropped": Variable(threshold, ablated.dropped, "neurons", "concentration above the threshold"),
            "coset_ablated_accuracy": Variable(
                threshold, ablated.accuracy, "share", f"without them, all rows; {STANDER}, 6"
            ),
            "coset_ablated_loss": Variable(threshold, ablated.loss, "nats", f"without them, all rows; {STANDER}, 6"),
        }
        for name, values in (("coset_concentrations_left", left_all), ("coset_concentrations_right", right_all)):
            if name in requested:
                variables[name] = Variable(("conjugate", "neuron"), values, "1", f"every subgroup; {STANDER}, 6")
        coordinates = {
            "threshold": np.array(THRESHOLDS),
            "subgroup": np.array(subgroups.kinds),
            "conjugate": np.array([f"{kind}:{i}" for i, kind in enumerate(kinds)]),
        }
        return readout(variables, coordinates)

    def _subgroups(self, snapshot: Snapshot) -> Subgroups:
        assert isinstance(snapshot.task, GroupTask)
        return subgroups(snapshot.task.group, self.most_subgroups)


class _Ablated(NamedTuple):
    dropped: list[int]
    accuracy: list[float]
    loss: list[float]


def _ablated(snapshot: Snapshot, concentration: Float[Tensor, "neuron"]) -> _Ablated:
    """The model without the neurons above each threshold: their part of the logits is taken away."""
    post, labels = snapshot["blocks.0.mlp.hook_post"], snapshot.labels
    ablated = _Ablated([], [], [])
    for threshold in THRESHOLDS:
        dropped = concentration > threshold
        logits = snapshot.logits - post[:, dropped] @ snapshot.W_L[dropped]
        ablated.dropped.append(int(dropped.sum()))
        ablated.accuracy.append(accuracy(logits, labels).item())
        ablated.loss.append(cross_entropy(logits, labels).item())
    return ablated
