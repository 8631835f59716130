"""Sections of the page of many runs: one a file, found by being here."""

import importlib
import inspect
import pkgutil

from grokinterp.reports.population.population import Population
from grokinterp.reports.population.section import PageSection, PopulationSection


def registered() -> list[PopulationSection]:
    """Every section that a file here defines, in the order of the page."""
    modules = [importlib.import_module(f"{__name__}.{file.name}") for file in pkgutil.iter_modules(__path__)]
    classes = [
        value
        for module in modules
        for value in vars(module).values()
        if inspect.isclass(value) and issubclass(value, PopulationSection) and value.__module__ == module.__name__
    ]
    return sorted((each() for each in classes), key=lambda section: section.order)


def sections_of(population: Population) -> list[PageSection]:
    """All that the runs have something for, in the order of the page."""
    sections = [section.make(population) for section in registered()]
    return [section for section in sections if section is not None]
