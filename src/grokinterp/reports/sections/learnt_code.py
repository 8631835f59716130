"""The learnt code: how alike the embedding makes numbers, beside how alike the encoders make them."""

import numpy as np
import xarray as xr

from grokinterp.circuits.encodings import LearntCode
from grokinterp.reports import drawing, labels
from grokinterp.reports.prose import percent
from grokinterp.reports.section import Absent, Finding, Plate, Section
from grokinterp.reports.subject import Subject

LEARNT_CODE = (
    "Cosine similarity of every two numbers, in the order of the task's cycle: by the learnt embedding and by each "
    "encoder. Look for stripes along the diagonal: a code that knows distances only, as clocks do."
)
_SIMILARITIES = "code_similarities"


class LearntCodeSection(Finding):
    """Cosine similarities of every two numbers."""

    order = 370
    title = "The learnt code"

    def fill(self, section: Section, subject: Subject, trace: xr.Dataset) -> None:
        step = subject.run.steps[-1:]
        measured = subject.measured([LearntCode()], step, on_request=[_SIMILARITIES])
        if isinstance(measured, Absent) or _SIMILARITIES not in measured:
            return
        last = measured.isel(step=-1)
        clocks = last.learnt_likeness_of_clock
        if not bool(clocks.notnull().any()):
            return  # the run diverged
        best = clocks.isel(k=int(clocks.argmax("k")))
        alike = ", ".join(
            f"{labels.spoken(name)} {float(value):.2f}"
            for name, value in zip(last.encoder.values, last.learnt_likeness.values, strict=True)
            if value == value  # one-hot codes are all equally unlike, and correlate with nothing
        )
        section.paragraphs.append(
            "How alike the embedding makes every two numbers, beside how alike they are in the codes that a task can "
            f"be given by hand (its encoders). The two correlate by {alike} (0 for a code that has nothing to do with "
            f"it, 1 for the same one); with a code of one exact circle by {float(best):.2f} at the best, that of "
            f"frequency {int(best.k)}. How far two numbers are apart on the cycle decides "
            f"{percent(float(last.learnt_by_distance))} of it: all of it in clocks, "
            f"{percent(by_chance(last.sizes['a']))} in noise."
        )
        at = f"embedding of {subject.run.name} at step {step[0]:,}"
        source = f"{at}; encoders of grokinterp.tasks.encoders at their defaults."
        # A byte a point: in full these squares would be a tenth of the page.
        hundredths = (100 * measured[_SIMILARITIES]).round().astype(np.int8).assign_attrs(units="%")
        named = hundredths.rename(a="number", b="another number")
        figure = drawing.draw(named).update_layout(title=None)
        section.plates.append(Plate("codes", figure, LEARNT_CODE, source))


def by_chance(n: int) -> float:
    """The share of variance that lies between the distances of n numbers on a cycle, where their code is noise.

    That of n (n - 1) / 2 pairs between n / 2 groups of them, whose values are alike in every order.
    """
    pairs = n * (n - 1) // 2
    return (n // 2 - 1) / (pairs - 1) if pairs > 1 else 1.0
