"""Section: what stands on a page, figures with captions and the frames that a slider moves them through."""

import importlib
import inspect
import pkgutil
import re
from abc import ABC, abstractmethod
from dataclasses import dataclass, field
from operator import attrgetter
from types import ModuleType
from typing import TYPE_CHECKING, Any, ClassVar, TypeAlias, TypeVar

import plotly.graph_objects as go
import xarray as xr

if TYPE_CHECKING:
    from grokinterp.reports.subject import Subject

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
class Fold:
    """Facts behind a line that opens."""

    line: str
    facts: list[Fact]


@dataclass
class Section:
    """A heading with paragraphs, facts, figures and code under it; `notes` say what could not be shown.

    `level` is that of its heading; `heads` is whether the switches of the heads stand here; `folds` are facts behind a
    line that opens, where not all of them matter to every reader. Where the whole section does not, it stands behind
    the line `shut`.
    """

    title: str
    paragraphs: list[str] = field(default_factory=list)
    facts: list[Fact] = field(default_factory=list)
    plates: list[Plate] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)
    code: list[tuple[str, str]] = field(default_factory=list)
    heads: bool = False
    level: int = 2
    folds: list[Fold] = field(default_factory=list)
    shut: str = ""

    @property
    def anchor(self) -> str:
        """Where a link to this heading leads."""
        return "-".join(re.findall(r"[a-z0-9]+", self.title.lower()))

    @property
    def text(self) -> str:
        """What a reader reads under the heading, without code."""
        captions = [plate.caption for plate in self.plates]
        facts = [f"{fact.name} {fact.value} {fact.note}" for fact in self.facts]
        return "\n".join([self.title, self.shut, *self.paragraphs, *self.notes, *facts, *captions])

    @property
    def is_empty(self) -> bool:
        """Whether nothing stands under the heading."""
        return not (self.paragraphs or self.facts or self.plates or self.notes or self.code)


@dataclass(frozen=True)
class Absent:
    """What a report cannot show, and why, as one sentence for its reader."""

    reason: str


NOT_EXPLAINED = "Not explained: these are measures of the reading, which the weights do not bear out."
"""Stands under every heading that shows what was measured of a file whose reading does not explain it."""


class ReportSection(ABC):
    """One section of every report: a file of `sections/` defines it, and nothing else names it.

    Attributes:
        order: where it stands on the page, the lowest first.
        variables: of the trace, that it draws or tells; what no section lists is drawn from its dims.
    """

    order: ClassVar[int]
    variables: ClassVar[tuple[str, ...]] = ()

    @abstractmethod
    def make(self, subject: "Subject") -> Section | None:
        """The section as it stands on the page of this run; None where it has nothing to show."""


class Finding(ReportSection):
    """A section that is read off the trace, under the heading of what was found.

    Attributes:
        requires: variables without which it does not appear.
    """

    title: ClassVar[str]
    level: ClassVar[int] = 3
    requires: ClassVar[tuple[str, ...]] = ()

    def make(self, subject: "Subject") -> Section | None:
        trace = self.trace_of(subject)
        if isinstance(trace, Absent) or not all(name in trace for name in self.requires):
            return None
        section = Section(self.title, level=self.level)
        self.fill(section, subject, trace)
        if section.is_empty:
            return None
        if subject.run.unexplained and self.level > 2:
            section.notes.insert(0, NOT_EXPLAINED)
        return section

    def trace_of(self, subject: "Subject") -> xr.Dataset | Absent:
        """What the section is read off."""
        return subject.trace

    @abstractmethod
    def fill(self, section: Section, subject: "Subject", trace: xr.Dataset) -> None:
        """Put paragraphs, facts and figures into the section; left empty, it does not appear."""


class RequestedFinding(Finding):
    """A finding of a circuit that is read on request alone: it appears where it has been, at the steps where it was.

    Attributes:
        circuit: the circuit's name.
    """

    circuit: ClassVar[str]

    def trace_of(self, subject: "Subject") -> xr.Dataset | Absent:
        """What the circuit has read of this run, for this page or before."""
        return subject.requested(self.circuit, self.requires)


class OneHotFinding(RequestedFinding):
    """One of a circuit that is about networks on one-hots: of these it is read for the page, at the last checkpoint."""

    def trace_of(self, subject: "Subject") -> xr.Dataset | Absent:
        """What has been read of any run; of a network on one-hots what can be read now."""
        trace = super().trace_of(subject)
        return subject.on_one_hots(self.circuit) if isinstance(trace, Absent) else trace


Kind = TypeVar("Kind")


def defined_in(package: ModuleType, kind: type[Kind]) -> list[Kind]:
    """One of every class of a kind that a file of a package defines, by their `order`."""
    modules = [
        importlib.import_module(f"{package.__name__}.{file.name}") for file in pkgutil.iter_modules(package.__path__)
    ]
    classes = [
        value
        for module in modules
        for value in vars(module).values()
        if inspect.isclass(value) and issubclass(value, kind) and value.__module__ == module.__name__
    ]
    return sorted((each() for each in classes), key=attrgetter("order"))
