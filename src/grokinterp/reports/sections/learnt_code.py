"""The learnt code: how alike the embedding makes numbers, beside how alike the encoders make them."""

import numpy as np
import xarray as xr

from grokinterp.circuits.encodings import LearntCode
from grokinterp.errors import listed
from grokinterp.reports import drawing, labels
from grokinterp.reports.prose import percent
from grokinterp.reports.section import Absent, Finding, Plate, Section
from grokinterp.reports.subject import Subject

LEARNT_CODE = (
    "Cosine similarity of every two numbers, in the order of the task's cycle: by the learnt embedding and by each "
    "encoder. Look for stripes along the diagonal: a code that knows distances only, as a clock's does."
)
SHUT = (
    "Instead of learning an embedding, a network can be given its numbers as codes that somebody wrote. Is this "
    "embedding like one of those?"
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
        alike = listed(
            f"{float(value):.2f} with {labels.spoken(name)}"
            for name, value in zip(last.encoder.values, last.learnt_likeness.values, strict=True)
            if value == value  # one-hot codes are all equally unlike, and correlate with nothing
        )
        section.shut = SHUT
        section.paragraphs.append(
            "The cosines between the embeddings of every two numbers are compared with those in the codes that a task "
            f"can be given by hand (its encoders). Their correlation is {alike} (0 for a code that has nothing to do "
            f"with it, 1 for the same one), and at the best {float(best):.2f} with a code of one exact circle, that of "
            f"frequency {int(best.k)}. Distances on the cycle explain {percent(float(last.learnt_by_distance))} of "
            f"the variance of these cosines: all of it where each frequency is a circle, "
            f"{percent(by_chance(last.sizes['a']))} in noise."
        )
        at = f"embedding of {subject.run.name} at step {step[0]:,}"
        source = f"{at}; encoders of grokinterp.tasks.encoders at their defaults."
        # A byte a point: in full these squares would be a tenth of the page.
        hundredths = (100 * measured[_SIMILARITIES]).round().astype(np.int8).assign_attrs(units="%")
        named = hundredths.rename(a="number", b="another number")
        figure = drawing.draw(named).update_layout(title=None)
        figure.for_each_annotation(lambda note: note.update(text=note.text.removeprefix("code ")))
        section.plates.append(Plate("codes", figure, LEARNT_CODE, source))


def by_chance(n: int) -> float:
    """The share of variance that lies between the distances of n numbers on a cycle, where their code is noise.

    That of n (n - 1) / 2 pairs between n / 2 groups of them, whose values are alike in every order.
    """
    pairs = n * (n - 1) // 2
    return (n // 2 - 1) / (pairs - 1) if pairs > 1 else 1.0
