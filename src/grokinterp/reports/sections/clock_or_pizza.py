"""Clock or pizza: the run's way across the plane of both, over the public runs of Zhong et al. 2023."""

from typing import Any, cast

import numpy as np
import plotly.graph_objects as go
import xarray as xr
from jaxtyping import Float

from grokinterp.analysis import public_runs
from grokinterp.reports import prose, style
from grokinterp.reports.figures import palette
from grokinterp.reports.section import Finding, Plate, Section
from grokinterp.reports.subject import Subject

PLANE = (
    "A clock's gradients differ between the operands and its logits do not depend on their distance, so it stands "
    "top left; a pizza stands at the bottom right. Dashed lines are the thresholds of the verdict."
)
CLOUD = (
    " Blue is where the solved public runs of Zhong et al. 2023 stand that have this depth, task and kind of rows, "
    "most of them with constant attention, so expect a crowd where pizzas stand."
)
_X, _Y = public_runs.EDGES["gradient_symmetricity"], public_runs.EDGES["distance_irrelevance"]


class ClockOrPizza(Finding):
    """Of a model that is solved; beside the public runs that are of its task."""

    order = 450
    title = "Clock or pizza"
    variables = (
        "gradient_symmetricity",
        "gradient_symmetricity_wide",
        "gradient_symmetricity_error",
        "gradient_symmetricity_triples",
        "distance_irrelevance",
        "distance_irrelevance_runner_up",
        "verdict",
        "verdict_score",
        "verdict_accuracy",
    )
    requires = ("gradient_symmetricity",)

    def fill(self, section: Section, subject: Subject, trace: xr.Dataset) -> None:
        if not subject.outcome.is_solved:
            return  # noise and tables of the training rows have a place here too
        kin = public_runs.kin(subject.run.model_config, subject.run.task)
        source = prose.source(subject.run, "gradients and logits")
        caption = PLANE
        if kin is not None:
            source += " Public runs: the tables of Zhong et al. 2023, addition mod 59 of plain tokens."
            caption += CLOUD
        section.plates.append(Plate("plane", plane(trace, None if kin is None else kin[0]), caption, source))


def plane(trace: xr.Dataset, layers: public_runs.Layers | None) -> go.Figure:
    """Gradient symmetricity across, runner-up distance irrelevance up; the run's checkpoints as a line.

    Behind it, how many solved public runs of that depth lie in each bin; nothing where None. The axis across runs from
    bin to bin: the last hundredth, where most pizzas lie, is as wide as any tenth.
    """
    figure = style.figure(500, hovermode="closest", margin=dict(t=16, b=96))
    if layers is not None:
        counts = public_runs.histogram(public_runs.chosen(layers, solved=True, plain=True)).T
        z = np.log10(np.where(counts > 0, counts, np.nan)).astype(np.float32)
        centres = np.arange(len(_X) - 1) + 0.5
        figure.add_heatmap(
            x=centres, y=(np.array(_Y[1:]) + np.array(_Y[:-1])) / 2, z=z, customdata=counts, hoverongaps=False,
            opacity=0.6, hovertemplate="%{customdata} public runs<extra></extra>", coloraxis="coloraxis",
        )  # fmt: skip
    gs, di = (trace[name].values for name in ("gradient_symmetricity", "distance_irrelevance_runner_up"))
    x, steps = place(gs), trace.step.values
    rows = np.stack([steps, gs, di], axis=-1)
    hover = "step %{customdata[0]}<br>symmetricity %{customdata[1]:.3f}<br>irrelevance %{customdata[2]:.3f}<extra></extra>"  # fmt: skip # noqa: E501
    if len(steps) > 1:
        figure.add_scatter(
            x=x, y=di, mode="lines+markers", name="this run's checkpoints", customdata=rows, hovertemplate=hover,
            line=dict(color=palette.WARM, width=1.2), marker=dict(color=palette.WARM, size=4),
        )  # fmt: skip
    figure.add_scatter(
        x=x[-1:], y=di[-1:], mode="markers", name=f"step {steps[-1]:,}", customdata=rows[-1:], hovertemplate=hover,
        marker=dict(color=palette.WARM, size=15, symbol="star", line=dict(color="white", width=1)),
    )  # fmt: skip
    frame_of_plane(figure)
    bar = dict(
        title=dict(text="public runs", side="right"), tickvals=[0, 1, 2, 3], ticktext=["1", "10", "100", "1,000"]
    )
    meta: dict[str, Any] = cast(Any, figure.layout).meta
    if layers is not None:
        figure.update_layout(coloraxis=dict(colorscale=palette.SEQUENTIAL, cmin=-0.6, colorbar=bar))
        meta["sequential"] = ["coloraxis"]
    return figure.update_layout(showlegend=True, legend=dict(y=-0.17), meta=meta)


def frame_of_plane(figure: go.Figure) -> go.Figure:
    """The figure with the plane's axes, the names of its corners and the thresholds of the verdict."""
    rule = public_runs.RULE
    edge = dict(line=dict(color=palette.NEUTRAL, width=1, dash="dash"), layer="above")
    symmetric, asymmetric = place(np.array([rule.symmetric, rule.asymmetric]))
    figure.add_shape(type="line", x0=symmetric, x1=symmetric, y0=0, y1=rule.distant, **edge)
    figure.add_shape(type="line", x0=asymmetric, x1=asymmetric, y0=rule.distant, y1=1, **edge)
    figure.add_shape(type="line", x0=0, x1=len(_X) - 1, y0=rule.distant, y1=rule.distant, **edge)
    for text, at, side in (("clock", 0.2, "left"), ("pizza", len(_X) - 1.2, "right")):
        y = rule.distant + 0.04 if text == "clock" else 0.04
        figure.add_annotation(text=f"<b>{text}</b>", x=at, xanchor=side, y=y, showarrow=False, font=dict(size=15))
    ticks = [str(edge) for edge in _X]
    figure.update_xaxes(
        title_text="gradient symmetricity (mean cosine), one bin as wide as any", tickvals=list(range(len(_X))),
        ticktext=ticks, range=[0, len(_X) - 1], showgrid=False, tickangle=0, tickfont=dict(size=11),
    )  # fmt: skip
    figure.update_yaxes(title_text="distance irrelevance of the runner-up", range=[0, 1], showgrid=False)
    every_other = [text if i % 2 == 0 else "" for i, text in enumerate(ticks)]
    return figure.update_layout(meta=dict(narrow={"xaxis.ticktext": every_other}))


def place(gs: Float[np.ndarray, "n"]) -> Float[np.ndarray, "n"]:
    """Where values stand on an axis on which every bin of gradient symmetricity is as wide as any."""
    return np.interp(gs, _X, np.arange(len(_X)))
