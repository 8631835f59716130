"""Local learning coefficient: how flat the training loss is around the weights, with the chains that say so."""

import numpy as np
import plotly.graph_objects as go
import xarray as xr

from grokinterp.circuits.local_learning_coefficient import AGREE
from grokinterp.reports import prose, style
from grokinterp.reports.figures import palette
from grokinterp.reports.figures.curves import Curve, panels
from grokinterp.reports.section import Fact, Plate, RequestedFinding, Section
from grokinterp.reports.subject import Subject

OVER_TIME = (
    "First panel, the coefficient, and one standard error over chains either way: the less the training loss grows "
    "around the weights, the smaller. Second panel, R-hat: above the dotted line the chains do not agree, and the "
    "coefficient is that of where they start. Look for a rise while rows are memorised and a fall as a run groks; half "
    "the number of weights is what a network without flat directions would have."
)
CHAINS = (
    "The training loss along each chain around the last checkpoint, after its burn-in. Look for chains that mix, level "
    "and on top of each other: a slope or a gap says that they are too short for the number to be read."
)


class Coefficient(RequestedFinding):
    """The estimate with its error and its chains; no verdict rests on it."""

    order = 476
    title = "The local learning coefficient"
    circuit = "local_learning_coefficient"
    variables = ("llc", "llc_standard_error", "llc_r_hat", "llc_rate", "llc_curvature", "llc_trace")
    requires = variables

    def fill(self, section: Section, subject: Subject, trace: xr.Dataset) -> None:
        last, steps = trace.isel(step=-1), trace.step.values.tolist()
        regular = sum(weight.numel() for weight in subject.run.final.parameters.values()) / 2
        coefficient, error = float(last.llc), float(last.llc_standard_error)
        estimate = f"{prose.scientific(coefficient, 4)} ± {prose.scientific(error, 2)}"
        note = f"± a standard error over chains; without flat directions it would be {regular:,.0f}, half the weights"
        section.facts.append(Fact("local learning coefficient", estimate, note))
        section.facts.append(Fact("R-hat", f"{float(last.llc_r_hat):.3f}", f"at most {AGREE} where chains agree"))
        short = int((trace.llc_r_hat > AGREE).sum())
        if short:
            section.notes.append(
                f"At {short} of {len(steps)} checkpoints R-hat is above {AGREE}: there the chains are too short, and "
                "the coefficient is that of where they start."
            )
        source = prose.source(subject.run, f"training loss, {last.llc.attrs['source'].partition('; ')[2]},", steps)
        if len(steps) > 1:
            section.plates.append(Plate("learning-coefficient", over_time(trace), OVER_TIME, source))
        section.plates.append(Plate("learning-coefficient-chains", chains(last), CHAINS, source))


def over_time(trace: xr.Dataset) -> go.Figure:
    """The coefficient with its error left, R-hat with its bound right."""
    llc, error = trace.llc, trace.llc_standard_error
    left = [
        (Curve.read(llc), "coefficient", palette.ACCENT, "solid"),
        (Curve.read(llc + error), "a standard error either way", palette.ACCENT, "dot"),
        (Curve.read(llc - error), "a standard error either way", palette.ACCENT, "dot"),
    ]
    right = [
        (Curve.read(trace.llc_r_hat), "R-hat", palette.WARM, "solid"),
        (Curve.read(trace.llc_r_hat * 0 + AGREE), f"{AGREE}", palette.NEUTRAL, "dot"),
    ]
    return panels(["coefficient", "R-hat"], [left, right], [None, None])


def chains(last: xr.Dataset) -> go.Figure:
    """The loss of each chain, draw by draw."""
    figure = style.figure(330, hovermode="x unified", margin=dict(t=16, b=90))
    for i in range(last.sizes["chain"]):
        figure.add_scatter(
            x=np.arange(1, last.sizes["draw"] + 1), y=last.llc_trace.values[i].astype(np.float32), mode="lines",
            name=f"chain {i + 1}", line=dict(color=palette.LINES[i % len(palette.LINES)], width=1),
        )  # fmt: skip
    figure.update_xaxes(title_text="draw after burn-in")
    figure.update_yaxes(title_text="training loss (nats)")
    return figure.update_layout(showlegend=True, legend=dict(y=-0.26))
