"""Tokens: the curve of every token of an answer by itself."""

import plotly.graph_objects as go
import xarray as xr

from grokinterp.reports import prose
from grokinterp.reports.figures import palette
from grokinterp.reports.figures.curves import SHARE, Curve, panels
from grokinterp.reports.section import Fact, Finding, Plate, Section
from grokinterp.reports.subject import Subject

TOKENS = (
    "Every token of the answer by itself, in the order in which they are predicted; dotted where rows are trained on. "
    "Look for tokens that fall at different times, each all at once: the mean over tokens hides their phase changes."
)
_MOST = len(palette.LINES)
"""Lines that are drawn of positions or heads: one for each colour."""


class Tokens(Finding):
    """Loss and accuracy of each token of the answer by itself."""

    order = 310
    title = "Token by token"
    variables = (
        "loss_by_position",
        "accuracy_by_position",
        "train_loss_by_position",
        "train_accuracy_by_position",
        "uniform_loss",
    )
    requires = ("loss_by_position",)

    def fill(self, section: Section, subject: Subject, trace: xr.Dataset) -> None:
        if trace.sizes["step"] == 1:
            last = trace.isel(step=-1)
            for i, position in enumerate(last.position.values):
                one = last.sel(position=position)
                loss = f"loss {prose.scientific(float(one.loss_by_position))} nats"
                right = f"{prose.percent(float(one.accuracy_by_position))} right"
                section.facts.append(
                    Fact(f"answer token {i + 1}", f"{loss}, {right}", f"read at position {position} of the row")
                )
            return
        source = f"rows of {subject.run.name}, {prose.checkpoints(subject.run.steps)}."
        section.plates.append(Plate("tokens", by_token(trace), TOKENS, source))


def by_token(trace: xr.Dataset) -> go.Figure:
    """Loss and accuracy over steps, a line a token; dotted those of the rows trained on, where there are such."""
    drawn: dict[str, list[tuple[Curve, str, str, str]]] = {"loss": [], "accuracy": []}
    for measure, lines in drawn.items():
        for side, name, dash in (("", "", "solid"), ("train_", ", train", "dot")):
            for i, position in enumerate(trace.position.values[:_MOST]):
                curve = Curve.read(trace[f"{side}{measure}_by_position"].sel(position=position))
                lines.append((curve, f"token {i + 1}{name}", palette.LINES[i], dash))
    half = Curve.read(trace.uniform_loss / 2)
    drawn["loss"].append((half, "half of a uniform guess", palette.NEUTRAL, "dash"))
    titles = ["loss of a token (nats)", "share of rows right"]
    figure = panels(titles, list(drawn.values()), [None, SHARE])
    return figure.update_layout(yaxis=dict(type="log", exponentformat="power"))
