"""Groups: which irreps a model of a group computes with, whose cosets its neurons rest on, and its map of answers."""

import numpy as np
import plotly.graph_objects as go
import xarray as xr

from grokinterp.circuits.output_layer import OutputLayer
from grokinterp.reports import prose, style
from grokinterp.reports.figures.curves import Curve, panels
from grokinterp.reports.figures.output_map import output_map
from grokinterp.reports.section import Absent, Frame, Plate, Section
from grokinterp.reports.sections import captions
from grokinterp.reports.subject import Subject
from grokinterp.tasks.groups import GroupTask

SHARES = {
    "embedding_fve": ("embeddings", style.ACCENT),
    "hidden_answer_fve": ("neurons, as functions of the answer", style.GREEN),
    "unembedding_fve": ("neuron-logit map", style.WARM),
    "logit_similarity": ("logits, squared cosine", style.NEUTRAL),
}
"""Variable -> how a reader says it, and its colour."""


def irreps(subject: Subject, trace: xr.Dataset) -> Section | None:
    """What each part of the model holds of each irrep, and the losses with the key ones alone and without them."""
    if "is_key_irrep" not in trace:
        return None
    last = trace.isel(step=-1)
    key = last.irrep.values[last.is_key_irrep.values.astype(bool)].tolist()
    named = f"Key are {', '.join(key)}" if key else "None is key"
    section = Section(
        "The irreps",
        [
            f"A function of a group is a sum of matrix entries of its irreps, as one of numbers is of waves. {named}: "
            "their trace cubes are visible in the final logits."
        ],
    )
    source = f"weights, neurons and logits of {subject.run.name} (Chughtai et al. 2023)."
    figure, frames = shares(trace, subject.frame_steps)
    section.plates.append(Plate("irreps", figure, captions.IRREPS, source, frames))
    if trace.sizes["step"] > 1:
        section.plates.append(Plate("irreps-over-time", over_time(trace), captions.IRREPS_OVER_TIME, source))
    figure, frames = losses(trace, subject.frame_steps)
    section.plates.append(Plate("irreps-losses", figure, captions.IRREPS_LOSSES, source, frames))
    return section


def losses(trace: xr.Dataset, steps: list[int]) -> tuple[go.Figure, list[Frame]]:
    """The loss of each irrep alone, and of all else, at the last step and at each of `steps`."""
    figure = style.figure(360, barmode="group", margin=dict(b=120))
    named = {"restricted_loss_by_irrep": ("it alone", style.ACCENT), "excluded_loss_by_irrep": ("all else", style.WARM)}
    heights = lambda at: [{"y": at[name].values.astype(np.float32)} for name in named]
    for (said, color), last in zip(named.values(), heights(trace.isel(step=-1)), strict=True):
        figure.add_bar(x=trace.irrep.values, name=said, marker=dict(color=color), **last)
    figure.update_xaxes(dict(title_text="irrep", type="category", showgrid=False))
    return figure.update_yaxes(title_text="loss (nats)"), [heights(trace.sel(step=step)) for step in steps]


def shares(trace: xr.Dataset, steps: list[int]) -> tuple[go.Figure, list[Frame]]:
    """Bars for each irrep, of the last step; and the heights at each of `steps`."""
    figure = style.figure(400, barmode="group", margin=dict(b=120))
    for (said, color), last in zip(SHARES.values(), _heights(trace.isel(step=-1)), strict=True):
        figure.add_bar(x=trace.irrep.values, name=said, marker=dict(color=color), **last)
    frames = [_heights(trace.sel(step=step)) for step in steps]
    figure.update_xaxes(dict(title_text="irrep", type="category", showgrid=False))
    return figure.update_yaxes(title_text="share", range=[0, 1]), frames


def _heights(at: xr.Dataset) -> Frame:
    values = {name: at[name].values.astype(np.float32) for name in SHARES}
    values["logit_similarity"] = values["logit_similarity"] ** 2
    return [{"y": each} for each in values.values()]


