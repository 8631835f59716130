"""Text: the numbers of a view as text in the page."""

import math
from collections.abc import Sequence
from typing import Any

from dash import html

from grokinterp.explorer.checkpoint import Scores
from grokinterp.explorer.pair import Pair, angle_text
from grokinterp.explorer.state import State
from grokinterp.markup import power_of_ten
from grokinterp.tasks.groups import GroupTask

NAMES = {
    "train_loss": "Train loss",
    "test_loss": "Test loss",
    "train_accuracy": "Train accuracy",
    "test_accuracy": "Test accuracy",
    "all_loss": "Loss on all pairs",
    "all_accuracy": "Accuracy on all pairs",
}

CIRCLES = ("1  Embedding: the numbers on a circle, as trained", "3  Neurons: what each frequency adds")
IRREPS = (
    "1  Embedding: how much of it each irrep holds, as trained",
    "3  Neurons: what those on each subgroup's cosets add",
)
"""Titles of the steps of a pair that are drawn, of numbers on a cycle and of a group's elements."""


def tiles(before: Scores, after: Scores, prefix: str = "") -> list[dict[str, str]]:
    """One tile a number: what it is, after, and before or the difference; `exact` and `was` hold all digits."""
    old, new = before.means, after.means
    of = ", first answer" if after.task.labels.ndim == 2 else ""
    return [
        _tile(prefix + name.replace("_", "-"), NAMES[name] + of, old[name], new[name])
        for name in sorted(old, key=list(NAMES).index)
    ]


def _tile(name: str, label: str, before: float, after: float) -> dict[str, str]:
    is_loss = name.endswith("loss")
    change = after - before
    is_same = math.isclose(after, before, rel_tol=1e-6) or (math.isnan(after) and math.isnan(before))
    is_worse = math.isnan(after) or ((change > 0) if is_loss else (change < 0))
    kind = "same" if is_same else "worse" if is_worse else "better"
    value = number(after) if is_loss else percent(after)
    was = number(before) if is_loss else percent(before)
    by = "" if math.isnan(change) else f"{signed(change, is_loss)} "
    delta = "unchanged" if is_same else f"{by}from {was}"
    return dict(id=name, label=label, value=value, delta=delta, kind=kind, exact=repr(after), was=repr(before))


def number(value: float) -> str:
    """Four digits, as a reader writes them: `0.0123`, `1.04 × 10⁻⁷`."""
    if math.isnan(value):
        return "\N{EN DASH}"
    if value == 0 or 1e-3 <= abs(value) < 1e5:
        return f"{value:.4g}"
    return power_of_ten(f"{value:.2e}")


def percent(share: float) -> str:
    """`99.87 %`."""
    return "\N{EN DASH}" if math.isnan(share) else f"{100 * share:.2f} %"


def signed(change: float, is_loss: bool) -> str:
    """`+1.8` for a loss, `−36.27` points for an accuracy."""
    sign = "+" if change > 0 else "\N{MINUS SIGN}"
    return sign + (number(abs(change)) if is_loss else f"{100 * abs(change):.2f}")


def chosen(state: State) -> str:
    """How many neurons are chosen, in words."""
    n = len(state.neurons)
    if not n:
        return "None taken out. Draw a lasso in the scatter to choose; hold Shift to add."
    return f"{n} taken out. Double-click the scatter to put them back."


def attention(pair: Pair) -> list[Any]:
    """A table: one row a head, one column a token, cells tinted by the weight after, with that before where it differs.

    A head that is taken out still attends, but nothing reads what it writes: its row is struck through.
    """
    if not pair.patterns:
        return [hint("This model has no attention.")]
    deep = len(pair.patterns) > 1
    every = "attention" in pair.request.get("components", ())
    gone = set(pair.request.get("heads", ()))
    rows = [
        html.Tr(
            [
                html.Th(f"Layer {layer} head {head}" if deep else f"Head {head}"),
                *map(_cell, old.tolist(), new.tolist()),
            ],
            className="gone" if every or (layer, head) in gone else "",
        )
        for layer, (before, after) in enumerate(pair.patterns)
        for head, (old, new) in enumerate(zip(before, after, strict=True))
    ]
    top = html.Tr([html.Th("to"), *(html.Th(token) for token in pair.tokens)])
    caption = "Nothing is taken out."
    if pair.request:
        caption = "After; before in small where it differs. Struck through: taken out."
    return [html.Table([html.Thead(top), html.Tbody(rows)], className="attention"), hint(caption)]


def _cell(before: float, after: float) -> html.Td:
    tint = min(max(after, 0.0), 1.0)
    was = [html.Small(f"{before:.2f}")] if f"{before:.2f}" != f"{after:.2f}" else []
    return html.Td([f"{after:.2f}", *was], style={"background": f"rgba(43, 98, 201, {0.75 * tint:.3f})"})


def step_label(step: int | None, steps: Sequence[int]) -> str:
    """`Step 11,000, 111 of 111`."""
    place = f", checkpoint {list(steps).index(step or 0) + 1} of {len(steps)}" if len(steps) > 1 else ", the only one"
    return f"Step {step:,}{place}"


def hint(text: str) -> html.P:
    """What to do, or why there is nothing."""
    return html.P(text, className="note")


def embedded(pair: Pair) -> str:
    """What stands below the embedding of a pair."""
    if pair.group is not None:
        return "Grey: what each would hold of noise."
    return angle_text(pair.turns(), pair.frequency) if pair.has_circle else ""


def answered(pair: Pair, after: Scores) -> str:
    """`3 + 5: the right answer is 8. Before it said 8, after 17.`"""
    was, now = (_predicted(scores, pair.row) for scores in (pair.checkpoint.before, after))
    task, (a, b) = pair.checkpoint.task, pair.operands
    named = lambda number: f"{number} ({task.group.elements[number]})" if isinstance(task, GroupTask) else str(number)
    name = lambda number: "nothing (its logits are no finite numbers)" if number is None else named(number)
    known = "" if task.is_train is None else ", trained on" if bool(task.is_train[pair.row]) else ", a test pair"
    change = ", before and after." if pair.request else "."
    if now != was:
        change = f"; with the parts taken out, {name(now)}."
    asked = f"a = {name(a)}, b = {name(b)}{known}"
    return f"{asked}. The right answer is {name(pair.answer)}. The model says {name(was)}{change}"


def _predicted(scores: Scores, row: int) -> int | None:
    return int(scores.predicted[row]) if bool(scores.loss[row].isfinite()) else None
