"""Steps to grok: how long runs take, those that have not yet counted as censored at the step they were last seen at."""

from itertools import combinations

import numpy as np
import plotly.graph_objects as go

from grokinterp.analysis.proportions import corrected
from grokinterp.analysis.survival import Reached, chance_of_delay
from grokinterp.reports import labels, prose, style
from grokinterp.reports.figures.bands import translucent
from grokinterp.reports.figures.curves import SHARE
from grokinterp.reports.population.cells import Cell, steps, table
from grokinterp.reports.population.panels import panels_of
from grokinterp.reports.population.population import Population, field_name, plotted
from grokinterp.reports.population.section import PageSection, PopulationSection
from grokinterp.reports.section import Plate

CAPTION = (
    "The share of runs that have grokked by each step, after Kaplan and Meier: a run that has not grokked counts until "
    "the step at which it was last seen (a cross), and is never dropped. Shades are pointwise 95 % intervals. Look "
    "for curves that rise apart. Steps are those of the recorded metrics, so each is late by less than one interval "
    "between records."
)


class StepsToGrok(PopulationSection):
    """Against each field that varies, all else pooled."""

    order = 200
    title = "Steps to grok"

    def fill(self, section: PageSection, population: Population) -> None:
        seen = population.is_scored
        if not seen.any() or np.isnan(population.grokked[seen]).all():
            if seen.any():
                section.notes.append("No run has grokked, so there are no steps to compare.")
            return
        whole = Reached.of(population.grokked[seen], population.last[seen])
        section.paragraphs.append(half_in_words(whole))
        fields: list[str | None] = [field for field in population.conditions if len(population.groups(field)) > 1]
        curves = {
            field: {
                name: Reached.of(population.grokked[mask & seen], population.last[mask & seen])
                for name, mask in population.groups(field).items()
                if (mask & seen).any()
            }
            for field in fields or [None]
        }
        section.paragraphs += [_difference(population, field, seen) for field in fields if field is not None]
        section.plates.append(
            Plate("steps-to-grok", _figure(curves), CAPTION, "recorded metrics of every run; scipy's ecdf.")
        )
        rows = [
            [
                Cell(field_name(field)),
                Cell(name),
                Cell(curve.n, curve.n),
                Cell(len(curve.censored), len(curve.censored)),
                Cell(steps(curve.median), curve.median),
                Cell(_interval(curve), curve.median_interval[0]),
            ]
            for field, each in curves.items()
            if field is not None
            for name, curve in each.items()
        ]
        if rows:
            heads = ["field", "value", "runs", "censored", "median step", "95 % interval"]
            section.markup.append(table(heads, rows))


def half_in_words(curve: Reached) -> str:
    """By which step half of the runs have grokked, if they have, and how many had not."""
    by = "At no step that was seen have half of the runs grokked."
    if curve.median is not None:
        by = f"Half of the runs have grokked by step {steps(curve.median)} (95 % interval {_interval(curve)})."
    return f"{by} {len(curve.censored):,} of {curve.n:,} had not when they were last seen, and count until then."


def _interval(curve: Reached) -> str:
    low, high = curve.median_interval
    return f"{steps(low) if low is not None else 'later'} to {steps(high) if high is not None else 'later'}"


def _difference(population: Population, field: str, seen: np.ndarray) -> str:
    """What the log-rank test says of every pair of values, corrected for their number."""
    groups = {name: mask & seen for name, mask in population.groups(field).items() if (mask & seen).any()}
    times = {name: (population.grokked[mask], population.last[mask]) for name, mask in groups.items()}
    pairs = {pair: chance_of_delay(times[pair[0]], times[pair[1]]) for pair in combinations(times, 2)}
    tested = {pair: p for pair, p in pairs.items() if p == p}
    name = field_name(field)
    if not tested:
        return f"Of {name}, no two values have runs that grokked, so none can be said to be sooner."
    p_values = dict(zip(tested, corrected([*tested.values()]), strict=True))
    (one, other), p = min(p_values.items(), key=lambda item: item[1])
    if len(tested) == 1:
        verb = "take different numbers of steps" if p < 0.05 else "are no further apart than chance may put them"
        return f"By {name}, {one} and {other} {verb} (log-rank test, p = {prose.scientific(p, 2)})."
    apart = [pair for pair, p in p_values.items() if p < 0.05]
    if not apart:
        return (
            f"By {name}, no two values are apart by more than chance: of {len(tested)} log-rank tests the smallest p, "
            f"corrected for their number, is {prose.scientific(p, 2)} ({one} against {other})."
        )
    return (
        f"By {name}, {len(apart)} of {len(tested)} pairs of values take different numbers of steps (log-rank tests, "
        f"corrected for their number, p below 0.05); furthest apart are {one} and {other}, "
        f"p = {prose.scientific(p, 2)}."
    )


def _figure(curves: dict[str | None, dict[str, Reached]]) -> go.Figure:
    figure, axes = panels_of(["all runs" if field is None else field_name(field) for field in curves], 320)
    for (field, each), at in zip(curves.items(), axes, strict=True):
        number = at["xaxis"][1:]
        for i, (name, curve) in enumerate(each.items()):
            color, dash, _ = style.line(i)
            x, share, low, high = _staircase(curve)
            label = plotted(name if field is None else f"{field_name(field)} {name}")
            figure.add_scatter(
                x=np.concatenate([x, x[::-1]]), y=np.concatenate([high, low[::-1]]), fill="toself", mode="lines",
                fillcolor=translucent(color, 0.1), line=dict(width=0), hoverinfo="skip", showlegend=False,
                legendgroup=label, **at,
            )  # fmt: skip
            figure.add_scatter(
                x=x,
                y=share,
                mode="lines",
                name=label,
                legendgroup=label,
                line=dict(color=color, width=2, dash=dash),
                **at,
            )
            at_y = curve.share[np.searchsorted(curve.steps, curve.censored)]
            marks = np.unique(np.stack([curve.censored, at_y]), axis=1)
            figure.add_scatter(
                x=marks[0], y=marks[1], mode="markers", showlegend=False, legendgroup=label, hoverinfo="skip",
                marker=dict(color=color, symbol="cross-thin", size=8, line=dict(color=color, width=1.4)), **at,
            )  # fmt: skip
        figure.layout[f"xaxis{number}"].update(
            title_text=labels.axis("step"), separatethousands=True, exponentformat="none", nticks=5
        )
        figure.layout[f"yaxis{number}"].update(SHARE, title_text="share that has grokked" if number == "" else "")
    return figure


def _staircase(curve: Reached) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
    """The curve and its interval as corners, from nobody at step 0 on."""
    x = np.concatenate([[0.0], np.repeat(curve.steps, 2)]).astype(np.float32)
    edges = [np.where(np.isnan(edge), curve.share, edge) for edge in (curve.low, curve.high)]
    share, low, high = (
        np.concatenate([[0.0], np.stack([np.append(0.0, each[:-1]), each], axis=1).ravel()]).astype(np.float32)
        for each in (curve.share, *edges)
    )
    return x, share, low, high
