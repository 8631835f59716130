"""Cosets: the subgroup of a group whose cosets each neuron of a checkpoint is most constant on."""

from dataclasses import dataclass
from functools import cached_property

import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor

from grokinterp.circuits import cosets
from grokinterp.evaluation.snapshot import Snapshot
from grokinterp.irreps.cosets import Subgroups, subgroups
from grokinterp.tasks.groups import GroupTask


@dataclass(frozen=True, eq=False)
class NeuronCosets:
    """The neurons of one checkpoint, by the cosets that they are concentrated on, as `circuits.cosets` reads them."""

    snapshot: Snapshot

    @cached_property
    def why_not(self) -> str | None:
        """Why these neurons have no cosets; None where they do."""
        return cosets.Cosets().why_not(self.snapshot)

    @cached_property
    def subgroups(self) -> Subgroups:
        assert isinstance(self.snapshot.task, GroupTask)
        return subgroups(self.snapshot.task.group)

    @property
    def names(self) -> list[str]:
        """Of each class of conjugate subgroups: `order 6`, `order 4a`; the largest first."""
        return [f"order {kind}" for kind in self.subgroups.kinds]

    @property
    def concentration(self) -> Float[Tensor, "neuron"]:
        """[neuron]: the larger of the concentrations of its parts of x and of y; infinite for a constant neuron."""
        left, right = self._sides
        return torch.maximum(left.value, right.value).nan_to_num(torch.inf)

    @property
    def kind(self) -> Int[Tensor, "neuron"]:
        """[neuron]: which of `names` its part of y is most constant on."""
        kinds = self.subgroups.kinds
        of_subgroup = torch.tensor([kinds.index(subgroup.kind) for subgroup in self.subgroups.all])
        return of_subgroup[self._sides[1].subgroup]

    @property
    def is_on_cosets(self) -> Bool[Tensor, "neuron"]:
        """[neuron]: whether it is concentrated, both in x and in y."""
        return self.concentration < 1

    @property
    def groups(self) -> tuple[list[str], Int[Tensor, "neuron"]]:
        """The names of those subgroups that some neuron is concentrated on, and each neuron's place among them.

        The last name is "none", of the neurons that rest on no cosets, where there are some.
        """
        kinds = torch.where(self.is_on_cosets, self.kind, len(self.names))
        present, index = kinds.unique(return_inverse=True)
        return [[*self.names, "none"][k] for k in present.tolist()], index

    @property
    def noise(self) -> float:
        """The share of neurons that are noise which would be."""
        return cosets.noise_share(self.subgroups)

    @cached_property
    def _sides(self) -> tuple[cosets.Concentration, cosets.Concentration]:
        left, right = (cosets.best(side, self.subgroups) for side in cosets.of_neurons(self.snapshot, self.subgroups))
        return left, right
