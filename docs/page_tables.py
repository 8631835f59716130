"""Markdown tables of the generated pages."""

from collections.abc import Iterator
from typing import Any


def table(head: tuple[str, ...], rows: Any) -> str:
    """A Markdown table."""
    return "\n".join(_lines(head, rows)) + "\n"


def _lines(head: tuple[str, ...], rows: Any) -> Iterator[str]:
    for cells in (head, ("---",) * len(head), *rows):
        yield "| " + " | ".join(" ".join(cell.split()).replace("|", "\\|") for cell in cells) + " |"
