"""Markdown tables of the generated pages."""

import re
from collections.abc import Iterator
from typing import Any


def table(head: tuple[str, ...], rows: Any) -> str:
    """A Markdown table."""
    return "\n".join(_lines(head, rows)) + "\n"


def _lines(head: tuple[str, ...], rows: Any) -> Iterator[str]:
    for cells in (head, ("---",) * len(head), *rows):
        yield "| " + " | ".join(_escaped(" ".join(cell.split())) for cell in cells) + " |"


def _escaped(cell: str) -> str:
    """A cell whose bars divide nothing; those in code do not anyway, and a backslash would be seen there."""
    parts = re.split(r"(`[^`]*`)", cell)
    return "".join(part if part.startswith("`") else part.replace("|", "\\|") for part in parts)
