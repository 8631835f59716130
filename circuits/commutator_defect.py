"""Commutator defect: how far two updates in one order end from the same two in the other (arXiv 2602.16746)."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import ClassVar, TypeAlias

import torch
import xarray as xr
from jaxtyping import Float
from torch import Tensor

from grokinterp.evaluation.flat_loss import FlatLoss, gradient_of
from grokinterp.evaluation.snapshot import Snapshot
from grokinterp.readout import Circuit, Variable, readout

SOURCE = "arXiv 2602.16746"
Gradient: TypeAlias = Callable[[Tensor], Tensor]


def commutator_defect(a: Gradient, b: Gradient, x: Float[Tensor, "n"], eta: float) -> float:
    """|x_AB - x_BA| / (|eta g_A| |eta g_B|), by the gradients of two batches at x; NaN where one of them is 0.

    x_AB is x after a step of plain descent with rate eta on A and one on B. For small eta it is
    |H_A g_B - H_B g_A| / (|g_A| |g_B|), the curvature that both directions share.
    """
    at_x = {"a": a(x), "b": b(x)}
    after_a, after_b = x - eta * at_x["a"], x - eta * at_x["b"]
    apart = (after_a - eta * b(after_a)) - (after_b - eta * a(after_b))
    return (apart.norm() / ((eta * at_x["a"]).norm() * (eta * at_x["b"]).norm())).item()


@dataclass(frozen=True)
class CommutatorDefect(Circuit):
    """The median over draws of two disjoint batches, half of the training rows at most, of `commutator_defect`.

    In float64, since what is compared is of second order in the rate. Were the hypothesis false that curvature across
    the path announces understanding, it would rise in a run that only memorises as it does in one that groks.
    """

    name: ClassVar[str] = "commutator_defect"
    descriptions: ClassVar[Mapping[str, str]] = {
        "commutator_defect": (
            "how much the order of two gradient steps matters for where they lead, the median over draws"
        ),
        "commutator_defect_spread": "the standard deviation of the same over draws",
    }
    only_on_request: ClassVar[bool] = True
    rows: int = 512
    draws: int = 5
    eta: float = 1e-3
    seed: int = 0

    def why_not(self, snapshot: Snapshot) -> str | None:
        if snapshot.task.is_train is None or int(snapshot.task.is_train.sum()) < 2:
            return "fewer than two rows of the table are trained on, so there are no two batches"
        return None

    def read(self, snapshot: Snapshot, requested: frozenset[str] = frozenset()) -> xr.Dataset:
        del requested
        task = snapshot.task
        assert task.is_train is not None
        loss = FlatLoss(snapshot)
        train = task.is_train.nonzero().flatten()
        size = min(self.rows, len(train) // 2)

        def gradient(rows: Tensor) -> Gradient:
            return lambda at: gradient_of(lambda x: loss(x, rows), at)

        generator = torch.Generator().manual_seed(self.seed)
        defects = []
        for _ in range(self.draws):
            drawn = train[torch.randperm(len(train), generator=generator)]
            a, b = gradient(drawn[:size]), gradient(drawn[size : 2 * size])
            defects.append(commutator_defect(a, b, loss.x0, self.eta))
        values = torch.tensor(defects, dtype=torch.float64)
        words = f"{self.draws} draws of two batches of {size} training rows; {SOURCE}"
        return readout(
            {
                "commutator_defect": Variable((), values.median(), "1", f"median of {words}"),
                "commutator_defect_spread": Variable((), values.std(), "1", f"standard deviation of {words}"),
            }
        )
