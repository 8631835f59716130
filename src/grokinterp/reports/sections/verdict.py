"""The verdict in one paragraph, with the numbers it rests on."""

import xarray as xr

from grokinterp.reports import verdict
from grokinterp.reports.section import Finding, Section
from grokinterp.reports.subject import Subject


class Conclusion(Finding):
    """What the whole page comes to: first, for whoever reads no further."""

    order = 50
    title = "The verdict"
    level = 2

    def fill(self, section: Section, subject: Subject, trace: xr.Dataset) -> None:
        del trace
        section.paragraphs.extend(verdict.verdict(subject))
        section.facts.extend(verdict.facts(subject))
