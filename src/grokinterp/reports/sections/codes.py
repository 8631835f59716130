"""Codes: how alike the codes of a task's pairs are, and what single bits know of the answer."""

import xarray as xr

from grokinterp.reports import drawing
from grokinterp.reports.figures import palette
from grokinterp.reports.figures.curves import SHARE, Curve, panels
from grokinterp.reports.section import Finding, Plate, Section
from grokinterp.reports.subject import Subject

CODE_SIMILARITY = (
    "Mean cosine similarity of each pair's code to those of all other pairs; one half is blank since (a, b) and (b, a) "
    "are one row. Look for pairs whose code is unlike most others."
)

CODE_EQUAL = (
    "Accuracy on test pairs of two equal numbers beside that on all test pairs. Look for whether the equal ones are "
    "the hard ones: the sum of two equal codes is twice the code itself."
)

CODE_BITS = (
    "How much of each bit's variance lies between the answers: 0 by chance, 1 where the answer alone decides whether "
    "it is on. Look for bits that hold the answer before anything is learnt."
)


class Codes(Finding):
    """The codes that a task gives to pairs."""

    order = 340
    title = "The codes"
    variables = (
        "test_accuracy_equal",
        "test_wrong_equal",
        "test_rows_equal",
        "code_similarity",
        "bit_explained",
    )
    requires = ("code_similarity",)

    def fill(self, section: Section, subject: Subject, trace: xr.Dataset) -> None:
        last, name = trace.isel(step=-1), subject.run.name
        wrong, rows = int(last.test_wrong_equal), int(last.test_rows_equal)
        if rows:
            section.paragraphs.append(f"Of the test pairs of equal numbers {wrong} of {rows} are answered wrongly.")
            if trace.sizes["step"] > 1:
                curves = [
                    (Curve.read(trace["test_accuracy"]), "all test pairs", palette.ACCENT, "solid"),
                    (Curve.read(trace["test_accuracy_equal"]), "those with a = b", palette.WARM, "solid"),
                ]
                figure = panels(["share answered right"], [curves], [SHARE])
                section.plates.append(Plate("code-equal", figure, CODE_EQUAL, f"test rows of {name}."))
        similarity = drawing.draw(last.code_similarity).update_layout(title=None)
        # The differences are small beside the values.
        similarity.update_layout(coloraxis=dict(cmin=float(last.code_similarity.min())))
        source = f"the task of {name}; no weights."
        section.plates.append(Plate("code-similarity", similarity, CODE_SIMILARITY, source))
        explained = last.bit_explained.sortby(-last.bit_explained).drop_vars("bit", errors="ignore")
        bits = drawing.draw(explained).update_layout(title=None, bargap=0)
        bits.update_xaxes(title_text="bits, the best first")
        section.plates.append(Plate("code-bits", bits, CODE_BITS, source))
