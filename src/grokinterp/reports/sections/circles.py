"""Circles: pairs of principal components of the embedding, each named by its frequency and stride."""

import math
from typing import Any

import numpy as np
import plotly.graph_objects as go
import xarray as xr
from jaxtyping import Float, Int

from grokinterp.reports import prose, style
from grokinterp.reports.figures import palette
from grokinterp.reports.section import Absent, Finding, Frame, Plate, Section
from grokinterp.reports.subject import Subject

CLEAN = 0.9
"""The share of power in one frequency from which a pair of components is drawn as a circle."""

FAINT = 0.02
"""The share of the variance below which a pair of components that has no clean circle is left out."""

LABELS = 40
"""Tokens that are named on the largest ring; on smaller ones fewer, so that they don't touch."""

FRAME = 1.22
"""The panel over the largest ring, with room for labels."""

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


class Circles(Finding):
    """The rings on which the tokens stand."""

    order = 360
    title = "The circles"
    variables = (
        "embedding_pca",
        "pca_variance",
    )

    def fill(self, section: Section, subject: Subject, trace: xr.Dataset) -> None:
        framed = subject.frames
        if isinstance(framed, Absent) or not framed.sizes.get("circle"):
            return
        framed = of_some_size(framed)
        figure, frames = circles(framed)
        source = prose.source(subject.run, "principal components of the final embedding", subject.frame_steps)
        section.plates.append(Plate("circles", figure, caption(framed), source, frames))


def of_some_size(found: xr.Dataset) -> xr.Dataset:
    """The circles without those that are neither clean nor hold a share of the variance worth a picture."""
    last = found.isel(step=-1)
    is_drawn = (last["circle_purity"] >= CLEAN) | (last["circle_variance"] >= FAINT)
    return found.isel(circle=np.flatnonzero(is_drawn)) if bool(is_drawn.any()) else found


def caption(found: xr.Dataset) -> str:
    """Under the pairs of components."""
    factor = found["circle_step"].attrs["units"] == "factor"
    neighbours = (
        "joins tokens that differ by the named factor"
        if factor
        else "joins tokens that are the named stride apart, the inverse of the frequency"
    )
    moves = (
        " Earlier checkpoints are projected on the same components: move the slider to see where they lay."
        if found.sizes["step"] > 1
        else ""
    )
    return (
        "Each panel shows all tokens in two principal components that share a frequency. A thin line "
        f"{neighbours}. Look for closed rings with evenly spaced tokens. Purity is the share of the pair's power at "
        "that frequency, variance the pair's share of the whole; where two frequencies are equally strong their "
        f"components mix and purity is low. The colour is the place on the ring at the end.{moves}"
    )


def circles(found: xr.Dataset) -> tuple[go.Figure, list[Frame]]:
    """One panel a circle of the `circles` circuit: tokens in the order in which they stand around it at the end.

    Every step is a frame: that checkpoint projected on the final components.
    """
    n = found.sizes["circle"]
    last = found.isel(step=-1)
    places = found.sizes["token"]
    orders = [np.argsort(k * np.arange(places) % places, kind="stable") for k in last["circle_frequency"].values]
    rows = math.ceil(n / 3)
    figure = style.figure(350 * rows + 40, showlegend=False, margin=dict(l=10, r=10, t=50, b=20), hovermode="closest")
    reach = float(np.abs(found["circle_scores"].values).max()) * FRAME or 1.0
    for i, order in enumerate(orders):
        _add_circle(figure, last.isel(circle=i), i, order, reach)
    figure.update_layout(_grid(n, 3, 0.8))
    narrow: dict[str, Any] = {f"{axis}.domain": value["domain"] for axis, value in _grid(n, 2, 0.7).items()}
    # Beside each other on a phone, headings of one line would run into the next.
    narrow |= {f"annotations.{i}.text": _title(last.isel(circle=i)).replace(", ", "<br>", 1) for i in range(n)}
    figure.update_layout(
        meta=dict(
            narrow={"height": 270 * math.ceil(n / 2) + 50, "margin.t": 62, **narrow},
            paper=dict(height=215 * rows + 40),
        ),
    )
    scores = found["circle_scores"].values
    frames = [
        [_points(scores[step, i], order) for i, order in enumerate(orders)] for step in range(found.sizes["step"])
    ]
    return figure, frames


