"""Figures: plotly figures as plain dictionaries, arrays as base64, so that drawing costs next to nothing."""

import base64
import math
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from torch import Tensor

from grokinterp.analysis.clock_or_pizza import Rule
from grokinterp.reports.figures import palette
from grokinterp.reports.figures.palette import ACCENT, CLEAR, FAINT, LINES, NEUTRAL, SKY, WARM

Figure = dict[str, Any]

FONT = "system-ui, -apple-system, 'Segoe UI', sans-serif"

# Maps end in the middle tones, which are seen on a light and on a dark page alike.
SEQUENTIAL = [[0.0, palette.SEQUENTIAL[0][1]], [1.0, ACCENT]]
HOT = [[0.0, "rgba(210, 148, 79, 0)"], [1.0, WARM]]
# Frequencies are told apart by hue; none is more than another.
HUES = [[i / (len(LINES) - 1), colour] for i, colour in enumerate(LINES)]


def array(values: Any) -> dict[str, str]:
    """Numbers as plotly's base64 form: float32, or int32 where they are whole."""
    data = np.asarray(values.detach().cpu() if isinstance(values, Tensor) else values)
    data = data.astype(np.int32 if data.dtype.kind in "iub" else np.float32)
    encoded = {"dtype": "i4" if data.dtype == np.int32 else "f4", "bdata": base64.b64encode(data.tobytes()).decode()}
    return encoded if data.ndim == 1 else {**encoded, "shape": ", ".join(map(str, data.shape))}


def layout(x: str, y: str, **changes: Any) -> dict[str, Any]:
    """The common layout: titled axes, no background, small margins."""
    axis = dict(
        gridcolor=FAINT, linecolor=NEUTRAL, zeroline=False, ticks="outside", ticklen=3, tickcolor=NEUTRAL,
        tickfont=dict(size=10), exponentformat="power",
    )  # fmt: skip
    title = lambda text: dict(text=text, font=dict(size=11), standoff=4)
    base: dict[str, Any] = dict(
        font=dict(family=FONT, size=11, color=NEUTRAL),
        paper_bgcolor=CLEAR,
        plot_bgcolor=CLEAR,
        margin=dict(l=58, r=10, t=6, b=34),
        showlegend=False,
        hoverlabel=dict(font=dict(family=FONT, size=12)),
        dragmode=False,
        xaxis={**axis, "title": title(x)},
        yaxis={**axis, "title": title(y)},
    )
    for name, change in changes.items():
        base[name] = (
            {**base[name], **change} if isinstance(base.get(name), dict) and isinstance(change, dict) else change
        )
    return base


def _bar(title: str) -> dict[str, Any]:
    """A colour bar."""
    return dict(
        x=1, xanchor="right", xref="container", thickness=8, outlinewidth=0, ticks="outside", ticklen=3, xpad=4,
        tickfont=dict(size=10), title=dict(text=title, side="right", font=dict(size=11)),
    )  # fmt: skip


def heat_map(
    values: Tensor,
    title: str | None,
    colours: list[Any],
    limits: tuple[float, float],
    hover: str,
    names: tuple[str, str] = ("b", "a"),
) -> Figure:
    """A map over two operands, the first one downwards; NaN is left blank. Without a title it has no colour bar."""
    trace = dict(
        type="heatmap", z=array(values), colorscale=colours, zmin=limits[0], zmax=limits[1], hoverongaps=False,
        hovertemplate=hover, colorbar=_bar(title or ""), showscale=title is not None,
    )  # fmt: skip
    # Faint cells would let a grid shine through.
    x = dict(constrain="domain", showgrid=False)
    square = dict(xaxis=x, yaxis={**x, "scaleanchor": "x", "autorange": "reversed"})
    return dict(data=[trace], layout=layout(*names, margin=dict(l=44, r=4 if title is None else 64), **square))


def spectrum(
    before: Tensor,
    after: Tensor,
    title: str,
    limits: tuple[float, float] | None = None,
    irreps: Sequence[str] | None = None,
) -> Figure:
    """Bars over the frequencies, or the `irreps` by name: before as a grey step behind, after in colour."""
    noun = "frequency" if irreps is None else "irrep"
    places = array(np.arange(1, len(before) + 1)) if irreps is None else list(irreps)
    height = {} if limits is None else dict(range=list(limits))
    bars = _before_and_after(places, before, after, ACCENT, noun + " %{x}<br>%{y:.4g} ")
    return dict(data=bars, layout=layout(noun, title, barmode="overlay", hovermode="closest", yaxis=height))


