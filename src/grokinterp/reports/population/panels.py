"""Panels: figures side by side for what varies, one below the other on a narrow page."""

import math
from typing import Any

import plotly.graph_objects as go

from grokinterp.reports import style
from grokinterp.reports.population.population import plotted

ACROSS = 3
BETWEEN = 96
"""Pixels between two panels, one below the other: ticks, the name of the upper's axis, the title of the lower."""


def panels_of(
    titles: list[str], height: int, across: int = ACROSS, legend: bool = True, **layout: Any
) -> tuple[go.Figure, list[dict[str, str]]]:
    """An empty figure with a panel a title, `height` pixels each, and the names of the axes of every panel."""
    n = len(titles)
    columns = min(n, across)
    rows = math.ceil(n / columns)
    room = 140 if legend else 80  # titles and ticks
    figure = style.figure(rows * height + room, margin=dict(t=40, b=room - 40, l=64), **layout)
    axes = []
    for i, title in enumerate(titles):
        row, column = divmod(i, columns)
        axes.append(style.panel(figure, i, row, column, rows, columns, gap=0.09, high=0.72))
        style.heading(figure, axes[-1]["xaxis"][1:], plotted(title), 13)
    figure.update_layout(showlegend=legend, legend=dict(y=-0.2))
    return figure.update_layout(meta=dict(narrow=_stacked(n, height, room), paper={})), axes


def _stacked(n: int, height: int, room: int) -> dict[str, Any]:
    """The panels one below the other: what a page of a phone's width changes in the layout."""
    tall = n * height + (n - 1) * BETWEEN
    # A share of the plot's height, which is that of all panels.
    changes: dict[str, Any] = {"height": tall + room, "legend.y": -68 / tall}
    for i in range(n):
        number = "" if i == 0 else str(i + 1)
        top = tall - i * (height + BETWEEN)
        domain = [max(top - height, 0) / tall, top / tall]
        changes |= {f"xaxis{number}.domain": [0, 1], f"yaxis{number}.domain": domain}
    return changes
