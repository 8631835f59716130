"""Cosets: where the neurons of a model of a group rest, and how much of them noise would put there."""

import textwrap

import torch

from grokinterp.analysis.outcome import UNEXPLAINED
from grokinterp.explorer.checkpoint import EvaluatedCheckpoint
from grokinterp.explorer.cosets import NeuronCosets
from grokinterp.explorer.page import figures
from grokinterp.explorer.page.figures import Figure, array, layout
from grokinterp.reports.figures.palette import LINES, NEUTRAL

FLOOR = 1e-8
"""Where the axis ends: float32 weights know no smaller concentrations."""


def nothing(cosets: NeuronCosets) -> Figure:
    """A panel that says why these neurons have no cosets."""
    return figures.nothing("<br>".join(textwrap.wrap(f"No cosets: {cosets.why_not}.", 44)))


def figure(cosets: NeuronCosets) -> Figure:
    """Every neuron over the subgroup that it is most constant on, the lower the more so; dashed, where cosets begin."""
    if cosets.why_not:
        return nothing(cosets)
    kind, concentration = cosets.kind, cosets.concentration.clamp(min=FLOOR)
    known = concentration.isfinite().nonzero()[:, 0]
    places = {int(k): place for place, k in enumerate(kind[known].unique())}
    # Beside each other, in an order of their own, where they would stand on one line.
    beside = (known * 0.618034).remainder(1) - 0.5
    across = torch.tensor([places[k] for k in kind[known].tolist()]) + 0.7 * beside
    names = [cosets.names[k] for k in kind[known].tolist()]
    points = dict(
        type="scatter", mode="markers", x=array(across), y=array(concentration[known]), text=names,
        customdata=array(known), marker=dict(size=5, opacity=0.7, color=[_colour(k) for k in kind[known].tolist()]),
        hovertemplate="neuron %{customdata}, cosets of %{text}<br>concentration %{y:.3g}<extra></extra>",
    )  # fmt: skip
    dash = dict(
        type="line", x0=0, x1=1, xref="paper", y0=1, y1=1, line=dict(color=NEUTRAL, width=1, dash="dash"), layer="below"
    )
    # The order alone: in words they would stand aslant over the axis' title.
    orders = [cosets.names[k].removeprefix("order ") for k in places]
    ticks = dict(tickvals=list(places.values()), ticktext=orders, tickangle=0, showgrid=False)
    titles = ("order of the subgroup", "coset concentration (0 on cosets)")
    return dict(data=[points], layout=layout(*titles, xaxis=ticks, yaxis=dict(type="log"), shapes=[dash]))


def _colour(kind: int) -> str:
    return LINES[kind % len(LINES)]


def title(checkpoint: EvaluatedCheckpoint, cosets: NeuronCosets) -> str:
    """What share of the neurons rests on cosets, beside that of noise; of what has not solved its task neither."""
    if cosets.why_not:
        return "Cosets"
    if checkpoint.run.unexplained:
        return f"Cosets, as trained: {UNEXPLAINED}"
    if not checkpoint.before.outcome.is_solved:
        kind = checkpoint.before.outcome.kind
        return f"Cosets, as trained: {kind if kind == 'memorised' else 'unsolved'}"
    if not checkpoint.before.outcome.is_told_from_memory:
        return "Cosets, as trained: no rows were held out"
    share = float(cosets.is_on_cosets.double().mean())
    # As short as a small window's panel, or its null would be cut off.
    return f"As trained: {100 * share:.0f} % on cosets, noise {100 * cosets.noise:.0f} %"
