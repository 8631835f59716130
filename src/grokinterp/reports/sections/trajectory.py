"""Trajectory: the path of the weights over training, in the directions in which it is longest."""

import math

import numpy as np
import plotly.graph_objects as go
import torch
import xarray as xr

from grokinterp.analysis.pca import PCA, pca
from grokinterp.reports import prose, style
from grokinterp.reports.figures import palette
from grokinterp.reports.figures.curves import SHARE
from grokinterp.reports.prose import percent
from grokinterp.reports.section import Fact, Plate, RequestedFinding, Section
from grokinterp.reports.style import panel
from grokinterp.reports.subject import Subject

PATH = (
    "First panel, the weights of every checkpoint in the two directions in which they differ most, joined in the order "
    "of steps; the star is the last. They are sketched, which keeps distances to about 2 %. Second panel, the share of "
    "their variance in each direction, beside what a random walk in many dimensions has, the null. Look for a first "
    "share far above the walk's 61 %, and then for its reason: a norm that only grows makes one too."
)
COMPONENTS = 5


class Path(RequestedFinding):
    """How straight the path is, beside a random walk; one number says little, so no sentence is made of it."""

    order = 474
    title = "The path of the weights"
    circuit = "trajectory"
    variables = ("weight_sketch",)
    requires = variables

    def fill(self, section: Section, subject: Subject, trace: xr.Dataset) -> None:
        sketch = np.asarray(trace.weight_sketch.values, dtype=np.float64)
        if len(sketch) < 3 or not np.isfinite(sketch).all():
            section.notes.append("A path needs three checkpoints of finite weights.")
            return
        analysis = pca(torch.from_numpy(sketch), COMPONENTS)
        share = float(analysis.variance_share[0])
        section.facts.append(
            Fact(
                "first direction", percent(share), f"share of the path's variance; a random walk has {percent(walk(1))}"
            )
        )
        steps = trace.step.values.tolist()
        source = prose.source(subject.run, "all weights, sketched,", steps)
        section.plates.append(Plate("trajectory", drawn(analysis, steps), PATH, source))


def walk(component: int) -> float:
    """The share of a long random walk in many dimensions that its n-th principal component has: 6 / (pi n)^2."""
    return 6 / (math.pi * component) ** 2


def drawn(analysis: PCA, steps: list[int]) -> go.Figure:
    """The path in its first two components, and the shares of the first few beside a random walk's."""
    figure = style.figure(380, hovermode="closest", margin=dict(t=16, b=90))
    left, right = (panel(figure, i, 0, i, 1, 2, gap=0.14) for i in range(2))
    x, y = (analysis.scores[:, i].numpy().astype(np.float32) for i in (0, min(1, analysis.scores.shape[1] - 1)))
    figure.add_scatter(
        x=x, y=y, mode="lines+markers", name="checkpoints", customdata=steps, showlegend=False,
        line=dict(color=palette.ACCENT, width=1.5), marker=dict(color=palette.ACCENT, size=5),
        hovertemplate="step %{customdata:,}<br>%{x:.3g}, %{y:.3g}<extra></extra>", **left,
    )  # fmt: skip
    figure.add_scatter(
        x=x[-1:], y=y[-1:], mode="markers", name=f"step {steps[-1]:,}", showlegend=False, hoverinfo="skip",
        marker=dict(color=palette.WARM, size=14, symbol="star"), **left,
    )  # fmt: skip
    numbers = list(range(1, len(analysis.variance_share) + 1))
    shares = {"this run": (analysis.variance_share.tolist(), palette.ACCENT)}
    shares["a random walk"] = ([walk(n) for n in numbers], palette.NEUTRAL)
    for name, (values, color) in shares.items():
        figure.add_bar(
            x=numbers, y=values, name=name, marker=dict(color=color),
            hovertemplate="component %{x}: %{y:.1%}<extra>" + name + "</extra>", **right,
        )  # fmt: skip
    figure.update_layout(
        xaxis=dict(title_text="component 1 (units of the weights)"),
        yaxis=dict(title_text="component 2"),
        xaxis2=dict(title_text="principal component", dtick=1, showgrid=False),
        yaxis2=dict(title_text="share of variance", **SHARE),
    )
    rows = {"xaxis.domain": [0, 1], "xaxis2.domain": [0, 1], "yaxis.domain": [0.58, 1], "yaxis2.domain": [0, 0.4]}
    narrow = {"height": 620, "legend.y": -0.12, **rows}
    return figure.update_layout(showlegend=True, legend=dict(y=-0.24), meta=dict(narrow=narrow))
