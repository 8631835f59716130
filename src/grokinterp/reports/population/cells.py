"""Cells: tables in HTML that a reader sorts, all text escaped."""

import math
from collections.abc import Iterable, Sequence
from typing import Any, NamedTuple

from markupsafe import Markup, escape

from grokinterp.analysis.proportions import Share


class Cell(NamedTuple):
    """What stands in a cell, and the number that it is sorted by; text sorts by itself."""

    text: Any
    value: float | None = None


def table(
    columns: Sequence[str], rows: Iterable[Sequence[Cell]], kind: str = "cells", filtered: bool = False
) -> Markup:
    """A table whose columns are sorted by a click on their head, and filtered by the boxes under it where wanted.

    `value` decides the order, the text where it is left out; what is blank comes last either way.
    """
    head = Markup("").join(
        Markup('<th scope="col"><button type="button" data-column="{}">{}</button></th>').format(i, name)
        for i, name in enumerate(columns)
    )
    boxes = Markup("").join(
        Markup('<td><input type="search" size="1" data-filter="{}" aria-label="filter {}"></td>').format(i, name)
        for i, name in enumerate(columns)
    )
    filters = Markup('<tr class="filters">{}</tr>').format(boxes) if filtered else Markup("")
    body = Markup("\n").join(Markup("<tr>{}</tr>").format(Markup("").join(map(_cell, row))) for row in rows)
    return Markup(
        '<div class="scrolled"><table class="{} sortable"><thead><tr>{}</tr>{}</thead>'
        "<tbody>\n{}\n</tbody></table></div>"
    ).format(kind, head, filters, body)


def _cell(cell: Cell) -> Markup:
    is_blank = cell.value is None or cell.value != cell.value
    value = "" if is_blank else f' data-v="{cell.value:.6g}"'
    # Markup's own format takes ten times as long, and a page has tens of thousands of cells.
    return Markup(f"<td{value}>{'' if cell.text is None else escape(cell.text)}</td>")


def share_in_words(share: Share) -> str:
    """`37 of 60 (62 %, 49 to 73 %)`: the count, and the 95 % interval of the share behind it."""
    if not share.n:
        return "no run"
    return f"{share.count:,} of {share.n:,} ({percent(share.value)}, {interval(share)})"


def interval(share: Share) -> str:
    """`49 to 73 %`."""
    return f"{100 * share.low:.0f} to {100 * share.high:.0f}\N{NO-BREAK SPACE}%"


def percent(share: float) -> str:
    """`62 %`."""
    return f"{100 * share:.0f}\N{NO-BREAK SPACE}%"


def steps(value: float | None) -> str:
    """A number of steps; a dash where there is none."""
    return "\N{EN DASH}" if value is None or math.isnan(value) else f"{value:,.0f}"
