"""Figures of curves, tables and spectra: values in, `go.Figure` out. Nothing is computed here but positions."""

from itertools import pairwise

import numpy as np
import plotly.graph_objects as go
from jaxtyping import Float

from grokinterp.reports import style
from grokinterp.reports.readings import Curve, Embedding, Landmarks, Table

POINTS = 1500
"""How many points of a curve are drawn at most: fewer make a smaller page and no visible difference."""

_WHOLE = dict(separatethousands=True, exponentformat="none")
STEP_TITLE = "training step (optimiser updates)"


def loss_curves(train: Curve, test: Curve, landmarks: Landmarks) -> go.Figure:
    """Train and test loss (nats, log scale) over steps, with the landmarks; buttons change the axes."""
    figure = style.figure(430, hovermode="x unified")
    _line(figure, train, "train loss", dict(color=style.NEUTRAL, width=2))
    _line(figure, test, "test loss", dict(color=style.ACCENT, width=2))
    _landmarks(figure, landmarks, np.concatenate([train.values, test.values]))
    _axes(figure, "cross-entropy loss (nats)", "log", "loss")
    figure.update_yaxes(exponentformat="power", tickfont=dict(size=11))
    return figure


def accuracy_curves(
    train: Curve, test: Curve, unswapped: Curve, landmarks: Landmarks, chance: float | None
) -> go.Figure:
    """Train and test accuracy (share of rows answered) over steps, with chance and the landmarks."""
    figure = style.figure(420, hovermode="x unified")
    _line(figure, train, "train accuracy", dict(color=style.NEUTRAL, width=2))
    _line(figure, test, "test accuracy", dict(color=style.ACCENT, width=2))
    _line(figure, unswapped, "test accuracy, unswapped", dict(color=style.ACCENT, width=1.5, dash="dot"))
    if chance is not None:
        steps = np.concatenate([train.steps, test.steps])
        level = Curve(np.array([steps.min(), steps.max()]), np.array([chance, chance]))
        _line(figure, level, "chance", dict(color=style.NEUTRAL, width=1, dash="dot"))
    _landmarks(figure, landmarks, np.concatenate([train.values, test.values, [1.0]]))
    _axes(figure, "accuracy (share of rows)", "linear", "accuracy")
    figure.update_yaxes(tickformat=".2~p")
    return figure


def weight_norm(curve: Curve, landmarks: Landmarks) -> go.Figure:
    """Sum of squared weights over steps."""
    figure = style.figure(340, hovermode="x unified")
    _line(figure, curve, "sum of squared weights", dict(color=style.ACCENT, width=2))
    _landmarks(figure, landmarks, curve.values)
    _axes(figure, "sum of squared weights", "linear", "sum")
    figure.update_yaxes(rangemode="tozero")
    return figure


def table_picture(table: Table) -> go.Figure:
    """Two panels: every answer of the table; and the same with the rows that are not trained on left blank."""
    panels = [("all answers", table.answers)]
    if table.trained is not None:
        panels.append(("trained on", np.where(table.trained == 1, table.answers, np.nan)))
    wide = len(panels) > 1
    figure = style.figure(430, margin=dict(t=40))
    for i, (title, z) in enumerate(panels):
        number = "" if i == 0 else str(i + 1)
        hover = "a = %{y}, b = %{x}<br>answer %{z}<extra>" + title + "</extra>"
        axes = dict(xaxis=f"x{number}", yaxis=f"y{number}")
        figure.add_heatmap(
            z=z.astype(np.float32), coloraxis="coloraxis", hovertemplate=hover, hoverongaps=False, **axes
        )
        left, right = 0.56 * i, 0.44 + 0.56 * i
        x = dict(domain=[left, right], anchor=f"y{number}", constrain="domain", title_text="second operand b")
        y = dict(anchor=f"x{number}", scaleanchor=f"x{number}", constrain="domain", title_text="first operand a")
        figure.update_layout({f"xaxis{number}": dict(x, showgrid=False), f"yaxis{number}": dict(y, showgrid=False)})
        _panel_title(figure, number, title)
    bar = dict(title=dict(text="answer", side="right"), len=0.9, x=1.02 if wide else 0.46)
    figure.update_layout(coloraxis=dict(colorscale=style.CYCLIC, colorbar=bar))
    narrow = {"xaxis.domain": [0, 1], "coloraxis.colorbar.x": 1.02}
    if wide:
        narrow |= {"yaxis.domain": [0.58, 1], "xaxis2.domain": [0, 1], "yaxis2.domain": [0, 0.42], "height": 760}
    figure.update_layout(meta=dict(narrow=narrow, paper=dict(height=340)))
    return figure


