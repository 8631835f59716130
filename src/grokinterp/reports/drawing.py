"""Drawing: any variable of a trace as a figure, chosen from its dims alone."""

import math
from itertools import product
from typing import Any, cast

import numpy as np
import plotly.graph_objects as go
import xarray as xr
from jaxtyping import Shaped

from grokinterp.config.validation import checks_switches, has_type, plain, shown
from grokinterp.errors import BadRequest, listed
from grokinterp.reports import labels, style
from grokinterp.reports.figures import palette
from grokinterp.reports.figures.bands import add_band, points_of_runs
from grokinterp.reports.figures.curves import add_phases
from grokinterp.reports.figures.paper import sized
from grokinterp.reports.saving import Figure
from grokinterp.reports.section import Frame
from grokinterp.reports.style import heading, panel
from grokinterp.reports.subject import phases_of

PANELS = 12
"""How many slices of an array of three or more dims are drawn at most."""

ROWS = 6
"""How many rows of whole numbers are drawn as bars beside each other; more are a map."""

_ONE = "gi.draw(trace['train_loss'])"
_SEVERAL = "gi.draw(trace[['train_loss', 'test_loss']])"


@checks_switches
def draw(
    data: xr.DataArray | xr.Dataset,
    step: int | None = None,
    log: bool | None = None,
    width_cm: float | None = None,
    font_pt: float | None = None,
) -> Figure:
    """A figure of one variable of a trace or a readout: `draw(trace["embedding_power"], step=5000)`. Never shown.

    A number over `step` is a line, a vector bars, `(a, b)` a heat map, with the first dim downwards from the top and
    the second across; of larger arrays the leading dims become panels, the first 12. Dims of length 1 are dropped, and
    counts in few rows are bars beside each other. Several numbers over `step`, as `trace[["train_loss", "test_loss"]]`,
    are lines in one figure. Of many runs, a number over steps, or a vector, is a line at the median with a band of the
    middle half and each run thin behind; one number a run is a point against what varies. Arrays are drawn at `step`,
    the last where left out; a line marks it. Words, units and source come from the variable's name and attributes.

    Args:
        log: a log axis for values; where left out, lines have one if they are losses (nats) above 0.
        width_cm: the width on paper in centimetres, at 96 pixels to the inch; the plot keeps its shape.
        font_pt: the size of all text in points.

    `figure.save("loss.pdf")` writes it, or `.svg`, `.png`; `grokinterp figure` those of a report.

    Raises `BadRequest` for what is no variable, holds neither numbers nor words, has no such step, or has no log.
    """
    step = plain(step)
    if not has_type(step, int | None):
        raise BadRequest(f"step={shown(step)} must be a whole number, as in step=5000")
    return cast(Figure, sized(_drawn(data, step, log), width_cm, font_pt))


def _drawn(data: xr.DataArray | xr.Dataset, step: int | None, log: bool | None) -> go.Figure:
    if isinstance(data, xr.Dataset):
        figure = _lines(_numbers_over_steps(data), step, log)
        if data.attrs.get("outcome") == "solved" and (phases := phases_of(data)):
            add_phases(figure, phases)
            figure.update_layout(showlegend=True)
        return figure
    if not isinstance(data, xr.DataArray):
        raise BadRequest(f"draw takes one variable, as in {_ONE}, not a {type(data).__name__}")
    if step is not None:
        _check(data, step)
    variable = _squeezed(data)
    if variable.dtype.kind not in "fiub":
        raise BadRequest(f"{variable.name} holds words, and only numbers are drawn")
    if variable.dims in ((), ("step",), ("run", "step"), ("run",)):
        return _lines([variable], step, log)
    shown = _at(variable, step)
    title = labels.spoken(str(variable.name)) + (f" at step {int(shown.step):,}" if "step" in shown.coords else "")
    if shown.dims[:1] == ("run",) and shown.ndim == 2:
        return _vectors_of_runs(shown, bool(log))
    figure = _bars(shown, bool(log)) if _is_bars(shown) else _maps(shown, bool(log))
    return figure.update_layout(title=dict(text=title, font=dict(size=14), x=0, xref="paper", y=0.985, yanchor="top"))


