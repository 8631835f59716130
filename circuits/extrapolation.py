"""How far a model that answers with numbers is off, on the table and far beyond it."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import ClassVar

import numpy as np
import torch
import xarray as xr
from jaxtyping import Bool, Float
from torch import Tensor

from grokinterp.evaluation.evaluator import evaluator
from grokinterp.evaluation.snapshot import Snapshot
from grokinterp.readout import Circuit, Variable, readout
from grokinterp.tasks.division import Division


def relative_error(answers: Float[Tensor, "n"], right: Float[Tensor, "n"]) -> float:
    """The mean of |found - right| / |right|; NaN of no rows."""
    return ((answers.double() - right).abs() / right.abs()).mean().item()


@dataclass(frozen=True)
class Extrapolation(Circuit):
    """Relative errors of a / b: of the rows trained on, of the others, and of operands far larger than the table's.

    Beyond the table, at each `reach`: `pairs` whole numbers a and b, uniform from 1 to reach * n (our choice).
    """

    name: ClassVar[str] = "extrapolation"
    descriptions: ClassVar[Mapping[str, str]] = {
        "relative_error_train": "the median error of the quotients, relative to the right one, on rows trained on",
        "relative_error_test": "the same on rows not trained on",
        "relative_error_beyond": "the same on operands far larger than the table's, up to each reach",
    }
    reaches: tuple[int, ...] = (1, 10, 100, 1000)
    pairs: int = 1000
    seed: int = 0

    def why_not(self, snapshot: Snapshot) -> str | None:
        if not isinstance(snapshot.task, Division) or snapshot.task.has_classes:
            return f"the answers of {snapshot.task.expression!r} are no quotients; see 'division', form='numbers'"
        return None

    def read(self, snapshot: Snapshot, requested: frozenset[str] = frozenset()) -> xr.Dataset:
        del requested
        task, source = snapshot.task, "mean |answer - a/b| / (a/b)"
        nowhere = torch.zeros(len(task.inputs), dtype=torch.bool)
        is_train, is_test = (nowhere, nowhere) if task.is_train is None else (task.is_train, ~task.is_train)
        beyond = [self._beyond(snapshot, reach * (task.sizes[0] - 1)) for reach in self.reaches]
        variables = {
            "relative_error_train": Variable((), _error(snapshot, is_train), "1", source),
            "relative_error_test": Variable((), _error(snapshot, is_test), "1", source),
            "relative_error_beyond": Variable(("reach",), np.array(beyond), "1", f"{source}, a and b to reach * n"),
        }
        return readout(variables, {"reach": list(self.reaches)})

    def _beyond(self, snapshot: Snapshot, largest: int) -> float:
        generator = torch.Generator().manual_seed(self.seed)
        pairs = torch.randint(1, largest + 1, (self.pairs, 2), generator=generator)
        with torch.no_grad():
            answers = evaluator(snapshot.config, snapshot.task)(snapshot.parameters, pairs.float(), for_gradient=False)
        return relative_error(answers[:, 0], pairs[:, 0].double() / pairs[:, 1])


def _error(snapshot: Snapshot, rows: Bool[Tensor, "ab"]) -> float:
    return relative_error(snapshot.columns[rows, 0], snapshot.labels[rows].double())


@dataclass(frozen=True)
class Cells(Circuit):
    """The weights of a NALU's first layer as they act, tanh(W_hat) sigmoid(M_hat), and how open its gates are.

    Division is W = (1, -1) and gates of 0 (Trask et al. 2018). A NAC adds always: its gates are 1.
    """

    name: ClassVar[str] = "cells"
    descriptions: ClassVar[Mapping[str, str]] = {
        "cell_weight": "the weight with which each cell of the first layer reads each number",
        "cell_gate": "how far each cell's gate is open to adding; at 0 it multiplies",
    }

    def why_not(self, snapshot: Snapshot) -> str | None:
        if "blocks.0.mlp.M_hat" not in snapshot.parameters:
            return f"this {snapshot.config.kind} has no arithmetic cells (blocks.0.mlp.hook_gate)"
        return None

    def read(self, snapshot: Snapshot, requested: frozenset[str] = frozenset()) -> xr.Dataset:
        del requested
        parameters = snapshot.parameters
        W = parameters["blocks.0.mlp.W_hat"].tanh() * parameters["blocks.0.mlp.M_hat"].sigmoid()
        rows, G = snapshot.task.inputs, parameters.get("blocks.0.mlp.G")
        gate = torch.ones(W.shape[1]) if G is None else (rows @ G).sigmoid().mean(0)
        source = "Trask et al. 2018, eq. 1-2"
        return readout(
            {
                "cell_weight": Variable(("number", "cell"), W, "1", source),
                "cell_gate": Variable(("cell",), gate, "1", f"{source}; the mean over the table"),
            }
        )
