"""Disc or torus: the phases of each neuron's two waves, and how many components a frequency's neurons have."""

import math
from typing import Any

import numpy as np
import plotly.graph_objects as go
import xarray as xr

from grokinterp.reports import prose, style
from grokinterp.reports.figures import palette
from grokinterp.reports.figures.curves import SHARE, Curve, panels
from grokinterp.reports.prose import percent
from grokinterp.reports.section import Finding, Frame, Plate, Section
from grokinterp.reports.subject import Subject

PHASES = (
    "Every neuron by the phase of its wave of a, across, and of its wave of b, up. The largest clusters have a colour "
    "each. Look for the dashed diagonal: vectors that are added, a disc, put all neurons on it; on a torus they fill "
    "the square."
)
COMPONENTS = (
    "How much of the variance of each frequency's neurons its first four principal components hold. A disc has two "
    "halves, a torus four quarters."
)
OVER_TIME = (
    "First panel, the share of two components, and how well one wave of a and one of b explain the neurons. Second "
    "panel, the medians of two angles: the phase sum is a quarter turn (1.57) where neurons do not write the phase "
    "that they read, as in random weights, and falls to 0 as a circuit forms; the phase difference is 0 on a disc from "
    "the start where two vectors of one embedding are added."
)
LARGEST = 5
"""How many clusters have a colour of their own."""


class Geometry(Finding):
    """Of a model that is solved: noise and tables of the training rows have phases too."""

    order = 415
    title = "Disc or torus"
    variables = (
        "simple_neuron_frequency",
        "simple_neuron_r2",
        "simple_neuron_r2_median",
        "answer_wave_share",
        "answer_wave_share_median",
        "phase_a",
        "phase_b",
        "phase_difference",
        "phase_difference_median",
        "phase_sum",
        "phase_sum_median",
        "neuron_is_counted",
        "cluster_components",
        "cluster_share_of_two",
        "cluster_share_of_four",
        "geometry",
        "geometry_margin",
    )
    requires = ("geometry",)

    def fill(self, section: Section, subject: Subject, trace: xr.Dataset) -> None:
        if not subject.outcome.is_solved:
            return
        section.paragraphs.append(sentence(trace))
        source = prose.source(subject.run, "neurons before their activation function", subject.frame_steps)
        figure, frames = phases(trace.sel(step=subject.frame_steps))
        section.plates.append(Plate("geometry-phases", figure, PHASES, source, frames))
        figure, frames = components(trace.sel(step=subject.frame_steps))
        if figure is not None:
            section.plates.append(Plate("geometry-components", figure, COMPONENTS, source, frames))
        if trace.sizes["step"] > 1:
            section.plates.append(Plate("geometry-over-time", over_time(trace), OVER_TIME, source))


def sentence(trace: xr.Dataset) -> str:
    """What the last checkpoint's neurons lie on, with the numbers and what a disc and a torus have."""
    last = trace.isel(step=-1)
    r2, two = float(last.simple_neuron_r2_median), float(last.cluster_share_of_two)
    counted = int(last.neuron_is_counted.sum())
    waves = f"one wave of a and one of b explain {percent(r2)} of the variance of the median of {counted} neurons"
    if math.isnan(two):
        return f"There is no frequency with 8 neurons, so no shape is named; {waves}."
    shape = str(last.geometry.values)
    held = f"two components hold {percent(two)} of the variance of a frequency's neurons (a disc: 100 %, a torus: 50 %)"
    if shape == "none":
        return (
            f"Its neurons lie on neither: {waves}, too little for a shape to be named, or to be one of waves; {held}."
        )
    where = "between a disc and a torus" if shape == "mixed" else f"on a {shape}"
    margin = f"The nearer threshold is {100 * float(last.geometry_margin):.1f} points away."
    return f"Its neurons lie {where}: {held}; {waves}. {margin}"