def frame(variable: xr.DataArray, step: int) -> Frame:
    """What `draw(variable, step)` has in its traces: numbers of bars, or a map a panel; nothing for a line."""
    variable = _squeezed(variable)
    if variable.dims in ((), ("step",)):
        return []
    shown = _at(variable, step)
    if _is_bars(shown):
        return [{"y": _numbers(row.values)} for _, row in _rows(shown)]
    return [{"z": _numbers(part)} for _, part in _slices(shown)]


def _numbers_over_steps(data: xr.Dataset) -> list[xr.DataArray]:
    """The variables of a selection, each one number a step, in one unit."""
    variables = [_squeezed(data[name]) for name in data.data_vars]
    over_steps = ((), ("step",), ("run", "step"))
    arrays = [str(each.name) for each in variables if each.dims not in over_steps or each.dtype.kind not in "fiub"]
    if arrays or not variables:
        which = f"{arrays[0]} is none" if arrays else "this has no variable"
        raise BadRequest(
            f"draw takes one variable, as in {_ONE}, or several numbers over the steps, as in {_SEVERAL}; {which}"
        )
    units = list(dict.fromkeys(labels.unit(each.attrs.get("units", "")) or "pure numbers" for each in variables))
    if len(units) > 1:
        raise BadRequest(f"variables in one figure share a unit, and these are in {listed(units)}; draw them apart")
    return variables


def _squeezed(variable: xr.DataArray) -> xr.DataArray:
    """Without dims of one entry, which say nothing; steps stay."""
    single = [dim for dim in variable.dims if dim != "step" and variable.sizes[dim] == 1]
    return variable.squeeze(single, drop=True)


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
    """The coordinate of a dim, as numbers where they ascend, as words elsewhere; places from 0 where it has none.

    Numbers in another order, such as that of discrete logs, are names of places: on an axis of numbers their cells
    would lie over each other.
    """
    values = variable[dim].values if dim in variable.coords else np.arange(variable.sizes[dim])
    if values.dtype.kind in "fiu":
        return values if (np.diff(values) > 0).all() else np.array([f"{value:g}" for value in values], dtype=object)
    return np.array([labels.MATRICES.get(str(v), labels.spoken(str(v))) for v in values], dtype=object)


def _name(variable: xr.DataArray) -> str:
    return labels.quantity(str(variable.name), variable.attrs.get("units", ""))


def _lines(variables: list[xr.DataArray], step: int | None, log: bool | None) -> go.Figure:
    """Numbers over steps; what lies at or below 0 is left out of a log axis."""
    several = len(variables) > 1
    figure = style.figure(320 + 30 * several, margin=dict(l=84, t=16, b=56 + 30 * several))
    values = np.concatenate([np.atleast_1d(each.values).astype(np.float64).ravel() for each in variables])
    known = values[np.isfinite(values)]
    is_loss = all(each.attrs.get("units") == "nats" for each in variables)
    if log and not (known > 0).any():
        raise BadRequest(f"{variables[0].name} has no values above 0, so no log axis; leave log out")
    log = bool(is_loss and known.size and (known > 0).all() and known.max() > 2 * known.min()) if log is None else log
    styles = style.lines([str(variable.name) if several else "" for variable in variables])
    for i, variable in enumerate(variables):
        color, dash, marker = styles[i]
        if "run" in variable.dims:
            _of_runs(figure, variable, color, dash)
            continue
        x = np.atleast_1d(variable.step.values) if "step" in variable.coords else np.zeros(1)
        y = np.atleast_1d(variable.values)
        figure.add_scatter(
            x=x, y=y, mode="lines" if len(x) > 1 else "markers", name=labels.spoken(str(variable.name)),
            line=dict(color=color, width=2, dash=dash), marker=dict(color=color, symbol=marker), showlegend=several,
        )  # fmt: skip
        if step is not None:
            _check(variable, step)
            figure.add_scatter(
                x=[step], y=y[x == step], mode="markers", marker=dict(size=9, color=palette.WARM),
                name=f"step {step:,}", showlegend=several and i == 0, legendgroup="step",
            )  # fmt: skip
    if any("step" in each.dims or "run" not in each.dims for each in variables):
        figure.update_xaxes(dict(title_text=labels.axis("step"), separatethousands=True, exponentformat="none"))
    figure.update_yaxes(labels.value_axis([str(each.name) for each in variables], variables[0].attrs.get("units", "")))
    return figure.update_yaxes(dict(type="log", exponentformat="power") if log else {})


