"""Phases: where the waves of the neurons begin, and what that order of phases answers over training."""

import math
from collections.abc import Mapping
from typing import Any

import numpy as np
from torch import Tensor

from grokinterp.analysis.cycles import Wave
from grokinterp.analysis.simple_neurons import OutputWaves, SimpleNeurons, first_layer
from grokinterp.circuits.geometry import GeometryCircuit
from grokinterp.explorer.checkpoint import EvaluatedCheckpoint
from grokinterp.explorer.page.figures import HUES, Figure, array, layout, nothing
from grokinterp.explorer.page.text import percent
from grokinterp.explorer.trajectory import Trajectory
from grokinterp.reports.figures.palette import ACCENT, NEUTRAL, SKY, WARM

GRAPHS = ("phases", "order", "latent", "shape")

ACCURACIES = {
    "latent_accuracy_unswapped": ("rebuilt from waves", ACCENT),
    "test_accuracy_unswapped": ("the model", SKY),
    "latent_accuracy_shuffled": ("waves shuffled", NEUTRAL),
}
SHARES = {
    "cluster_share_of_two": ("two components", ACCENT),
    "simple_neuron_r2_median": ("median R²", SKY),
}

PHASES = (
    "A dot is a neuron. What it reads is mostly one wave of a and one of b; across and up is where they begin. On the "
    "dashed line they begin alike, as where two vectors are added (a disc); on a torus they fill the square. A disc "
    "alone is no sign of learning: random weights that add are on the line too."
)
ORDER = (
    "Across, the phases of a and b together; up, the phase of the wave that the neuron writes over the answers. On the "
    "dashed line a neuron adds to the right answer. Random weights are anywhere; this order is learnt. Hollow: writes "
    "another frequency than it reads."
)
LATENT = (
    "The share answered of the test rows whose swap is unseen too. Grey, the null: the same waves, each given to "
    "another neuron. Rebuilding assumes waves, so it shows the order of phases, not what the model says; a memoriser "
    "has some too, so this is no promise that a run will generalise."
)
SHAPE = (
    "Blue, how much of the variance of the neurons of one frequency two directions hold: all on a disc, half on a "
    "torus. Light blue, how much of a neuron its two waves explain: where that is little, there is no shape to name."
)
WHY_NOT = "The answers are no sum of two operands<br>on one cycle, or the model has no neurons:<br>no phases."
TURN = dict(range=[-3.4, 3.4], tickvals=[-math.pi, 0, math.pi], ticktext=["-π", "0", "π"], constrain="domain")


def figures(checkpoint: EvaluatedCheckpoint, trajectory: Trajectory) -> dict[str, Figure]:
    """The figure of each of `GRAPHS`."""
    snapshot, wave = checkpoint.snapshot, Wave.of(checkpoint.task)
    layer = first_layer(snapshot)
    if wave is None or layer is None:
        return dict.fromkeys(GRAPHS, nothing(WHY_NOT))
    trajectory.at(snapshot)
    neurons = SimpleNeurons.first_of(snapshot, wave)
    counted = neurons.counted.nonzero()[:, 0]
    a, b = neurons.phase[0], wave.sign * neurons.phase[1]
    names = ("phase of a (radians)", "phase of b (radians)")
    drawn = {"phases": dots(neurons, counted, a, b, names)}
    if layer[1]:
        written = OutputWaves.last_of(snapshot, wave)
        read = (a + b + math.pi).remainder(2 * math.pi) - math.pi
        names = ("phase read, of a and b (radians)", "phase written (radians)")
        drawn["order"] = dots(neurons, counted, read, written.phase, names, written.frequency == neurons.frequency)
    else:
        drawn["order"] = nothing("These neurons do not write to the logits<br>directly, so no phase is theirs alone.")
    over, ends = trajectory.known, (trajectory.steps[0], trajectory.steps[-1])
    drawn["latent"] = curves(over, ends, ACCURACIES, checkpoint.step, "unswapped test rows right")
    drawn["shape"] = curves(over, ends, SHARES, checkpoint.step, "share of variance")
    return drawn


