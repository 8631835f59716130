"""Bands: many runs as one line, their median, with the middle half of them around it and each run thin behind."""

import warnings

import numpy as np
import plotly.graph_objects as go
import xarray as xr
from jaxtyping import Float, Shaped

from grokinterp.reports import labels
from grokinterp.reports.figures import palette

THIN = 60
"""How many runs are drawn one by one at most, evenly chosen; the band is of all."""

QUARTILES = (25, 50, 75)


def quartiles(values: Float[np.ndarray, "run place"]) -> Float[np.ndarray, "quartile place"]:
    """The quartiles over runs at every place, NaN where no run has a value."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", RuntimeWarning)  # a place without any
        return np.nanpercentile(values, QUARTILES, axis=0)


def translucent(color: str, share: float) -> str:
    """A colour of the palette, `#2b62c9`, that lets so much of what is behind it through."""
    red, green, blue = (int(color[i : i + 2], 16) for i in (1, 3, 5))
    return f"rgba({red}, {green}, {blue}, {share:g})"


def add_band(
    figure: go.Figure,
    x: Shaped[np.ndarray, "place"],
    values: Float[np.ndarray, "run place"],
    name: str,
    color: str,
    dash: str = "solid",
    thin: int = THIN,
    axes: dict[str, str] | None = None,
    showlegend: bool = True,
) -> None:
    """Draw the runs of one group: up to `thin` of them one by one, the middle half as a band, the median as a line."""
    axes = axes or {}
    drawn = np.unique(np.linspace(0, len(values) - 1, min(len(values), thin)).round().astype(int))
    if len(drawn) and len(values) > 1:
        # One trace for all: a gap parts them.
        gap, blank = np.full((len(drawn), 1), np.nan), np.array([None])
        rows = np.concatenate([values[drawn], gap], axis=1).ravel().astype(np.float32)
        at = np.tile(np.concatenate([x.astype(np.float64), [np.nan]]), len(drawn)) if x.dtype.kind in "fiu" else None
        figure.add_scatter(
            x=at.astype(np.float32) if at is not None else np.tile(np.append(x.astype(object), blank), len(drawn)),
            y=rows,
            mode="lines", line=dict(color=translucent(color, 0.22), width=0.8), hoverinfo="skip", showlegend=False,
            legendgroup=name, connectgaps=False, **axes,
        )  # fmt: skip
    low, median, high = quartiles(values)
    known = np.isfinite(median)
    x, low, median, high = x[known], low[known], median[known], high[known]
    if len(values) > 1 and len(x) > 1:
        figure.add_scatter(
            x=np.concatenate([x, x[::-1]]), y=np.concatenate([high, low[::-1]]).astype(np.float32), fill="toself",
            fillcolor=translucent(color, 0.18), line=dict(width=0), mode="lines", hoverinfo="skip", showlegend=False,
            legendgroup=name, **axes,
        )  # fmt: skip
    figure.add_scatter(
        x=x, y=median.astype(np.float32), mode="lines" if len(x) > 1 else "markers", name=name, legendgroup=name,
        line=dict(color=color, width=2.2, dash=dash), marker=dict(color=color), showlegend=showlegend, **axes,
    )  # fmt: skip


def thin_note(runs: int) -> str:
    """What a caption says of a band of so many runs."""
    each = f"{THIN} of the {runs:,} runs, evenly chosen," if runs > THIN else "each run"
    return f"Lines are medians over runs, bands the middle half of them, and thin lines {each} behind."


def varied_axis(variable: xr.DataArray) -> tuple[str, Shaped[np.ndarray, "run"]] | None:
    """The coordinate over `run` that a number of each run is drawn against: the first that is no seed and varies."""
    for name, coordinate in variable.coords.items():
        if coordinate.dims == ("run",) and name not in ("run", "step", "seed", "split_seed"):
            if len(np.unique(coordinate.values.astype(str))) > 1:
                return str(name), coordinate.values
    return None


def points_of_runs(figure: go.Figure, variable: xr.DataArray, color: str) -> None:
    """A number of every run against what varies: the runs as points, and the median of each value with quartiles."""
    axis = varied_axis(variable)
    name, at = ("run", np.arange(variable.sizes["run"])) if axis is None else axis
    y = variable.values.astype(np.float64)
    figure.add_scatter(
        x=at, y=y, mode="markers", name="each run", text=variable.run.values,
        marker=dict(color=color, size=6, opacity=0.45), hovertemplate="%{text}<br>%{y:.4g}<extra></extra>",
    )  # fmt: skip
    if axis is not None:
        values = np.array(sorted({value for value in at.tolist() if value == value}), dtype=at.dtype)
        low, median, high = np.stack([quartiles(y[at == value][:, None])[:, 0] for value in values], axis=1)
        figure.add_scatter(
            x=values, y=median, mode="markers", name="median and quartiles",
            marker=dict(color=palette.WARM, size=9, symbol="diamond"),
            error_y=dict(array=high - median, arrayminus=median - low, color=palette.WARM, thickness=1.6),
        )  # fmt: skip
    figure.update_xaxes(title_text=labels.axis(name) if axis is not None else "run")
