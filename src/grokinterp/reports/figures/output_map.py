"""The map of the output layer: one point an answer, coloured by coset, or numbers joined in steps."""

import numpy as np
import plotly.graph_objects as go
import xarray as xr

from grokinterp.errors import BadRequest
from grokinterp.reports import style
from grokinterp.reports.figures import palette

NAMED = 12
"""Classes that a legend names; of more, as of the cosets of a small subgroup, the mouse tells each."""


def output_map(trace: xr.Dataset, points: str = "output_pca", step: int | None = None) -> go.Figure:
    """The answers where `output_pca` (or `output_tsne`) of the `output_layer` circuit puts them, at `step` or the last.

    Raises `BadRequest` where the trace lacks the points: they are measured on request.
    """
    if points not in trace:
        request = ["output_layer"] if points == "output_pca" else ["output_layer", points]
        raise BadRequest(f"the trace has no {points}; measure(run, on_request={request}) reads it")
    at_step = trace if "step" not in trace.dims else trace.sel(step=step) if step is not None else trace.isel(step=-1)
    x, y = at_step[points].values.T
    colour, following = at_step.output_colour.values, at_step.output_next.values
    joined = np.flatnonzero(following >= 0)
    lines = np.stack([joined, following[joined], joined], 1)  # from, to, and a gap
    gap = lambda values: np.where([False, False, True], np.nan, values[lines]).ravel()
    what = str(at_step.output_colour.attrs["source"]).split(";")[0]
    classes = np.unique(colour)
    named = 1 < len(classes) <= NAMED
    figure = style.figure(
        560 + 50 * named, hovermode="closest", showlegend=named, legend=dict(y=-0.08),
        margin=dict(l=32, r=16, t=40, b=32 + 50 * named),
    )  # fmt: skip
    figure.add_scatter(
        x=gap(x), y=gap(y), mode="lines", line=dict(color=palette.FAINT, width=1), hoverinfo="skip", showlegend=False
    )
    for label in classes:
        here = colour == label
        shape = palette.MARKERS[(label + label // len(palette.LINES)) % len(palette.MARKERS)]
        answers = at_step.answer.values[here]
        name = f"remainder {label}" if " mod " in what else f"coset of {answers[0]}"
        figure.add_scatter(
            x=x[here], y=y[here], mode="markers", name=name, text=answers,
            hovertemplate="answer %{text}<br>" + name + "<extra></extra>",
            marker=dict(color=palette.LINES[label % len(palette.LINES)], size=9, symbol=shape),
        )  # fmt: skip
    kind = "principal component" if points == "output_pca" else "t-SNE coordinate"
    figure.update_xaxes(title_text=f"first {kind}", showticklabels=False, ticks="", showgrid=False)
    figure.update_yaxes(title_text=f"second {kind}", showticklabels=False, ticks="", showgrid=False, scaleanchor="x")
    text = f"coloured by {what}" if len(classes) > 1 else ""
    return figure.update_layout(title=dict(text=text, font=dict(size=14), x=0, xref="paper"))
