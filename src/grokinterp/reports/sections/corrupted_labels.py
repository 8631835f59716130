"""Corrupted labels: whether rows that were taught a wrong answer are remembered or refused."""

import plotly.graph_objects as go
import xarray as xr

from grokinterp.reports import prose
from grokinterp.reports.figures import palette
from grokinterp.reports.figures.curves import SHARE, Curve, panels
from grokinterp.reports.prose import percent
from grokinterp.reports.section import Fact, Finding, Plate, Section
from grokinterp.reports.subject import Subject

OVER_TIME = (
    "First panel, the share of the training rows with a wrong label that are answered as they were taught and that are "
    "answered rightly, beside the other rows; dotted, chance. Second panel, the losses by the labels trained on. Look "
    "for the two blue curves changing places: then wrong labels that were remembered come to be refused."
)


class Corrupted(Finding):
    """Of runs of which some training rows were taught a wrong answer."""

    order = 315
    title = "The corrupted labels"
    variables = (
        "train_accuracy_clean",
        "train_accuracy_corrupted",
        "train_accuracy_corrected",
        "train_loss_clean",
        "train_loss_corrupted",
        "test_accuracy_clean",
    )
    requires = variables

    def fill(self, section: Section, subject: Subject, trace: xr.Dataset) -> None:
        last, task = trace.isel(step=-1), subject.run.task
        taught, rightly = (float(last[f"train_accuracy_{name}"]) for name in ("corrupted", "corrected"))
        section.paragraphs.append(
            f"{int(task.is_corrupted.sum()):,} training rows were taught a wrong answer. At the last checkpoint "
            f"{percent(taught)} of them are answered as they were taught and {percent(rightly)} rightly; chance is "
            f"{percent(task.chance)}."
        )
        if regime := trace.attrs.get("corruption_regime"):
            called = "none of the named ones" if regime == "none" else regime
            section.facts.append(Fact("regime", called, str(trace.attrs.get("corruption_rule", ""))))
        if trace.sizes["step"] > 1:
            source = prose.source(subject.run, "training and test rows")
            section.plates.append(Plate("corrupted-labels", over_time(trace, task.chance), OVER_TIME, source))


def over_time(trace: xr.Dataset, chance: float) -> go.Figure:
    """Accuracies left, losses right."""
    right = trace.train_accuracy_corrected
    shares = [
        (Curve.read(trace.train_accuracy_corrupted), "wrong label, answered as taught", palette.ACCENT, "solid"),
        (Curve.read(right), "wrong label, answered rightly", palette.SKY, "solid"),
        (Curve.read(trace.train_accuracy_clean), "other training rows", palette.NEUTRAL, "solid"),
        (Curve.read(trace.test_accuracy_clean), "test rows", palette.WARM, "solid"),
        (Curve.read(right * 0 + chance), "chance", palette.NEUTRAL, "dot"),
    ]
    losses = [
        (Curve.read(trace.train_loss_corrupted), "wrong label, answered as taught", palette.ACCENT, "solid"),
        (Curve.read(trace.train_loss_clean), "other training rows", palette.NEUTRAL, "solid"),
    ]
    axes = [SHARE, dict(type="log", exponentformat="power")]
    return panels(["share answered so", "loss (nats)"], [shares, losses], axes)
