"""Loss and accuracy of each scored position by itself: a phase change can hide in the mean of several."""

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np
import xarray as xr
from jaxtyping import Float
from torch import Tensor
from torch.nn import functional as F

from grokinterp.evaluation.losses import rightness
from grokinterp.evaluation.snapshot import Snapshot
from grokinterp.readout import Circuit, Variable, readout
from grokinterp.tasks import Task

SOURCES = {
    "loss_by_position": "mean cross-entropy over the answers, rows not trained on; float64",
    "accuracy_by_position": "share of the rows not trained on whose largest logit is the answer",
    "train_loss_by_position": "mean cross-entropy over the answers, rows trained on; float64",
    "train_accuracy_by_position": "share of the rows trained on whose largest logit is the answer",
}


def by_position(logits: Float[Tensor, "ab t answer"], task: Task) -> Mapping[str, Float[Tensor, "t"]]:
    """Cross-entropy in nats (on float64 logits) and accuracy at each scored position, by the names of `SOURCES`.

    NaN on a side of the split without rows, and on both where it is not known.
    """
    loss = F.cross_entropy(logits.double().flatten(0, 1), task.labels.flatten(), reduction="none")
    loss = loss.unflatten(0, task.labels.shape)
    right = rightness(logits.flatten(0, 1), task.labels.flatten()).unflatten(0, task.labels.shape)
    if task.is_train is None:
        return dict.fromkeys(SOURCES, loss[:0].mean(0))
    test, train = ~task.is_train, task.is_train
    means = (loss[test], right[test], loss[train], right[train])
    return {name: each.mean(0) for name, each in zip(SOURCES, means, strict=True)}


@dataclass(frozen=True)
class Tokens(Circuit):
    """The curves of each scored position, for tasks whose answer has several tokens (Nanda et al. 2023, appendix).

    `position` is where the token before the predicted one stands in the row. The attribute `learnt_step_by_position`
    has the first checkpoint at which each position's loss is below half that of a uniform guess; -1 where it never is.
    """

    name: ClassVar[str] = "tokens"
    descriptions: ClassVar[Mapping[str, str]] = {
        "loss_by_position": "loss of each scored token, on rows not trained on",
        "accuracy_by_position": "accuracy of each scored token, on rows not trained on",
        "train_loss_by_position": "loss of each scored token, on rows trained on",
        "train_accuracy_by_position": "accuracy of each scored token, on rows trained on",
        "uniform_loss": "the loss of a uniform guess",
    }

    def why_not(self, snapshot: Snapshot) -> str | None:
        if snapshot.task.labels.ndim == 1:
            return f"the answers of {snapshot.task.expression!r} are one token each; see the circuit 'loss'"
        return None

    def read(self, snapshot: Snapshot, requested: frozenset[str] = frozenset()) -> xr.Dataset:
        del requested
        task = snapshot.task
        by_token = by_position(snapshot.scored_logits, task)
        units = {name: "nats" if "loss" in name else "share" for name in by_token}
        length = task.inputs.shape[1]
        variables = {
            name: Variable(("position",), value, units[name], SOURCES[name]) for name, value in by_token.items()
        }
        variables["uniform_loss"] = Variable((), math.log(task.n_answers), "nats", "a uniform guess: ln(answers)")
        return readout(variables, {"position": [position % length for position in task.positions]})

    def summarise(self, trace: xr.Dataset) -> dict[str, Any]:
        is_learnt = trace.loss_by_position.values < trace.uniform_loss.values[:, None] / 2
        first = np.where(is_learnt.any(0), trace.step.values[is_learnt.argmax(0)], -1)
        return {
            "learnt_step_by_position": first.tolist(),
            "learnt_rule": "first checkpoint with a position's loss below half that of a uniform guess; -1: never",
        }
