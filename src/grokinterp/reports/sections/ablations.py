"""Without its parts: what the last checkpoint still does without one part at a time."""

from typing import Any

import numpy as np
import plotly.graph_objects as go
import xarray as xr

from grokinterp.reports import labels, prose, style
from grokinterp.reports.figures import palette, spectra
from grokinterp.reports.section import Absent, Finding, Plate, Section
from grokinterp.reports.style import heading, panel
from grokinterp.reports.subject import Subject

PARTS = (
    "The loss of the last checkpoint with one part set to zero at a time, on a log scale. Look for points far above "
    "the dashed line: what the model cannot do without."
)

FREQUENCIES = (
    "The loss of the last checkpoint without one frequency at a time. Look for few high points, at key frequencies "
    "alone; a frequency that matters in the embedding and not in the logits may be used on the way."
)

_PLACES = {
    "embedding": "taken from the embedding",
    "mlp": "taken from the neurons",
    "logits": "taken from the logits",
}


class Ablations(Finding):
    """What is lost with each part, and the switches of the heads."""

    order = 460
    title = "Without its parts"

    def fill(self, section: Section, subject: Subject, trace: xr.Dataset) -> None:
        ablation = subject.ablation
        section.heads = not isinstance(subject.head_masks, Absent)
        if subject.run.has_task and subject.run.task.labels.ndim == 2:
            section.paragraphs.append("Losses and accuracies here are those of the answer's first token.")
        if isinstance(ablation, Absent):
            section.notes.append(ablation.reason)
            return
        source = prose.source(subject.run, "parts set to zero (gi.ablate)", subject.run.steps[-1:])
        section.plates.append(Plate("parts", parts(ablation), PARTS, source))
        if ablation.sizes.get("k"):
            ticks = spectra.frequency_axis(trace) if "basis" in trace.dims else "frequency k"
            figure = frequencies(ablation, ticks)
            section.plates.append(Plate("without-frequencies", figure, FREQUENCIES, source))


def side(found: xr.Dataset) -> str:
    """Which rows are told of: the test rows where there are any, all rows otherwise."""
    known = np.isfinite(found["test_loss_without_component"].values).all()
    return "test_" if known else ""


def parts(found: xr.Dataset) -> go.Figure:
    """Loss without each component and each head, on a log scale, and with all of them as a line.

    Parts stand one below the other, where their names have room on any page.
    """
    last, rows = found.isel(step=-1), side(found)
    names, losses, rights = [], [], []
    for name in last.component.values[1:]:
        one = last.sel(component=name)
        names.append({"direct_path": "direct path", "mlp": "MLP", "positions": "positions"}.get(str(name), str(name)))
        losses.append(float(one[f"{rows}loss_without_component"]))
        rights.append(float(one[f"{rows}accuracy_without_component"]))
    if f"{rows}loss_without_head" in last:
        for layer in range(last.sizes["layer"]):
            for head in range(last.sizes["head"]):
                one = last.isel(layer=layer, head=head)
                names.append(f"head {layer}.{head}" if last.sizes["layer"] > 1 else f"head {head}")
                losses.append(float(one[f"{rows}loss_without_head"]))
                rights.append(float(one[f"{rows}accuracy_without_head"]))
    height = 150 + 26 * len(names)
    figure = style.figure(height, margin=dict(l=116, t=16, b=90))
    figure.add_scatter(  # points: on a log axis the length of a bar has no meaning
        x=losses, y=names, customdata=rights, mode="markers", marker=dict(color=palette.ACCENT, size=10),
        showlegend=False, cliponaxis=False,
        hovertemplate="without %{y}: %{x:.4g} nats, accuracy %{customdata:.1%}<extra></extra>",
    )  # fmt: skip
    whole = float(last.isel(component=0)[f"{rows}loss_without_component"])
    figure.add_scatter(
        x=[whole] * len(names), y=names, mode="lines" if len(names) > 1 else "markers", name="nothing taken out",
        line=dict(color=palette.NEUTRAL, dash="dash", width=1.5),
        marker=dict(color=palette.NEUTRAL, symbol="line-ns-open", size=24),  # of one part a line has no length
    )  # fmt: skip
    figure.update_yaxes(dict(title_text="taken out", type="category", **style.DOWNWARDS))
    title = f"{labels.spoken(rows)} loss (nats)".strip()
    figure.update_xaxes(dict(title_text=title, type="log", showgrid=False, **_log_axis([*losses, whole])))
    meta = dict(paper=dict(height=height))  # lower, it would lose names
    return figure.update_layout(showlegend=True, legend=dict(y=-60 / (height - 106)), meta=meta)


def frequencies(found: xr.Dataset, ticks: str) -> go.Figure:
    """Loss without each frequency, in each place that it can be taken from, and without each cluster of neurons."""
    last, rows = found.isel(step=-1), side(found)
    drawn = [
        (_PLACES[str(place)], last[f"{rows}loss_without_frequency"].sel(place=place).values, palette.ACCENT)
        for place in last.place.values
    ]
    if f"{rows}loss_without_cluster" in last:
        for layer in range(last.sizes["layer"]):
            text = "neurons of that frequency taken out" + (f", layer {layer}" if last.sizes["layer"] > 1 else "")
            drawn.append((text, last[f"{rows}loss_without_cluster"].isel(layer=layer).values, palette.WARM))
    n = len(drawn)
    height = 90 + 175 * n
    paper = dict(height=round(0.82 * height))
    figure = style.figure(height, showlegend=False, margin=dict(t=32), meta=dict(paper=paper))
    whole = float(last.isel(component=0)[f"{rows}loss_without_component"])
    reach = _log_axis([*(value for _, values, _ in drawn for value in values.tolist()), whole])
    for i, (name, values, color) in enumerate(drawn):
        axes = panel(figure, i, i, 0, n, 1, high=0.62)
        number = axes["xaxis"][1:]
        figure.add_scatter(
            x=last.k.values, y=values, mode="markers", marker=dict(color=color, size=6), **axes,
            hovertemplate="without k = %{x}: %{y:.4g} nats<extra></extra>",
        )  # fmt: skip
        figure.add_scatter(
            x=last.k.values[[0, -1]], y=[whole] * 2, mode="lines", hoverinfo="skip",
            line=dict(color=palette.NEUTRAL, dash="dash", width=1.5), **axes,
        )  # fmt: skip
        heading(figure, number, name)
        figure.layout[f"xaxis{number}"].update(title_text=ticks if i == n - 1 else "frequency k", showgrid=False)
        figure.layout[f"yaxis{number}"].update(title_text="loss (nats)", type="log", **reach)
    return figure


def _log_axis(values: list[float]) -> dict[str, Any]:
    """Two decades at least, in powers of ten, with a few ticks at whole ones."""
    known = np.array([value for value in values if np.isfinite(value) and value > 0] or [1.0])
    low, high = np.log10(known.min()), np.log10(known.max())
    reach = [float(np.floor(low - 0.3)), float(max(high + 0.15, low + 2))]
    return dict(range=reach, dtick=max(1, round((reach[1] - reach[0]) / 4)), exponentformat="power")
