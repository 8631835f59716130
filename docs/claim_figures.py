"""Pictures of docs/reproduction: what a stored result measured for several runs or parts, against its target."""

import functools
import math
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any, NamedTuple

from page_figures import placed

from grokinterp.reports import style
from grokinterp.reports.figures import palette
from grokinterp.reproduction import Claim, Result, Target, entries, every_claim, stored

PAGES = "reproduction/"
RESULTS = Path(__file__).parents[1] / "reproduction" / "results"
LEAST = 3
"""Values of a row that is drawn: two are read faster than a picture."""
MOST = 4
"""Rows of one claim that are drawn. What has more has a page of its own."""
GAP = 0.12
"""Between two panels, as a share of the picture's width."""
HEADING = re.compile(r"^### `([a-z0-9-]+)`$", re.MULTILINE)
NUMBERED = re.compile(r"(.+?)(?: at |, circle )([\d.,]+)")
"""A value that is one of a row by its name alone: `GS at 0.2`, `clock, circle 1`."""


class Row(NamedTuple):
    """Values of one name by their parts, and the target of each, where there is one."""

    parts: list[str]
    values: list[float]
    targets: list[Target | None]


def with_figures(markdown: str, page: str) -> str:
    """A page of docs/reproduction with a picture below the heading of each claim that has a row to draw."""
    if not page.startswith(PAGES):
        return markdown
    claims = {claim.id: claim for claim in every_claim()}
    results = _results()

    def heading(match: re.Match[str]) -> str:
        id = match[1]
        drawn = rows(claims[id], results[id]) if id in results and id in claims else {}
        return f"{match[0]}\n\n{placed(figure(drawn))}" if drawn else match[0]

    return HEADING.sub(heading, markdown)


@functools.cache
def _results() -> dict[str, Result]:
    return stored(RESULTS)


def rows(claim: Claim, result: Result) -> dict[str, Row]:
    """The rows of a claim by name: those with a target, or where none has one, those without."""
    found: dict[str, Row] = {}
    for name, part, value in entries(result.values):
        if isinstance(value, bool) or not isinstance(value, int | float) or not math.isfinite(value):
            continue
        numbered = NUMBERED.fullmatch(name)
        if not part and not numbered:
            continue
        title, label = (name, part) if part or not numbered else numbered.groups()
        row = found.setdefault(title, Row([], [], []))
        row.parts.append(label)
        row.values.append(float(value))
        row.targets.append(claim.targets.get(name))
    long = {name: row for name, row in found.items() if len(row.values) >= LEAST and len(set(row.values)) > 1}
    judged = {name: row for name, row in long.items() if any(row.targets)}
    chosen = judged or long
    return chosen if len(chosen) <= MOST else {}


def figure(drawn: Mapping[str, Row]) -> dict[str, Any]:
    """A panel a row, as plotly's JSON: a point a part, its target behind it as a band.

    The site has more than a hundred of these, and objects of plotly check each property as it is set.
    """
    width = (1 - GAP * (len(drawn) - 1)) / len(drawn)
    data: list[dict[str, Any]] = []
    layout = style.figure(height=230).layout.to_plotly_json()
    layout |= dict(margin=dict(l=56, r=16, t=36, b=64), showlegend=False, shapes=[], annotations=[])
    slant = 0 if sum(len(row.parts) for row in drawn.values()) <= 12 else -45
    for column, (title, row) in enumerate(drawn.items()):
        axis = str(column + 1) if column else ""
        left = column * (width + GAP)
        at = list(range(len(row.parts)))
        low, high = _window(row)
        layout["shapes"] += [
            dict(
                type="rect", x0=i - 0.5, x1=i + 0.5, y0=max(target.low, low), y1=min(target.high, high),
                fillcolor=palette.PHASES[2], line=dict(width=0), layer="below", xref=f"x{axis}", yref=f"y{axis}",
            )
            for i, target in zip(at, row.targets, strict=True) if target is not None
        ]  # fmt: skip
        colours = [palette.RED if target and not target.holds(value) else palette.ACCENT
                   for value, target in zip(row.values, row.targets, strict=True)]  # fmt: skip
        data.append(dict(
            type="scatter", x=at, y=row.values, mode="markers", marker=dict(size=9, color=colours), text=row.parts,
            hovertemplate="%{text}: %{y}<extra></extra>", cliponaxis=False, xaxis=f"x{axis}", yaxis=f"y{axis}",
        ))  # fmt: skip
        layout[f"xaxis{axis}"] = dict(
            anchor=f"y{axis}", domain=[left, min(left + width, 1)], tickvals=at, range=[-0.6, len(at) - 0.4],
            ticktext=[_short(part) for part in row.parts], tickangle=slant,
        )  # fmt: skip
        layout[f"yaxis{axis}"] = dict(anchor=f"x{axis}", range=[low, high])
        layout["annotations"].append(_words(title, x=left + width / 2, y=1, anchor=("center", "bottom"), size=12))
    key = "each point is a run or a part; a red one misses its target, the band"
    layout["annotations"].append(_words(key, x=0, y=-0.28, anchor=("left", "top"), size=11))
    return {"data": data, "layout": layout}


def _words(text: str, x: float, y: float, anchor: tuple[str, str], size: int) -> dict[str, Any]:
    """Words at a place of the whole picture."""
    place = dict(xref="paper", yref="paper", x=x, y=y, xanchor=anchor[0], yanchor=anchor[1])
    return dict(text=text, showarrow=False, font=dict(size=size), **place)


def _window(row: Row) -> tuple[float, float]:
    """The span of the vertical axis: values and finite bounds of their targets, and a tenth on either side."""
    bounds = [bound for target in row.targets if target for bound in (target.low, target.high) if math.isfinite(bound)]
    low, high = min([*row.values, *bounds]), max([*row.values, *bounds])
    margin = 0.1 * (high - low) or abs(high) or 1.0
    return low - margin, high + margin


def _short(part: str, longest: int = 14) -> str:
    """A part's name broken into lines at its spaces."""
    lines = [""]
    for word in part.split():
        joined = f"{lines[-1]} {word}".strip()
        lines = [*lines[:-1], joined] if len(joined) <= longest else [*lines, word]
    return "<br>".join(filter(None, lines))
