"""Attention: what a head looks at, and how heads and positions are called."""

import plotly.graph_objects as go
import xarray as xr

from grokinterp.reports import style
from grokinterp.reports.figures.curves import SHARE, Curve, panels
from grokinterp.tasks import Task

MOST = 8
"""Heads that are drawn: those of the first layers where there are more."""


def positions(task: Task) -> list[str]:
    """What stands at each position of a row: the operand's letter, the operator, or the token that is always there."""
    letters, names = iter("abcdefgh"), []
    formulas = {formula.replace(" ", "") for formula in task.operations}
    for column in task.inputs.T:
        if bool((column == column[0]).all()):
            token = task.tokens[int(column[0])]
            # The token of an operation is called as its whole formula is.
            names.append("the operator" if token in formulas else token)
        else:
            names.append(next(letters, "?"))
    return names


def operands(trace: xr.Dataset, task: Task) -> go.Figure:
    """Mean attention from the read-out position to a and to b, every head a line, over steps."""
    at, named = int(task.positions[0]), positions(task)
    pattern = trace["attention_pattern"].isel(query=at)
    lines = []
    for letter in "ab":
        drawn = []
        for i, (layer, head) in enumerate(heads(trace)):
            one = pattern.isel(layer=layer, head=head, source=named.index(letter))
            drawn.append((Curve.read(one), head_name(trace, layer, head), *style.line(i)[:2]))
        lines.append(drawn)
    return panels(["mean attention to a", "mean attention to b"], lines, [SHARE] * 2)


def heads(trace: xr.Dataset) -> list[tuple[int, int]]:
    return [(i, j) for i in range(trace.sizes["layer"]) for j in range(trace.sizes["head"])][:MOST]


def head_name(trace: xr.Dataset, layer: int, head: int) -> str:
    return f"head {layer}.{head}" if trace.sizes["layer"] > 1 else f"head {head}"