def dots(
    neurons: SimpleNeurons, counted: Tensor, x: Tensor, y: Tensor, titles: tuple[str, str], full: Tensor | None = None
) -> Figure:
    """The counted neurons on a square of phases with its diagonal, coloured by frequency; hollow where not `full`."""
    frequency = neurons.frequency[counted]
    ends = [-math.pi, math.pi]
    line = dict(type="scatter", mode="lines", x=ends, y=ends, hoverinfo="skip",
                line=dict(color=NEUTRAL, dash="dash", width=1))  # fmt: skip
    symbols: Any = "circle"
    if full is not None:
        symbols = ["circle" if is_full else "circle-open" for is_full in full[counted].tolist()]
    points = dict(
        type="scatter", mode="markers", x=array(x[counted]), y=array(y[counted]),
        customdata=np.stack([counted.numpy(), frequency.numpy()], 1).tolist(),
        marker=dict(size=6, opacity=0.75, symbol=symbols, color=array(frequency), colorscale=HUES, cmin=1,
                    cmax=max(int(neurons.frequency.max()), 2), line=dict(width=0 if full is None else 1)),
        hovertemplate="neuron %{customdata[0]}, frequency %{customdata[1]}<br>%{x:.2f}, %{y:.2f}<extra></extra>",
    )  # fmt: skip
    return dict(data=[line, points], layout=layout(*titles, xaxis=TURN, yaxis={**TURN, "scaleanchor": "x"}))


def curves(
    over: Mapping[int, Mapping[str, Any]],
    ends: tuple[int, int],
    named: Mapping[str, tuple[str, str]],
    step: int,
    title: str,
) -> Figure:
    """Shares over the steps that are known so far, and where the checkpoint stands."""
    drawn = []
    for name, (label, colour) in named.items():
        known = {at: position[name] for at, position in over.items() if name in position}
        if known:
            drawn.append(
                dict(type="scatter", mode="lines+markers", x=array(list(known)), y=array(list(known.values())),
                     line=dict(color=colour, width=1.5, dash="dot" if colour == NEUTRAL else "solid"),
                     marker=dict(size=4), hovertemplate="step %{x:,}<br>%{y:.1%}<extra>" + label + "</extra>")
            )  # fmt: skip
    if not drawn:
        return nothing("No split is known, so no row is known to be unseen.")
    here = dict(type="line", x0=step, x1=step, y0=0, y1=1, yref="paper", line=dict(color=WARM, width=2))
    air = max(0.02 * (ends[1] - ends[0]), 1)
    axes = dict(xaxis=dict(range=[ends[0] - air, ends[1] + air]), yaxis=dict(range=[-0.02, 1.04], tickformat=".0%"))
    return dict(data=drawn, layout=layout("training step", title, shapes=[here], **axes))


def shape(checkpoint: EvaluatedCheckpoint, trajectory: Trajectory) -> str:
    """The shape of the shown checkpoint in words; of one that is not solved only that none is named."""
    position = trajectory.at(checkpoint.snapshot) or {}
    if "geometry" not in position or checkpoint.run.unexplained:
        return ""
    two, r2 = percent(position["cluster_share_of_two"]), percent(position["simple_neuron_r2_median"])
    numbers = f"two components hold {two} of a frequency's neurons, two waves {r2} of the median neuron"
    if not checkpoint.before.outcome.is_solved:
        return f"Step {checkpoint.step:,} has not solved its task, so no shape is named: {numbers}."
    rule = GeometryCircuit.rule
    said = {
        "disc": "They lie on a disc",
        "torus": "They lie on a torus",
        "mixed": f"They lie between a disc (from {rule.disc:.0%}) and a torus (to {rule.torus:.0%})",
        "none": "No shape can be named",
    }[position["geometry"]]
    return f"{said}: {numbers}."


def readable(checkpoint: EvaluatedCheckpoint, trajectory: Trajectory) -> str:
    """What the shown checkpoint's waves answer, beside chance and the model itself."""
    position = trajectory.at(checkpoint.snapshot) or {}
    if "latent_accuracy_unswapped" not in position:
        return ""
    rebuilt, shuffled, itself = (percent(position[name]) for name in (
        "latent_accuracy_unswapped", "latent_accuracy_shuffled", "test_accuracy_unswapped"
    ))  # fmt: skip
    return (
        f"Step {checkpoint.step:,}: a network rebuilt from each neuron's strongest wave answers {rebuilt}, the same "
        f"waves shuffled among the neurons {shuffled}, the model itself {itself}."
    )
