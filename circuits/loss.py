"""Loss and accuracy on both sides of the split, the size of the weights, and the regime that the curves show."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, ClassVar, Literal, TypeAlias

import numpy as np
import xarray as xr
from torch import Tensor

from grokinterp.analysis.outcome import SCORES, Outcome
from grokinterp.evaluation.losses import accuracy
from grokinterp.evaluation.snapshot import Snapshot
from grokinterp.evaluation.table_scores import SOURCES, losses
from grokinterp.readout import Circuit, Variable, readout
from grokinterp.runs.population import landmarks
from grokinterp.runs.population.landmarks import ALL_TRAINED, SOLVED

Regime: TypeAlias = Literal["not learnt", "memorises", "groks", "generalises at once"]
REGIMES: tuple[Regime, ...] = ("not learnt", "memorises", "groks", "generalises at once")

LATER = 2.0
"""How many times as late as the training rows the test rows are answered where a model groks (our choice). In Nanda et
al. 2023's sweep of fractions it is 1.2 or less from 80 % of the table on, and 2.9 at 60 %."""


def weight_norms_squared(parameters: Mapping[str, Tensor]) -> dict[str, float]:
    """The sum of squares of every parameter, float64 (Nanda et al. 2023; their total is the sum of these)."""
    return {name: value.detach().double().square().sum().item() for name, value in parameters.items()}


def first_step(curve: xr.DataArray, threshold: float) -> int | None:
    """The first step at which a curve over `step` is at or above a threshold; None where there is none."""
    return landmarks.first_step(curve.step.values, curve.values, threshold)


def regime_of(memorised_step: float | None, grokked_step: float | None) -> Regime:
    """By the first steps at which all training rows and 99 % of the test rows are answered; None: never."""
    if grokked_step is None:
        return "not learnt" if memorised_step is None else "memorises"
    if memorised_step is None or grokked_step < LATER * memorised_step:
        return "generalises at once"
    return "groks"


@dataclass(frozen=True)
class Loss(Circuit):
    """The curves of training, measured anew at every checkpoint, and when they crossed their thresholds.

    Attributes `memorised_step` and `grokked_step` are the first checkpoints at which train and test accuracy reach
    `memorised_accuracy` and `grokked_accuracy`; absent where they never do. Of endless data there are no rows that are
    trained on: the table is held out, and what is said of training rows is NaN. The attribute `outcome` is what the
    last checkpoint came to, as far as it tells itself (`analysis.outcome`).
    """

    name: ClassVar[str] = "loss"
    descriptions: ClassVar[Mapping[str, str]] = {
        "train_loss": "loss on rows trained on",
        "test_loss": "loss on rows not trained on",
        "train_accuracy": "the share of the rows trained on that are answered right",
        "test_accuracy": "the share of the rows not trained on that are answered right",
        "test_accuracy_unswapped": "the same without rows whose swap (b, a) was trained on",
        "all_accuracy": "the share of all rows that are answered right",
        "weight_norm_squared": "the sum of the squares of all weights",
        "weight_norm_squared_by_parameter": "the sum of the squares of each parameter's weights",
    }
    memorised_accuracy: float = ALL_TRAINED
    grokked_accuracy: float = SOLVED

    def read(self, snapshot: Snapshot, requested: frozenset[str] = frozenset()) -> xr.Dataset:
        del requested
        measured = losses(snapshot.scored_logits, snapshot.task)
        norms = weight_norms_squared(snapshot.weights)
        units = {name: "nats" if name.endswith("loss") else "share" for name in measured}
        variables = {name: Variable((), value, units[name], SOURCES[name]) for name, value in measured.items()}
        task = snapshot.task
        if task.is_train is None:
            every = accuracy(snapshot.scored_logits, task.labels).item()
        else:  # no second look at every logit
            sides = (measured["train_accuracy"], task.is_train), (measured["test_accuracy"], ~task.is_train)
            every = sum(share * int(rows.sum()) for share, rows in sides if rows.any()) / len(task.is_train)
        variables["all_accuracy"] = Variable(
            (), every, "share", "both sides of the split, or all rows where it is not known"
        )
        source = "sum of squared weights, Nanda et al. 2023"
        variables["weight_norm_squared"] = Variable((), sum(norms.values()), "1", source)
        variables["weight_norm_squared_by_parameter"] = Variable(
            ("parameter",), np.array(list(norms.values())), "1", source
        )
        return readout(variables, {"parameter": list(norms)})

    def summarise(self, trace: xr.Dataset) -> dict[str, Any]:
        steps = {
            "memorised_step": first_step(trace.train_accuracy, self.memorised_accuracy),
            "grokked_step": first_step(trace.test_accuracy, self.grokked_accuracy),
        }
        rules = {
            "memorised_rule": f"first checkpoint with train accuracy >= {self.memorised_accuracy}",
            "grokked_rule": f"first checkpoint with test accuracy >= {self.grokked_accuracy}",
        }
        reached: dict[str, Any] = {name: step for name, step in steps.items() if step is not None}
        known = [name for name in SCORES if name in trace]
        if "all_accuracy" in known:  # curves alone have no last checkpoint
            reached["outcome"] = Outcome.of({name: float(trace[name][-1]) for name in known}).kind
        return {**reached, **rules}