def over_time(trace: xr.Dataset) -> go.Figure:
    """Each irrep in the logits, and the losses, over training."""
    names = trace.irrep.values[1:]  # the trivial one says nothing of an answer
    similar = [
        (Curve.read(trace.logit_similarity.sel(irrep=name)), str(name), style.LINES[i % len(style.LINES)], "solid")
        for i, name in enumerate(names)
    ]
    losses = [
        (Curve.read(trace[variable]), said, color, dash)
        for variable, said, color, dash in (
            ("restricted_loss_irreps", "key irreps alone", style.ACCENT, "dash"),
            ("excluded_loss_irreps", "all but the key irreps", style.WARM, "dash"),
            ("test_loss", "test loss", style.NEUTRAL, "dot"),
        )
        if variable in trace
    ]
    figure = panels(["cosine with the logits", "loss (nats)"], [similar, losses], [[-0.03, 1.03], None])
    figure.update_layout(yaxis2=dict(type="log", exponentformat="power"))
    return figure


def cosets(subject: Subject, trace: xr.Dataset) -> Section | None:
    """Whose cosets the neurons rest on, and what is left without those that rest on none."""
    if "coset_neurons" not in trace:
        return None
    last = trace.isel(step=-1)
    share = prose.percent(float(last.coset_neurons))
    section = Section(
        "The cosets",
        [
            "A neuron that is constant on the cosets of a subgroup tells which coset the answer is not in (Stander et "
            f"al. 2023). By the end {share} of the neurons are concentrated on the cosets of some subgroup, both in x "
            "and in y. That irreps explain a model follows from such neurons too, so neither measure alone decides."
        ],
    )
    source = f"pre-activations of {subject.run.name}, least concentration over all subgroups."
    section.plates.append(Plate("cosets", concentrated(last), captions.COSETS, source))
    if trace.sizes["step"] > 1:
        curves = [
            (Curve.read(trace.coset_neurons), "concentrated neurons", style.ACCENT, "solid"),
            (Curve.read(trace.coset_conjugate), "of these, conjugate in x and y", style.WARM, "dash"),
        ]
        figure = panels(["share"], [curves], [[-0.03, 1.03]])
        section.plates.append(Plate("cosets-over-time", figure, captions.COSETS_OVER_TIME, source))
    return section


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
                marker=dict(color=style.LINES[i % len(style.LINES)], size=8, opacity=0.6), showlegend=False,
                hovertemplate="%{x}<br>concentration %{y:.3g}<extra></extra>", xaxis="x", yaxis="y",
            )  # fmt: skip
    ablated = last.sortby("threshold")
    figure.add_scatter(
        x=ablated.threshold.values, y=ablated.coset_ablated_accuracy.values.astype(np.float32), mode="lines+markers",
        line=dict(color=style.ACCENT), showlegend=False, xaxis="x2", yaxis="y2",
        customdata=ablated.coset_dropped.values,
        hovertemplate="above %{x:.0e}: %{customdata} neurons dropped<br>accuracy %{y:.1%}<extra></extra>",
    )  # fmt: skip
    power = dict(type="log", exponentformat="power")
    return figure.update_layout(
        xaxis=dict(domain=[0, 0.56], title_text="subgroup (its order and class)", type="category", tickangle=-40),
        yaxis=dict(title_text="concentration, 0 on cosets", **power),
        xaxis2=dict(domain=[0.68, 1], anchor="y2", title_text="dropped above", **power),
        yaxis2=dict(anchor="x2", title_text="accuracy without", range=[-0.03, 1.03]),
    )


def output(subject: Subject, trace: xr.Dataset) -> Section | None:
    """The output layer as a map, of groups and of sums."""
    task = subject.run.task
    if not (isinstance(task, GroupTask) or task.operations == ("a + b",)):
        return None
    found = trace if "output_pca" in trace else subject.measured([OutputLayer()], subject.run.steps[-1:])
    if isinstance(found, Absent) or "output_pca" not in found or not found.output_pca[-1].notnull().all():
        return None
    units = found.output_explained.attrs["source"]
    said = f"{float(found.output_explained[-1]):.2f}: {units}."
    caption = (captions.OUTPUT_GROUP if isinstance(task, GroupTask) else captions.OUTPUT_SUM) + f" Here it is {said}"
    source = f"unembedding of {subject.run.name}, its first two principal components (Power et al. 2022)."
    return Section("The output layer", plates=[Plate("output-map", output_map(found), caption, source)])
