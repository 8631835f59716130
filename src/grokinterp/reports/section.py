"""Section: what stands on a page, figures with captions and the frames that a slider moves them through."""

from dataclasses import dataclass, field
from typing import Any, TypeAlias

import plotly.graph_objects as go

Frame: TypeAlias = list[dict[str, Any]]
"""What one checkpoint changes: for every trace of a figure, its attributes that move and their arrays."""


@dataclass(frozen=True)
class Fact:
    """A line of a small table: what, how much, and how to read it."""

    name: str
    value: str
    note: str = ""


@dataclass(frozen=True)
class Plate:
    """A figure as it stands on the page: what to look for, and where its numbers are from.

    Attributes:
        figure: as drawn, at the last checkpoint.
        frames: one for each step of the page's slider, the last as drawn; empty for a picture that stands still.
    """

    name: str
    figure: go.Figure
    caption: str
    source: str
    frames: list[Frame] = field(default_factory=list)


@dataclass(frozen=True)
class Section:
    """A heading with paragraphs, facts, figures and code under it; `notes` say what could not be shown.

    `level` is that of its heading; `heads` is whether the switches of the heads stand here.
    """

    title: str
    paragraphs: list[str] = field(default_factory=list)
    facts: list[Fact] = field(default_factory=list)
    plates: list[Plate] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)
    code: list[tuple[str, str]] = field(default_factory=list)
    heads: bool = False
    level: int = 2


@dataclass(frozen=True)
class Absent:
    """What a report cannot show, and why, as one sentence for its reader."""

    reason: str
