"""Figures of spectra: how much lies in every frequency, over time and at one checkpoint."""

from typing import Any

import numpy as np
import plotly.graph_objects as go
import xarray as xr
from jaxtyping import Float

from grokinterp.reports import labels, style
from grokinterp.reports.drawing import heading, panel
from grokinterp.reports.figures.curves import Curve, panels
from grokinterp.reports.figures.training import keys
from grokinterp.reports.section import Frame


def waves(norms: xr.DataArray) -> tuple[Float[np.ndarray, "*step k"], Float[np.ndarray, "*step k"]]:
    """The norms of the cosine and of the sine rows of a variable over `basis`; NaN for a sine that there is not."""
    names = [str(name) for name in norms.basis.values]
    ks = sorted({int(name.split()[-1]) for name in names if " " in name})
    place = {name: i for i, name in enumerate(names)}
    values = np.concatenate([norms.values, np.full((*norms.shape[:-1], 1), np.nan)], axis=-1)
    cosine, sine = ([place.get(f"{kind} {k}", -1) for k in ks] for kind in ("cos", "sin"))
    return values[..., cosine], values[..., sine]


def over_time(norms: xr.DataArray, unit: str, ticks: str) -> go.Figure:
    """Heat map of the norm of every frequency (rows), cosine and sine together, at every checkpoint (columns)."""
    figure = style.figure(400, margin=dict(t=16))
    cosine, sine = waves(norms)
    z = np.hypot(cosine, np.nan_to_num(sine)).astype(np.float32).T
    steps = norms.step.values.tolist()
    gaps = np.diff(steps)
    even = len(steps) < 3 or gaps.max() <= 4 * np.median(gaps)
    hover = f"step %{{x}}<br>{ticks} %{{y}}<br>norm %{{z:.3f}}<extra></extra>"
    k = np.arange(1, len(z) + 1)
    # A log schedule would squeeze the early checkpoints into nothing: then each gets a column as wide as any.
    x: Any = np.array(steps) if even else [f"{step:,}" for step in steps]
    figure.add_heatmap(x=x, y=k, z=z, coloraxis="coloraxis", hovertemplate=hover)
    bar = dict(title=dict(text=f"norm ({unit})", side="right"))
    figure.update_layout(
        coloraxis=dict(colorscale=style.SEQUENTIAL, cmin=0, colorbar=bar), meta=dict(sequential=["coloraxis"])
    )
    title = labels.axis("step") + ("" if even else ", one column a checkpoint")
    figure.update_xaxes(dict(title_text=title, showgrid=False, separatethousands=True, exponentformat="none"))
    if not even:
        shown = np.unique(np.linspace(0, len(steps) - 1, 8).round().astype(int))
        figure.update_xaxes(type="category", tickvals=[x[i] for i in shown])
    return figure.update_yaxes(title_text=ticks, showgrid=False)


def bars(named: list[tuple[str, xr.DataArray, str]], steps: list[int], ticks: str) -> tuple[go.Figure, list[Frame]]:
    """Cosine and sine norm of every frequency, a panel for each (title, variable over `basis`, unit), at `steps`."""
    height = 300 if len(named) == 1 else 100 + 200 * len(named)
    figure = style.figure(
        height,
        barmode="group",
        bargap=0.25,
        bargroupgap=0,
        hovermode="x unified",
    )
    frames: list[Frame] = [[] for _ in steps]
    for i, (title, variable, unit) in enumerate(named):
        axes = panel(figure, i, i, 0, len(named), 1, high=0.66)
        number = axes["xaxis"][1:]
        cosine, sine = waves(variable.sel(step=steps))
        k = np.arange(1, cosine.shape[1] + 1, dtype=np.int16)
        for name, values, color in (("cosine", cosine, style.ACCENT), ("sine", sine, style.WARM)):
            figure.add_bar(
                x=k,
                y=values[-1].astype(np.float32),
                name=name,
                legendgroup=name,
                showlegend=i == 0,
                marker=dict(color=color, line=dict(color=color, width=0.5)),
                hovertemplate=f"{name} %{{y:.3f}}<extra></extra>",
                **axes,
            )
            for frame, row in zip(frames, values, strict=True):
                frame.append({"y": row.astype(np.float32)})
        reach = [0, float(np.nanmax(np.concatenate([cosine, sine]), initial=1e-9)) * 1.08]
        figure.layout[f"xaxis{number}"].update(
            title_text=ticks if i == len(named) - 1 else "frequency k", showgrid=False
        )
        figure.layout[f"yaxis{number}"].update(title_text=f"norm ({unit})", range=reach)
        heading(figure, number, title, 13)
    narrow = {"legend.x": 0, "legend.xanchor": "left", "margin.t": 64, "legend.y": 1 + 24 / height}
    above = dict(x=1, xanchor="right", y=1, yanchor="bottom")
    return figure.update_layout(
        legend=above, margin=dict(t=34), meta=dict(narrow=narrow, paper=dict(height=round(0.92 * height)))
    ), frames


def coefficients(trace: xr.Dataset, steps: list[int], ticks: str) -> tuple[go.Figure, list[Frame]]:
    """The cosine of the logits with cos w_k(a + b - c) for every frequency, the key ones marked, at `steps`."""
    figure = style.figure(330, margin=dict(t=16))
    values = trace["logit_cosine"].sel(step=steps).values.astype(np.float32)
    chosen = set(keys(trace))
    k = trace.k.values
    color = [style.ACCENT if int(one) in chosen else style.NEUTRAL for one in k]
    figure.add_bar(x=k, y=values[-1], marker=dict(color=color), hovertemplate="k = %{x}: %{y:.3f}<extra></extra>")
    low, high = float(min(values.min(), 0)), float(max(values.max(), 0.05))
    figure.update_xaxes(dict(title_text=ticks, showgrid=False))
    figure.update_yaxes(title_text="cosine with the logits", range=[low * 1.1, high * 1.1])
    return figure, [[{"y": row}] for row in values]


def coefficients_over_time(trace: xr.Dataset) -> go.Figure:
    """The coefficients of the key frequencies over steps, and the share of the logits that all waves explain."""
    left = [
        (Curve.read(trace["logit_coefficient"].sel(k=k)), f"k = {k}", style.LINES[i % len(style.LINES)], "solid")
        for i, k in enumerate(keys(trace))
    ]
    right = [(Curve.read(trace["logit_fve"]), "share of the logits' variance", style.NEUTRAL, "dash")]
    return panels(["coefficient in the logits", "share of variance explained"], [left, right], [None, [-0.03, 1.03]])
