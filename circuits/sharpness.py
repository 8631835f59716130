"""Sharpness (Keskar et al. 2016): how much the training loss can grow within a small box around the weights."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import ClassVar, NamedTuple

import numpy as np
import torch
import xarray as xr
from jaxtyping import Float
from torch import Tensor

from grokinterp.evaluation.flat_loss import FlatLoss
from grokinterp.evaluation.snapshot import Snapshot
from grokinterp.readout import Circuit, Variable, readout

SOURCE = "Keskar et al. 2016, 2.2.2, a random subspace; Power et al. 2022, their settings, maximised"


class Maximum(NamedTuple):
    """A function at the centre of a box, and the largest value found in it."""

    centre: float
    largest: float

    @property
    def sharpness(self) -> float:
        """phi = 100 (f_max - f_0) / (1 + f_0), in percent."""
        return 100 * (self.largest - self.centre) / (1 + self.centre)


def maximise(
    f: Callable[[Float[Tensor, "n"]], Float[Tensor, ""]],
    x0: Float[Tensor, "n"],
    dimensions: int = 10,
    epsilon: float = 1e-3,
    iterations: int = 10,
    seed: int = 0,
) -> Maximum:
    """The largest f(x0 + A y) that L-BFGS-B finds in the box |y_i| <= epsilon (|(A+ x0)_i| + 1).

    A+ [dimensions, n] has normal rows of unit length and A is its pseudo-inverse. f is differentiable; x0 stays as it
    is. The code of Power et al. hands the loss itself to a minimiser, and so finds the smallest in the box; this
    hands over minus the loss.
    """
    from scipy.optimize import minimize  # half a second of every program that finds the circuits

    generator = torch.Generator().manual_seed(seed)
    A_plus = torch.randn(dimensions, x0.numel(), generator=generator, dtype=torch.float64)
    A_plus = A_plus / A_plus.norm(dim=1, keepdim=True)
    # The pseudo-inverse of independent rows, without the decomposition of a [dimensions, n] matrix.
    A = torch.linalg.solve(A_plus @ A_plus.T, A_plus).T
    centre = x0.detach().double().cpu()
    bound = (epsilon * ((A_plus @ centre).abs() + 1)).numpy()

    def minus(y: np.ndarray) -> tuple[float, np.ndarray]:
        at = torch.from_numpy(y).requires_grad_()
        value = f((centre + A @ at).to(x0))
        (gradient,) = torch.autograd.grad(value, at)
        return -value.item(), -gradient.numpy()

    start = np.zeros(dimensions)
    lowest, slope = minus(start)
    # In units in which the first step is as long as the box: the loss of a grokked model is so flat that L-BFGS-B would
    # take its start for the end.
    unit = np.linalg.norm(slope) / np.linalg.norm(bound) or 1.0
    minimum = minimize(
        lambda y: tuple(each / unit for each in minus(y)),
        start,
        jac=True,
        method="L-BFGS-B",
        bounds=list(zip(-bound, bound, strict=True)),
        options={"maxiter": iterations, "ftol": 0.0, "gtol": 0.0},
    )
    return Maximum(-lowest, -min(float(float(minimum.fun) * unit), lowest))


@dataclass(frozen=True)
class Sharpness(Circuit):
    """phi = 100 (f_max - f_0) / (1 + f_0) of the training loss, in a random subspace of the weights.

    Ten dimensions, a box of 1e-3 and ten iterations are Power et al.'s. The weights are float64 in it: the loss of a
    grokked model changes by less than float32 can tell.
    """

    name: ClassVar[str] = "sharpness"
    descriptions: ClassVar[Mapping[str, str]] = {
        "sharpness": "how far the training loss can rise near the weights; a flat minimum has little",
    }
    only_on_request: ClassVar[bool] = True
    dimensions: int = 10
    epsilon: float = 1e-3
    iterations: int = 10
    seed: int = 0

    def why_not(self, snapshot: Snapshot) -> str | None:
        if snapshot.task.is_train is None or not snapshot.task.is_train.any():
            return "no row of the table is trained on, so there is no training loss"
        return None

    def read(self, snapshot: Snapshot, requested: frozenset[str] = frozenset()) -> xr.Dataset:
        del requested
        task = snapshot.task
        assert task.is_train is not None
        rows, loss = task.is_train.nonzero().flatten(), FlatLoss(snapshot)
        maximum = maximise(lambda x: loss(x, rows), loss.x0, self.dimensions, self.epsilon, self.iterations, self.seed)
        return readout({"sharpness": Variable((), maximum.sharpness, "%", SOURCE)})
