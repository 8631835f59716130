"""Curves: quantities over training steps, with the phases behind them."""

from dataclasses import dataclass
from itertools import pairwise
from typing import Any

import numpy as np
import pandas as pd
import plotly.graph_objects as go
import xarray as xr
from jaxtyping import Float

from grokinterp.reports import labels, style
from grokinterp.reports.figures import palette
from grokinterp.reports.style import panel
from grokinterp.reports.subject import Landmarks

POINTS = 1500
"""How many points of a curve are drawn at most: fewer make a smaller page and no visible difference."""

_WHOLE: dict[str, Any] = dict(separatethousands=True, exponentformat="none")


SHARE: dict[str, Any] = dict(range=[-0.03, 1.03], tickformat=".0%")
"""The axis of a share of rows, of variance or of attention: in percent, wherever it stands."""

INDEX: dict[str, Any] = dict(range=[-0.03, 1.03])
"""The axis of an index between 0 and 1 that is no share of anything."""


@dataclass(frozen=True)
class Curve:
    """What was recorded of one quantity: `steps` and `values`, both [step], without the rows that lack it."""

    steps: Float[np.ndarray, "step"]
    values: Float[np.ndarray, "step"]

    @classmethod
    def of(cls, metrics: pd.DataFrame, column: str) -> "Curve":
        """Empty where the table has no such column."""
        if column not in metrics:
            return cls(np.empty(0), np.empty(0))
        table = metrics[["step", column]].to_numpy(dtype=np.float64)
        table = table[~np.isnan(table[:, 1])]
        return cls(table[:, 0], table[:, 1])

    @classmethod
    def read(cls, variable: xr.DataArray) -> "Curve":
        """A scalar of a trace."""
        values = variable.values.astype(np.float64)
        known = np.isfinite(values)
        return cls(variable.step.values[known].astype(np.float64), values[known])

    def __len__(self) -> int:
        return len(self.steps)


class Chart:
    """A figure of curves over steps: lines, phases, landmarks, and buttons for its axes."""

    def __init__(self, height: int, **layout: Any):
        self.figure = style.figure(height, hovermode="x unified", **layout)
        self.values: list[np.ndarray] = []

    def line(self, curve: Curve, name: str, color: str, width: float = 2, **trace: Any) -> None:
        """One curve; nothing where it is empty. `dash`, `visible` and the like go to plotly."""
        if not len(curve):
            return
        drawn = thinned(curve)
        dash = trace.pop("dash", "solid")
        mode = "lines" if len(drawn) > 1 else "markers"
        self.figure.add_scatter(
            x=drawn.steps.astype(np.int32),
            y=drawn.values.astype(np.float32),
            mode=mode,
            name=name,
            line=dict(color=color, width=width, dash=dash),
            marker=dict(color=color, size=7),
            **trace,
        )
        self.values.append(curve.values)

    def landmarks(self, landmarks: Landmarks) -> None:
        """Dashed lines from the lowest positive to the highest value drawn."""
        values = np.concatenate(self.values) if self.values else np.empty(0)
        drawn = values[np.isfinite(values) & (values > 0)]
        # Drawn as curves, not shapes: they follow both axes from linear to log, and the legend names them.
        for step, what, color in (
            (landmarks.memorised_step, "all training rows right", palette.NEUTRAL),
            (landmarks.grokked_step, "99 % of test rows right", palette.ACCENT),
        ):
            if step is not None and len(drawn):
                ends = Curve(np.array([step, step], dtype=np.float64), np.array([drawn.min(), drawn.max()]))
                self.line(ends, f"{what}: step {step:,}", color, 1.2, dash="dash", hoverinfo="skip")

    def phases(self, phases: list[tuple[str, int, int]]) -> None:
        """Shaded stretches, named in the legend with their last step."""
        add_phases(self.figure, phases)

    def finished(self, title: str, kind: str, noun: str) -> go.Figure:
        """With titled axes, and buttons that make either linear or log; it starts with `kind` down."""
        figure = self.figure
        menus = [style.log_toggle("xaxis", "steps", "linear", 0), style.log_toggle("yaxis", noun, kind, 190)]
        figure.update_xaxes(dict(title_text=labels.axis("step"), **_WHOLE))
        figure.update_yaxes(title_text=title, type=kind)
        if kind == "log":
            figure.update_yaxes(exponentformat="power", tickfont=dict(size=11))
        height: int = figure.to_dict()["layout"]["height"]
        # Below a narrow plot every entry of the legend has a line of its own.
        entries = max(0, len(figure.data) + len(figure.to_dict()["layout"].get("shapes", ())) - 5)
        stacked = {"updatemenus.1.pad": dict(b=46, l=0), "margin.t": 86, "height": height + 60 + entries * 19}
        meta = dict(narrow=stacked, paper={"height": 212, "margin.t": 16})
        return figure.update_layout(showlegend=True, updatemenus=menus, meta=meta)


