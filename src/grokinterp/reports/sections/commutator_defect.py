"""Commutator defect: how far the order of two updates matters, over training."""

import plotly.graph_objects as go
import xarray as xr

from grokinterp.reports import prose
from grokinterp.reports.figures import palette
from grokinterp.reports.figures.curves import SHARE, Curve, panels
from grokinterp.reports.section import Absent, Fact, Plate, RequestedFinding, Section
from grokinterp.reports.subject import Subject

OVER_TIME = (
    "First panel, how far a step on one batch of training rows and then on another ends from the same two in the other "
    "order, over the size of both: the median of several draws, on a log scale, and half of their standard deviation "
    "either way. Second panel, the accuracies. Look for a rise before that of the test accuracy, and for the same in a "
    "run that only memorises, which is the null: its gradients shrink, and that alone makes the quotient large."
)


class Commutator(RequestedFinding):
    """A curve beside the accuracies; that it warned of anything is not said."""

    order = 472
    title = "The order of updates"
    circuit = "commutator_defect"
    variables = ("commutator_defect", "commutator_defect_spread")
    requires = variables

    def fill(self, section: Section, subject: Subject, trace: xr.Dataset) -> None:
        first, last = (float(trace.commutator_defect[i]) for i in (0, -1))
        steps = trace.step.values.tolist()
        start = "one checkpoint alone tells nothing"
        if len(steps) > 1:
            start = f"{prose.scientific(first)} at step {steps[0]:,}"
        note = f"in one over the units of the weights; {start}"
        section.facts.append(Fact("commutator defect", prose.scientific(last), note))
        if len(steps) > 1:
            source = prose.source(subject.run, "gradients of batches of training rows", steps)
            section.plates.append(Plate("commutator-defect", over_time(trace, subject.trace), OVER_TIME, source))


def over_time(trace: xr.Dataset, accuracies: xr.Dataset | Absent) -> go.Figure:
    """The defect with its spread left, the accuracies right."""
    defect, half, way = (
        trace.commutator_defect,
        trace.commutator_defect_spread / 2,
        "half a standard deviation of draws",
    )
    left = [
        (Curve.read(defect), "commutator defect", palette.ACCENT, "solid"),
        (Curve.read(defect + half), way, palette.ACCENT, "dot"),
        (Curve.read((defect - half).where(defect > half)), way, palette.ACCENT, "dot"),  # the axis has no 0
    ]
    right = [
        (Curve.read(accuracies[name]), name.replace("_", " "), color, "solid")
        for name, color in (("train_accuracy", palette.NEUTRAL), ("test_accuracy", palette.WARM))
        if not isinstance(accuracies, Absent) and name in accuracies
    ]
    return panels(["commutator defect", "accuracy"], [left, right], [dict(type="log", exponentformat="power"), SHARE])