def scatter(
    x: Tensor,
    y: Tensor,
    hue: Tensor,
    titles: tuple[str, str],
    selected: Sequence[int],
    shown: int | None,
    names: Sequence[str] | None = None,
) -> Figure:
    """A layer's neurons; the chosen ones full, the one looked at ringed.

    They are coloured by `hue`: their frequency, or the place among `names` of the subgroup whose cosets they are on.
    """
    values = "<br>".join(f"{title}: %{{{axis}:.4g}}" for title, axis in zip(titles, "xy", strict=True))
    noun = "frequency" if names is None else "cosets of"
    points = dict(
        type="scatter", mode="markers", x=array(x), y=array(y),
        customdata=array(hue) if names is None else [names[i] for i in hue.tolist()],
        marker=dict(size=6, color=array(hue), colorscale=HUES, cmin=int(names is None), cmax=max(int(hue.max()), 2),
                    line=dict(width=0)),
        selectedpoints=list(selected) if selected else None,
        selected=dict(marker=dict(opacity=1, size=8)),
        unselected=dict(marker=dict(opacity=0.25)),
        hovertemplate=f"neuron %{{pointNumber}}, {noun} %{{customdata}}<br>{values}<extra></extra>",
    )  # fmt: skip
    ring = dict(
        type="scatter", mode="markers", x=array(x[[] if shown is None else [shown]]),
        y=array(y[[] if shown is None else [shown]]), hoverinfo="skip",
        marker=dict(size=14, color=CLEAR, line=dict(width=2, color=NEUTRAL)),
    )  # fmt: skip
    # The lasso's outline is not kept: what it chose is, and points move under it with the slider.
    made = layout(*titles, dragmode="lasso", selections=[], selectionrevision=str(hash(tuple(selected))))
    return dict(data=[points, ring], layout=made)


def curves(losses: Mapping[str, tuple[Any, Any]], step: int, thresholds: Mapping[str, int]) -> Figure:
    """Train and test loss, each as (steps, losses), on a log scale; where the checkpoint stands, and named steps."""
    names = {"train_loss": ("train", NEUTRAL), "test_loss": ("test", ACCENT)}
    traces: list[dict[str, Any]] = [
        dict(type="scatter", mode="lines", x=array(losses[name][0]), y=array(losses[name][1]), name=label,
             line=dict(color=colour, width=1.5),
             hovertemplate="step %{x:,}<br>%{y:.4g} nats<extra>" + label + "</extra>")
        for name, (label, colour) in names.items()
    ]  # fmt: skip
    here = dict(type="line", x0=step, x1=step, y0=0, y1=1, yref="paper", line=dict(color=WARM, width=2))
    marks = [
        {**here, "x0": at, "x1": at, "line": dict(color=NEUTRAL, width=1, dash="dot")} for at in thresholds.values()
    ]
    words = [
        dict(text=name, x=at, y=1, yref="paper", yanchor="top", xanchor="left", textangle=-90, showarrow=False,
             font=dict(size=10))
        for name, at in thresholds.items()
    ]  # fmt: skip
    return dict(
        data=traces,
        layout=layout(
            "training step",
            "loss (nats)",
            yaxis=dict(type="log"),
            # A click anywhere goes to that step, not on the curve's own pixels alone.
            hovermode="x",
            hoverdistance=-1,
            shapes=[*marks, here],
            annotations=words,
        ),
    )


def plane(
    background: tuple[Any, Any, Any], visited: Sequence[tuple[int, float, float]], now: int, rule: Rule
) -> Figure:
    """Gradient symmetricity against distance irrelevance: the public runs behind, this run's visited checkpoints.

    Dashes are where the verdict's rule turns. Without any public run to compare with, nothing is said of one.
    """
    x_edges, y_edges, counts = background
    heat = dict(
        type="heatmap", x=array(x_edges), y=array(y_edges), z=array(np.log1p(counts)), hoverinfo="skip",
        showscale=False, colorscale=[[0, CLEAR], [1, "rgba(140, 144, 150, 0.6)"]], zmin=0,
        zmax=max(1.0, float(np.log1p(counts).max())),
    )  # fmt: skip
    steps = [step for step, _, _ in visited]
    here = [step == now for step in steps]
    trail = dict(
        type="scatter", mode="lines+markers", x=array([float(gs) for _, gs, _ in visited]),
        y=array([float(di) for _, _, di in visited]), customdata=array(steps), line=dict(color=ACCENT, width=1),
        marker=dict(size=[12 if at else 6 for at in here], color=[WARM if at else ACCENT for at in here]),
        hovertemplate="step %{customdata:,}<br>%{x:.3f}, %{y:.3f}<extra></extra>",
    )  # fmt: skip
    over = lambda text, x, anchor: dict(
        text=text, x=x, xanchor=anchor, y=1, yref="paper", yanchor="bottom", showarrow=False, font=dict(size=11)
    )
    words = [
        over("clock", 0, "left"),
        {**over("pizza", 0.98, "right"), "y": 0.02, "yref": "y"},
        *([over("grey: public runs, a + b mod 59", 1.02, "right")] if counts.any() else []),
    ]
    dash = dict(type="line", line=dict(color=NEUTRAL, width=1, dash="dash"), layer="below")
    shapes = [
        *(dict(dash, x0=at, x1=at, y0=0, y1=1, yref="paper") for at in (rule.asymmetric, rule.symmetric)),
        dict(dash, y0=rule.distant, y1=rule.distant, x0=0, x1=1, xref="paper"),
    ]
    axes = dict(xaxis=dict(range=[0, 1.02]), yaxis=dict(range=[0, 1.02]), margin=dict(l=58, r=10, t=18, b=34))
    titles = ("gradient symmetricity", "distance irrelevance")
    return dict(data=[heat, trail], layout=layout(*titles, annotations=words, shapes=shapes, **axes))


