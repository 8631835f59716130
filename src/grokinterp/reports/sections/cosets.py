"""Cosets: whose cosets the neurons rest on, and what is left without those that rest on none."""

import numpy as np
import plotly.graph_objects as go
import xarray as xr

from grokinterp.circuits.cosets import noise_share
from grokinterp.irreps.cosets import subgroups
from grokinterp.reports import prose, style
from grokinterp.reports.figures import palette
from grokinterp.reports.figures.curves import SHARE, Curve, panels
from grokinterp.reports.section import Finding, Plate, Section
from grokinterp.reports.subject import Subject
from grokinterp.tasks.groups import GroupTask

COSETS = (
    "First panel, every neuron under the subgroup whose cosets it is most constant on, the lower the more so: below 1 "
    "it is concentrated there. Second panel, the accuracy without all neurons above a concentration. Look for neurons "
    "that gather under few subgroups, and for an accuracy that stays up until their concentrations are reached."
)

COSETS_OVER_TIME = (
    "The share of neurons concentrated on cosets, and of these the share whose subgroups for x and for y are "
    "conjugate, as the circuit needs them. Look for a rise before or with the test accuracy."
)


class Cosets(Finding):
    """Concentration of every neuron on a subgroup."""

    order = 390
    title = "The cosets"
    variables = (
        "coset_concentration_left",
        "coset_concentration_right",
        "coset_within_left",
        "coset_within_right",
        "coset_subgroup_left",
        "coset_subgroup_right",
        "coset_neurons_by_kind",
        "coset_dropped",
        "coset_ablated_accuracy",
        "coset_ablated_loss",
        "coset_neurons",
        "coset_conjugate",
    )
    requires = ("coset_neurons",)

    def fill(self, section: Section, subject: Subject, trace: xr.Dataset) -> None:
        last, task = trace.isel(step=-1), subject.run.task
        section.paragraphs.append(
            "A neuron that is constant on the cosets of a subgroup tells which coset the answer is not in (Stander et "
            "al. 2023)."
        )
        if why := subject.why_nothing_is_claimed:
            section.paragraphs.append(
                f"{why}, so no share of neurons is told as being on cosets: a memory has such neurons too."
            )
        elif not subject.outcome.is_told_from_memory:
            section.paragraphs.append(
                "Which rows were held out is not known, if any were, so no share of neurons is told as being on "
                "cosets: a memory has such neurons too."
            )
        elif isinstance(task, GroupTask):
            share, noise = float(last.coset_neurons), noise_share(subgroups(task.group))
            section.paragraphs.append(
                f"By the end {prose.percent(share)} of the neurons are concentrated on the cosets of some subgroup, "
                f"both in x and in y; of neurons that are noise {prose.percent(noise)} are. That irreps explain a "
                "model follows from such neurons too, so neither measure alone decides."
            )
        source = f"pre-activations of {subject.run.name}, least concentration over all subgroups."
        section.plates.append(Plate("cosets", concentrated(last), COSETS, source))
        if trace.sizes["step"] > 1:
            curves = [
                (Curve.read(trace.coset_neurons), "concentrated neurons", palette.ACCENT, "solid"),
                (Curve.read(trace.coset_conjugate), "of these, conjugate in x and y", palette.WARM, "dash"),
            ]
            figure = panels(["share"], [curves], [SHARE])
            section.plates.append(Plate("cosets-over-time", figure, COSETS_OVER_TIME, source))


def concentrated(last: xr.Dataset) -> go.Figure:
    """Concentration of every neuron in x and y by subgroup; and the accuracy without those above a threshold."""
    figure = style.figure(380, margin=dict(b=90))
    left, right = last.coset_concentration_left.values, last.coset_concentration_right.values
    worst = np.fmax(np.fmax(left, right), 1e-10)  # a neuron that does not vary has none
    kinds = last.coset_subgroup_right.values
    for i, kind in enumerate(last.subgroup.values):
        if (here := kinds == kind).any():
            figure.add_scatter(
                x=np.full(int(here.sum()), f"order {kind}"), y=worst[here].astype(np.float32), mode="markers",
                marker=dict(color=palette.LINES[i % len(palette.LINES)], size=8, opacity=0.6), showlegend=False,
                hovertemplate="%{x}<br>concentration %{y:.3g}<extra></extra>", xaxis="x", yaxis="y",
            )  # fmt: skip
    ablated = last.sortby("threshold")
    figure.add_scatter(
        x=ablated.threshold.values, y=ablated.coset_ablated_accuracy.values.astype(np.float32), mode="lines+markers",
        line=dict(color=palette.ACCENT), showlegend=False, xaxis="x2", yaxis="y2",
        customdata=ablated.coset_dropped.values,
        hovertemplate="above %{x:.0e}: %{customdata} neurons dropped<br>accuracy %{y:.1%}<extra></extra>",
    )  # fmt: skip
    power = dict(type="log", exponentformat="power", dtick=1)
    below = {"xaxis.domain": [0, 1], "yaxis.domain": [0.62, 1], "xaxis2.domain": [0, 1], "yaxis2.domain": [0, 0.32]}
    return figure.update_layout(
        xaxis=dict(domain=[0, 0.56], title_text="subgroup (its order and class)", type="category", tickangle=-40),
        yaxis=dict(title_text="concentration, 0 on cosets", **power),
        xaxis2=dict(domain=[0.68, 1], anchor="y2", title_text="dropped above", **{**power, "dtick": 2}, tickangle=0),
        yaxis2=dict(anchor="x2", title_text="accuracy without", **SHARE),
        meta=dict(narrow={"height": 660, **below}),
    )
