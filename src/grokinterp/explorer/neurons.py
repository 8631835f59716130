"""Neurons: where each neuron of a layer stands in a scatter, and what one of them does over the table."""

from dataclasses import dataclass
from functools import cached_property

import torch
from jaxtyping import Float, Int
from torch import Tensor

from grokinterp import circuits, fourier
from grokinterp.analysis.cycles import Cycle
from grokinterp.analysis.pca import pca
from grokinterp.evaluation.snapshot import Snapshot
from grokinterp.explorer.state import Axis
from grokinterp.tasks import Task

AXES: dict[Axis, str] = {
    "frequency": "Frequency",
    "share": "Share explained by its frequency",
    "norm": "Norm of its output weights",
    "first": "First principal component",
    "second": "Second principal component",
}
"""What a scatter's axes show, as their titles say it."""

SHORT: dict[Axis, str] = {
    "frequency": "Frequency",
    "share": "Explained",
    "norm": "Output norm",
    "first": "First PC",
    "second": "Second PC",
}
"""The same where a panel has room for a word or two."""


def why_no_frequencies(task: Task) -> str | None:
    """Why no neuron has a frequency on this task; None where they do."""
    return Cycle.why_not(task) or Cycle.of(task).why_no_grid


TUNED: tuple[Axis, ...] = ("frequency", "share")
"""The axes that only neurons with frequencies have."""


@dataclass(frozen=True, eq=False)
class Neuron:
    """One neuron: its activations over the task's table, after the nonlinearity, whatever was taken out before."""

    task: Task
    values: Float[Tensor, "ab"]

    @property
    def grid(self) -> Float[Tensor, "a b"]:
        """The activations by the operands; NaN where the table has no row."""
        return self.task.to_grid(self.values)

    @property
    def tuning(self) -> tuple[int, float] | None:
        """Its frequency, 0 where it is constant, and the share that explains; None where the table is no grid."""
        if why_no_frequencies(self.task):
            return None
        frequency, share = circuits.neurons.tuning(Cycle.of(self.task).grid(self.values[:, None]))
        return int(frequency), float(share)

    @property
    def spectrum(self) -> Float[Tensor, "k_a k_b"] | None:
        """The norm of the activation's part of frequency k_a in a and k_b in b, the constant first, mean taken off.

        On the task's own cycle: discrete logs for a product. None where the table is no grid.
        """
        if why_no_frequencies(self.task):
            return None
        grid = Cycle.of(self.task).grid(self.values).double()
        squares = fourier.transform(grid - grid.mean(), (0, 1)).square()
        return fourier.fold(fourier.fold(squares).mT).mT.sqrt()


@dataclass(frozen=True, eq=False)
class Neurons:
    """One layer's neurons at one checkpoint."""

    snapshot: Snapshot
    layer: int

    @cached_property
    def tuning(self) -> "circuits.neurons.Tuning | None":
        """Frequencies and the shares they explain; None where the table is no grid of two operands."""
        if why_no_frequencies(self.snapshot.task):
            return None
        return circuits.neurons.tuning(Cycle.of(self.snapshot.task).grid(self.snapshot[self._hook]))

    @property
    def frequency(self) -> Int[Tensor, "neuron"]:
        """[neuron]: 0 for a neuron that is constant, or of a task without frequencies."""
        if self.tuning is None:
            return torch.zeros(len(self._written), dtype=torch.int64)
        return self.tuning.frequency

    def axis(self, name: Axis) -> Float[Tensor, "neuron"]:
        """[neuron]: what a scatter's axis of this name shows; zeros where there are no frequencies."""
        match name:
            case "frequency":
                return self.frequency.float()
            case "share":
                return torch.zeros(len(self._written)) if self.tuning is None else self.tuning.fve.float()
            case "norm":
                return self._written.norm(dim=1)
        return self._components[:, ("first", "second").index(name)]

    def example(self, strongest: int) -> tuple[int, str]:
        """The neuron that is looked at before one is asked for, and what it is; `strongest` leads in the logits."""
        if self.tuning is None:
            return int(self.axis("norm").nan_to_num().argmax()), "the neuron with the largest output weights"
        share, has_it = self.tuning.fve.nan_to_num(), self.frequency == strongest
        if not has_it.any():
            return int(share.argmax()), "the neuron best explained by its frequency"
        best = int(torch.where(has_it, share, -1).argmax())
        return best, f"the neuron best explained by frequency {strongest}, the strongest in the logits"

    @property
    def _hook(self) -> str:
        return self.snapshot.layers("mlp.hook_post")[self.layer]

    @property
    def _written(self) -> Float[Tensor, "neuron out"]:
        """What each neuron writes: to the residual stream, or to the next layer."""
        parameters = self.snapshot.parameters
        for name in (f"blocks.{self.layer}.mlp.W_out", f"blocks.{self.layer + 1}.mlp.W_in"):
            if name in parameters:
                return parameters[name]
        return parameters["unembed.W_U"]

    @cached_property
    def _components(self) -> Float[Tensor, "neuron 2"]:
        """The neurons' input weights on their two largest principal components, signs fixed by the largest entry."""
        x = self.snapshot.parameters[f"blocks.{self.layer}.mlp.W_in"].mT
        return pca(x, 2).scores.to(x) if len(x) > 1 else x.new_zeros(len(x), 2)
