"""What the same weights answer under other activations, and how far their neurons are single waves (He et al. 2026)."""

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, ClassVar, cast

import numpy as np
import torch
import xarray as xr
from jaxtyping import Float
from torch import Tensor

from grokinterp.analysis.cycles import Wave
from grokinterp.analysis.simple_neurons import OutputWaves, SimpleNeurons
from grokinterp.evaluation.losses import accuracy, cross_entropy
from grokinterp.evaluation.snapshot import Snapshot
from grokinterp.models.functional import ACTIVATIONS
from grokinterp.readout import Circuit, Variable, readout

PAPER = "He et al. 2602.16849"

NEAR = 0.25
"""Radians up to which a neuron counts as in phase; of random phases NEAR / pi, 8 %, are."""


def swapped_logits(snapshot: Snapshot, activation: str) -> Float[Tensor, "ab answer"]:
    """The logits with another activation in the only layer of neurons; all else adds to them as before. float64."""
    pre, post = (snapshot[f"blocks.0.mlp.hook_{name}"].double() for name in ("pre", "post"))
    return snapshot.logits.double() + (ACTIVATIONS[activation](pre) - post) @ snapshot.W_L.double()


@dataclass(frozen=True)
class ActivationSwap(Circuit):
    """Loss and accuracy of a checkpoint on the whole table, with each known activation in the place of its own.

    A neuron act(2 A cos(w(a - b) / 2) cos(w(a + b) / 2 + phi)) that writes cos(w c + psi) adds cos w(a + b - c) where
    psi = 2 phi, by the even part of its activation alone: |x|, x^2, x^4, x^8, e^x and log(1 + e^2x) then answer
    everything, x and x^3 nothing. Were what it learnt a matter of ReLU's kink, others would fail; weights that know no
    phases answer at chance under all.

    `ipr_in` and `ipr_out` say of how many waves a neuron is made: 1 for one, 1 / n for n equal ones, means over
    neurons. `phase_alignment` is |D|, D = phi_a + phi_b - psi (2 phi - psi where one-hots are added): 0 in phase,
    pi / 2 the median of random ones. They are NaN for a task on no cycle.
    """

    name: ClassVar[str] = "activation_swap"
    descriptions: ClassVar[Mapping[str, str]] = {
        "swapped_loss": "loss on all rows with each known activation function in the place of the model's own",
        "swapped_accuracy": "accuracy on all rows with each known activation function in the place of the model's own",
        "own_activation": "the name of the model's own activation function",
        "phase_alignment": "how far each neuron's output phase is from the sum of its two input phases",
        "phase_alignment_median": "the median over neurons of how far output phases are from the sum of input phases",
        "phase_alignment_near": "the share of neurons whose output phase is near the sum of their input phases",
        "ipr_in": "how far each neuron reads one frequency alone, as an inverse participation ratio; 1 where it does",
        "ipr_out": "how far each neuron writes one frequency alone, as an inverse participation ratio; 1 where it does",
        "same_frequency": "the share of neurons that write the frequency that they read",
    }
    only_on_request: ClassVar[bool] = True

    def why_not(self, snapshot: Snapshot) -> str | None:
        layers = snapshot.config.layer_neurons
        if len(layers) != 1:
            return f"an activation is swapped in one layer of neurons, and the model has {len(layers)}"
        if "blocks.0.mlp.hook_pre" not in snapshot or not snapshot.config.has_unembedding:
            return "the model has no pre-activations of neurons (blocks.0.mlp.hook_pre) that an unembedding reads"
        if snapshot.config.has_norms:
            return "a norm stands between the neurons and the logits, which would move with the activation"
        return None if snapshot.task.has_classes else "the model answers with a number, and no logits"

    def read(self, snapshot: Snapshot, requested: frozenset[str] = frozenset()) -> xr.Dataset:
        del requested
        swapped = [swapped_logits(snapshot, activation) for activation in ACTIVATIONS]
        dims, where = ("activation",), f"{PAPER}; all rows"
        losses = [cross_entropy(logits, snapshot.labels).item() for logits in swapped]
        accuracies = [accuracy(logits, snapshot.labels).item() for logits in swapped]
        own = cast(Any, snapshot.config).activation
        variables = {
            "swapped_loss": Variable(dims, np.array(losses), "nats", where),
            "swapped_accuracy": Variable(dims, np.array(accuracies), "share", where),
            "own_activation": Variable((), own, "", "that of the model"),
            **self._phases(snapshot),
        }
        return readout(variables, {"activation": np.array(list(ACTIVATIONS))})

    def _phases(self, snapshot: Snapshot) -> dict[str, Variable]:
        wave, n = Wave.of(snapshot.task), snapshot.config.layer_neurons[0]
        source = PAPER if wave is None else f"{PAPER}; {wave.formula}"
        apart, ipr = torch.full((n,), math.nan, dtype=torch.float64), [math.nan, math.nan]
        same = median = near = math.nan
        if wave is not None:
            neurons, output = SimpleNeurons.first_of(snapshot, wave), OutputWaves.last_of(snapshot, wave)
            apart = neurons.phase_sum(output)
            # A constant, of an input or an output, has no wave and no phase.
            lives = ~(neurons.ipr.isnan() | output.ipr.isnan())
            ipr = [values.nanmean().item() for values in (neurons.ipr, output.ipr)]
            if lives.any():
                same = (neurons.frequency == output.frequency)[lives].double().mean().item()
                median, near = apart[lives].median().item(), (apart[lives] < NEAR).double().mean().item()
            apart = torch.where(lives, apart, math.nan)
        mean = f"mean over neurons; {source}"
        return {
            "phase_alignment": Variable(("neuron",), apart, "radians", f"|phi_a + phi_b - psi|; {source}"),
            "phase_alignment_median": Variable((), median, "radians", f"median over neurons; {source}"),
            "phase_alignment_near": Variable((), near, "share", f"of neurons within {NEAR} radians; {source}"),
            "ipr_in": Variable((), ipr[0], "share", f"of the pre-activations' waves of one operand, {mean}"),
            "ipr_out": Variable((), ipr[1], "share", f"of the waves written into the logits, {mean}"),
            "same_frequency": Variable((), same, "share", f"of neurons that write the frequency they read; {source}"),
        }
