"""Irreps: what each part of a model of a group holds of each irrep."""

import numpy as np
import plotly.graph_objects as go
import xarray as xr

from grokinterp.circuits.irreps import borne_out
from grokinterp.reports import style
from grokinterp.reports.figures import palette
from grokinterp.reports.figures.curves import INDEX, Curve, panels
from grokinterp.reports.section import Finding, Frame, Plate, Section
from grokinterp.reports.subject import Subject

IRREPS = (
    "For every irrep, how much of the embeddings, of the neurons, of the neuron-logit map and of the logits it "
    "explains. Look for few irreps that hold nearly all of each, the same in every part."
)

IRREPS_OVER_TIME = (
    "First panel, how alike the logits and the trace cube of each irrep are; second panel, the losses of the neurons' "
    "part in key irreps alone, and of all else. Look for irreps that come one after another, and for the excluded loss "
    "rising while the test loss falls."
)

SIMILARITY_OVER_TIME = "How alike the logits and the trace cube of each irrep are. A table of rows has them too."

IRREPS_LOSSES = (
    "The loss of the neurons' part in one irrep alone, on all rows, and of all else, on training rows. Look for an "
    "irrep that the model cannot do without, and whether any does by itself."
)

SHARES = {
    "embedding_fve": ("embeddings", palette.ACCENT),
    "hidden_answer_fve": ("neurons, as functions of the answer", palette.SKY),
    "unembedding_fve": ("neuron-logit map", palette.WARM),
    "logit_similarity": ("logits, squared cosine", palette.NEUTRAL),
}
"""Variable -> how a reader says it, and its colour."""


class Irreps(Finding):
    """And the losses with the key ones alone and without them."""

    order = 380
    title = "The irreps"
    variables = (
        "irrep_dimension",
        "is_key_irrep",
        "embedding_fve",
        "embedding_a_fve",
        "embedding_b_fve",
        "unembedding_fve",
        "hidden_a_fve",
        "hidden_b_fve",
        "hidden_answer_fve",
        "key_embedding_fve",
        "key_unembedding_fve",
        "key_hidden_fve",
        "logit_similarity",
        "logit_similarity_null",
        "logit_irrep_fve",
        "restricted_loss_irreps",
        "excluded_loss_irreps",
        "restricted_loss_by_irrep",
        "excluded_loss_by_irrep",
    )
    requires = ("is_key_irrep",)

    def fill(self, section: Section, subject: Subject, trace: xr.Dataset) -> None:
        last = trace.isel(step=-1)
        visible, told = bool(last.is_key_irrep.any()), borne_out(last)
        section.paragraphs.append(
            "A function of a group is a sum of matrix entries of its irreps, as one of numbers is of waves."
        )
        if why := subject.why_nothing_is_claimed:
            section.paragraphs.append(f"{why}, so no irrep is told as one that the model computes with.")
        elif told:
            section.paragraphs.append(
                f"Its key irreps are {', '.join(told)}: their trace cubes are in the final logits, by more than a "
                "table of the rows it was trained on would put there."
            )
        elif visible:
            section.paragraphs.append(
                "None is told as key: what is visible of their trace cubes in the final logits, a table of the rows it "
                "was trained on would put there too."
            )
        else:
            section.paragraphs.append("None is key: no trace cube is visible in the final logits.")
        source = f"weights, neurons and logits of {subject.run.name} (Chughtai et al. 2023)."
        figure, frames = shares(trace, subject.frame_steps)
        section.plates.append(Plate("irreps", figure, IRREPS, source, frames))
        if trace.sizes["step"] > 1:
            # Of a memory the losses with and without "key" irreps measure the memory.
            learns = subject.outcome.is_learning
            caption = IRREPS_OVER_TIME if learns else SIMILARITY_OVER_TIME
            section.plates.append(Plate("irreps-over-time", over_time(trace, learns), caption, source))
        figure, frames = losses(trace, subject.frame_steps)
        section.plates.append(Plate("irreps-losses", figure, IRREPS_LOSSES, source, frames))


def losses(trace: xr.Dataset, steps: list[int]) -> tuple[go.Figure, list[Frame]]:
    """The loss of each irrep alone, and of all else, at the last step and at each of `steps`."""
    figure = style.figure(360, barmode="group", margin=dict(b=120))
    named = {
        "restricted_loss_by_irrep": ("it alone", palette.ACCENT),
        "excluded_loss_by_irrep": ("all else", palette.WARM),
    }
    heights = lambda at: [{"y": at[name].values.astype(np.float32)} for name in named]
    for (said, color), last in zip(named.values(), heights(trace.isel(step=-1)), strict=True):
        figure.add_bar(x=trace.irrep.values, name=said, marker=dict(color=color), **last)
    _name_irreps(figure)
    return figure.update_yaxes(title_text="loss (nats)"), [heights(trace.sel(step=step)) for step in steps]


def shares(trace: xr.Dataset, steps: list[int]) -> tuple[go.Figure, list[Frame]]:
    """Bars for each irrep, of the last step; and the heights at each of `steps`."""
    figure = style.figure(400, barmode="group", margin=dict(b=120))
    for (said, color), last in zip(SHARES.values(), _heights(trace.isel(step=-1)), strict=True):
        figure.add_bar(x=trace.irrep.values, name=said, marker=dict(color=color), **last)
    frames = [_heights(trace.sel(step=step)) for step in steps]
    _name_irreps(figure)
    return figure.update_yaxes(title_text="share", range=[0, 1], tickformat=".0%"), frames


def _name_irreps(figure: go.Figure) -> None:
    """Their names across. On a phone these are turned, and a title below them would stand in the legend."""
    figure.update_xaxes(dict(title_text="irrep", type="category", showgrid=False))
    figure.update_layout(meta=dict(narrow={"xaxis.title.text": "", "legend.y": -0.36}))


def _heights(at: xr.Dataset) -> Frame:
    values = {name: at[name].values.astype(np.float32) for name in SHARES}
    values["logit_similarity"] = values["logit_similarity"] ** 2
    return [{"y": each} for each in values.values()]


def over_time(trace: xr.Dataset, with_losses: bool = True) -> go.Figure:
    """Each irrep in the logits, and the losses, over training."""
    names = trace.irrep.values[1:]  # the trivial one says nothing of an answer
    similar = [
        (Curve.read(trace.logit_similarity.sel(irrep=name)), str(name), *style.line(i)[:2])
        for i, name in enumerate(names)
    ]
    if not with_losses:
        return panels(["cosine with the logits"], [similar], [INDEX])
    losses = [
        (Curve.read(trace[variable]), said, color, dash)
        for variable, said, color, dash in (
            ("restricted_loss_irreps", "key irreps alone", palette.ACCENT, "dash"),
            ("excluded_loss_irreps", "all but the key irreps", palette.WARM, "dash"),
            ("test_loss", "test loss", palette.NEUTRAL, "dot"),
        )
        if variable in trace
    ]
    figure = panels(["cosine with the logits", "loss (nats)"], [similar, losses], [INDEX, None])
    figure.update_layout(yaxis2=dict(type="log", exponentformat="power"))
    return figure
