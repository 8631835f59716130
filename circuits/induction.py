"""Induction: a head that finds the current token's earlier occurrence and attends to what followed it."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, ClassVar

import torch
import xarray as xr
from jaxtyping import Bool, Float
from torch import Tensor

from grokinterp.evaluation.snapshot import Snapshot
from grokinterp.readout import Circuit, Variable, readout
from grokinterp.tasks import Task


def sources(task: Task) -> Bool[Tensor, "ab t source"]:
    """Where each answer can be copied from: the places that hold it, right after an earlier copy of the current token.

    The current token is the one at the scored position. `a b c ... a`: the answer b is at place 1.
    """
    inputs = task.inputs
    length = inputs.shape[1]
    position = torch.tensor([place % length for place in task.positions], device=inputs.device)
    labels = task.labels.reshape(len(inputs), -1)
    follows = torch.zeros(len(inputs), len(position), length, dtype=torch.bool, device=inputs.device)
    follows[:, :, 1:] = inputs[:, None, :-1] == inputs[:, position][:, :, None]
    holds = inputs[:, None, :] == labels[:, :, None]
    earlier = torch.arange(length, device=inputs.device) <= position[:, None]
    return follows & holds & earlier


def induction_score(
    pattern: Float[Tensor, "ab t head source"], is_source: Bool[Tensor, "ab t source"]
) -> Float[Tensor, "head"]:
    """[head]: attention to the sources of the answer, summed over them, the mean over rows and scored positions.

    1 for a perfect induction head (prefix matching of Olsson et al. 2022).
    """
    return (pattern * is_source[:, :, None]).sum(-1).mean((0, 1))


def previous_token_score(mean_pattern: Float[Tensor, "head query source"], before: int) -> Float[Tensor, "head"]:
    """[head]: attention to the token just before the query's, the mean over the queries 1 .. before - 1."""
    return mean_pattern[:, :before, :before].diagonal(offset=-1, dim1=1, dim2=2).mean(1)


@dataclass(frozen=True)
class Induction(Circuit):
    """Each head's previous-token score and induction score (Olsson et al. 2022; Nanda et al. 2023, phase changes).

    An induction circuit has a previous-token head in one layer, which tells every token what stood before it, and an
    induction head in a later one, which looks for it. Previous-token scores are of the queries before those scored:
    only there does a copy read from. The attribute `induction_step` is the first checkpoint at which some head's
    induction score reaches `threshold`; absent where none does.
    """

    name: ClassVar[str] = "induction"
    descriptions: ClassVar[Mapping[str, str]] = {
        "induction_score": "how much each head attends to the token after an earlier one like the present",
        "previous_token_score": "how much each head attends to the token before the present one",
        "best_induction_score": "the largest induction score of all heads",
    }
    threshold: float = 0.5

    def why_not(self, snapshot: Snapshot) -> str | None:
        task = snapshot.task
        if not snapshot.config.has_token_attention:
            return f"this {snapshot.config.kind} has no attention over tokens (blocks.0.attn.hook_pattern)"
        if not bool(sources(task).any(-1).all()):
            return f"the answers of {task.expression!r} do not stand earlier in the row, after the token they follow"
        return None

    def read(self, snapshot: Snapshot, requested: frozenset[str] = frozenset()) -> xr.Dataset:
        del requested
        task = snapshot.task
        is_source = sources(task)
        names = snapshot.layers("hook_pattern")
        induction = torch.stack([induction_score(snapshot.at_scored(name), is_source) for name in names])
        before = min(position % task.inputs.shape[1] for position in task.positions)
        previous = torch.stack([previous_token_score(pattern, before) for pattern in snapshot.mean_patterns])
        heads = ("layer", "head")
        olsson = "Olsson et al. 2022, prefix matching; mean over rows and scored positions"
        return readout(
            {
                "induction_score": Variable(heads, induction, "share of attention", olsson),
                "previous_token_score": Variable(
                    heads, previous, "share of attention", "Olsson et al. 2022; mean over the queries before the scored"
                ),
                "best_induction_score": Variable((), induction.max().item(), "share of attention", olsson),
            }
        )

    def summarise(self, trace: xr.Dataset) -> dict[str, Any]:
        reached = trace.step.values[trace.best_induction_score.values >= self.threshold]
        rule = {"induction_rule": f"first checkpoint with a head's induction score >= {self.threshold}"}
        return {**({"induction_step": int(reached[0])} if len(reached) else {}), **rule}
