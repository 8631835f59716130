"""A few neurons in full: each one's activation for every pair of operands, and its 2-D spectrum."""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import ClassVar

import numpy as np
import torch
import xarray as xr
from einops import rearrange
from jaxtyping import Float
from torch import Tensor

from grokinterp import fourier
from grokinterp.analysis.cycles import Cycle, Group
from grokinterp.analysis.key_frequencies import last_neurons, neuron_shares
from grokinterp.evaluation.snapshot import Snapshot
from grokinterp.readout import Circuit, Variable, readout


def examples(grid: Float[Tensor, "place_a place_b neuron"], n: int) -> tuple[int, ...]:
    """Up to `n` neurons that show what the others do: of each frequency the best tuned one.

    The frequencies with the most neurons come first. A frequency without a neuron is left out.
    """
    share, variance = neuron_shares(grid)
    fve, index = share.max(dim=0)
    alive = variance > 0
    counts = torch.bincount(index[alive], minlength=len(share))
    chosen = [k for k in counts.argsort(descending=True, stable=True).tolist() if counts[k]][:n]
    return tuple(int(torch.where(alive & (index == k), fve, -1).argmax()) for k in chosen)


@dataclass(frozen=True)
class NeuronMaps(Circuit):
    """Activations of example neurons of the last layer over the table, and the 2-D Fourier norms of each.

    The neurons are chosen once, at the final checkpoint (`examples`), and kept over all. Maps are over the operands'
    places on the task's own cycle, as `neurons` reads them: the numbers in their order, or that of discrete logs.
    """

    name: ClassVar[str] = "neuron_maps"
    descriptions: ClassVar[Mapping[str, str]] = {
        "neuron_map": "what an example neuron has for every pair of operands",
        "neuron_fourier_norm": "the norm of its part on each product of a Fourier row of a and one of b",
        "example_frequency": "the frequency that explains an example neuron best",
        "example_fve": "how much of its variance that frequency explains",
    }
    only_on_request: ClassVar[bool] = True
    group: Group = "own"
    count: int = 4
    neurons: tuple[int, ...] | None = None

    def why_not(self, snapshot: Snapshot) -> str | None:
        if last_neurons(snapshot) is None:
            return "an attention-only model has no neurons (blocks.0.mlp.hook_post)"
        task = snapshot.task
        return Cycle.why_not(task, self.group) or Cycle.of(task, self.group).why_no_grid

    def fit(self, final: Snapshot) -> "NeuronMaps":
        return self if self.neurons is not None else replace(self, neurons=examples(self._grid(final), self.count))

    def read(self, snapshot: Snapshot, requested: frozenset[str] = frozenset()) -> xr.Dataset:
        del requested
        cycle, grid = Cycle.of(snapshot.task, self.group), self._grid(snapshot)
        neurons = list(examples(grid, self.count) if self.neurons is None else self.neurons)
        maps = rearrange(grid[:, :, neurons], "a b neuron -> neuron a b").double()
        numbers, names = cycle.tokens.numpy(), np.array(fourier.basis_names(cycle.n))
        source = f"hook_post at the read-out position; {cycle.description}"
        spectrum = fourier.transform(maps, (1, 2)).abs()
        # The mean, which is no structure, would outshine all waves.
        spectrum[:, 0, 0] = 0
        share, _ = neuron_shares(rearrange(maps, "neuron a b -> a b neuron").float())
        return readout(
            {
                "neuron_map": Variable(("example", "a", "b"), maps, "activation", source),
                "neuron_fourier_norm": Variable(
                    ("example", "basis_a", "basis_b"), spectrum, "activation", f"2-D Fourier transform of {source}"
                ),
                "example_frequency": Variable(("example",), share.argmax(0) + 1, "turns per cycle", source),
                "example_fve": Variable(("example",), share.amax(0), "share of variance", source),
            },
            {"example": np.array(neurons), "a": numbers, "b": numbers, "basis_a": names, "basis_b": names},
        )

    def _grid(self, snapshot: Snapshot) -> Float[Tensor, "place_a place_b neuron"]:
        name = last_neurons(snapshot)
        assert name is not None
        return Cycle.of(snapshot.task, self.group).grid(snapshot[name])
