"""Spectra: how much lies in every frequency, and measures of how sparse that is."""

import numpy as np
import plotly.graph_objects as go
import xarray as xr
from jaxtyping import Float

from grokinterp.reports import labels, style
from grokinterp.reports.figures import palette
from grokinterp.reports.figures.curves import INDEX, Curve, panels
from grokinterp.reports.section import Frame
from grokinterp.reports.style import heading, panel

SPECTRAL = {
    "ffd": "frequency density (FFD)",
    "fcr": "coefficient ratio (FCR)",
    "fcr_weighted": "energy-weighted FCR",
    "cosine_share": "cosine share",
    "gini": "Gini index of the norms",
}


def is_multiplicative(trace: xr.Dataset) -> bool:
    """Whether frequencies count characters: the embedding's basis then has a row for zero."""
    return "basis" in trace.dims and "zero" in trace.basis.values


def frequency_axis(trace: xr.Dataset) -> str:
    """The title of an axis of frequencies."""
    multiplicative = is_multiplicative(trace)
    return axis_of_frequencies(multiplicative, trace.sizes["basis"] - multiplicative)


def axis_of_frequencies(multiplicative: bool, n: int) -> str:
    """The title of an axis of frequencies, with its unit."""
    if multiplicative:
        return f"character k (turns per {n} powers of the primitive root)"
    return labels.DIMS["k"].replace("cycle", f"{n} numbers")


def keys(trace: xr.Dataset) -> list[int]:
    """The key frequencies of a trace; none where the task has no wave."""
    if "is_key" not in trace:
        return []
    return trace.k.values[trace["is_key"].isel(step=-1).values.astype(bool)].tolist()


def waves(norms: xr.DataArray) -> tuple[Float[np.ndarray, "*step k"], Float[np.ndarray, "*step k"]]:
    """The norms of the cosine and of the sine rows of a variable over `basis`; NaN for a sine that there is not."""
    names = [str(name) for name in norms.basis.values]
    ks = sorted({int(name.split()[-1]) for name in names if " " in name})
    place = {name: i for i, name in enumerate(names)}
    values = np.concatenate([norms.values, np.full((*norms.shape[:-1], 1), np.nan)], axis=-1)
    cosine, sine = ([place.get(f"{kind} {k}", -1) for k in ks] for kind in ("cos", "sin"))
    return values[..., cosine], values[..., sine]


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
        for name, values, color in (("cosine", cosine, palette.ACCENT), ("sine", sine, palette.WARM)):
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
        legend=above, margin=dict(t=34), meta=dict(narrow=narrow, paper=dict(height=round(0.82 * height)))
    ), frames


def spectral(trace: xr.Dataset, measures: tuple[str, ...]) -> go.Figure:
    """Measures of the spectra of embedding and neuron-logit map, on Z/p and on the characters, panel by panel."""
    lines = []
    for measure in measures:
        drawn = []
        for suffix, basis, dash in (("", "waves on Z/p", "solid"), ("_multiplicative", "characters", "dot")):
            for matrix, color in (("W_E", palette.ACCENT), ("W_L", palette.WARM)):
                curve = Curve.read(trace[f"{measure}{suffix}"].sel(matrix=matrix))
                drawn.append((curve, f"{labels.MATRICES[matrix]}, {basis}", color, dash))
        lines.append(drawn)
    return panels([SPECTRAL[measure] for measure in measures], lines, [INDEX] * len(measures))