def _add_circle(figure: go.Figure, circle: xr.Dataset, i: int, order: Int[np.ndarray, "token"], reach: float) -> None:
    """Add the i-th circle, its tokens in this order, to axes that go from -reach to reach."""
    number = "" if i == 0 else str(i + 1)
    _add_tokens(figure, circle, number, order, reach)
    _add_axes(figure, circle, number, reach)
    place = dict(xref=f"x{number} domain", yref=f"y{number} domain", showarrow=False)
    figure.add_annotation(text=_title(circle), x=0.5, y=1, yanchor="bottom", **place)


def _add_tokens(
    figure: go.Figure, circle: xr.Dataset, number: str, order: Int[np.ndarray, "token"], reach: float
) -> None:
    tokens = circle.token.values[order]
    n = len(order)
    places = int(circle["circle_frequency"]) * order % n
    points = _points(circle["circle_scores"].values, order)
    size = float(np.abs(circle["circle_scores"].values).max()) / reach * FRAME
    text = _labels(tokens, places, max(8, round(LABELS * size)))
    angle = np.arctan2(points["y"], points["x"])
    sides = [_SIDES[round(float(a) / (math.pi / 4)) % 8] for a in angle]
    turn = (places / n).astype(np.float32)
    figure.add_scatter(
        **points,
        mode="lines+markers+text" if _is_clean(circle) else "markers",
        text=[*text, ""],
        textposition=[*sides, sides[0]],
        textfont=dict(size=9),
        customdata=np.append(tokens, tokens[0]),
        hovertemplate="token %{customdata}<br>%{x:.3f}, %{y:.3f}<extra></extra>",
        line=dict(color=palette.FAINT, width=1.2),
        marker=dict(size=5.5, color=np.append(turn, turn[0]), colorscale=palette.CYCLIC, cmin=0, cmax=1),
        cliponaxis=False,
        xaxis=f"x{number}",
        yaxis=f"y{number}",
    )


def _add_axes(figure: go.Figure, circle: xr.Dataset, number: str, reach: float) -> None:
    axis = dict(
        range=[-reach, reach], showgrid=False, showline=False, ticks="", showticklabels=False, constrain="domain"
    )
    title = lambda component: dict(text=f"component {component}", font=dict(size=11), standoff=0)
    first, second = circle["circle_components"].values.tolist()
    x, y = f"x{number}", f"y{number}"
    figure.update_layout(
        {
            f"xaxis{number}": dict(axis, anchor=y, title=title(first)),
            f"yaxis{number}": dict(axis, anchor=x, scaleanchor=x, title=title(second)),
        }
    )


def _title(circle: xr.Dataset) -> str:
    """The frequency of a pair of components, which tokens are joined, and how clean it is."""
    k, step = int(circle["circle_frequency"]), circle["circle_step"]
    word = "factor" if step.attrs["units"] == "factor" else "stride"
    heading = f"<b>frequency {k}, {word} {int(step)}</b>" if _is_clean(circle) else f"mostly frequency {k}"
    shares = f"purity {float(circle['circle_purity']):.0%}, variance {float(circle['circle_variance']):.0%}"
    return f"{heading}<br><span style='font-size:11px'>{shares}</span>"


def _is_clean(circle: xr.Dataset) -> bool:
    """Whether the pair holds one frequency, so that its tokens are joined in that order and named."""
    return float(circle["circle_purity"]) >= CLEAN


def _labels(tokens: Int[np.ndarray, "token"], places: Int[np.ndarray, "token"], most: int) -> list[str]:
    """One token at every place of the circle, or at every few where these are more than `most`; "" elsewhere."""
    first = np.flatnonzero(np.diff(places, prepend=-1))
    labelled = set(first[:: math.ceil(len(first) / most)].tolist())
    return [str(token) if i in labelled else "" for i, token in enumerate(tokens)]


def _points(
    scores: Float[np.ndarray, "axis token"], order: Int[np.ndarray, "token"]
) -> dict[str, Float[np.ndarray, "place"]]:
    """Where the tokens stand in this pair of components, in order, the first once more to close the ring."""
    x, y = scores[:, np.append(order, order[0])].astype(np.float32)
    return dict(x=x, y=y)


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
