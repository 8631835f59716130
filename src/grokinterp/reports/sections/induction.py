"""Induction: which heads attend to the previous token, and which to what followed an earlier occurrence."""

import xarray as xr

from grokinterp.reports.figures import palette
from grokinterp.reports.figures.curves import SHARE, Curve, panels
from grokinterp.reports.section import Fact, Finding, Plate, Section
from grokinterp.reports.subject import Subject

INDUCTION = (
    "First panel, attention to the token just before; second panel, to what followed the current token's earlier "
    "occurrence. Dotted is the first layer, drawn through the second. Look for a head of an earlier layer in the first "
    "and one of a later layer in the second that rise together, as the loss falls."
)
_MOST = len(palette.LINES)
"""Lines that are drawn of positions or heads: one for each colour."""

_KINDS = {"previous_token": "previous-token", "induction": "induction"}

_DASH = ("dot", "solid", "dash")


class Induction(Finding):
    """Scores of every head over training."""

    order = 320
    title = "The induction heads"
    variables = (
        "induction_score",
        "previous_token_score",
        "best_induction_score",
    )
    requires = ("induction_score",)

    def fill(self, section: Section, subject: Subject, trace: xr.Dataset) -> None:
        section.paragraphs.append(
            f"Some head's induction score reaches a half at step {trace.attrs['induction_step']:,}."
            if "induction_step" in trace.attrs
            else "No head's induction score reaches a half."
        )
        last = trace.isel(step=-1)
        heads = [(layer, head) for layer in range(trace.sizes["layer"]) for head in range(trace.sizes["head"])]
        if trace.sizes["step"] == 1:
            for layer, head in heads:
                at = last.isel(layer=layer, head=head)
                scores = float(at.induction_score), float(at.previous_token_score)
                value = "induction {:.2f}, previous token {:.2f}".format(*scores)
                section.facts.append(Fact(f"head {layer}.{head}", value, "shares of attention"))
            return
        # The heads that come to do either thing, where there are more than colours.
        best = lambda at: -max(float(last[f"{kind}_score"].isel(layer=at[0], head=at[1])) for kind in _KINDS)
        chosen = sorted(sorted(heads, key=best)[:_MOST])
        lines = [
            [
                (
                    Curve.read(trace[f"{kind}_score"].isel(layer=i, head=j)),
                    f"head {i}.{j}",
                    palette.LINES[n],
                    _DASH[i % 3],
                )
                for n, (i, j) in enumerate(chosen)
            ]
            for kind in _KINDS
        ]
        figure = panels([f"{said} score" for said in _KINDS.values()], lines, [SHARE] * 2)
        source = f"attention patterns of {subject.run.name} (Olsson et al. 2022)."
        section.plates.append(Plate("induction", figure, INDUCTION, source))
