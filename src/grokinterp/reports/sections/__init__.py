"""Sections: one a file, found by being here. Each owns its variables, captions, drawings and when it appears."""

import importlib
import inspect
import pkgutil

from grokinterp.reports.section import ReportSection, Section
from grokinterp.reports.subject import Subject


def registered() -> list[ReportSection]:
    """Every section that a file here defines, in the order of the page."""
    modules = [importlib.import_module(f"{__name__}.{file.name}") for file in pkgutil.iter_modules(__path__)]
    classes = [
        value
        for module in modules
        for value in vars(module).values()
        if inspect.isclass(value) and issubclass(value, ReportSection) and value.__module__ == module.__name__
    ]
    return sorted((each() for each in classes), key=lambda section: section.order)


def shown_variables() -> frozenset[str]:
    """The variables of a trace that some section draws or tells; all others are drawn from their dims."""
    return frozenset(name for section in registered() for name in section.variables)


def sections_of(subject: Subject) -> list[Section]:
    """All that the subject has something for, in the order of the page."""
    sections = [section.make(subject) for section in registered()]
    return [section for section in sections if section is not None]
