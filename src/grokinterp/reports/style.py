"""Style: one family of colours and one layout for every figure, on white, on black and on paper."""

from typing import Any

import plotly.graph_objects as go

# Middle tones: each has a contrast of 3 or more against both the light and the dark page.
ACCENT = "#3b7fc4"
ACCENT_SOFT = "rgba(59, 127, 196, 0.38)"
ACCENT_DEEP = "#8a5fb0"
NEUTRAL = "#85898f"
FAINT = "rgba(133, 137, 143, 0.22)"
CLEAR = "rgba(0, 0, 0, 0)"

# From the page's own background to the accent and past it; the page turns the dark end light on a dark page.
SEQUENTIAL = [[0.0, "rgba(59, 127, 196, 0)"], [0.6, ACCENT], [1.0, "#0d2b4e"]]
# Cyclic: 0 and p - 1 are neighbours. Blue and violet tones only, the lightness turning once.
CYCLIC = [[0.0, "#1d4e89"], [0.25, "#3f97c9"], [0.5, "#c9dff0"], [0.75, "#a48bc8"], [1.0, "#1d4e89"]]

FONT = "system-ui, -apple-system, 'Segoe UI', 'Helvetica Neue', Arial, sans-serif"

_AXIS = dict(
    gridcolor=FAINT,
    linecolor=NEUTRAL,
    tickcolor=NEUTRAL,
    zeroline=False,
    showline=True,
    ticks="outside",
    ticklen=4,
    automargin=True,
    title=dict(standoff=8),
)

TEMPLATE = go.layout.Template(
    layout=dict(
        font=dict(family=FONT, size=13, color="#5c6066"),
        paper_bgcolor=CLEAR,
        plot_bgcolor=CLEAR,
        xaxis=_AXIS,
        yaxis=_AXIS,
        coloraxis=dict(colorbar=dict(outlinewidth=0, thickness=12, ticks="outside", ticklen=4)),
        legend=dict(orientation="h", x=0, xanchor="left", y=-0.2, yanchor="top", bgcolor=CLEAR),
        hoverlabel=dict(font=dict(family=FONT)),
        margin=dict(l=60, r=16, t=48, b=52),
    )
)


def figure(height: int, **layout: Any) -> go.Figure:
    """An empty figure in the project's style, `height` pixels high."""
    return go.Figure(layout=go.Layout(template=TEMPLATE, height=height, **layout))


def slider(steps: list[int], active: int) -> dict[str, Any]:
    """A slider over the frames named by these training steps."""
    still = dict(mode="immediate", frame=dict(duration=0, redraw=True), transition=dict(duration=0))
    return dict(
        active=active,
        steps=[dict(method="animate", label=f"{step:,}", args=[[str(step)], still]) for step in steps],
        currentvalue=dict(prefix="training step ", xanchor="left", font=dict(size=14)),
        bgcolor=FAINT,
        bordercolor=NEUTRAL,
        borderwidth=0,
        tickcolor=NEUTRAL,
        activebgcolor=ACCENT,
        ticklen=4,
        minorticklen=0,
        pad=dict(t=36, b=4),
        x=0,
        len=1,
    )


def log_toggle(axis: str, label: str, kind: str, x: float) -> dict[str, Any]:
    """Two buttons above the plot that draw `axis` (`xaxis`, `yaxis`) linear or log; `kind` is the one it starts with."""
    kinds = ("linear", "log")
    return dict(
        type="buttons",
        direction="right",
        active=kinds.index(kind),
        buttons=[dict(label=f"{kind} {label}", method="relayout", args=[{f"{axis}.type": kind}]) for kind in kinds],
        x=x,
        xanchor="right" if x else "left",
        y=1,
        yanchor="bottom",
        pad=dict(b=8),
        bgcolor=CLEAR,
        bordercolor=FAINT,
        font=dict(size=11),
    )
