"""What was trained: the task, its table, the model and the recipe."""

from dataclasses import dataclass

import numpy as np
import plotly.graph_objects as go
import torch
from jaxtyping import Float

from grokinterp.reports import prose, style
from grokinterp.reports.figures import palette
from grokinterp.reports.section import Absent, Plate, ReportSection, Section
from grokinterp.reports.style import heading
from grokinterp.reports.subject import Subject
from grokinterp.tasks import Task


class Trained(ReportSection):
    """What was trained, and the table it was trained on."""

    order = 100

    def make(self, subject: Subject) -> Section:
        run = subject.run
        section = Section("What was trained", prose.trained(run), notes=prose.inferred(run))
        if not run.has_task:
            return section
        section.facts.extend(prose.baselines(run.task))
        table = Table.of(run.task)
        if isinstance(table, Absent):
            section.notes.append(table.reason)
        else:
            source = "the task's own table and the run's split."
            section.plates.append(Plate("table", picture(table), caption(table), source))
        return section


@dataclass(frozen=True)
class Table:
    """The task's answers on the grid of its first two operands, and which of them were trained on.

    Attributes:
        answers: [a, b], NaN where the table has no row.
        trained: [a, b], 1 for training rows, 0 for test rows, NaN for none; None without a split.
        shown: what was fixed to get two axes, as ` at c = 0`; empty for two operands.
    """

    answers: Float[np.ndarray, "a b"]
    trained: Float[np.ndarray, "a b"] | None
    shown: str

    @classmethod
    def of(cls, task: Task) -> "Table | Absent":
        if len(task.sizes) < 2:
            return Absent("The task has fewer than two operands, so its table is no picture.")
        mixed = len(task.operations) > 1
        index = (0,) * mixed + (slice(None), slice(None)) + (0,) * (len(task.sizes) - 2)
        fixed = [f"for {task.operations[0]}"] * mixed + [f"{name} = 0" for name in "cdefgh"[: len(task.sizes) - 2]]
        trained = None if task.is_train is None else _grid(task, task.is_train, index)
        return cls(_grid(task, task.answer_labels, index), trained, ", ".join(fixed))


def _grid(task: Task, rows: torch.Tensor, index: tuple[int | slice, ...]) -> Float[np.ndarray, "a b"]:
    return task.to_grid(rows)[index].to(torch.float32).numpy()


def picture(table: Table) -> go.Figure:
    """Two panels: every answer of the table; and the same with the rows that are not trained on left blank."""
    panels = [("all answers", table.answers)]
    if table.trained is not None:
        panels.append(("trained on", np.where(table.trained == 1, table.answers, np.nan)))
    wide = len(panels) > 1
    figure = style.figure(430, margin=dict(t=40))
    for i, (title, z) in enumerate(panels):
        number = "" if i == 0 else str(i + 1)
        hover = "a = %{y}, b = %{x}<br>answer %{z}<extra>" + title + "</extra>"
        axes = dict(xaxis=f"x{number}", yaxis=f"y{number}")
        figure.add_heatmap(
            z=z.astype(np.float32), coloraxis="coloraxis", hovertemplate=hover, hoverongaps=False, **axes
        )
        left, right = 0.56 * i, 0.44 + 0.56 * i
        x = dict(domain=[left, right], anchor=f"y{number}", constrain="domain", title_text="second operand b")
        y = dict(anchor=f"x{number}", scaleanchor=f"x{number}", constrain="domain", **style.DOWNWARDS)
        y["title_text"] = "first operand a"
        figure.update_layout({f"xaxis{number}": dict(x, showgrid=False), f"yaxis{number}": dict(y, showgrid=False)})
        heading(figure, number, title, 13)
    bar = dict(title=dict(text="answer", side="right"), len=0.9, x=1.02 if wide else 0.46)
    figure.update_layout(coloraxis=dict(colorscale=palette.CYCLIC, colorbar=bar))
    narrow = {"xaxis.domain": [0, 1], "coloraxis.colorbar.x": 1.02}
    if wide:
        narrow |= {"yaxis.domain": [0.58, 1], "xaxis2.domain": [0, 1], "yaxis2.domain": [0, 0.42], "height": 760}
    figure.update_layout(meta=dict(narrow=narrow, paper=dict(height=300)))
    return figure


def caption(table: Table) -> str:
    """Under the picture of the answers and the split."""
    split = (
        "The second panel is the same table with the test rows left blank: all that the model ever saw."
        if table.trained is not None
        else "Which rows were trained on is not known."
    )
    shown = f" Shown {table.shown}." if table.shown else ""
    return (
        "Every question and its answer: rows, from the top, are the first operand, columns the second, and the colour "
        "turns once "
        f"through the answers. {split} Look for the stripes or patches that a rule makes.{shown}"
    )
