"""Frequencies: the Fourier norms of the embedding and of the neuron-logit map, and their sparsity."""

import math
from typing import Any

import numpy as np
import plotly.graph_objects as go
import xarray as xr

from grokinterp.reports import labels, prose, style
from grokinterp.reports.figures import palette, spectra
from grokinterp.reports.figures.curves import INDEX, SHARE, Curve, panels
from grokinterp.reports.section import Finding, Plate, Section
from grokinterp.reports.subject import Subject

SPECTRUM_OVER_TIME = (
    "How much of the embedding lies in each frequency (a row) at each checkpoint (a column). Look for an even haze "
    "that gives way to a few lasting lines, the frequencies that the model keeps."
)

SPECTRUM = (
    "Norm of the cosine and the sine row of every frequency, in the embedding and in the map from neurons to "
    "logits. Look for a few pairs far above the rest; cosine and sine of like height mean that tokens stand on a "
    "circle, not on a line."
)

LOGIT_MAP_OVER_TIME = (
    "The same of the map from neurons to logits. Look for the lines of the embedding: what computes with waves reads "
    "answers off with the frequencies that it puts its numbers in with."
)

FEW = 6
"""Checkpoints that are named one by one under a map."""

SPARSITY = (
    "First panel, how uneven the spectra are; second panel, how much of the embedding's first components lies in one "
    "frequency each, and how much of the logits' variance the waves of the answer explain. Look for curves that rise "
    "together."
)


class Frequencies(Finding):
    """Over time and row by row."""

    order = 350
    title = "The frequencies"
    variables = (
        "embedding_norm",
        "embedding_power",
        "logit_map_norm",
        "embedding_gini",
        "logit_map_gini",
        "circularity",
        "logit_fve",
    )
    requires = ("embedding_norm",)

    def fill(self, section: Section, subject: Subject, trace: xr.Dataset) -> None:
        ticks, several = spectra.frequency_axis(trace), trace.sizes["step"] > 1
        named = [("embedding", trace["embedding_norm"], "weights")]
        if "logit_map_norm" in trace and bool(trace["logit_map_norm"].notnull().all()):
            named.append(("neuron-logit map", trace["logit_map_norm"], "logit per activation"))
        if "gini" in trace:
            [(numbers, _), *_] = subject.run.model_config.token_rows
            width = subject.run.final.parameters[numbers].shape[1]
            section.paragraphs.append(order_of_numbers(trace, spectra.is_multiplicative(trace), width))
        if several:
            names = ("spectrum-over-time", SPECTRUM_OVER_TIME), ("logit-map-over-time", LOGIT_MAP_OVER_TIME)
            for (name, caption), (title, norms, unit) in zip(names, named, strict=False):
                figure = over_time(norms, unit, ticks)
                section.plates.append(Plate(name, figure, caption, prose.source(subject.run, title)))
        figure, frames = spectra.bars(named, subject.frame_steps, ticks)
        section.plates.append(Plate("spectrum", figure, SPECTRUM, prose.source(subject.run, "weights"), frames))
        if several:
            figure = sparsity(trace)
            section.plates.append(Plate("sparsity", figure, SPARSITY, prose.source(subject.run, "weights")))


def over_time(norms: xr.DataArray, unit: str, ticks: str) -> go.Figure:
    """Heat map of the norm of every frequency (rows), cosine and sine together, at every checkpoint (columns)."""
    figure = style.figure(400, margin=dict(t=16))
    cosine, sine = spectra.waves(norms)
    z = np.hypot(cosine, np.nan_to_num(sine)).astype(np.float32).T
    steps = norms.step.values.tolist()
    gaps = np.diff(steps)
    even = len(steps) < 3 or gaps.max() <= 4 * np.median(gaps)
    hover = f"step %{{x}}<br>{ticks} %{{y}}<br>norm %{{z:.3f}}<extra></extra>"
    k = np.arange(1, len(z) + 1)
    # A log schedule would squeeze the early checkpoints into nothing: then each gets a column as wide as any.
    x: Any = np.array(steps) if even else [f"{step:,}" for step in steps]
    figure.add_heatmap(x=x, y=k, z=z, coloraxis="coloraxis", hovertemplate=hover)
    bar = dict(title=dict(text=f"norm ({unit})", side="right"))
    figure.update_layout(
        coloraxis=dict(colorscale=palette.SEQUENTIAL, cmin=0, colorbar=bar), meta=dict(sequential=["coloraxis"])
    )
    title = labels.axis("step") + ("" if even else ", one column a checkpoint")
    figure.update_xaxes(dict(title_text=title, showgrid=False, separatethousands=True, exponentformat="none"))
    if len(steps) <= FEW:  # else a scale with steps before the first, since its column stands around it
        figure.update_xaxes(tickvals=x)
    elif not even:
        shown = np.unique(np.linspace(0, len(steps) - 1, 8).round().astype(int))
        figure.update_xaxes(type="category", tickvals=[x[i] for i in shown])
    return figure.update_yaxes(title_text=ticks, showgrid=False)


def sparsity(trace: xr.Dataset) -> go.Figure:
    """How sparse and how round: one number a checkpoint each, between 0 and 1."""
    left = [
        (Curve.read(trace[name]), said, color, "solid")
        for name, said, color in (
            ("embedding_gini", "Gini index, embedding", palette.ACCENT),
            ("logit_map_gini", "Gini index, neuron-logit map", palette.WARM),
        )
        if name in trace
    ]
    right = [
        (Curve.read(trace[name]), said, color, "solid")
        for name, said, color in (
            ("circularity", "circularity of the embedding", palette.SKY),
            ("logit_fve", "logits explained by the clock's waves", palette.NEUTRAL),
        )
        if name in trace
    ]
    return panels(["Gini index (0 even, 1 one only)", "share"], [left, right], [INDEX, SHARE])


def order_of_numbers(trace: xr.Dataset, multiplicative: bool, width: int) -> str:
    """On which cycle the spectra are read, and how sparse the embedding is there, elsewhere and where it is noise."""
    last = trace.isel(step=-1)
    noise = f"; noise of this width has about {noise_gini(width):.2f}"
    n = last.sizes["token"] - multiplicative if "token" in last.dims else last.sizes["basis"] - multiplicative
    additive, characters = (float(last[name].sel(matrix="W_E")) for name in ("gini", "gini_multiplicative"))
    on_characters = f", and {characters:.2f} on the characters, the waves of their discrete logs"
    other = "" if characters != characters else on_characters
    if additive != additive:
        return "The embedding holds numbers that are not finite, so that its spectrum has no Gini index."
    if multiplicative:
        return (
            "The numbers are read in the order of their discrete logs, as powers of a primitive root, zero left "
            f"out: {n} places. Multiplying them is adding these. The Gini index of the embedding's Fourier norms (0: "
            f"all equal, 1: one only) ends at {characters:.2f} there and at {additive:.2f} in the order of the "
            f"numbers themselves{noise}."
        )
    return (
        f"The embedding is read as a function of the number, of which there are {n}. The Gini index of its Fourier "
        f"norms (0: all equal, 1: one only) ends at {additive:.2f}{other}{noise}."
    )


def noise_gini(width: int) -> float:
    """The Gini index of the norms of rows of noise: their mean is the root of the width, their deviation 1 / root 2.

    That of a normal distribution is its deviation over its mean and the root of pi.
    """
    return 1 / (2 * math.pi * width) ** 0.5
