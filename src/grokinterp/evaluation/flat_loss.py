"""Flat loss: the loss of training rows as a function of all weights in one vector, in float64."""

from collections.abc import Callable

import torch
from jaxtyping import Float, Int
from torch import Tensor

from grokinterp.evaluation.evaluator import evaluator
from grokinterp.evaluation.losses import loss
from grokinterp.evaluation.snapshot import Snapshot


def gradient_of(f: Callable[[Tensor], Tensor], at: Float[Tensor, "n"]) -> Float[Tensor, "n"]:
    """The gradient of a number that depends on a vector, also where gradients are switched off."""
    x = at.detach().requires_grad_()
    with torch.enable_grad():
        return torch.autograd.grad(f(x), x)[0]


class FlatLoss:
    """The mean loss of rows, by the labels trained on, at any weights of a checkpoint's network.

    Attributes: x0: the checkpoint's own weights, [n], float64.
    """

    def __init__(self, snapshot: Snapshot):
        self._task, self._evaluate = snapshot.task, evaluator(snapshot.config, snapshot.task)
        self._shapes = {name: value.shape for name, value in snapshot.parameters.items()}
        self.x0 = torch.cat([value.detach().flatten() for value in snapshot.parameters.values()]).double()

    def __call__(self, x: Float[Tensor, "n"], rows: Int[Tensor, "row"]) -> Float[Tensor, ""]:
        parts = x.split([shape.numel() for shape in self._shapes.values()])
        weights = {name: part.view(shape) for (name, shape), part in zip(self._shapes.items(), parts, strict=True)}
        return loss(self._evaluate(weights, rows)[..., : self._task.n_answers], self._task.train_labels[rows])
