"""SimpleNeurons: a layer's pre-activations as one wave of each operand. OutputWaves: its columns as one of the answer.

A *simple neuron* (arXiv 2512.25060, 2505.18266) is A cos(w i + phi_a) + B cos(w j + phi_b) and a constant, where i and
j are the places of the operands on their cycle. What it says of the answer's place c is C cos(v c + psi), with a
frequency v of its own. A neuron adds to the right answer where v = w and phi_a + phi_b = psi (phi_a - phi_b where the
task subtracts): a product of the two waves then has the answer's phase.
"""

import math
from dataclasses import dataclass

import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor

from grokinterp import fourier
from grokinterp.analysis.cycles import Wave
from grokinterp.analysis.moments import Moments, complex_waves
from grokinterp.evaluation.snapshot import Snapshot

COUNTED = 0.01
"""Least variance over the table of a neuron that counts, over the largest in its layer (arXiv 2512.25060)."""


@dataclass(frozen=True, eq=False)
class SimpleNeurons:
    """The strongest wave of each neuron of a layer: one frequency, an amplitude and a phase for either operand.

    Attributes:
        frequency: [neuron], turns per cycle, the k with the largest power in the part of a alone and that of b alone.
        amplitude: [operand, neuron], A and B.
        phase: [operand, neuron], phi_a and phi_b in radians, -pi to pi.
        mean: [neuron], over the table.
        variance: [neuron], over the table.
        r2: [neuron], the share of the variance that both waves explain together; NaN for a constant neuron.
        ipr: [neuron], of the waves of either operand alone, as `OutputWaves.ipr`.
        moments: what they are read off.
    """

    frequency: Int[Tensor, "neuron"]
    amplitude: Float[Tensor, "operand neuron"]
    phase: Float[Tensor, "operand neuron"]
    mean: Float[Tensor, "neuron"]
    variance: Float[Tensor, "neuron"]
    r2: Float[Tensor, "neuron"]
    ipr: Float[Tensor, "neuron"]
    moments: Moments

    @classmethod
    def of(cls, moments: Moments) -> "SimpleNeurons":
        """By the means of the pre-activations, and their variance."""
        n = len(moments.x)
        coefficients, variance = moments.waves[:2], moments.variance
        power = powers(coefficients, n)
        frequency = power.sum(0).argmax(0)
        amplitude, phase = _waves(coefficients, frequency, n)
        explained = power.sum(0).take_along_dim(frequency[None], 0)[0]
        return cls(
            frequency=frequency + 1,
            amplitude=amplitude,
            phase=phase,
            mean=moments.mean,
            variance=variance,
            r2=torch.where(variance > 0, explained / variance, math.nan),
            ipr=inverse_participation(power.sum(0)),
            moments=moments,
        )

    @classmethod
    def first_of(cls, snapshot: Snapshot, wave: Wave) -> "SimpleNeurons":
        """Those of the first layer with an MLP, on the task's cycle."""
        return snapshot.once(_first_neurons, wave)

    def phase_sum(self, output: "OutputWaves") -> Float[Tensor, "neuron"]:
        """|phi_a + phi_b - psi| of each neuron, from 0 to pi: 0 where it adds to the right answer."""
        return wrapped(self.phase[0] + self.moments.sign * self.phase[1] - output.phase)

    @property
    def counted(self) -> Bool[Tensor, "neuron"]:
        """[neuron]: those with at least COUNTED of the largest variance; none of a layer that is constant."""
        return (self.variance >= COUNTED * self.variance.max()) & (self.variance > 0)

    def on(self, n: int) -> tuple[Float[Tensor, "place neuron"], Float[Tensor, "place neuron"]]:
        """Both waves on the n places of either operand; a neuron's pre-activation is their sum and `mean`."""
        angle = (2 * math.pi / n) * (torch.arange(n)[:, None] * self.frequency % n).double()
        a, b = (A * (angle + phi).cos() for A, phi in zip(self.amplitude, self.phase, strict=True))
        return a, b


