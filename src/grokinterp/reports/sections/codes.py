"""Codes: the code that a model has learnt for numbers beside the encoders', and the codes that a task gives."""

import numpy as np
import xarray as xr

from grokinterp.circuits.encodings import LearntCode
from grokinterp.reports import drawing, labels, style
from grokinterp.reports.figures.curves import Curve, panels
from grokinterp.reports.section import Absent, Plate, Section
from grokinterp.reports.sections import captions
from grokinterp.reports.subject import Subject

_SIMILARITIES = "code_similarities"


def learnt(subject: Subject, trace: xr.Dataset) -> Section | None:
    """How alike the embedding's numbers are, beside how alike the encoders make them."""
    if "token" not in trace.dims:
        return None
    step = subject.run.steps[-1:]
    found = subject.measured([LearntCode()], step, on_request=[_SIMILARITIES])
    if isinstance(found, Absent) or _SIMILARITIES not in found:
        return None
    last = found.isel(step=-1)
    clocks = last.learnt_likeness_of_clock
    if not bool(clocks.notnull().any()):
        return None  # the run diverged
    best = clocks.isel(k=int(clocks.argmax("k")))
    alike = ", ".join(
        f"{labels.spoken(name)} {float(value):.2f}"
        for name, value in zip(last.encoder.values, last.learnt_likeness.values, strict=True)
        if value == value  # one-hot codes are all equally unlike, and correlate with nothing
    )
    section = Section(
        "The learnt code",
        [
            f"Is the learnt code one of the encoders'? Correlation of its similarities with theirs: {alike}; with one "
            f"exact clock {float(best):.2f} at the best, that of frequency {int(best.k)}. Of their variance "
            f"{100 * float(last.learnt_by_distance):.0f} % lies between distances on the cycle, as all of it does for "
            "clocks."
        ],
    )
    source = (
        f"embedding of {subject.run.name} at step {step[0]:,}; encoders of grokinterp.tasks.encoders at their defaults."
    )
    # A byte a point: in full these squares would be a tenth of the page.
    percent = (100 * found[_SIMILARITIES]).round().astype(np.int8).assign_attrs(units="%")
    named = percent.rename(a="number", b="another number")
    figure = drawing.draw(named).update_layout(title=None)
    section.plates.append(Plate("codes", figure, captions.LEARNT_CODE, source))
    return section


def given(subject: Subject, trace: xr.Dataset) -> Section | None:
    """The codes of a task's pairs: how alike they are, and what single bits know of the answer."""
    if "code_similarity" not in trace:
        return None
    last, name = trace.isel(step=-1), subject.run.name
    section = Section("The codes")
    wrong, rows = int(last.test_wrong_equal), int(last.test_rows_equal)
    if rows:
        section.paragraphs.append(f"Of the test pairs of equal numbers {wrong} of {rows} are answered wrongly.")
        if trace.sizes["step"] > 1:
            curves = [
                (Curve.read(trace["test_accuracy"]), "all test pairs", style.ACCENT, "solid"),
                (Curve.read(trace["test_accuracy_equal"]), "those with a = b", style.WARM, "solid"),
            ]
            figure = panels(["share answered right"], [curves], [[-0.03, 1.03]])
            section.plates.append(Plate("code-equal", figure, captions.CODE_EQUAL, f"test rows of {name}."))
    similarity = drawing.draw(last.code_similarity).update_layout(title=None)
    # The differences are small beside the values.
    similarity.update_layout(coloraxis=dict(cmin=float(last.code_similarity.min())))
    source = f"the task of {name}; no weights."
    section.plates.append(Plate("code-similarity", similarity, captions.CODE_SIMILARITY, source))
    explained = last.bit_explained.sortby(-last.bit_explained).drop_vars("bit", errors="ignore")
    bits = drawing.draw(explained).update_layout(title=None, bargap=0)
    bits.update_xaxes(title_text="bits, the best first")
    section.plates.append(Plate("code-bits", bits, captions.CODE_BITS, source))
    return section