def nothing(text: str) -> Figure:
    """An empty panel that says why it is empty."""
    off = dict(visible=False)
    words = dict(
        text=text, x=0.5, y=0.5, xref="paper", yref="paper", showarrow=False, font=dict(size=12), align="center"
    )
    return dict(data=[], layout={**layout("", ""), "xaxis": off, "yaxis": off, "annotations": [words]})


def circle(points: Tensor, tokens: Tensor, marks: Mapping[str, tuple[int, str]]) -> Figure:
    """The numbers in the plane of one frequency, and spokes to the marked ones: name -> (number, colour)."""
    ring = dict(
        type="scatter", mode="markers", x=array(points[:, 0]), y=array(points[:, 1]), customdata=array(tokens),
        marker=dict(size=4, color=NEUTRAL), hovertemplate="number %{customdata}<extra></extra>",
    )  # fmt: skip
    place = {int(token): i for i, token in enumerate(tokens)}
    known = {name: points[place[number]].tolist() for name, (number, _) in marks.items() if number in place}
    radius = float(points.norm(dim=1).max())
    heights: dict[str, float] = {}
    for is_right in (False, True):
        here = {name: y for name, (x, y) in known.items() if (x >= 0) == is_right}
        heights |= _apart(here, gap=0.25 * radius)
    drawn = []
    for name, (x, y) in known.items():
        number, colour = marks[name]
        spoke = dict(
            type="scatter", mode="lines+markers", x=[0, x], y=[0, y], line=dict(color=colour, width=2),
            marker=dict(size=[0, 9], color=colour), hoverinfo="skip",
        )  # fmt: skip
        label = dict(
            type="scatter", mode="text", x=[1.15 * x], y=[heights[name]], text=[f"{name} = {number}"],
            textposition="middle right" if x >= 0 else "middle left", textfont=dict(size=12, color=colour),
            hoverinfo="skip", cliponaxis=False,
        )  # fmt: skip
        drawn += [spoke, label]
    axis = dict(range=[-1.5 * radius, 1.5 * radius], showticklabels=False, ticks="")
    made = layout("cosine direction", "sine direction", xaxis=axis, yaxis={**axis, "scaleanchor": "x"})
    return dict(data=[ring, *drawn], layout=made)


def _apart(heights: Mapping[str, float], gap: float) -> dict[str, float]:
    """The heights of labels one above the other, pushed up where they would overlap."""
    pushed: dict[str, float] = {}
    lowest = -math.inf
    for name, height in sorted(heights.items(), key=lambda pair: pair[1]):
        pushed[name] = max(height, lowest)
        lowest = pushed[name] + gap
    return pushed


def irreps(names: Sequence[str], held: Tensor, noise: Tensor) -> Figure:
    """The share of the embeddings that each irrep holds, behind it what it holds of noise."""
    data = _before_and_after(
        list(names), noise, held, ACCENT, "irrep %{x}<br>%{y:.1%} of ", ("noise", "the embeddings")
    )
    share = dict(tickformat=".0%")
    return dict(data=data, layout=layout("irrep", "share of the embeddings", barmode="overlay", yaxis=share))


def groups(names: Sequence[str], before: Tensor, after: Tensor, noun: str) -> Figure:
    """What the neurons of each frequency, or on the cosets of each subgroup, add to the right logit."""
    hover = "neurons of %{x}<br>add %{y:.4g} " if noun == "subgroup" else f"neurons of {noun} %{{x}}<br>add %{{y:.4g}} "
    titles = (f"{noun} of the neurons", "added to the right logit")
    data = _before_and_after(list(names), before, after, ACCENT, hover)
    return dict(data=data, layout=layout(*titles, barmode="overlay", xaxis=dict(type="category")))


def _before_and_after(
    x: Any, before: Tensor, after: Tensor, colour: Any, hover: str, called: tuple[str, str] = ("before", "after")
) -> list[dict[str, Any]]:
    """Bars: before as a wide grey step behind, after in colour."""
    return [
        dict(type="bar", x=x, y=array(before), width=0.9, marker=dict(color=FAINT, line=dict(width=0)),
             hovertemplate=f"{hover}{called[0]}<extra></extra>"),
        dict(type="bar", x=x, y=array(after), width=0.5, marker=dict(color=colour),
             hovertemplate=f"{hover}{called[1]}<extra></extra>"),
    ]  # fmt: skip


def top(answers: Tensor, before: Tensor, after: Tensor, right: int) -> Figure:
    """The largest logits after, with those before behind them; the right answer in a colour of its own."""
    names = [str(answer) for answer in answers.tolist()]
    colours = [SKY if answer == right else ACCENT for answer in answers.tolist()]
    bars = _before_and_after(names, before, after, colours, "answer %{x}<br>%{y:.4g} ")
    return dict(data=bars, layout=layout("answer", "logit", barmode="overlay", xaxis=dict(type="category")))