def _of_runs(figure: go.Figure, variable: xr.DataArray, color: str, dash: str) -> None:
    """A number of every run: over steps as a band, else against what varies."""
    if "step" in variable.dims:
        name = f"{labels.spoken(str(variable.name))}, median of {variable.sizes['run']} runs"
        add_band(figure, variable.step.values, variable.values.astype(np.float64), name, color, dash)
    else:
        points_of_runs(figure, variable, color)
    figure.update_layout(showlegend=True)


def _is_bars(shown: xr.DataArray) -> bool:
    """Vectors, and whole numbers in few rows, whose sizes a map of colours would not tell."""
    return shown.ndim == 1 or (shown.ndim == 2 and shown.dtype.kind in "iu" and shown.shape[0] <= ROWS)


def _rows(shown: xr.DataArray) -> list[tuple[str, xr.DataArray]]:
    if shown.ndim == 1:
        return [("", shown)]
    dim = str(shown.dims[0])
    names = _labels(shown, dim)
    return [(f"{labels.spoken(dim)} {name}", shown.isel({dim: i})) for i, name in enumerate(names)]


def _bars(shown: xr.DataArray, log: bool) -> go.Figure:
    figure = style.figure(360, margin=dict(l=84), barmode="group")
    dim = str(shown.dims[-1])
    ticks, rows = _labels(shown, dim), _rows(shown)
    for i, (name, row) in enumerate(rows):
        color, _, marker = style.line(i)
        y, several = _numbers(row.values), len(rows) > 1
        if log:  # the height of a bar says nothing where there is no 0
            figure.add_scatter(
                x=ticks, y=y, mode="markers", name=name, showlegend=several, marker=dict(color=color, symbol=marker)
            )
        else:
            figure.add_bar(x=ticks, y=y, marker=dict(color=color), name=name or _name(shown), showlegend=several)
    figure.update_xaxes(dict(title_text=labels.axis(dim), showgrid=False))
    if ticks.dtype == object:
        # Words: as many as there is room for.
        every = math.ceil(len(ticks) / 24)
        figure.update_xaxes(dict(type="category", tickmode="linear", dtick=every))
        if max(map(len, ticks.tolist())) > 8:
            figure.update_layout(margin=dict(b=120), height=420)
    figure.update_yaxes(labels.value_axis([str(shown.name)], shown.attrs.get("units", "")))
    return figure.update_yaxes(dict(type="log", exponentformat="power") if log else {})


def _vectors_of_runs(shown: xr.DataArray, log: bool) -> go.Figure:
    """A vector of every run as a band over its dim."""
    figure = style.figure(360, margin=dict(l=84, t=16, b=86), showlegend=True)
    dim = str(shown.dims[-1])
    name = f"{labels.spoken(str(shown.name))}, median of {shown.sizes['run']} runs"
    add_band(figure, _labels(shown, dim), shown.values.astype(np.float64), name, palette.ACCENT)
    figure.update_xaxes(title_text=labels.axis(dim))
    figure.update_yaxes(labels.value_axis([str(shown.name)], shown.attrs.get("units", "")))
    return figure.update_yaxes(dict(type="log", exponentformat="power") if log else {})


def _slices(shown: xr.DataArray) -> list[tuple[str, Shaped[np.ndarray, "row column"]]]:
    """Every 2-D slice over the last two dims with its name, up to `PANELS`."""
    leading = [str(dim) for dim in shown.dims[:-2]]
    slices = []
    for index in list(product(*(range(shown.sizes[dim]) for dim in leading)))[:PANELS]:
        place = dict(zip(leading, index, strict=True))
        names = [f"{labels.spoken(dim)} {_labels(shown, dim)[place[dim]]}" for dim in leading]
        slices.append((", ".join(names), shown.isel(place).values))
    return slices


