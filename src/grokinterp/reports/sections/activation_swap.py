"""Activations swapped: what the same weights answer with another function in the place of their neurons' own."""

import math
from typing import Any

import numpy as np
import plotly.graph_objects as go
import xarray as xr

from grokinterp.analysis.cycles import Wave
from grokinterp.analysis.simple_neurons import random_participation
from grokinterp.circuits.activation_swap import NEAR
from grokinterp.config.activation import ACTIVATIONS_IN_WORDS
from grokinterp.reports import prose, style
from grokinterp.reports.figures import palette
from grokinterp.reports.figures.curves import SHARE
from grokinterp.reports.prose import percent
from grokinterp.reports.section import Fact, OneHotFinding, Plate, Section
from grokinterp.reports.style import panel
from grokinterp.reports.subject import Subject
from grokinterp.runs.population.landmarks import SOLVED

SWAPPED = (
    "Each row puts another function in the place of what the neurons do, and changes no weight; the star is the "
    "model's own. First panel, the share of all rows that are answered rightly; second panel, their loss, where one "
    "that is rounded to 0 has no point; dotted, a guess. A blue function has an even part, half of f(x) + f(-x), that "
    "changes with x; an orange one has none. Look for blue points at 100 % and orange ones at the guess: then the "
    "answers lie in even parts. A lookup of all rows does the same, with neurons that carry every wave alike; neurons "
    "of one wave, whose IPR is near 1, do it by their phases."
)

FORMULAS = {
    "square": "x²", "relu_squared": "ReLU²", "identity": "x", "cube": "x³", "fourth": "x⁴", "eighth": "x⁸",
    "exp": "eˣ", "log1p_exp_2x": "log(1 + e²ˣ)",
}  # fmt: skip
PHASED = 0.5
"""Above it neurons are told as waves in phase: their mean IPR, which two equal waves have, and the share in phase."""

EVEN = ("abs", "square", "fourth", "eighth", "exp", "log1p_exp_2x")
"""Functions of the paper other than ReLU that answer everything where phases do; the odd ones answer nothing there."""

ODD = ("identity", "cube")
WITHOUT_EVEN_PART = (*ODD, "tanh", "sigmoid")
"""A sigmoid's even part is constant, which adds the same to a neuron's output on every row."""