def spectrum_over_time(embedding: Embedding) -> go.Figure:
    """Heat map of the norm of every frequency (rows) at every checkpoint (columns)."""
    figure = style.figure(460)
    positions, even = _positions(embedding.steps)
    hover = "step %{customdata}<br>frequency %{y}<br>norm %{z:.3f}<extra></extra>"
    k = np.arange(1, embedding.n // 2 + 1)
    z = embedding.frequency_norms.T
    labels = np.broadcast_to(np.array(embedding.steps, dtype=np.int32), z.shape)
    figure.add_heatmap(x=positions, y=k, z=z, coloraxis="coloraxis", hovertemplate=hover, customdata=labels)
    bar = dict(title=dict(text="norm (units of the weights)", side="right"))
    figure.update_layout(
        coloraxis=dict(colorscale=style.SEQUENTIAL, cmin=0, colorbar=bar), meta=dict(sequential=["coloraxis"])
    )
    figure.update_xaxes(dict(title_text=STEP_TITLE, showgrid=False, **_WHOLE))
    figure.update_yaxes(title_text=frequency_title(embedding), showgrid=False)
    if not even:
        chosen = np.unique(np.linspace(0, len(positions) - 1, 8).round().astype(int))
        text = [f"{embedding.steps[i]:,}" for i in chosen]
        figure.update_xaxes(tickvals=chosen, ticktext=text, title_text=f"{STEP_TITLE}, one column a checkpoint")
    return figure


def spectrum_bars(embedding: Embedding) -> go.Figure:
    """Norm of the cosine and the sine row of every frequency, with a slider where there are several checkpoints."""
    k = np.arange(1, embedding.n // 2 + 1, dtype=np.int16)
    cosine, sine = embedding.frame_norms[:, 1::2], embedding.frame_norms[:, 2::2]
    figure = style.figure(420, barmode="group", bargap=0.25, bargroupgap=0, hovermode="x unified")
    line = dict(color=style.ACCENT, width=1)
    for name, values, color in (("cosine", cosine, style.ACCENT), ("sine", sine, style.ACCENT_SOFT)):
        hover = f"{name} %{{y:.3f}}<extra></extra>"
        figure.add_bar(x=k, y=values[-1], name=name, marker=dict(color=color, line=line), hovertemplate=hover)
    figure.update_xaxes(title_text=frequency_title(embedding), showgrid=False)
    figure.update_yaxes(
        title_text="norm (units of the weights)", range=[0, float(embedding.frame_norms[:, 1:].max()) * 1.05]
    )
    if len(embedding.frame_steps) > 1:
        figure.frames = [
            go.Frame(name=str(step), data=[dict(type="bar", y=cosine[i]), dict(type="bar", y=sine[i])], traces=[0, 1])
            for i, step in enumerate(embedding.frame_steps)
        ]
        figure.update_layout(
            height=500,
            sliders=[style.slider(embedding.frame_steps, 52)],
            legend=dict(y=1.02, yanchor="bottom"),
        )
    return figure


def frequency_title(embedding: Embedding) -> str:
    """The title of an axis of frequencies, with its unit."""
    if embedding.order.group == "additive":
        return f"frequency k (turns per {embedding.n} tokens)"
    return f"multiplicative frequency k (turns per {embedding.n} powers)"


def _positions(steps: list[int]) -> tuple[Float[np.ndarray, "step"], bool]:
    """Where columns stand: at their steps where these are even, at 0, 1, 2, ... where a log schedule squeezes them."""
    gaps = np.diff(steps)
    even = len(steps) < 3 or gaps.max() <= 4 * np.median(gaps)
    return np.array(steps if even else range(len(steps)), dtype=np.float64), bool(even)


def _axes(figure: go.Figure, title: str, kind: str, noun: str) -> None:
    menus = [style.log_toggle("xaxis", "steps", "linear", 0), style.log_toggle("yaxis", noun, kind, 190)]
    figure.update_xaxes(dict(title_text=STEP_TITLE, **_WHOLE))
    figure.update_yaxes(title_text=title, type=kind)
    height: int = figure.to_dict()["layout"]["height"]
    stacked = {"updatemenus.1.pad": dict(b=40, l=0), "margin.t": 80, "height": height + 60}
    meta = dict(narrow=stacked, paper=dict(height=height - 20))
    figure.update_layout(showlegend=True, updatemenus=menus, meta=meta)


def _line(figure: go.Figure, curve: Curve, name: str, line: dict) -> None:
    if len(curve):
        drawn = thinned(curve)
        figure.add_scatter(x=drawn.steps, y=drawn.values, mode="lines", name=name, line=line)


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


def _landmarks(figure: go.Figure, landmarks: Landmarks, values: Float[np.ndarray, "value"]) -> None:
    """Dashed lines from the lowest positive to the highest value drawn."""
    drawn = values[np.isfinite(values) & (values > 0)]
    # Drawn as curves, not shapes: they follow both axes from linear to log, and the legend names them.
    for step, what, color in (
        (landmarks.memorised_step, "all training rows right", style.NEUTRAL),
        (landmarks.grokked_step, "99 % of test rows right", style.ACCENT),
    ):
        if step is not None and len(drawn):
            ends = Curve(np.array([step, step], dtype=np.float64), np.array([drawn.min(), drawn.max()]))
            _line(figure, ends, f"{what}: step {step:,}", dict(color=color, width=1.2, dash="dash"))
            figure.data[-1].update(hoverinfo="skip")


def _panel_title(figure: go.Figure, number: str, title: str) -> None:
    place = dict(xref=f"x{number} domain", yref=f"y{number} domain", x=0.5, y=1, xanchor="center", yanchor="bottom")
    figure.add_annotation(text=title, showarrow=False, **place)
