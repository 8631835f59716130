"""Drawing: any variable of a trace as a figure, chosen from its dims alone."""

import math
from itertools import product
from typing import Any

import numpy as np
import plotly.graph_objects as go
import xarray as xr
from jaxtyping import Shaped

from grokinterp.errors import BadRequest, listed
from grokinterp.reports import labels, style
from grokinterp.reports.section import Frame

PANELS = 12
"""How many slices of an array of three or more dims are drawn at most."""


def draw(variable: xr.DataArray | xr.Dataset, step: int | None = None) -> go.Figure:
    """A figure of one variable of a trace or a readout: `draw(trace["embedding_power"], step=5000)`. Never shown.

    A number over `step` is a line, a vector bars, `(a, b)` a heat map, with the first dim down and the second across;
    of larger arrays the leading dims become panels, the first 12. Arrays are drawn at `step`, the last where left out;
    a line marks it. Words, units and source come from the variable's name and attributes.

    Raises `BadRequest` for what is no variable, holds neither numbers nor words, or has no such step.
    """
    if not isinstance(variable, xr.DataArray):
        raise BadRequest(
            f"draw takes one variable, as in gi.draw(trace['train_loss']), not a {type(variable).__name__}"
        )
    if step is not None:
        _check(variable, step)
    if variable.dims in ((), ("step",)):
        return _line(variable, step)
    shown = _at(variable, step)
    if shown.dtype.kind not in "fiub":
        raise BadRequest(f"{variable.name} holds words at every {shown.dims[0]}; only numbers are drawn")
    title = labels.spoken(str(variable.name)) + (f" at step {int(shown.step):,}" if "step" in shown.coords else "")
    figure = _bars(shown) if shown.ndim == 1 else _maps(shown)
    return figure.update_layout(title=dict(text=title, font=dict(size=14), x=0, xref="paper", y=0.985, yanchor="top"))


def frame(variable: xr.DataArray, step: int) -> Frame:
    """What `draw(variable, step)` has in its traces: numbers of bars, or a map a panel; nothing for a line."""
    if variable.dims in ((), ("step",)):
        return []
    shown = _at(variable, step)
    if shown.ndim == 1:
        return [{"y": _numbers(shown.values)}]
    return [{"z": _numbers(part)} for _, part in _slices(shown)]


def _check(variable: xr.DataArray, step: int) -> None:
    if "step" not in variable.dims:
        raise BadRequest(f"{variable.name} has no steps; leave step out")
    steps = variable.step.values
    if step not in steps:
        near = sorted(steps[np.argsort(np.abs(steps - step), kind="stable")[:4]].tolist())
        raise BadRequest(f"{variable.name} was not measured at step {step}; the nearest are {listed(near)}")


def _at(variable: xr.DataArray, step: int | None) -> xr.DataArray:
    if "step" not in variable.dims:
        return variable
    return variable.isel(step=-1) if step is None else variable.sel(step=step)


def _numbers(values: Shaped[np.ndarray, "..."]) -> Shaped[np.ndarray, "..."]:
    return values if values.dtype.itemsize == 1 else values.astype(np.float32)


def _labels(variable: xr.DataArray, dim: str) -> Shaped[np.ndarray, "place"]:
    """The coordinate of a dim, as numbers where it holds numbers; places count from 0 where it has none."""
    values = variable[dim].values if dim in variable.coords else np.arange(variable.sizes[dim])
    if values.dtype.kind in "fiu":
        return values
    return np.array([labels.MATRICES.get(str(v), labels.spoken(str(v))) for v in values], dtype=object)


def _line(variable: xr.DataArray, step: int | None) -> go.Figure:
    figure = style.figure(320, margin=dict(l=84, t=16))
    x = np.atleast_1d(variable.step.values) if "step" in variable.coords else np.zeros(1)
    values = np.atleast_1d(variable.values)
    said = labels.quantity(str(variable.name), variable.attrs.get("units", ""))
    color = dict(color=style.ACCENT, width=2)
    figure.add_scatter(
        x=x, y=values, mode="lines" if len(x) > 1 else "markers", name=said, line=color, showlegend=False
    )
    if step is not None:
        at = values[int(np.flatnonzero(x == step)[0])]
        figure.add_scatter(
            x=[step], y=[at], mode="markers", marker=dict(size=9, color=style.WARM), name=f"step {step:,}"
        )
    figure.update_xaxes(dict(title_text=labels.axis("step"), separatethousands=True, exponentformat="none"))
    return figure.update_yaxes(title_text=said)


def _bars(shown: xr.DataArray) -> go.Figure:
    figure = style.figure(360, margin=dict(l=84))
    (dim,) = map(str, shown.dims)
    said = labels.quantity(str(shown.name), shown.attrs.get("units", ""))
    ticks = _labels(shown, dim)
    figure.add_bar(x=ticks, y=_numbers(shown.values), marker=dict(color=style.ACCENT), name=said, showlegend=False)
    figure.update_xaxes(dict(title_text=labels.axis(dim), showgrid=False))
    if ticks.dtype == object:
        # Words: as many as there is room for.
        every = math.ceil(len(ticks) / 24)
        figure.update_xaxes(dict(type="category", tickmode="linear", dtick=every))
        if max(map(len, ticks.tolist())) > 8:
            figure.update_layout(margin=dict(b=120), height=420)
    return figure.update_yaxes(title_text=said)


