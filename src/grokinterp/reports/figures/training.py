"""Figures of what happened: losses, accuracies, progress measures, weights and spectra over steps."""

import plotly.graph_objects as go
import xarray as xr

from grokinterp.reports import labels, style
from grokinterp.reports.figures.curves import Chart, Curve, panels
from grokinterp.reports.subject import Subject

PROGRESS = {
    "train_loss": ("train loss", style.NEUTRAL, "solid"),
    "test_loss": ("test loss", style.ACCENT, "solid"),
    "restricted_loss": ("restricted loss (key frequencies alone)", style.GREEN, "solid"),
    "excluded_loss": ("excluded loss (without them)", style.WARM, "solid"),
}
MORE_PROGRESS = {
    "restricted_test_loss": ("restricted, test rows", style.GREEN, "dot"),
    "restricted_loss_mlp": ("restricted, in the neurons", style.GREEN, "dash"),
    "excluded_loss_3d": ("excluded, along the answer (3D)", style.WARM, "dot"),
    "excluded_loss_mlp": ("excluded, in the neurons", style.WARM, "dash"),
    "excluded_loss_full": ("excluded, all frequencies", style.WARM, "longdash"),
    "excluded_loss_3d_full": ("excluded, all frequencies (3D)", style.WARM, "dashdot"),
}
SPECTRAL = {
    "ffd": "frequency density (FFD)",
    "fcr": "coefficient ratio (FCR)",
    "fcr_weighted": "energy-weighted FCR",
    "cosine_share": "cosine share",
    "gini": "Gini index of the norms",
}


def losses(subject: Subject) -> go.Figure:
    """Train and test loss as they were recorded, in nats."""
    chart = Chart(430)
    chart.line(Curve.of(subject.metrics, "train_loss"), "train loss", style.NEUTRAL)
    chart.line(Curve.of(subject.metrics, "test_loss"), "test loss", style.ACCENT)
    chart.landmarks(subject.landmarks)
    chart.phases(subject.phases)
    return chart.finished("cross-entropy loss (nats)", "log", "loss")


def accuracies(subject: Subject) -> go.Figure:
    """Train and test accuracy as they were recorded, as shares of rows, with chance."""
    chart, metrics = Chart(430), subject.metrics
    chart.line(Curve.of(metrics, "train_accuracy"), "train accuracy", style.NEUTRAL)
    chart.line(Curve.of(metrics, "test_accuracy"), "test accuracy", style.ACCENT)
    unswapped = Curve.of(metrics, "test_accuracy_unswapped")
    chart.line(unswapped, "test accuracy, unswapped", style.ACCENT, 1.5, dash="dot")
    if subject.run.has_task and subject.run.task.labels.ndim == 1:  # else a row is right with all its tokens
        steps = metrics["step"].to_numpy(dtype=float)[[0, -1]]
        level = Curve(steps, steps * 0 + subject.run.task.chance)
        chart.line(level, "chance", style.NEUTRAL, 1, dash="dot")
    chart.landmarks(subject.landmarks)
    chart.phases(subject.phases)
    figure = chart.finished("accuracy (share of rows)", "linear", "accuracy")
    return figure.update_yaxes(tickformat=".2~p")


def progress(subject: Subject, trace: xr.Dataset) -> go.Figure:
    """Restricted and excluded losses beside the plain ones; further forms wait in the legend."""
    chart = Chart(470)
    for name, (said, color, dash) in {**PROGRESS, **MORE_PROGRESS}.items():
        hidden = dict(visible="legendonly") if name in MORE_PROGRESS else {}
        if name in trace:
            chart.line(Curve.read(trace[name]), said, color, 2 if name in PROGRESS else 1.5, dash=dash, **hidden)
    chart.phases(subject.phases)
    return chart.finished("cross-entropy loss (nats)", "log", "loss")


def excluded_by_frequency(trace: xr.Dataset) -> go.Figure:
    """The excluded loss of each key frequency, and the accuracy without all of them."""
    by_k = trace["excluded_loss_by_frequency"]
    lines = [
        (Curve.read(by_k.sel(k=k)), f"without frequency {k}", style.LINES[i % len(style.LINES)], "solid")
        for i, k in enumerate(keys(trace))
    ]
    right = [(Curve.read(trace["excluded_accuracy"]), "without any key frequency", style.NEUTRAL, "dash")]
    return panels(
        ["excluded loss (nats)", "train accuracy (share of rows)"], [lines, right], [None, [-0.03, 1.03]]
    ).update_layout(yaxis=dict(rangemode="tozero"))


def keys(trace: xr.Dataset) -> list[int]:
    """The key frequencies of a trace; none where the task has no wave."""
    if "is_key" not in trace:
        return []
    return trace.k.values[trace["is_key"].isel(step=-1).values.astype(bool)].tolist()


def weight_norms(total: Curve, trace: xr.Dataset | None, subject: Subject) -> go.Figure:
    """Sum of squared weights over steps, and that of every parameter, which waits in the legend."""
    chart = Chart(480)
    chart.line(total, "all weights", style.ACCENT, 2.5)
    if trace is not None and "weight_norm_squared_by_parameter" in trace and trace.sizes["step"] > 1:
        for i, name in enumerate(trace.parameter.values):
            curve = Curve.read(trace["weight_norm_squared_by_parameter"].isel(parameter=i))
            color = style.LINES[(i + 1) % len(style.LINES)]
            dash = "solid" if i < len(style.LINES) // 2 else "dot"
            chart.line(curve, labels.parameter(str(name)), color, 1.5, dash=dash)
    chart.landmarks(subject.landmarks)
    chart.phases(subject.phases)
    figure = chart.finished("sum of squared weights", "linear", "sum")
    return figure.update_yaxes(rangemode="tozero", separatethousands=True)


def spectral(trace: xr.Dataset, measures: tuple[str, ...]) -> go.Figure:
    """Measures of the spectra of embedding and neuron-logit map, on Z/p and on the characters, panel by panel."""
    lines = []
    for measure in measures:
        drawn = []
        for suffix, basis, dash in (("", "waves on Z/p", "solid"), ("_multiplicative", "characters", "dot")):
            for matrix, color in (("W_E", style.ACCENT), ("W_L", style.WARM)):
                curve = Curve.read(trace[f"{measure}{suffix}"].sel(matrix=matrix))
                drawn.append((curve, f"{labels.MATRICES[matrix]}, {basis}", color, dash))
        lines.append(drawn)
    return panels([SPECTRAL[measure] for measure in measures], lines, [[-0.03, 1.03]] * len(measures))


def sparsity(trace: xr.Dataset) -> go.Figure:
    """How sparse and how round: one number a checkpoint each, between 0 and 1."""
    left = [
        (Curve.read(trace[name]), said, color, "solid")
        for name, said, color in (
            ("embedding_gini", "Gini index, embedding", style.ACCENT),
            ("logit_map_gini", "Gini index, neuron-logit map", style.WARM),
        )
        if name in trace
    ]
    right = [
        (Curve.read(trace[name]), said, color, "solid")
        for name, said, color in (
            ("circularity", "circularity of the embedding", style.GREEN),
            ("logit_fve", "logits explained by the clock's waves", style.NEUTRAL),
        )
        if name in trace
    ]
    return panels(["Gini index (0 even, 1 one only)", "share"], [left, right], [[-0.03, 1.03]] * 2)
