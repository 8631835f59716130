"""Attention: where heads look, and with which period."""

import numpy as np
import plotly.graph_objects as go
import xarray as xr

from grokinterp.reports import prose, style
from grokinterp.reports.figures import attention, palette
from grokinterp.reports.figures.curves import SHARE, Curve, panels
from grokinterp.reports.section import Absent, Finding, Frame, Plate, Section
from grokinterp.reports.style import heading, panel
from grokinterp.reports.subject import Subject
from grokinterp.tasks import Task

RATE_NOTE = (
    "The attention rate of this model is {rate:.3g}: each weight is that share of the softmax and the rest constant 1, "
    "so a row may sum to more than 100 %."
)
CONSTANT_NOTE = "Its attention is constant by construction: it looks at every position alike, whatever the operands."
PATTERNS = (
    "Where each head looks from the position at which the answer is read. Look for heads that share their attention "
    "between the two operands."
)

TO_FIRST = (
    "How much each head attends to the first operand, for every pair. Look for stripes: a head whose attention "
    "rises and falls with a wave of the operands. The frequency is that of the best wave, with the share of "
    "variance it explains."
)

PERIODICITY = (
    "First panel, the share of a head's attention to the first operand that waves of one frequency explain; second "
    "panel, which frequency that is. Look for heads that settle on a key frequency."
)


class Attention(Finding):
    """From the position at which the answer is read."""

    order = 420
    title = "The attention"
    variables = (
        "attention_pattern",
        "attention_fve",
        "attention_frequency",
    )
    requires = ("attention_pattern",)

    def fill(self, section: Section, subject: Subject, trace: xr.Dataset) -> None:
        task, framed = subject.run.task, subject.frames
        rate = float(getattr(subject.run.model_config, "attention_rate", 1.0))
        if rate == 0:
            section.notes.append(CONSTANT_NOTE)
        elif rate != 1:
            section.notes.append(RATE_NOTE.format(rate=rate))
        source = prose.source(subject.run, "attention patterns at the read-out position")
        figure, frames = patterns(trace, subject.frame_steps, task)
        section.plates.append(Plate("attention", figure, PATTERNS, source, frames))
        if rate and not isinstance(framed, Absent) and "attention_to" in framed and "a" in attention.positions(task):
            figure, frames = to_first(framed, trace, task)
            section.plates.append(Plate("attention-to", figure, TO_FIRST, source, frames))
        periodic = bool(trace["attention_fve"].notnull().any())
        if trace.sizes["step"] > 1 and periodic:
            figure = periodicity(trace)
            section.plates.append(Plate("attention-period", figure, PERIODICITY, source))


def patterns(trace: xr.Dataset, steps: list[int], task: Task) -> tuple[go.Figure, list[Frame]]:
    """Each head's attention from the read-out position to every position, the mean over the table, as bars."""
    named = _unique(attention.positions(task))
    figure = style.figure(350, margin=dict(t=16, b=80), barmode="group", bargap=0.3, bargroupgap=0.08)
    at = int(task.positions[0])
    pattern = trace["attention_pattern"].sel(step=steps).isel(query=at)
    highest = float(pattern.max())
    frames: list[Frame] = [[] for _ in steps]
    heads = attention.heads(trace)
    x = [attention.head_name(trace, layer, head) for layer, head in heads]
    for source in range(pattern.sizes["source"]):
        values = np.stack([pattern.isel(layer=i, head=j, source=source).values for i, j in heads], axis=-1)
        figure.add_bar(
            x=x, y=values[-1], name=f"to {named[source]}",
            marker=dict(color=palette.LINES[source % len(palette.LINES)]),
            hovertemplate=f"to {named[source]}: %{{y:.1%}}<extra>%{{x}}</extra>",
        )  # fmt: skip
        for frame, row in zip(frames, values, strict=True):
            frame.append({"y": row})
    figure.update_xaxes(dict(title_text="attention head", type="category", showgrid=False))
    figure.update_yaxes(title_text="mean attention", range=[0, max(1.03, 1.03 * highest)], tickformat=".0%")
    return figure.update_layout(showlegend=True, legend=dict(y=-0.22)), frames


def to_first(frames_of: xr.Dataset, trace: xr.Dataset, task: Task) -> tuple[go.Figure, list[Frame]]:
    """Each head's attention from the read-out position to the first operand, for every pair of operands."""
    heads = attention.heads(trace)
    at = attention.positions(task).index("a")
    weights = frames_of["attention_to"].isel(source=at)
    n = len(heads)
    columns = n if n <= 4 else 4
    rows = -(-n // columns)
    figure = style.figure(90 + 240 * rows, margin=dict(t=56))
    frames: list[Frame] = [[] for _ in weights.step.values]
    for i, (layer, head) in enumerate(heads):
        axes = panel(figure, i, i // columns, i % columns, rows, columns, gap=0.06, high=0.66)
        number = axes["xaxis"][1:]
        values = weights.isel(layer=layer, head=head).values
        figure.add_heatmap(
            z=values[-1], coloraxis="coloraxis", hovertemplate="a %{y}, b %{x}<br>%{z:.1%}<extra></extra>", **axes
        )
        for frame, one in zip(frames, values, strict=True):
            frame.append({"z": one})
        last = trace.isel(step=-1, layer=layer, head=head)
        k, fve = int(last["attention_frequency"]), float(last["attention_fve"])
        note = f"<br>frequency {k}, {fve:.0%}" if k else ""
        heading(figure, number, f"<b>{attention.head_name(trace, layer, head)}</b>{note}")
        figure.layout[f"xaxis{number}"].update(title_text="b", constrain="domain", showgrid=False, nticks=4)
        figure.layout[f"yaxis{number}"].update(
            title_text="a" if i % columns == 0 else "", scaleanchor=axes["xaxis"], constrain="domain",
            showgrid=False, nticks=4, **style.DOWNWARDS,
        )  # fmt: skip
    narrow: dict[str, object] = {"height": 225 * -(-n // 2) + 60, "coloraxis.showscale": False}
    for i in range(n):
        number, (row, column), down = "" if i == 0 else str(i + 1), divmod(i, 2), -(-n // 2)
        narrow[f"xaxis{number}.domain"] = [0.54 * column, 0.54 * column + 0.42]
        narrow[f"yaxis{number}.domain"] = [max(1 - (row + 0.68) / down, 0), 1 - row / down]
        if i < n - 2:  # it would meet the heading below
            narrow[f"xaxis{number}.title.text"] = ""
    bar = dict(title=dict(text="attention to a", side="right"), tickformat=".0%")
    return figure.update_layout(
        coloraxis=dict(colorscale=palette.SEQUENTIAL, cmin=0, cmax=1, colorbar=bar),
        meta=dict(sequential=["coloraxis"], narrow=narrow),
    ), frames


def periodicity(trace: xr.Dataset) -> go.Figure:
    """The share of each head's attention that waves of one frequency explain, and that frequency, over steps."""
    left, right = [], []
    for i, (layer, head) in enumerate(attention.heads(trace)):
        one = trace.isel(layer=layer, head=head)
        name, (color, dash, _) = attention.head_name(trace, layer, head), style.line(i)
        left.append((Curve.read(one["attention_fve"]), name, color, dash))
        right.append((Curve.read(one["attention_frequency"]), name, color, dash))
    return panels(["share of variance explained", "frequency k"], [left, right], [SHARE, None])


def _unique(names: list[str]) -> list[str]:
    """Names that occur twice told apart by their place, which bars of one name would hide."""
    return [name if names.count(name) == 1 else f"{name} at {i}" for i, name in enumerate(names)]
