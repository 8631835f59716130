"""Which frequency each neuron computes with, and how much of it that frequency explains (Nanda et al. 2023)."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import ClassVar, NamedTuple

import numpy as np
import torch
import xarray as xr
from jaxtyping import Float, Int
from torch import Tensor

from grokinterp.analysis.cycles import Cycle, Group
from grokinterp.analysis.key_frequencies import neuron_shares
from grokinterp.evaluation.snapshot import Snapshot
from grokinterp.readout import Circuit, Variable, readout


class Tuning(NamedTuple):
    """`frequency` [neuron], in turns per cycle, 0 for a neuron that is constant over the table; `fve` [neuron]."""

    frequency: Int[Tensor, "neuron"]
    fve: Float[Tensor, "neuron"]


def tuning(grid: Float[Tensor, "place_a place_b neuron"]) -> Tuning:
    """Each neuron's frequency, the one with the largest share of its variance, and that share.

    `grid` holds the activations where the operands stand at places a and b of their cycle:
    `activations.reshape(p, p, -1)` for a complete table. The share is Nanda et al. 2023's, see
    `frequencies.neuron_shares`; all k are tried, where their code leaves out the last, k = (p - 1) / 2.
    """
    share, index = neuron_shares(grid)[0].max(dim=0)
    return Tuning(torch.where(share > 0, index + 1, 0), share)


def per_frequency(frequency: Int[Tensor, "neuron"], n: int) -> Int[Tensor, "k"]:
    """How many neurons have each frequency 1 .. floor(n/2), however weakly; those of frequency 0 are not counted."""
    return torch.bincount(frequency, minlength=n // 2 + 1)[1:]


@dataclass(frozen=True)
class Neurons(Circuit):
    """The frequency of every neuron after its activation function, layer by layer, at the read-out position.

    Operands are read on the task's own cycle: numbers mod p, or discrete logs for a * b and a / b, rows with a zero
    left out; `group` chooses one whatever the task. Where layers have different widths the narrower are filled
    with frequency 0 and an FVE of NaN.
    """

    name = "neurons"
    descriptions: ClassVar[Mapping[str, str]] = {
        "neuron_frequency": "the frequency that explains each neuron best; 0 for one that never varies",
        "neuron_fve": "how much of a neuron's variance its frequency explains",
        "neurons_per_frequency": "how many neurons have each frequency",
    }
    group: Group = "own"

    def why_not(self, snapshot: Snapshot) -> str | None:
        if not snapshot.layers("mlp.hook_post"):
            return "an attention-only model has no neurons (blocks.0.mlp.hook_post)"
        task = snapshot.task
        return Cycle.why_not(task, self.group) or Cycle.of(task, self.group).why_no_grid

    def read(self, snapshot: Snapshot, requested: frozenset[str] = frozenset()) -> xr.Dataset:
        cycle = Cycle.of(snapshot.task, self.group)
        tunings = [tuning(cycle.grid(snapshot[name])) for name in snapshot.layers("mlp.hook_post")]
        width = max(len(layer.fve) for layer in tunings)
        pad = lambda x, value: np.pad(x.numpy(), (0, width - len(x)), constant_values=value)
        source = f"Nanda et al. 2023, section 4.1 and code (calculate_key_freqs); {cycle.description}"
        counts = torch.stack([per_frequency(layer.frequency, cycle.n) for layer in tunings])
        variables = {
            "neuron_frequency": Variable(
                ("layer", "neuron"), np.stack([pad(layer.frequency, 0) for layer in tunings]), "turns per cycle", source
            ),
            "neuron_fve": Variable(
                ("layer", "neuron"),
                np.stack([pad(layer.fve, np.nan) for layer in tunings]),
                "share of variance",
                source,
            ),
            "neurons_per_frequency": Variable(("layer", "k"), counts, "neurons", source),
        }
        return readout(variables)
