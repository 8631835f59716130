"""Style: one family of colours and one layout for every figure, on white, on black and on paper."""

from typing import Any

import plotly.graph_objects as go

# Middle tones: each has a contrast of 3 or more against both the light and the dark page.
ACCENT = "#3b7fc4"
ACCENT_SOFT = "rgba(59, 127, 196, 0.38)"
NEUTRAL = "#85898f"
FAINT = "rgba(133, 137, 143, 0.22)"
CLEAR = "rgba(0, 0, 0, 0)"
WARM = "#c1703a"
GREEN = "#3c9774"
LINES = (ACCENT, WARM, GREEN, "#9a6cc0", NEUTRAL, "#b0843a", "#4a9aa8", "#c0607f", "#6f7fd0", "#7a9a45")
PHASES = ("rgba(133, 137, 143, 0.13)", "rgba(193, 112, 58, 0.13)", "rgba(60, 151, 116, 0.14)")

# From the page's own background to the accent and past it; the page turns the dark end light on a dark page.
SEQUENTIAL = [[0.0, "rgba(59, 127, 196, 0)"], [0.6, ACCENT], [1.0, "#0d2b4e"]]
# Signed: nothing at 0, which stands in the middle.
SIGNED = [[0.0, WARM], [0.5, "rgba(133, 137, 143, 0.04)"], [1.0, ACCENT]]
# Cyclic: 0 and p - 1 are neighbours. Blue and violet tones only, the lightness turning once.
CYCLIC = [[0.0, "#2a62a5"], [0.25, "#4aa0cf"], [0.5, "#a9cfea"], [0.75, "#a086c9"], [1.0, "#2a62a5"]]

FONT = "system-ui, -apple-system, 'Segoe UI', 'Helvetica Neue', Arial, sans-serif"

_AXIS = dict(
    gridcolor=FAINT,
    linecolor=NEUTRAL,
    tickcolor=NEUTRAL,
    zeroline=False,
    showline=True,
    ticks="outside",
    ticklen=4,
    # Margins are fixed: with automatic ones, a legend that wraps at the edge of two widths never comes to rest.
    automargin=False,
    title=dict(standoff=8, font=dict(size=13)),
)

TEMPLATE = go.layout.Template(
    layout=dict(
        font=dict(family=FONT, size=13, color="#5c6066"),
        paper_bgcolor=CLEAR,
        plot_bgcolor=CLEAR,
        xaxis=_AXIS,
        yaxis=_AXIS,
        coloraxis=dict(
            colorbar=dict(outlinewidth=0, thickness=12, ticks="outside", ticklen=4, title=dict(font=dict(size=13)))
        ),
        legend=dict(orientation="h", x=0, xanchor="left", y=-0.24, yanchor="top", bgcolor=CLEAR),
        hoverlabel=dict(font=dict(family=FONT)),
        modebar=dict(bgcolor=CLEAR, color=NEUTRAL, activecolor=ACCENT),
        margin=dict(l=64, r=16, t=48, b=56),
    )
)


def figure(height: int, **layout: Any) -> go.Figure:
    """An empty figure in the project's style, `height` pixels high."""
    return go.Figure(layout=go.Layout(template=TEMPLATE, height=height, **layout))


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
        bgcolor=CLEAR,
        bordercolor=FAINT,
        font=dict(size=11),
    )