def add_phases(figure: go.Figure, phases: list[tuple[str, int, int]]) -> None:
    """Shade the stretches (name, first step, last step) behind curves, and name them in the legend."""
    for (name, start, end), color in zip(phases, palette.PHASES, strict=False):
        # A log axis has no 0.
        figure.add_shape(
            type="rect", x0=max(start, 1), x1=end, y0=0, y1=1, yref="paper", line_width=0, fillcolor=color,
            layer="below", name=f"{name}, to step {end:,}", showlegend=True,
        )  # fmt: skip


def panels(
    titles: list[str], lines: list[list[tuple[Curve, str, str, str]]], axes_of: list[dict[str, Any] | None]
) -> go.Figure:
    """Panels side by side over steps, each with lines of (curve, name, colour, dash); one legend for all."""
    figure = style.figure(330, hovermode="x unified", margin=dict(t=16, b=90))
    named: set[str] = set()
    n = len(titles)
    for i, (title, drawn, axis) in enumerate(zip(titles, lines, axes_of, strict=True)):
        axes = panel(figure, i, 0, i, 1, n, gap=0.1)
        number = axes["xaxis"][1:]
        for curve, name, color, dash in drawn:
            if not len(curve):
                continue
            short = thinned(curve)
            figure.add_scatter(
                x=short.steps.astype(np.int32),
                y=short.values.astype(np.float32),
                mode="lines" if len(short) > 1 else "markers",
                name=name,
                legendgroup=name,
                showlegend=name not in named,
                line=dict(color=color, width=2, dash=dash),
                **axes,
            )
            named.add(name)
        figure.layout[f"xaxis{number}"].update(title_text=labels.axis("step"), nticks=5, **_WHOLE)
        figure.layout[f"yaxis{number}"].update(axis or dict(separatethousands=True), title_text=title)
    rows = {}
    for i in range(n):
        number = "" if i == 0 else str(i + 1)
        high = (1 - 0.16 * (n - 1)) / n
        top = 1 - i * (high + 0.16)
        rows |= {f"xaxis{number}.domain": [0, 1], f"yaxis{number}.domain": [max(top - high, 0), top]}
    return figure.update_layout(
        showlegend=True,
        legend=dict(y=-0.26),
        # As far below the last panel's title, however many there are: in shares of the plot, which is all of them.
        meta=dict(
            narrow={"height": 250 * n + 90, "legend.y": -64 / (250 * n - 16), **rows},
            paper={"height": 204},
        ),
    )


def thinned(curve: Curve) -> Curve:
    """At most about `POINTS` points of a curve: the lowest and the highest of each stretch, so that no spike is lost.

    Stretches are even in steps and, for log axes, even in log steps as well.
    """
    n = len(curve)
    if n <= POINTS:
        return curve
    edges = np.concatenate([np.linspace(0, n, POINTS // 4), np.geomspace(1, n, POINTS // 4)]).astype(int)
    keep = {0, n - 1}
    for start, stop in pairwise(np.unique(np.concatenate([[0], edges, [n]]))):
        part = curve.values[start:stop]
        keep.update((int(start + part.argmin()), int(start + part.argmax())))
    chosen = sorted(keep)
    return Curve(curve.steps[chosen], curve.values[chosen])
