"""Softmax collapse: rows whose loss is rounded to 0, beside the size of weights and logits (Prieto et al. 2025)."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import ClassVar

import torch
import xarray as xr
from torch.nn import functional as F

from grokinterp.evaluation.snapshot import Snapshot
from grokinterp.readout import Circuit, Variable, readout

PAPER = "Prieto et al. 2025 (arXiv 2501.04697)"


@dataclass(frozen=True)
class SoftmaxCollapse(Circuit):
    """The share of training rows whose cross-entropy is exactly 0 in float32, and in float64; the sizes behind it.

    Such a row has no gradient any more: the sum of exponentials is that of the label alone. In float32 a margin of
    about 17 does it, in float64 of 37. `weight_norm` and `logit_scale` stand side by side, since holding the one moves
    the other: `logit_scale` is the root mean square of the training rows' logits around each row's mean. Were collapse
    no cause of the delay, runs would stop learning while the share is 0.
    """

    name: ClassVar[str] = "softmax_collapse"
    descriptions: ClassVar[Mapping[str, str]] = {
        "zero_loss_share_float32": "the share of training rows whose loss is exactly 0 in float32",
        "zero_loss_share_float64": "the share of training rows whose loss is exactly 0 in float64",
        "logit_scale": "the root mean square of the logits around each training row's mean",
        "weight_norm": "the root of the sum of the squares of all weights",
    }
    only_on_request: ClassVar[bool] = True

    def why_not(self, snapshot: Snapshot) -> str | None:
        if not snapshot.task.has_classes:
            return "answers are numbers, whose loss has no softmax"
        if snapshot.task.is_train is None or not snapshot.task.is_train.any():
            return "no row of the table is trained on"
        return None

    def read(self, snapshot: Snapshot, requested: frozenset[str] = frozenset()) -> xr.Dataset:
        del requested
        task = snapshot.task
        logits = snapshot.scored_logits[task.is_train].flatten(0, -2)
        labels = task.train_labels[task.is_train].flatten()
        variables = {}
        for dtype in (torch.float32, torch.float64):
            zero = F.cross_entropy(logits.to(dtype), labels, reduction="none") == 0
            name = str(dtype).removeprefix("torch.")
            source = f"training rows with a loss of exactly 0 in {name}; {PAPER}"
            variables[f"zero_loss_share_{name}"] = Variable((), zero.double().mean(), "share", source)
        centred = logits.double() - logits.double().mean(-1, keepdim=True)
        norm = torch.stack([value.detach().double().square().sum() for value in snapshot.weights.values()]).sum().sqrt()
        variables["logit_scale"] = Variable(
            (), centred.square().mean().sqrt(), "logits", "root mean square around each training row's mean"
        )
        variables["weight_norm"] = Variable((), norm, "1", "root of the sum of squared weights")
        return readout(variables)
