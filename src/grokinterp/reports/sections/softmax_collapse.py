"""Softmax collapse: rows whose loss is rounded to nothing, beside the sizes of logits and weights."""

import numpy as np
import plotly.graph_objects as go
import xarray as xr

from grokinterp.reports import prose
from grokinterp.reports.figures import palette
from grokinterp.reports.figures.curves import SHARE, Curve, panels
from grokinterp.reports.prose import percent
from grokinterp.reports.section import Fact, Plate, RequestedFinding, Section
from grokinterp.reports.subject import Subject

OVER_TIME = (
    "First panel, the share of training rows whose loss is rounded to exactly 0, which leaves them no gradient: 0 in "
    "any network that is not far past its answers, the null. Second panel, how large logits and weights are, over "
    "their first checkpoint. Look for a share that rises while the test accuracy stands still, and for logits that "
    "grow where the weights do not: a norm that is held says nothing of the logits."
)


class Collapse(RequestedFinding):
    """Shares and sizes, whatever came of the run: no sentence says what they caused."""

    order = 470
    title = "Softmax collapse"
    circuit = "softmax_collapse"
    variables = ("zero_loss_share_float32", "zero_loss_share_float64", "logit_scale", "weight_norm")
    requires = variables

    def fill(self, section: Section, subject: Subject, trace: xr.Dataset) -> None:
        last = trace.isel(step=-1)
        for dtype, margin in (("float32", 17), ("float64", 37)):
            note = f"share of the training rows; it takes a margin of about {margin} logits, and 0 is the null"
            section.facts.append(
                Fact(f"loss of exactly 0 in {dtype}", percent(float(last[f"zero_loss_share_{dtype}"])), note)
            )
        size = "root mean square around each training row's mean"
        section.facts.append(Fact("logit scale", f"{prose.scientific(float(last.logit_scale))} logits", size))
        section.facts.append(
            Fact("weight norm", prose.scientific(float(last.weight_norm)), "root of the sum of squared weights")
        )
        if trace.sizes["step"] > 1:
            source = prose.source(subject.run, "training rows and weights", trace.step.values.tolist())
            section.plates.append(Plate("softmax-collapse", over_time(trace), OVER_TIME, source))


def over_time(trace: xr.Dataset) -> go.Figure:
    """Shares left, sizes over their first value right."""
    shares = [
        (Curve.read(trace.zero_loss_share_float32), "loss 0 in float32", palette.ACCENT, "solid"),
        (Curve.read(trace.zero_loss_share_float64), "loss 0 in float64", palette.SKY, "dash"),
    ]
    sizes = [
        (from_start(trace.logit_scale), "logit scale", palette.WARM, "solid"),
        (from_start(trace.weight_norm), "weight norm", palette.NEUTRAL, "solid"),
    ]
    figure = panels(["share of training rows", "times its first value"], [shares, sizes], [SHARE, dict(type="log")])
    return figure.update_layout(yaxis2=dict(dtick="D2"))


def from_start(variable: xr.DataArray) -> Curve:
    """A scalar over its first value; without points where that is 0 or no number."""
    first = float(variable[0])
    return Curve.read(variable / first if np.isfinite(first) and first else variable * np.nan)
