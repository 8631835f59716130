"""Disc or torus: the shape on which a layer's neurons place pairs of operands (arXiv 2512.25060, 2505.18266)."""

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, ClassVar, Literal, NamedTuple, TypeAlias

import numpy as np
import torch
import xarray as xr
from jaxtyping import Float
from torch import Tensor

from grokinterp.analysis.cycles import Wave
from grokinterp.analysis.simple_neurons import COUNTED, OutputWaves, SimpleNeurons, first_layer, powers, wrapped
from grokinterp.evaluation.snapshot import Snapshot
from grokinterp.readout import Circuit, Variable, readout
from grokinterp.runs.population.landmarks import SOLVED

PAPER = "arXiv 2512.25060 and 2505.18266"
Geometry: TypeAlias = Literal["disc", "torus", "mixed", "none"]

LEAST = 8
"""How many counted neurons of one frequency are a cluster."""

MEDIANS = ("simple_neuron_r2", "answer_wave_share", "phase_difference", "phase_sum")
"""What is told as a median over the counted neurons too."""

COMPONENTS = 4
"""How many principal components the waves cos, sin of a and of b span at most."""


class Rule(NamedTuple):
    """The shape of a model that is solved, by the share that two components hold of its clusters' variance.

    The share is the mean over clusters, a cluster weighing as much as it has neurons. Where the phases of a and b
    differ by the same angle in all of a cluster's neurons, it is 1, and where the differences are spread evenly, 1/2;
    in between it is (1 + r) / 2 with r the length of the mean of e^(i (phi_a - phi_b)).

    Attributes:
        disc: it is a disc from this share on. torus: a torus up to this one. Between them it is mixed.
        simple: what four components must hold, and the least median R^2 of the simple neurons. Below: none of them.
    """

    disc: float = 0.85
    torus: float = 0.65
    simple: float = 0.85

    def geometry(self, two: float, four: float, r2: float) -> Geometry:
        """By the shares of the first two and four components and the neurons' median R^2; NaN is none."""
        if not (four >= self.simple and r2 >= self.simple):
            return "none"
        return "disc" if two >= self.disc else "torus" if two <= self.torus else "mixed"

    def margin(self, two: float) -> float:
        """How far the share of two components is from the nearer threshold."""
        return min(abs(two - self.disc), abs(two - self.torus))


RULE = Rule()