class Swapped(OneHotFinding):
    """Counts, of whatever came of the run; what they say of phases, of one that is solved."""

    order = 442
    title = "With other activations"
    circuit = "activation_swap"
    variables = (
        "swapped_loss",
        "swapped_accuracy",
        "own_activation",
        "phase_alignment",
        "phase_alignment_median",
        "phase_alignment_near",
        "ipr_in",
        "ipr_out",
        "same_frequency",
    )
    requires = variables

    def fill(self, section: Section, subject: Subject, trace: xr.Dataset) -> None:
        last, task = trace.isel(step=-1), subject.run.task
        if not np.isfinite(float(last.swapped_loss.sel(activation=str(last.own_activation.values)))):
            return  # weights that are no numbers answer nothing
        section.paragraphs.append(sentence(last, task.chance, subject.outcome.is_solved))
        wave = Wave.of(task)
        if wave is not None:
            section.facts += phase_facts(last, wave.cycle // 2)
        source = prose.source(subject.run, "all rows under every activation", trace.step.values.tolist()[-1:])
        section.plates.append(Plate("activation-swap", drawn(last, task.chance, task.n_values), SWAPPED, source))


def formula(activation: str) -> str:
    """`x²`, or the name where a formula says less."""
    return FORMULAS.get(activation, ACTIVATIONS_IN_WORDS.get(activation, activation))  # type: ignore[call-overload]


def sentence(last: xr.Dataset, chance: float, is_solved: bool) -> str:
    """How much is answered with even and with odd functions beside a guess, and what that says of a solved model."""
    accuracy = {str(name): float(last.swapped_accuracy.sel(activation=name)) for name in last.activation.values}
    own = str(last.own_activation.values)
    even, odd = ([accuracy[name] for name in names if name != own] for names in (EVEN, ODD))
    names = [formula(name) for name in EVEN if name != own]
    said = (
        f"Without a change of any weight it answers at least {percent(min(even))} of all rows with "
        f"{', '.join(names[:-1])} or {names[-1]} in the place of its own {formula(own)}, and at most "
        f"{percent(max(odd))} with {' or '.join(formula(name) for name in ODD if name != own)}, which have no even "
        f"part; a guess answers {percent(chance)}."
    )
    are_waves = all(float(last[name]) > PHASED for name in ("ipr_in", "ipr_out", "phase_alignment_near"))
    if is_solved and are_waves and min(even) >= SOLVED and max(odd) < 0.5:
        said += " So its answers lie in the phases of its neurons, which any even part reads off."
    return said


def phase_facts(last: xr.Dataset, n_frequencies: int) -> list[Fact]:
    """Phases and waves of the neurons, each beside what random weights have."""
    read, written = float(last.ipr_in), float(last.ipr_out)
    of_noise = f"random weights have about {random_participation(n_frequencies):.2g} at most"
    median, near = float(last.phase_alignment_median), float(last.phase_alignment_near)
    same = float(last.same_frequency)
    return [
        Fact("IPR of what neurons read", f"{read:.3f}", f"mean over neurons; one wave has 1, {of_noise}"),
        Fact("IPR of what they write", f"{written:.3f}", f"likewise; {of_noise}"),
        Fact(
            "the same frequency in and out",
            percent(same),
            f"share of neurons; of random weights {percent(1 / n_frequencies)}",
        ),
        Fact(
            "phase sum",
            f"{median:.3f} radians",
            f"median over neurons; of random weights {math.pi / 2:.2f}. {percent(near)} lie within {NEAR}, where "
            f"{percent(NEAR / math.pi)} of random ones do",
        ),
    ]


def drawn(last: xr.Dataset, chance: float, n_answers: int) -> go.Figure:
    """Accuracy left, loss right, an activation a row: those with an even part above those without."""
    own = str(last.own_activation.values)
    names = sorted(map(str, last.activation.values), key=lambda name: (name in WITHOUT_EVEN_PART, name != own))
    height = 120 + 24 * len(names)
    figure = style.figure(height, hovermode="closest", margin=dict(l=104, t=16, b=96))
    measures = (("swapped_accuracy", chance, ".1%", ""), ("swapped_loss", math.log(n_answers), ".3g", " nats"))
    for i, (measure, guess, digits, unit) in enumerate(measures):
        axes = panel(figure, i, 0, i, 1, 2, gap=0.2)
        for kind, color in (("with an even part", palette.ACCENT), ("without one", palette.WARM)):
            group = [name for name in names if (name in WITHOUT_EVEN_PART) == (kind == "without one")]
            figure.add_scatter(
                x=last[measure].sel(activation=group).values.astype(np.float32), y=[formula(name) for name in group],
                mode="markers", name=kind, legendgroup=kind, showlegend=i == 0, cliponaxis=False,
                marker=dict(
                    color=color, opacity=1, line=dict(width=0), size=[15 if name == own else 9 for name in group],
                    symbol=["star" if name == own else "circle" for name in group],
                ),
                hovertemplate=f"%{{y}}: %{{x:{digits}}}{unit}<extra></extra>", **axes,
            )  # fmt: skip
        figure.add_scatter(
            x=[guess] * 2, y=[formula(names[0]), formula(names[-1])], mode="lines", name="a guess", legendgroup="guess",
            showlegend=i == 0, hoverinfo="skip", line=dict(color=palette.NEUTRAL, dash="dot", width=1.5), **axes,
        )  # fmt: skip
    rows: dict[str, Any] = dict(type="category", categoryorder="array", categoryarray=[formula(name) for name in names])
    figure.update_yaxes(dict(title_text="activation", **rows, **style.DOWNWARDS))
    figure.update_layout(
        xaxis=dict(title_text="rows answered rightly", **SHARE),
        xaxis2=dict(title_text="loss (nats)", type="log", nticks=5, exponentformat="power", tickfont=dict(size=11)),
        yaxis2=dict(title_text=None),
    )
    below = {"xaxis.domain": [0, 1], "xaxis2.domain": [0, 1], "yaxis.domain": [0.55, 1], "yaxis2.domain": [0, 0.45]}
    narrow = {"height": 2 * height - 60, "legend.y": -0.07, "yaxis2.title.text": "activation", **below}
    return figure.update_layout(
        showlegend=True, legend=dict(y=-64 / (height - 112)), meta=dict(narrow=narrow, paper=dict(height=height))
    )
