"""PopulationSection: one section of the page of many runs; a file of `sections/` defines it, nothing else names it."""

from abc import ABC, abstractmethod
from dataclasses import dataclass, field
from typing import ClassVar

from markupsafe import Markup

from grokinterp.reports.population.population import Population
from grokinterp.reports.section import Section


@dataclass
class PageSection(Section):
    """A section with tables and pictures in HTML, which it has escaped itself, under its paragraphs."""

    markup: list[Markup] = field(default_factory=list)

    @property
    def is_empty(self) -> bool:
        """Whether nothing stands under the heading."""
        return super().is_empty and not self.markup


class PopulationSection(ABC):
    """One section of every page of many runs.

    Attributes:
        order: where it stands on the page, the lowest first.
    """

    order: ClassVar[int]
    title: ClassVar[str]

    def make(self, population: Population) -> PageSection | None:
        """The section as it stands on this page; None where it has nothing to show or to say."""
        section = PageSection(self.title)
        self.fill(section, population)
        return None if section.is_empty else section

    @abstractmethod
    def fill(self, section: PageSection, population: Population) -> None:
        """Put paragraphs, tables and figures into the section; left empty, it does not appear."""
