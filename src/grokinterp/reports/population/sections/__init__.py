"""Sections of the page of many runs: one a file, found by being here."""

import sys

from grokinterp.reports.population.population import Population
from grokinterp.reports.population.section import PageSection, PopulationSection
from grokinterp.reports.section import defined_in


def registered() -> list[PopulationSection]:
    """Every section that a file here defines, in the order of the page."""
    return defined_in(sys.modules[__name__], PopulationSection)


def sections_of(population: Population) -> list[PageSection]:
    """All that the runs have something for, in the order of the page."""
    sections = [section.make(population) for section in registered()]
    return [section for section in sections if section is not None]