@dataclass(frozen=True)
class GeometryCircuit(Circuit):
    """How the neurons of the first layer with an MLP combine a and b: on a disc, on a torus, or neither.

    Each neuron's pre-activation is compared with A cos(w a + phi_a) + B cos(w b + phi_b) on the task's cycle. Adding
    two vectors (a disc) makes phi_a = phi_b in all neurons of a frequency, and their pre-activations have two principal
    components; a layer that sees a and b apart (a torus) has phases that are independent, and four components of a
    quarter each. Were the hypothesis of simple neurons false, R^2 would be small and the geometry `none`.

    What the null says: a layer that gets the sum of two vectors of one embedding, as through uniform attention, has
    phase_difference near 0 from its random weights on. What it learns is R^2, clusters and the phase sum, which is
    pi / 2 for random weights.

    `phase_sum` says whether a neuron writes what it read: |phi_a + phi_b - psi|, with psi the phase of its column of
    W_L at the column's own strongest frequency (0 where it adds to the right answer). It is read where that layer's
    output goes to the logits directly, and NaN in a deeper model. In a task that subtracts, phi_b counts negative,
    in `phase_b` too.
    `answer_wave_share` is the share of a neuron's variance in waves of the answer, at the best frequency: large in
    layers behind the one that adds. Medians are over neurons with at least 1 % of the largest variance.
    """

    name: ClassVar[str] = "geometry"
    descriptions: ClassVar[Mapping[str, str]] = {
        "simple_neuron_frequency": "the frequency of the wave of a and the wave of b that explain a neuron best",
        "phase_a": "the phase of a neuron's wave of a",
        "phase_b": "the phase of a neuron's wave of b",
        "simple_neuron_r2": "how much of a neuron's variance one wave of a and one of b explain",
        "answer_wave_share": "how much of a neuron's variance waves of the answer explain",
        "phase_difference": "how far a neuron's two phases are apart; 0 where two vectors of one embedding are added",
        "phase_sum": (
            "how far the phase that a neuron writes is from the two that it reads; 0 in a circuit that answers"
        ),
        "simple_neuron_r2_median": "the median over counted neurons of simple_neuron_r2",
        "answer_wave_share_median": "the median over counted neurons of answer_wave_share",
        "phase_difference_median": "the median over counted neurons of the size of phase_difference",
        "phase_sum_median": "the median over counted neurons of the size of phase_sum",
        "neuron_is_counted": "whether a neuron varies enough to be counted in medians",
        "cluster_components": "the shares of variance of the principal components of each frequency's neurons",
        "cluster_share_of_two": (
            "how much of the variance of a frequency's neurons two components hold: a disc has all of it"
        ),
        "cluster_share_of_four": (
            "how much of the variance of a frequency's neurons four components hold: a torus has all"
        ),
        "geometry": "disc, torus, mixed or none: the shape on which the neurons of a frequency lie",
        "geometry_margin": "how far cluster_share_of_two lies from the nearer threshold",
    }
    rule: Rule = RULE

    def why_not(self, snapshot: Snapshot) -> str | None:
        if first_layer(snapshot) is None:
            return "the model has no pre-activations of neurons (blocks.0.mlp.hook_pre)"
        return Wave.why_not(snapshot.task)

    def read(self, snapshot: Snapshot, requested: frozenset[str] = frozenset()) -> xr.Dataset:
        del requested
        wave, layer = Wave.required(snapshot.task), first_layer(snapshot)
        assert layer is not None
        name, is_read_out = layer
        neurons = SimpleNeurons.first_of(snapshot, wave)
        counted = neurons.counted
        by_neuron = {
            "simple_neuron_frequency": (neurons.frequency.double(), "turns per cycle"),
            "phase_a": (neurons.phase[0], "radians"),
            "phase_b": (wave.sign * neurons.phase[1], "radians"),
            "simple_neuron_r2": (neurons.r2, "share of variance"),
            "answer_wave_share": (answer_shares(neurons), "share of variance"),
            "phase_difference": (wrapped(neurons.phase[0] - wave.sign * neurons.phase[1]), "radians"),
            "phase_sum": (torch.full_like(neurons.r2, math.nan), "radians"),
        }
        if is_read_out:
            output = OutputWaves.last_of(snapshot, wave)
            by_neuron["phase_sum"] = neurons.phase_sum(output), "radians"
        clusters = components(neurons)
        two, four, geometry = self._shape(snapshot, neurons, clusters)
        where = f"{PAPER}; {name}, {wave.formula}"
        width = max(snapshot.config.layer_neurons)
        pad = lambda values, empty: np.pad(values.numpy(), (0, width - len(values)), constant_values=empty)
        variables = {
            label: Variable(("neuron",), pad(values, np.nan), units, where)
            for label, (values, units) in by_neuron.items()
        }
        of_counted = f"median over neurons with at least {COUNTED:.0%} of the largest variance; {where}"
        variables |= {
            f"{label}_median": Variable((), values[counted].median() if counted.any() else np.nan, units, of_counted)
            for label, (values, units) in by_neuron.items()
            if label in MEDIANS
        }
        variables |= {
            "neuron_is_counted": Variable(("neuron",), pad(counted, False), "", of_counted),
            "cluster_components": Variable(
                ("k", "component"), clusters, "share of variance", f"principal components by frequency; {where}"
            ),
            "cluster_share_of_two": Variable((), two, "share of variance", f"mean over clusters; {where}"),
            "cluster_share_of_four": Variable((), four, "share of variance", f"mean over clusters; {where}"),
            "geometry": Variable((), geometry, "", where),
            "geometry_margin": Variable(
                (), self.rule.margin(two), "share of variance", f"to the nearer threshold; {where}"
            ),
        }
        return readout(variables, {"k": wave.frequencies.numpy(), "component": np.arange(1, COMPONENTS + 1)})

    def summarise(self, trace: xr.Dataset) -> dict[str, Any]:
        return {
            "geometry": str(trace["geometry"].values[-1]),
            "geometry_rule": f"disc from {self.rule.disc:.0%} of the clusters' variance in two components on, torus up "
            f"to {self.rule.torus:.0%}; none below {self.rule.simple:.0%} in four, below a median R^2 of "
            f"{self.rule.simple}, or below {SOLVED:.0%} of unseen rows right",
        }

    def _shape(
        self, snapshot: Snapshot, neurons: SimpleNeurons, clusters: Float[Tensor, "k component"]
    ) -> tuple[float, float, Geometry]:
        """The clusters' mean shares of two and four components, and what they make; none unless it is solved."""
        sizes = torch.bincount(neurons.frequency[neurons.counted], minlength=len(clusters) + 1)[1:].double()
        weight = torch.where(clusters[:, 0].isnan(), 0.0, sizes)
        if not weight.any():
            return math.nan, math.nan, "none"
        two, four = ((clusters[:, :n].sum(1).nan_to_num() * weight).sum().item() / weight.sum().item() for n in (2, 4))
        r2 = neurons.r2[neurons.counted].median().item()
        return two, four, self.rule.geometry(two, four, r2) if _is_solved(snapshot) else "none"


def answer_shares(neurons: SimpleNeurons) -> Float[Tensor, "neuron"]:
    """The share of each neuron's variance in its strongest wave of the answer."""
    power = powers(neurons.moments.waves[2], len(neurons.moments.x))
    return torch.where(neurons.variance > 0, power.amax(0) / neurons.variance, math.nan)


def components(neurons: SimpleNeurons) -> Float[Tensor, "k component"]:
    """The first four principal shares of the pre-activations of each frequency's counted neurons; NaN below LEAST.

    float64. Neurons are not scaled: one that varies more weighs more.
    """
    k_max = len(neurons.moments.x) // 2
    counted = neurons.counted.nonzero().flatten()
    frequency, order = neurons.frequency[counted].sort(stable=True)
    members = counted[order].split(frequency.bincount(minlength=k_max + 1)[1:].tolist())
    clusters = {i: cluster for i, cluster in enumerate(members) if len(cluster) >= LEAST}
    shares = torch.full((k_max, COMPONENTS), math.nan, dtype=torch.float64)
    for i, covariance in zip(clusters, neurons.moments.covariances(list(clusters.values())), strict=True):
        variances = torch.linalg.eigvalsh(covariance).flip(0).clamp(min=0)
        shares[i] = variances[:COMPONENTS] / variances.sum()
    return shares


def _is_solved(snapshot: Snapshot) -> bool:
    """By its unseen rows, or by all where the split is not known or leaves none."""
    right = snapshot.is_right
    unseen = None if snapshot.task.is_train is None else ~snapshot.task.is_train
    return bool((right if unseen is None or not unseen.any() else right[unseen]).double().mean() >= SOLVED)
