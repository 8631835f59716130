"""What was found: the heading over the parts, and why there are none where the weights cannot be read."""

from grokinterp.reports.section import Absent, ReportSection, Section
from grokinterp.reports.subject import Subject


class Findings(ReportSection):
    """The parts, ordered 310 to 490, stand under it."""

    order = 300

    def make(self, subject: Subject) -> Section:
        trace, ending, steps = subject.trace, subject.ending, subject.run.steps
        notes = [trace.reason] if isinstance(trace, Absent) else []
        if ending is not None and steps and steps[-1] < ending.last:
            notes.append(
                f"The last checkpoint is that of step {steps[-1]:,}; training went on to step {ending.last:,}."
            )
        return Section("What was found", notes=notes)