def phases(trace: xr.Dataset) -> tuple[go.Figure, list[Frame]]:
    """Phase of b against phase of a, one marker a counted neuron, coloured by frequency; a frame for each step."""
    last = trace.isel(step=-1)
    counted = last.neuron_is_counted.values.astype(bool)
    frequencies, sizes = np.unique(last.simple_neuron_frequency.values[counted], return_counts=True)
    largest = sorted(frequencies[np.argsort(-sizes, kind="stable")][:LARGEST].tolist())
    figure = style.figure(480, hovermode="closest", margin=dict(t=16, b=96))
    ends = [-math.pi, math.pi]
    figure.add_scatter(
        x=ends, y=ends, mode="lines", line=dict(color=palette.NEUTRAL, dash="dash", width=1), name="equal phases",
        hoverinfo="skip",
    )  # fmt: skip
    groups = [(f"k = {k:.0f}", [k], *style.line(i)[:1]) for i, k in enumerate(largest)]
    rest = [k for k in np.arange(1, trace.sizes["k"] + 1) if k not in largest]
    groups += [("other frequencies", rest, palette.NEUTRAL)]
    frames: list[Frame] = []
    for step in trace.step.values:
        now = trace.sel(step=step)
        shown = now.neuron_is_counted.values.astype(bool)
        frame: Frame = [{"x": ends, "y": ends}]
        for _, members, _ in groups:
            chosen = shown & np.isin(now.simple_neuron_frequency.values, members)
            frame.append({side: now[f"phase_{name}"].values[chosen] for side, name in (("x", "a"), ("y", "b"))})
        frames.append(frame)
    for (name, _, color), drawn in zip(groups, frames[-1][1:], strict=True):
        figure.add_scatter(
            **drawn, mode="markers", name=name, marker=dict(color=color, size=6, opacity=0.6),
            hovertemplate="a: %{x:.2f}, b: %{y:.2f}<extra>" + name + "</extra>",
        )  # fmt: skip
    turn: dict[str, Any] = dict(
        range=[-3.4, 3.4], constrain="domain", tickvals=[-math.pi, 0, math.pi], ticktext=["-π", "0", "π"]
    )
    figure.update_xaxes(dict(title_text="phase of a (radians)", **turn))
    figure.update_yaxes(dict(title_text="phase of b (radians)", scaleanchor="x", **turn))
    return figure.update_layout(showlegend=True, legend=dict(y=-0.2)), frames


def components(trace: xr.Dataset) -> tuple[go.Figure | None, list[Frame]]:
    """Four bars a frequency that has a cluster at the end, one on the other; None where none has."""
    shares = trace.cluster_components.sel(component=[1, 2, 3, 4])  # others are of other circuits
    has = np.isfinite(shares.isel(step=-1, component=0).values)
    if not has.any():
        return None, []
    names = [f"k = {k}" for k in trace.k.values[has]]
    figure = style.figure(330, barmode="stack", hovermode="x unified", margin=dict(t=16, b=90))
    frames = [[{"y": np.nan_to_num(row).astype(np.float32)} for row in now[has].T] for now in shares.values]
    for i, drawn in enumerate(frames[-1]):
        figure.add_bar(x=names, **drawn, name=f"component {i + 1}", marker=dict(color=palette.LINES[i]))
    figure.update_xaxes(title_text="frequency of the cluster")
    figure.update_yaxes(dict(title_text="share of variance", **SHARE))
    return figure.update_layout(showlegend=True, legend=dict(y=-0.3)), frames


def over_time(trace: xr.Dataset) -> go.Figure:
    """Shares left, angles right, over the steps."""
    shares = [
        (Curve.read(trace.cluster_share_of_two), "two components", palette.ACCENT, "solid"),
        (Curve.read(trace.simple_neuron_r2_median), "median R²", palette.WARM, "solid"),
    ]
    angles = [
        (Curve.read(trace.phase_sum_median), "phase sum", palette.ACCENT, "dash"),
        (Curve.read(trace.phase_difference_median), "phase difference", palette.WARM, "dash"),
    ]
    return panels(["share of variance", "angle (radians)"], [shares, angles], [SHARE, dict(range=[-0.1, 3.2])])
