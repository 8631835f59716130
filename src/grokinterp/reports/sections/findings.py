"""What was found: the heading over the parts, and why there are none where the weights cannot be read."""

from grokinterp.reports.section import Absent, ReportSection, Section
from grokinterp.reports.subject import Subject


class Findings(ReportSection):
    """The parts, ordered 310 to 490, stand under it."""

    order = 300

    def make(self, subject: Subject) -> Section:
        trace = subject.trace
        return Section("What was found", notes=[trace.reason] if isinstance(trace, Absent) else [])