def _maps(shown: xr.DataArray, log: bool) -> go.Figure:
    if log:
        raise BadRequest(f"{shown.name} is a map, and maps have no log axis; draw np.log10 of it, or leave log out")
    slices = _slices(shown)
    columns = min(len(slices), 4 if len(slices) > 4 else 3)
    rows = math.ceil(len(slices) / columns)
    down, across = map(str, shown.dims[-2:])
    height = 430 if rows == 1 and columns == 1 else 60 + 260 * rows
    figure = style.figure(height, margin=dict(t=64))
    scale = _scale(np.stack([values for _, values in slices]).astype(np.float64))
    x, y = _labels(shown, across), _labels(shown, down)
    for i, (name, values) in enumerate(slices):
        row, column = divmod(i, columns)
        axes = panel(figure, i, row, column, rows, columns)
        hover = f"{labels.spoken(down)} %{{y}}, {labels.spoken(across)} %{{x}}<br>%{{z:.4g}}<extra>{name}</extra>"
        figure.add_heatmap(x=x, y=y, z=_numbers(values), coloraxis="coloraxis", hovertemplate=hover, **axes)
        number = axes["xaxis"][1:]
        figure.layout[f"xaxis{number}"].update(_place_axis(x), title_text=labels.axis(across))
        figure.layout[f"yaxis{number}"].update(
            _place_axis(y), title_text=labels.axis(down) if column == 0 else "", **style.DOWNWARDS
        )
        if name:
            heading(figure, number, name)
    more = shown.size // (shown.shape[-1] * shown.shape[-2]) - len(slices)
    if more:
        figure.add_annotation(
            text=f"and {more:,} more, not drawn", xref="paper", yref="paper", x=1, y=-0.14, showarrow=False
        )
    figure.update_layout(coloraxis=dict(colorbar=dict(title=dict(text=_name(shown), side="right")), **scale))
    # On paper rows are so low that a title would meet the heading below it.
    met = {f"xaxis{'' if i == 0 else i + 1}.title.text": "" for i in range(len(slices) - columns)}
    meta: dict[str, Any] = dict(sequential=["coloraxis"]) if "cmid" not in scale else {}
    meta["paper"] = dict(met, height=round(0.66 * height))
    return figure.update_layout(meta=dict(meta, narrow=_two_columns(len(slices))) if columns > 2 else meta)


def _two_columns(n: int) -> dict[str, Any]:
    """Panels on a phone, and in a column of a paper."""
    rows = math.ceil(n / 2)
    domains = [style.place(i, *divmod(i, 2), rows, 2, gap=0.2, high=0.6) for i in range(n)]
    # Titles between the rows would meet the headings.
    untitled = {f"xaxis{'' if i == 0 else i + 1}.title.text": "" for i in range(n - 2)}
    return {"height": 90 + 190 * rows, **untitled, **{axis: each[axis] for each in domains for axis in each}}


def _place_axis(ticks: Shaped[np.ndarray, "place"]) -> dict[str, Any]:
    """An axis of a map: few whole numbers are all named, words by their place."""
    if ticks.dtype == object:
        return dict(showgrid=False, type="category", nticks=8)
    few = len(ticks) <= 12 and ticks.dtype.kind in "iu"
    return dict(showgrid=False, tickvals=ticks) if few else dict(showgrid=False)


def _scale(values: Shaped[np.ndarray, "..."]) -> dict[str, Any]:
    """From nothing to the largest value, or the same to both sides of 0 where there are negative ones."""
    finite = values[np.isfinite(values)]
    largest = float(np.abs(finite).max()) if finite.size else 1.0
    if finite.size and finite.min() < 0:
        return dict(colorscale=palette.SIGNED, cmin=-largest, cmax=largest, cmid=0)
    return dict(colorscale=palette.SEQUENTIAL, cmin=0, cmax=largest or 1.0)
