"""What happened: when, how far, and the curves."""

from dataclasses import replace

import plotly.graph_objects as go
import xarray as xr

from grokinterp.reports import labels, prose, style
from grokinterp.reports.figures import palette, spectra
from grokinterp.reports.figures.curves import SHARE, Chart, Curve, panels
from grokinterp.reports.section import Absent, Fact, Plate, ReportSection, Section
from grokinterp.reports.subject import Landmarks, Subject


def loss_caption(both: bool, marked: bool, phases: bool = False) -> str:
    """Under the losses; `both` where train and test are drawn, `marked` where there are landmarks, or `phases`."""
    look = (
        "Look for the gap between the curves: where a model groks, the train loss falls early, "
        "the test loss rises first and falls late."
        if both
        else "Look for plateaus and sudden falls."
    )
    shades = ", shades the phases" if phases else ""
    lines = f" Dashed lines mark the steps named in the legend{shades}." if marked else ""
    return f"Cross-entropy in nats, first on a log scale; the buttons change both axes. {look}{lines}"


def accuracy_caption(unswapped: bool) -> str:
    """Under the accuracies; `unswapped` where the curve without memorised swaps is drawn."""
    dotted = (
        " The dotted blue curve leaves out test rows (b, a) with (a, b) trained on, which memorised pairs answer."
        if unswapped
        else ""
    )
    return (
        "Share of rows answered right. Look for how long the test curve stays low after the train curve is at the top, "
        f"and how steeply it then rises.{dotted}"
    )


WEIGHT_NORM = (
    "Sum of the squares of all weights. Look for a rise while rows are memorised, and for a fall under weight decay "
    "that goes with the rise of the test accuracy."
)

PROGRESS = (
    "The loss with the key frequencies of the logits alone (restricted), and with all but these (excluded). Look "
    "for a restricted loss that falls long before the test loss does, where a circuit forms unseen, and for an "
    "excluded loss that rises as the model comes to rely on these frequencies and loses what it had memorised. Other "
    "forms wait in the legend; click one."
)

EXCLUDED = (
    "First panel, the loss on training rows with one key frequency taken out of the logits; second panel, how many of "
    "them are still answered without any. Look for the order in which frequencies become needed."
)

DENSITY = (
    "Two measures of the spectrum at every checkpoint. FFD is the share of waves at least half as strong as the "
    "strongest: it falls where few frequencies are kept, as in addition. FCR falls where each frequency comes to be "
    "a cosine or a sine alone, as in multiplication. Random weights give 1 and about 0.93. Dotted curves read the "
    "same weights in the order of discrete logs, on the characters of the multiplicative group."
)

CURVES = {
    "train_loss": ("train loss", palette.NEUTRAL, "solid"),
    "test_loss": ("test loss", palette.ACCENT, "solid"),
    "restricted_loss": ("restricted loss (key frequencies alone)", palette.SKY, "solid"),
    "excluded_loss": ("excluded loss (without them)", palette.WARM, "solid"),
}

MORE_CURVES = {
    "restricted_test_loss": ("restricted, test rows", palette.SKY, "dot"),
    "restricted_loss_mlp": ("restricted, in the neurons", palette.SKY, "dash"),
    "excluded_loss_3d": ("excluded, along the answer (3D)", palette.WARM, "dot"),
    "excluded_loss_mlp": ("excluded, in the neurons", palette.WARM, "dash"),
    "excluded_loss_full": ("excluded, all frequencies", palette.WARM, "longdash"),
    "excluded_loss_3d_full": ("excluded, all frequencies (3D)", palette.WARM, "dashdot"),
}


class Happened(ReportSection):
    """Landmarks, phases, losses, accuracies, progress measures, weight norms and the density of spectra."""

    order = 200
    variables = (
        "train_loss",
        "test_loss",
        "train_accuracy",
        "test_accuracy",
        "test_accuracy_unswapped",
        "restricted_loss",
        "restricted_test_loss",
        "restricted_loss_mlp",
        "excluded_loss",
        "excluded_loss_3d",
        "excluded_loss_mlp",
        "excluded_loss_full",
        "excluded_loss_3d_full",
        "trig_loss",
        "excluded_loss_by_frequency",
        "excluded_accuracy",
        "all_accuracy",
        "weight_norm_squared",
        "weight_norm_squared_by_parameter",
        "ffd",
        "fcr",
        "ffd_multiplicative",
        "fcr_multiplicative",
    )

    def make(self, subject: Subject) -> Section:
        metrics, landmarks, run = subject.metrics, subject.landmarks, subject.run
        endless = run.has_task and run.task.is_endless
        paragraphs = prose.happened(metrics, landmarks, subject.phases, endless, subject.ending)
        section = Section("What happened", paragraphs, prose.numbers(metrics))
        if not isinstance(subject.trace, Absent):
            facts = prose.measured(subject.trace, metrics, run.task.is_commutative)
            doubt = ", as it was read (not explained)" if run.unexplained else ""
            section.facts.extend(replace(fact, note=f"{fact.note}{doubt}") for fact in facts)
        source = f"training metrics of {run.name}."
        train, test = Curve.of(metrics, "train_loss"), Curve.of(metrics, "test_loss")
        if max(len(train), len(test)) > 1:
            both = min(len(train), len(test)) > 0
            caption = loss_caption(both, landmarks != Landmarks(), len(subject.phases) > 0)
            section.plates.append(Plate("loss", losses(subject), caption, source))
        train, test = Curve.of(metrics, "train_accuracy"), Curve.of(metrics, "test_accuracy")
        if max(len(train), len(test)) > 1:
            caption = accuracy_caption(len(Curve.of(metrics, "test_accuracy_unswapped")) > 0)
            section.plates.append(Plate("accuracy", accuracies(subject), caption, source))
        if not section.plates and not metrics.empty:
            section.notes.append("Too few points were recorded to draw a curve.")
        _measured_curves(subject, section)
        return section


