"""The circles of an embedding: pairs of principal components, each named by its frequency and step."""

import math
from typing import Any

import numpy as np
import plotly.graph_objects as go
from jaxtyping import Float, Int

from grokinterp import circuits, fourier
from grokinterp.reports import style
from grokinterp.reports.readings import Embedding

CLEAN = 0.9
"""The share of power in one frequency from which a pair of components is drawn as a circle."""

LABELS = 40
_SIDES = [
    "middle right",
    "top right",
    "top center",
    "top left",
    "middle left",
    "bottom left",
    "bottom center",
    "bottom right",
]


def circles(embedding: Embedding) -> go.Figure:
    """One panel a pair of components: tokens in the order of the circle they end on, joined to their neighbours.

    With several checkpoints a slider projects each of them on the final components.
    """
    n_pairs = len(embedding.circles)
    orders = [circuits.embedding.around(circle.frequency, embedding.n).numpy() for circle in embedding.circles]
    height, rows = 350, math.ceil(n_pairs / 3)
    figure = style.figure(
        height * rows + 60, showlegend=False, margin=dict(l=10, r=10, t=50, b=20), hovermode="closest"
    )
    reach = float(np.abs(embedding.scores).max()) * 1.22 or 1.0
    for i, (circle, order) in enumerate(zip(embedding.circles, orders, strict=True)):
        _panel(figure, embedding, i, circle, order, reach)
    figure.update_layout(_grid(n_pairs, 3, 0.8))
    narrow = {f"{axis}.domain": value["domain"] for axis, value in _grid(n_pairs, 2, 0.72).items()}
    extra = 60 + 70 * (len(embedding.frame_steps) > 1)
    figure.update_layout(
        height=350 * rows + extra,
        meta=dict(
            narrow=dict(height=255 * math.ceil(n_pairs / 2) + extra, **narrow),
            paper=dict(height=255 * rows + extra),
        ),
    )
    if len(embedding.frame_steps) > 1:
        figure.frames = [
            go.Frame(
                name=str(step),
                data=[dict(type="scatter", **_points(embedding, frame, i, order)) for i, order in enumerate(orders)],
                traces=list(range(n_pairs)),
            )
            for frame, step in enumerate(embedding.frame_steps)
        ]
        figure.update_layout(sliders=[style.slider(embedding.frame_steps, 30)])
    return figure


def _panel(
    figure: go.Figure, embedding: Embedding, i: int, circle: Any, order: Int[np.ndarray, "token"], reach: float
) -> None:
    number = "" if i == 0 else str(i + 1)
    tokens = embedding.order.tokens.numpy()[order]
    points = _points(embedding, -1, i, order)
    text = _labels(tokens, circle.frequency * order % embedding.n)
    angle = np.arctan2(points["y"], points["x"])
    sides = [_SIDES[round(float(a) / (math.pi / 4)) % 8] for a in angle]
    turn = (circle.frequency * order % embedding.n / embedding.n).astype(np.float32)
    clean = circle.share >= CLEAN
    figure.add_scatter(
        **points,
        mode="lines+markers+text" if clean else "markers",
        text=[*text, ""],
        textposition=[*sides, sides[0]],
        textfont=dict(size=9),
        customdata=np.append(tokens, tokens[0]),
        hovertemplate="token %{customdata}<br>%{x:.3f}, %{y:.3f}<extra></extra>",
        line=dict(color=style.FAINT, width=1.2),
        marker=dict(size=5.5, color=np.append(turn, turn[0]), colorscale=style.CYCLIC, cmin=0, cmax=1),
        cliponaxis=False,
        xaxis=f"x{number}",
        yaxis=f"y{number}",
    )
    axis = dict(
        range=[-reach, reach], showgrid=False, showline=False, ticks="", showticklabels=False, constrain="domain"
    )
    first, second = (component + 1 for component in circle.components)
    small = dict(size=11)
    figure.update_layout(
        {
            f"xaxis{number}": dict(
                axis, anchor=f"y{number}", title=dict(text=f"component {first}", font=small, standoff=0)
            ),
            f"yaxis{number}": dict(
                axis,
                anchor=f"x{number}",
                scaleanchor=f"x{number}",
                title=dict(text=f"component {second}", font=small, standoff=0),
            ),
        }
    )
    place = dict(xref=f"x{number} domain", yref=f"y{number} domain", showarrow=False)
    heading = f"<b>frequency {circle.frequency}, {neighbours(embedding, circle)}</b>"
    heading = heading if clean else f"mostly frequency {circle.frequency}"
    shares = f"purity {circle.share:.0%}, variance {embedding.variance_share[i]:.0%}"
    text = f"{heading}<br><span style='font-size:11px'>{shares}</span>"
    figure.add_annotation(text=text, x=0.5, y=1, yanchor="bottom", **place)


def _labels(tokens: Int[np.ndarray, "token"], places: Int[np.ndarray, "token"]) -> list[str]:
    """One token at every place of the circle, or at every few where they would touch; "" elsewhere."""
    first = np.flatnonzero(np.diff(places, prepend=-1))
    labelled = set(first[:: math.ceil(len(first) / LABELS)].tolist())
    return [str(token) if i in labelled else "" for i, token in enumerate(tokens)]


def neighbours(embedding: Embedding, circle: Any) -> str:
    """What carries a token to its neighbour on the circle: `step 15`, or `factor 15` for the multiplicative group."""
    if embedding.order.group == "additive":
        return f"step {circle.step}"
    return f"factor {pow(fourier.primitive_root(embedding.p), circle.step, embedding.p)}"


def _points(
    embedding: Embedding, frame: int, i: int, order: Int[np.ndarray, "token"]
) -> dict[str, Float[np.ndarray, "place"]]:
    """Where the tokens stand in this pair of components, in order, the first once more to close the ring."""
    closed = np.append(order, order[0])
    x, y = embedding.scores[frame][closed][:, 2 * i : 2 * i + 2].astype(np.float32).T
    return dict(x=np.ascontiguousarray(x), y=np.ascontiguousarray(y))


def _grid(panels: int, columns: int, fill: float) -> dict[str, dict[str, list[float]]]:
    """Domains of the axes of panels laid out row by row; `fill` is the panel's share of a row."""
    rows = math.ceil(panels / columns)
    domains = {}
    for i in range(panels):
        row, column = divmod(i, columns)
        number = "" if i == 0 else str(i + 1)
        top = 1 - row / rows
        domains[f"xaxis{number}"] = dict(domain=[(column + 0.06) / columns, (column + 0.98) / columns])
        domains[f"yaxis{number}"] = dict(domain=[top - fill / rows, top])
    return domains
