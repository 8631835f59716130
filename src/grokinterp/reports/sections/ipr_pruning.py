"""Pruned by ratio: what is left of a network without its neurons of many waves, and without those of few."""

import math
from typing import Any

import numpy as np
import plotly.graph_objects as go
import xarray as xr

from grokinterp.analysis.cycles import Wave
from grokinterp.analysis.simple_neurons import random_participation
from grokinterp.reports import prose, style
from grokinterp.reports.figures import palette
from grokinterp.reports.figures.curves import SHARE
from grokinterp.reports.prose import percent
from grokinterp.reports.section import Fact, OneHotFinding, Plate, Section
from grokinterp.reports.style import heading, panel
from grokinterp.reports.subject import Subject

PRUNED = (
    "The share of rows that are still answered so as fewer neurons are kept, from left to right: those of the lowest "
    "IPR pruned first, those of the highest, and, dotted, in a random order, the null. The last panel counts the "
    "neurons by that ratio, where the dotted line is about what random weights have. Look for two curves on either "
    "side of the dotted one: where unseen rows outlive the pruning of the lowest ratios, and corrupted rows that of "
    "the highest, neurons of one wave hold the rule and the others the memory. Where all three lie together the ratio "
    "tells neurons apart no better than chance."
)

ROWS = {
    "test": "unseen rows",
    "clean": "training rows",
    "corrupted": "corrupted rows, as they were taught",
}
ORDERS = {
    "lowest first": (palette.ACCENT, "solid"),
    "highest first": (palette.WARM, "dash"),
    "random": (palette.NEUTRAL, "dot"),
}
ONE_WAVE = 0.5
"""The ratio above which a neuron counts as one of one wave: two equal waves have it."""

BINS = 20


class Pruned(OneHotFinding):
    """Counts of rows, of whatever came of the run, beside a random order."""

    order = 444
    title = "Pruned by the number of waves"
    circuit = "ipr_pruning"
    variables = ("neuron_ipr", *(f"pruned_accuracy_{side}" for side in ROWS))
    requires = ("neuron_ipr", "pruned_accuracy_test", "pruned_accuracy_clean")

    def fill(self, section: Section, subject: Subject, trace: xr.Dataset) -> None:
        last, wave = trace.isel(step=-1), Wave.of(subject.run.task)
        sides = [
            side for side in ROWS
            if f"pruned_accuracy_{side}" in last and bool(last[f"pruned_accuracy_{side}"].notnull().all())
        ]  # fmt: skip
        if not sides or wave is None:
            return
        section.paragraphs.append(sentence(last, sides))
        of_noise = random_participation(wave.cycle // 2)
        ratios = last.neuron_ipr.values
        section.facts.append(
            Fact(
                "IPR of the neurons",
                f"{ratios.mean():.3f}",
                f"mean of what they read of a, of b and of what they write; one wave has 1, random weights about "
                f"{of_noise:.2g}. {percent(float((ratios > ONE_WAVE).mean()))} have more than {ONE_WAVE}, as two "
                "equal waves have it",
            )
        )
        source = prose.source(subject.run, "rows without the pruned neurons", trace.step.values.tolist()[-1:])
        section.plates.append(Plate("ipr-pruning", drawn(last, sides, of_noise), PRUNED, source))


def sentence(last: xr.Dataset, sides: list[str]) -> str:
    """What is answered with half of the neurons, pruned in the three orders, and with all of them."""
    kept = last.kept.values
    half = float(kept[np.abs(kept - 0.5).argmin()])
    said = [f"With {percent(half)} of the neurons kept:"]
    for side in sides:
        accuracy = last[f"pruned_accuracy_{side}"]
        low, high, drawn_ = (percent(float(accuracy.sel(order=order, kept=half))) for order in ORDERS)
        whole = percent(float(accuracy.isel(order=0).sel(kept=kept.max())))
        said.append(
            f"of the {ROWS[side]}, {low} with the lowest ratios pruned, {high} with the highest, {drawn_} in a random "
            f"order ({whole} with all neurons);"
        )
    return " ".join(said).removesuffix(";") + "."


def drawn(last: xr.Dataset, sides: list[str], of_noise: float) -> go.Figure:
    """A panel of curves for each kind of rows, and the neurons by their ratio."""
    n = len(sides) + 1
    rows = math.ceil(n / 2)
    height = 80 + 260 * rows
    figure = style.figure(height, hovermode="x unified", margin=dict(t=32, b=90))
    for i, side in enumerate(sides):
        axes = panel(figure, i, i // 2, i % 2, rows, 2, gap=0.14, high=0.66)
        number = axes["xaxis"][1:]
        for order, (color, dash) in ORDERS.items():
            figure.add_scatter(
                x=last.kept.values.astype(np.float32),
                y=last[f"pruned_accuracy_{side}"].sel(order=order).values.astype(np.float32),
                mode="lines+markers", name=order, legendgroup=order, showlegend=i == 0,
                line=dict(color=color, width=2, dash=dash), marker=dict(color=color, size=5), **axes,
            )  # fmt: skip
        heading(figure, number, ROWS[side], 13)
        kept: dict[str, Any] = dict(range=[1.03, -0.03], tickformat=".0%", dtick=0.25)
        figure.layout[f"xaxis{number}"].update(title_text="share of neurons kept", **kept)
        figure.layout[f"yaxis{number}"].update(title_text="share answered so", **SHARE)
    axes = panel(figure, n - 1, (n - 1) // 2, (n - 1) % 2, rows, 2, gap=0.14, high=0.66)
    number = axes["xaxis"][1:]
    counts, edges = np.histogram(last.neuron_ipr.values, BINS, (0, 1))
    figure.add_bar(
        x=(edges[:-1] + edges[1:]) / 2, y=counts, width=1 / BINS, marker=dict(color=palette.ACCENT), showlegend=False,
        hovertemplate="%{y} neurons<extra></extra>", **axes,
    )  # fmt: skip
    figure.add_scatter(
        x=[of_noise] * 2, y=[0, int(counts.max())], mode="lines", name="random weights", hoverinfo="skip",
        line=dict(color=palette.NEUTRAL, dash="dot", width=1.5), **axes,
    )  # fmt: skip
    heading(figure, number, "neurons by their ratio", 13)
    figure.layout[f"xaxis{number}"].update(title_text="IPR", range=[-0.01, 1.01])
    figure.layout[f"yaxis{number}"].update(title_text="neurons", rangemode="tozero")
    return figure.update_layout(showlegend=True, legend=dict(y=-58 / (height - 122)), meta=_sizes(n, height))


def _sizes(n: int, height: int) -> dict[str, dict[str, object]]:
    """Panels one below the other on a narrow page."""
    below: dict[str, object] = {"height": 80 + 260 * n, "legend.y": -58 / (260 * n - 42)}
    for i in range(n):
        below |= style.place(i, i, 0, n, 1, high=0.7)
    return dict(narrow=below, paper=dict(height=round(0.9 * height)))