def _measured_curves(subject: Subject, section: Section) -> None:
    """Progress measures, weight norms and the density of spectra."""
    trace = None if isinstance(subject.trace, Absent) else subject.trace
    source = f"{subject.run.name}, {prose.checkpoints(subject.run.steps)}." if subject.run.steps else ""
    several = trace is not None and trace.sizes["step"] > 1
    # Without key frequencies one is the loss of a constant, the other the train loss;
    # and of what has learnt its rows by heart both measure the memory.
    learns = subject.outcome.is_learning
    if learns and several and trace is not None and "restricted_loss" in trace and spectra.keys(trace):
        section.plates.append(Plate("progress", progress(subject, trace), PROGRESS, source))
        section.plates.append(Plate("excluded", excluded_by_frequency(trace), EXCLUDED, source))
    norms = Curve.of(subject.metrics, "weight_norm_squared")
    if len(norms) < 2 and trace is not None and "weight_norm_squared" in trace:
        norms = Curve.read(trace["weight_norm_squared"])
    if len(norms) == 1:
        section.facts.append(
            Fact("sum of squared weights", prose.scientific(float(norms.values[0]), 4), "of all parameters")
        )
    elif len(norms):
        figure = weight_norms(norms, trace, subject)
        source_of_norms = f"parameters of {subject.run.name}."
        section.plates.append(Plate("weight-norm", figure, WEIGHT_NORM, source_of_norms))
    if several and trace is not None and "ffd" in trace:
        measures = ("ffd", "fcr")
        figure = spectra.spectral(trace, measures)
        section.plates.append(Plate("density", figure, DENSITY, f"weights of {source}"))


def losses(subject: Subject) -> go.Figure:
    """Train and test loss as they were recorded, in nats."""
    chart = Chart(430)
    chart.line(Curve.of(subject.metrics, "train_loss"), "train loss", palette.NEUTRAL)
    chart.line(Curve.of(subject.metrics, "test_loss"), "test loss", palette.ACCENT)
    chart.landmarks(subject.landmarks)
    chart.phases(subject.phases)
    return chart.finished("cross-entropy loss (nats)", "log", "loss")


def accuracies(subject: Subject) -> go.Figure:
    """Train and test accuracy as they were recorded, as shares of rows, with chance."""
    chart, metrics = Chart(430), subject.metrics
    chart.line(Curve.of(metrics, "train_accuracy"), "train accuracy", palette.NEUTRAL)
    chart.line(Curve.of(metrics, "test_accuracy"), "test accuracy", palette.ACCENT)
    unswapped = Curve.of(metrics, "test_accuracy_unswapped")
    chart.line(unswapped, "test accuracy, unswapped", palette.ACCENT, 1.5, dash="dot")
    if subject.run.has_task and subject.run.task.labels.ndim == 1:  # else a row is right with all its tokens
        steps = metrics["step"].to_numpy(dtype=float)[[0, -1]]
        level = Curve(steps, steps * 0 + subject.run.task.chance)
        chart.line(level, "chance", palette.NEUTRAL, 1, dash="dot")
    chart.landmarks(subject.landmarks)
    chart.phases(subject.phases)
    figure = chart.finished("accuracy", "linear", "accuracy")
    return figure.update_yaxes(tickformat=".2~p")


def progress(subject: Subject, trace: xr.Dataset) -> go.Figure:
    """Restricted and excluded losses beside the plain ones; further forms wait in the legend."""
    chart = Chart(470)
    for name, (said, color, dash) in {**CURVES, **MORE_CURVES}.items():
        hidden = dict(visible="legendonly") if name in MORE_CURVES else {}
        if name in trace:
            chart.line(Curve.read(trace[name]), said, color, 2 if name in CURVES else 1.5, dash=dash, **hidden)
    chart.phases(subject.phases)
    return chart.finished("cross-entropy loss (nats)", "log", "loss")


def excluded_by_frequency(trace: xr.Dataset) -> go.Figure:
    """The excluded loss of each key frequency, and the accuracy without all of them."""
    by_k = trace["excluded_loss_by_frequency"]
    lines = [
        (Curve.read(by_k.sel(k=k)), f"without frequency {k}", *style.line(i)[:2])
        for i, k in enumerate(spectra.keys(trace))
    ]
    right = [(Curve.read(trace["excluded_accuracy"]), "without any key frequency", palette.NEUTRAL, "dash")]
    return panels(["excluded loss (nats)", "train accuracy"], [lines, right], [None, SHARE]).update_layout(
        yaxis=dict(rangemode="tozero")
    )


def weight_norms(total: Curve, trace: xr.Dataset | None, subject: Subject) -> go.Figure:
    """Sum of squared weights over steps, and that of every parameter, which waits in the legend."""
    chart = Chart(480)
    chart.line(total, "all weights", palette.ACCENT, 2.5)
    if trace is not None and "weight_norm_squared_by_parameter" in trace and trace.sizes["step"] > 1:
        for i, name in enumerate(trace.parameter.values):
            curve = Curve.read(trace["weight_norm_squared_by_parameter"].isel(parameter=i))
            color, dash, _ = style.line(i + 1)
            chart.line(curve, labels.parameter(str(name)), color, 1.5, dash=dash)
    chart.landmarks(subject.landmarks)
    chart.phases(subject.phases)
    figure = chart.finished("sum of squared weights", "linear", "sum")
    return figure.update_yaxes(rangemode="tozero", separatethousands=True)