@dataclass(frozen=True, eq=False)
class OutputWaves:
    """The strongest wave of what each neuron of a layer writes into the logits.

    Attributes:
        frequency: [neuron], turns per cycle, the column's own strongest, whatever the neuron's input is.
        amplitude: [neuron], C, in logits per unit of activation.
        phase: [neuron], psi in radians, -pi to pi.
        ipr: [neuron], `inverse_participation` of the column's waves.
    """

    frequency: Int[Tensor, "neuron"]
    amplitude: Float[Tensor, "neuron"]
    phase: Float[Tensor, "neuron"]
    ipr: Float[Tensor, "neuron"]

    @classmethod
    def of(cls, columns: Float[Tensor, "neuron place"]) -> "OutputWaves":
        """`columns` holds each neuron's weights on the answers, in the order of their places on the cycle."""
        n = columns.shape[1]
        # Several times faster than a fast Fourier transform of a prime length.
        coefficients = complex_waves(fourier.transform(columns.T.double()))
        power = powers(coefficients, n)
        frequency = power.argmax(0)
        amplitude, phase = _waves(coefficients, frequency, n)
        return cls(
            frequency=frequency + 1,
            amplitude=amplitude,
            phase=phase,
            ipr=inverse_participation(power),
        )

    @classmethod
    def last_of(cls, snapshot: Snapshot, wave: Wave) -> "OutputWaves":
        """Those of the neuron-logit map, over the answers that occur on the task's cycle."""
        return snapshot.once(_last_columns, wave)


def powers(coefficients: Tensor, n: int) -> Float[Tensor, "*batch k neuron"]:
    """The variance of each wave k = 1 .. floor(n/2), by its complex coefficient [..., k, neuron].

    A wave A cos(w x + phi) has the coefficient A e^(i phi) / 2 and the variance A^2 / 2; at the Nyquist frequency,
    where the sine is zero, A and A^2.
    """
    weight = torch.full((n // 2, 1), 2.0, dtype=torch.float64)
    weight[-1] -= 1 - n % 2
    return weight * coefficients.abs().square()


def inverse_participation(power: Float[Tensor, "*batch k neuron"]) -> Float[Tensor, "*batch neuron"]:
    """Sum of A_k^4 over (sum of A_k^2)^2, where `power` is the A_k^2; NaN for a constant (Doshi et al. 2023)."""
    return power.square().sum(-2) / power.sum(-2).square()


def random_participation(n_frequencies: int) -> float:
    """What `inverse_participation` is about of random weights, whose power is exponential at each of n frequencies."""
    return 2 / (n_frequencies + 1)


def _waves(
    coefficients: Tensor, index: Int[Tensor, "neuron"], n: int
) -> tuple[Float[Tensor, "*operand neuron"], Float[Tensor, "*operand neuron"]]:
    """Amplitude and phase of one wave of each neuron, k = index + 1, by the coefficients [..., k, neuron]."""
    chosen = coefficients[..., index, torch.arange(len(index))]
    return torch.where(2 * (index + 1) == n, 1.0, 2.0) * chosen.abs(), chosen.angle()


def wrapped(angle: Float[Tensor, "*any"]) -> Float[Tensor, "*any"]:
    """|angle| modulo a whole turn, 0 to pi: how far apart two phases are. Of random phases the median is pi / 2."""
    return (angle - 2 * math.pi * (angle / (2 * math.pi)).round()).abs()


def first_layer(snapshot: Snapshot) -> tuple[str, bool] | None:
    """The hook of the first layer's neurons before the activation, and whether it is the last layer too; None: none."""
    layers = snapshot.layers("mlp.hook_pre")
    return (layers[0], len(layers) == 1) if layers else None


def _first_neurons(snapshot: Snapshot, wave: Wave) -> SimpleNeurons:
    layer = first_layer(snapshot)
    assert layer is not None
    return SimpleNeurons.of(Moments.of(snapshot, wave, layer[0]))


def _last_columns(snapshot: Snapshot, wave: Wave) -> OutputWaves:
    return OutputWaves.of(wave.answers(snapshot.W_L))
