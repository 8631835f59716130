"""Trace cube: logits that are the character of an irrep at x y z^-1 (Chughtai et al. 2302.03025)."""

from dataclasses import dataclass
from typing import ClassVar

import torch

from grokinterp.config.validation import check_types
from grokinterp.constructions._construction import Construction, Network, check_neurons, embedding_mlp
from grokinterp.constructions._groups import group_task
from grokinterp.errors import did_you_mean, listed, require
from grokinterp.tasks import Task
from grokinterp.tasks.groups import GroupTask


@dataclass(frozen=True)
class TraceCube(Construction):
    """Logits exactly scale * tr rho(x y z^-1) of an irrep of real type, of a group by name (`S4`) or of its task.

    One neuron relu(chi(i^-1 x) + chi(y j^-1)) for each pair of elements i, j, of weights chi(i j z^-1): what they
    add up to commutes with rho, since chi is the same on conjugates, and so is a multiple of it (Schur).
    """

    kind: ClassVar[str] = "trace_cube"
    example: ClassVar[str] = "group='S3', irrep='standard'"
    irrep: str
    group: str | None = None
    task: Task | None = None
    scale: float = 10.0

    def __post_init__(self) -> None:
        check_types(self)
        group = self.make_task().group
        check_neurons(len(group) ** 2, self.kind, "give a smaller group")
        names = [rho.name for rho in group.irreps]
        require(
            self.irrep in names,
            f"{group.name} has no irrep {self.irrep!r}.{did_you_mean(self.irrep, names)} It has {listed(names)}",
        )

    def make_task(self) -> GroupTask:
        return group_task(self.group, self.task, self.kind, self.example)

    def make_network(self, task: Task) -> Network:
        assert isinstance(task, GroupTask)
        group = task.group
        g, chi = len(group), next(rho.character for rho in group.irreps if rho.name == self.irrep).double()
        left = chi[group.table[group.inverse]].T  # [x, i]: chi(i^-1 x)
        right = chi[group.quotients]  # [y, j]
        pre = torch.cat([left.repeat_interleave(g, 1), right.repeat(1, g)])
        s, t = chi[:, None], chi[None, :]
        normal = (torch.relu(s + t) * chi[group.table.T[group.inverse][:, group.inverse]]).sum() / chi[group.identity]
        out = self.scale / normal * chi[group.quotients[group.table]].reshape(g * g, g)
        return embedding_mlp(task, torch.eye(g).double(), pre, out)