def _slices(shown: xr.DataArray) -> list[tuple[str, Shaped[np.ndarray, "row column"]]]:
    """Every 2-D slice over the last two dims with its name, up to `PANELS`."""
    leading = [str(dim) for dim in shown.dims[:-2]]
    # A dim of one entry says nothing.
    told = [dim for dim in leading if shown.sizes[dim] > 1]
    found = []
    for index in list(product(*(range(shown.sizes[dim]) for dim in leading)))[:PANELS]:
        place = dict(zip(leading, index, strict=True))
        names = [f"{labels.spoken(dim)} {_labels(shown, dim)[place[dim]]}" for dim in told]
        found.append((", ".join(names), shown.isel(place).values))
    return found


def _maps(shown: xr.DataArray) -> go.Figure:
    slices = _slices(shown)
    columns = min(len(slices), 4 if len(slices) > 4 else 3)
    rows = math.ceil(len(slices) / columns)
    down, across = map(str, shown.dims[-2:])
    height = 430 if rows == 1 and columns == 1 else 60 + 260 * rows
    figure = style.figure(height, margin=dict(t=64))
    said = labels.quantity(str(shown.name), shown.attrs.get("units", ""))
    scale = _scale(np.stack([values for _, values in slices]).astype(np.float64))
    for i, (name, values) in enumerate(slices):
        row, column = divmod(i, columns)
        axes = panel(figure, i, row, column, rows, columns)
        x, y = _labels(shown, across), _labels(shown, down)
        hover = f"{labels.spoken(down)} %{{y}}, {labels.spoken(across)} %{{x}}<br>%{{z:.4g}}<extra>{name}</extra>"
        figure.add_heatmap(x=x, y=y, z=_numbers(values), coloraxis="coloraxis", hovertemplate=hover, **axes)
        number = axes["xaxis"][1:]
        titles = {f"xaxis{number}": labels.axis(across), f"yaxis{number}": labels.axis(down) if column == 0 else ""}
        for axis, title in titles.items():
            figure.layout[axis].update(title_text=title, showgrid=False)
        for axis, ticks in ((f"xaxis{number}", x), (f"yaxis{number}", y)):
            if len(ticks) <= 12 and ticks.dtype.kind in "iu":
                figure.layout[axis].update(tickvals=ticks)
        if name:
            heading(figure, number, name)
    more = shown.size // (shown.shape[-1] * shown.shape[-2]) - len(slices)
    if more:
        figure.add_annotation(
            text=f"and {more:,} more, not drawn", xref="paper", yref="paper", x=1, y=-0.14, showarrow=False
        )
    bar = dict(title=dict(text=said, side="right"))
    figure.update_layout(coloraxis=dict(colorbar=bar, **scale))
    return figure.update_layout(meta=dict(sequential=["coloraxis"]) if "cmid" not in scale else {})


def _scale(values: Shaped[np.ndarray, "..."]) -> dict[str, Any]:
    """From nothing to the largest value, or the same to both sides of 0 where there are negative ones."""
    finite = values[np.isfinite(values)]
    largest = float(np.abs(finite).max()) if finite.size else 1.0
    if finite.size and finite.min() < 0:
        return dict(colorscale=style.SIGNED, cmin=-largest, cmax=largest, cmid=0)
    return dict(colorscale=style.SEQUENTIAL, cmin=0, cmax=largest or 1.0)


def panel(
    figure: go.Figure, i: int, row: int, column: int, rows: int, columns: int, gap: float = 0.09, high: float = 0.7
) -> dict[str, str]:
    """Give panel `i` its pair of axes in a grid; returns the names a trace takes. `high` is its share of a row,
    the rest room for titles."""
    number = "" if i == 0 else str(i + 1)
    wide = (1 - gap * (columns - 1)) / columns
    tall = 1 / (rows + (rows - 1) * (1 / high - 1))
    left, top = column * (wide + gap), 1 - row * tall / high
    x = dict(domain=[left, min(left + wide, 1)], anchor=f"y{number}")
    y = dict(domain=[max(top - tall, 0), top], anchor=f"x{number}")
    figure.update_layout({f"xaxis{number}": x, f"yaxis{number}": y})
    return dict(xaxis=f"x{number}", yaxis=f"y{number}")


def heading(figure: go.Figure, number: str, text: str, size: int = 12) -> None:
    """A title above a panel, by the number of its axes."""
    place = dict(xref=f"x{number} domain", yref=f"y{number} domain", x=0.5, y=1, xanchor="center", yanchor="bottom")
    figure.add_annotation(text=text, showarrow=False, font=dict(size=size), **place)
