"""Coset: each neuron knows one pair of cosets, on which a product lies in one coset (Stander et al. 2312.06581)."""

from dataclasses import dataclass
from typing import ClassVar

import torch
from torch import Tensor

from grokinterp.config import OneHotMLPConfig
from grokinterp.config.validation import check_types
from grokinterp.constructions._construction import Construction, Network, check_neurons
from grokinterp.constructions._groups import group_task
from grokinterp.errors import did_you_mean, listed, require
from grokinterp.irreps import cosets
from grokinterp.irreps.cosets import Subgroup
from grokinterp.tasks import Task
from grokinterp.tasks.groups import GroupTask


@dataclass(frozen=True)
class Coset(Construction):
    """The logit of z is scale times the number of subgroups H with H xy = H z, of a group by name or of its task.

    A neuron relu([x in H g] + [y in g^-1 H c] - 1) for each H and pair of its right cosets H g, H c writes `scale` on
    H c: xy is there for exactly one g. `subgroups` are kinds as the circuit `cosets` names them, all conjugates of
    each; left out, the largest whose conjugates have nothing but the identity in common, which tells all z apart.
    """

    kind: ClassVar[str] = "coset"
    example: ClassVar[str] = "group='S4'"
    group: str | None = None
    task: Task | None = None
    subgroups: tuple[str, ...] = ()
    scale: float = 10.0

    def __post_init__(self) -> None:
        check_types(self)
        task = self.make_task()
        group, every = task.group, cosets.subgroups(task.group)
        for kind in self.subgroups:
            near = did_you_mean(kind, every.kinds)
            require(kind in every.kinds, f"{group.name} has no subgroups {kind!r}.{near} It has {listed(every.kinds)}")
        chosen = self._chosen(task)
        of = f"the subgroups {listed(self.subgroups)}" if self.subgroups else "the subgroups of any one kind"
        remedy = (
            f"name several of {listed(every.kinds)}" if _tell_apart(every.all) else "take another group, such as S4"
        )
        require(_tell_apart(chosen), f"cosets of {of} of {group.name} do not tell all answers apart; {remedy}")
        neurons = sum(len(each.right_cosets) ** 2 for each in chosen)
        check_neurons(neurons, self.kind, "name larger subgroups")

    def make_task(self) -> GroupTask:
        return group_task(self.group, self.task, self.kind, self.example)

    def _chosen(self, task: GroupTask) -> list[Subgroup]:
        every = cosets.subgroups(task.group)
        if self.subgroups:
            return [each for each in every.all if each.kind in self.subgroups]
        by_kind = ([each for each in every.all if each.kind == kind] for kind in every.kinds)
        return next((chosen for chosen in by_kind if _tell_apart(chosen)), [])

    def make_network(self, task: Task) -> Network:
        assert isinstance(task, GroupTask)
        parts = [_neurons(subgroup, task.group.table, task.group.inverse) for subgroup in self._chosen(task)]
        sides = zip(zip(*parts, strict=True), (1, 1, 0), strict=True)
        left, right, columns = (torch.cat(part, dim).double() for part, dim in sides)
        g, n = len(task.group), left.shape[1]
        config = OneHotMLPConfig(combine="concatenate", d_mlp=n).resolved(g, g, 2)
        return Network(config, {"blocks.0.mlp.W_in": torch.cat([left - 1, right]), "unembed.W_U": self.scale * columns})


def _tell_apart(chosen: list[Subgroup]) -> bool:
    """Whether the identity alone lies in all of them."""
    members = [set(subgroup.members.tolist()) for subgroup in chosen]
    return bool(members) and len(set.intersection(*members)) == 1


def _neurons(subgroup: Subgroup, table: Tensor, inverse: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """[x, neuron], [y, neuron], [neuron, z]: in H g, in g^-1 H c, in H c, for each pair of right cosets, g-major."""
    label = subgroup.labels("right")
    m = len(subgroup.right_cosets)
    g, c = torch.arange(m).repeat_interleave(m), torch.arange(m).repeat(m)
    # y is in g^-1 H c where g y is in H c.
    moved = label[table[subgroup.right_cosets[:, 0]]]  # [coset, y]
    return label[:, None] == g, moved[g].T == c, c[:, None] == label
