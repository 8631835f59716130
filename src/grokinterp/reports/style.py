"""Style: one layout for every figure, on white, on black and on paper."""

from itertools import chain, count
from typing import Any

import plotly.graph_objects as go

from grokinterp.reports.figures import palette
from grokinterp.reports.figures.paper import TEXT
from grokinterp.reports.saving import Figure

FONT = "system-ui, -apple-system, 'Segoe UI', 'Helvetica Neue', Arial, sans-serif"

_AXIS = dict(
    gridcolor=palette.FAINT,
    linecolor=palette.NEUTRAL,
    tickcolor=palette.NEUTRAL,
    zeroline=False,
    showline=True,
    ticks="outside",
    ticklen=4,
    # Margins are fixed: with automatic ones, a legend that wraps at the edge of two widths never comes to rest.
    automargin=False,
    title=dict(standoff=8, font=dict(size=13)),
)

DOWNWARDS: dict[str, Any] = dict(autorange="reversed")
"""The upright axis of every map over two operands: rows as in a matrix, the first at the top."""

TEMPLATE = go.layout.Template(
    layout=dict(
        font=dict(family=FONT, size=TEXT, color="#5c6066"),
        paper_bgcolor=palette.CLEAR,
        plot_bgcolor=palette.CLEAR,
        xaxis=_AXIS,
        yaxis=_AXIS,
        coloraxis=dict(
            colorbar=dict(outlinewidth=0, thickness=12, ticks="outside", ticklen=4, title=dict(font=dict(size=13)))
        ),
        legend=dict(orientation="h", x=0, xanchor="left", y=-0.24, yanchor="top", bgcolor=palette.CLEAR),
        hoverlabel=dict(font=dict(family=FONT)),
        modebar=dict(bgcolor=palette.CLEAR, color=palette.NEUTRAL, activecolor=palette.ACCENT),
        # Wide enough on the right for half of a long number: Plotly drops a tick's label that does not fit.
        margin=dict(l=64, r=28, t=48, b=56),
    )
)


def figure(height: int, **layout: Any) -> Figure:
    """An empty figure in the project's style, `height` pixels high, that can save itself."""
    # As a dictionary: a `go.Layout` would be checked and copied twice, its template with it.
    return Figure(layout={"template": TEMPLATE, "height": height, **layout})


def line(i: int, name: str = "") -> tuple[str, str, str]:
    """Colour, dash and marker of the i-th curve of a figure: past the palette the dashes change.

    A curve of training rows is grey and one of test rows blue, wherever it stands.
    """
    if name.startswith(("train_", "test_")):
        return (
            (palette.NEUTRAL, "solid", "circle") if name.startswith("train_") else (palette.ACCENT, "solid", "square")
        )
    again = i // len(palette.LINES)
    return (
        palette.LINES[i % len(palette.LINES)],
        palette.DASHES[again % len(palette.DASHES)],
        palette.MARKERS[i % len(palette.MARKERS)],
    )


def lines(names: list[str]) -> list[tuple[str, str, str]]:
    """Colour, dash and marker of each curve, no two alike; curves of training and test rows keep those of `line`."""
    styles: dict[int, tuple[str, str, str]] = {}
    for i in sorted(range(len(names)), key=lambda i: not names[i].startswith(("train_", "test_"))):
        used = {each[:2] for each in styles.values()}
        choices = chain([line(i, names[i])], map(line, count()))
        styles[i] = next(each for each in choices if each[:2] not in used)
    return [styles[i] for i in range(len(names))]


def log_toggle(axis: str, noun: str, kind: str, offset: int) -> dict[str, Any]:
    """Two buttons above the plot that draw `axis` (`xaxis`, `yaxis`) linear or log; it starts as `kind`.

    `offset` is how far from the left edge they stand, in pixels.
    """
    kinds = ("linear", "log")
    changes = {kind: {f"{axis}.type": kind, f"{axis}.autorange": True} for kind in kinds}
    return dict(
        type="buttons",
        direction="right",
        active=kinds.index(kind),
        buttons=[dict(label=f"{kind} {noun}", method="relayout", args=[changes[kind]]) for kind in kinds],
        x=0,
        xanchor="left",
        y=1,
        yanchor="bottom",
        pad=dict(b=8, l=offset),
        bgcolor=palette.CLEAR,
        bordercolor=palette.FAINT,
        font=dict(size=11),
    )


def place(
    i: int, row: int, column: int, rows: int, columns: int, gap: float = 0.09, high: float = 0.7
) -> dict[str, list[float]]:
    """The domains of the axes of panel `i` in a grid; `high` is its share of a row, the rest room for titles."""
    number = "" if i == 0 else str(i + 1)
    wide = (1 - gap * (columns - 1)) / columns
    tall = 1 / (rows + (rows - 1) * (1 / high - 1))
    left, top = column * (wide + gap), 1 - row * tall / high
    return {
        f"xaxis{number}.domain": [left, min(left + wide, 1)],
        f"yaxis{number}.domain": [max(top - tall, 0), top],
    }


def panel(
    figure: go.Figure, i: int, row: int, column: int, rows: int, columns: int, gap: float = 0.09, high: float = 0.7
) -> dict[str, str]:
    """Give panel `i` its pair of axes in a grid; returns the names a trace takes."""
    number = "" if i == 0 else str(i + 1)
    x, y = place(i, row, column, rows, columns, gap, high).values()
    x_axis, y_axis = dict(domain=x, anchor=f"y{number}"), dict(domain=y, anchor=f"x{number}")
    figure.update_layout({f"xaxis{number}": x_axis, f"yaxis{number}": y_axis})
    return dict(xaxis=f"x{number}", yaxis=f"y{number}")


def heading(figure: go.Figure, number: str, text: str, size: int = 12) -> None:
    """A title above a panel, by the number of its axes."""
    above = dict(xref=f"x{number} domain", yref=f"y{number} domain", x=0.5, y=1, xanchor="center", yanchor="bottom")
    figure.add_annotation(text=text, showarrow=False, font=dict(size=size), **above)
