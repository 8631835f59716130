"""Sections: one a file, found by being here. Each owns its variables, captions, drawings and when it appears."""

import sys

from grokinterp.reports.section import ReportSection, Section, defined_in
from grokinterp.reports.subject import Subject


def registered() -> list[ReportSection]:
    """Every section that a file here defines, in the order of the page."""
    return defined_in(sys.modules[__name__], ReportSection)


def shown_variables() -> frozenset[str]:
    """The variables of a trace that some section draws or tells; all others are drawn from their dims."""
    return frozenset(name for section in registered() for name in section.variables)


def sections_of(subject: Subject) -> list[Section]:
    """All that the subject has something for, in the order of the page."""
    sections = [section.make(subject) for section in registered()]
    return [section for section in sections if section is not None]
