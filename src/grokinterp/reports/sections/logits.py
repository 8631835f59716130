"""Logits: the waves that they are made of."""

import numpy as np
import plotly.graph_objects as go
import xarray as xr

from grokinterp.reports import prose, style
from grokinterp.reports.figures import palette, spectra
from grokinterp.reports.figures.curves import SHARE, Curve, panels
from grokinterp.reports.section import Finding, Frame, Plate, Section
from grokinterp.reports.subject import Subject

COEFFICIENTS = (
    "How alike the logits and the wave of the answer are, for every frequency: 1 would be all of them, and random "
    "weights have about 0 everywhere. Look for a few bars far above the rest, at the frequencies of the embedding."
)

IN_BLUE = " Those of the key frequencies are in blue."

COEFFICIENTS_OVER_TIME = (
    "First panel, how strong the wave of each key frequency is in the logits; second panel, the share of their "
    "variance that all waves explain. Look for waves that grow while the test loss is still high."
)


class Logits(Finding):
    """Every frequency at the end, the key ones over time."""

    order = 430
    title = "The logits"
    variables = (
        "logit_cosine",
        "logit_coefficient",
        "is_key",
    )
    requires = ("logit_cosine",)

    def fill(self, section: Section, subject: Subject, trace: xr.Dataset) -> None:
        source = prose.source(subject.run, "logits on the whole table")
        figure, frames = coefficients(trace, subject.frame_steps, spectra.frequency_axis(trace))
        caption = COEFFICIENTS + (IN_BLUE if spectra.keys(trace) else "")
        section.plates.append(Plate("logits", figure, caption, source, frames))
        if trace.sizes["step"] > 1 and spectra.keys(trace):
            figure = coefficients_over_time(trace)
            section.plates.append(Plate("logits-over-time", figure, COEFFICIENTS_OVER_TIME, source))


def coefficients(trace: xr.Dataset, steps: list[int], ticks: str) -> tuple[go.Figure, list[Frame]]:
    """The cosine of the logits with cos w_k(a + b - c) for every frequency, the key ones marked, at `steps`."""
    figure = style.figure(330, margin=dict(t=16))
    values = trace["logit_cosine"].sel(step=steps).values.astype(np.float32)
    chosen = set(spectra.keys(trace))
    k = trace.k.values
    color = [palette.ACCENT if int(one) in chosen else palette.NEUTRAL for one in k]
    figure.add_bar(x=k, y=values[-1], marker=dict(color=color), hovertemplate="k = %{x}: %{y:.3f}<extra></extra>")
    low, high = float(min(values.min(), 0)), float(max(values.max(), 0.05))
    figure.update_xaxes(dict(title_text=ticks, showgrid=False))
    figure.update_yaxes(title_text="cosine with the logits", range=[low * 1.1, high * 1.1])
    return figure, [[{"y": row}] for row in values]


def coefficients_over_time(trace: xr.Dataset) -> go.Figure:
    """The coefficients of the key frequencies over steps, and the share of the logits that all waves explain."""
    left = [
        (Curve.read(trace["logit_coefficient"].sel(k=k)), f"k = {k}", *style.line(i)[:2])
        for i, k in enumerate(spectra.keys(trace))
    ]
    right = [(Curve.read(trace["logit_fve"]), "share of the logits' variance", palette.NEUTRAL, "dash")]
    return panels(["coefficient (units of the logits)", "share of variance explained"], [left, right], [None, SHARE])
