"""Grokked: how many runs answer their test rows, with intervals, and whether what varies makes a difference."""

import numpy as np
import plotly.graph_objects as go

from grokinterp.analysis.proportions import RESAMPLES, Share, chance_of_spread, corrected
from grokinterp.errors import counted as counted_of
from grokinterp.reports.figures import palette
from grokinterp.reports.figures.curves import SHARE
from grokinterp.reports.population.cells import Cell, interval, percent, share_in_words, table
from grokinterp.reports.population.panels import panels_of
from grokinterp.reports.population.population import Population, field_name, plotted
from grokinterp.reports.population.section import PageSection, PopulationSection
from grokinterp.reports.prose import scientific
from grokinterp.reports.section import Plate
from grokinterp.runs.population.landmarks import SOLVED

CAPTION = (
    "The share of finished runs that grokked, for each value of what varies, all else pooled. Whiskers are 95 % Wilson "
    "intervals; the dashed line is the share of all. Look for whiskers that leave it."
)


class Grokked(PopulationSection):
    """The first thing that is asked of many runs."""

    order = 100
    title = "How many grokked"

    def fill(self, section: PageSection, population: Population) -> None:
        counted = population.is_ended & population.is_scored
        if not counted.any():
            section.notes.append(
                "No run has finished and recorded its accuracy on test rows, so a share that grokked cannot be told."
            )
            return
        reached = ~np.isnan(population.grokked)
        whole = Share.of(int((reached & counted).sum()), int(counted.sum()))
        section.paragraphs.append(
            f"Of {whole.n:,} finished runs {whole.count:,} grokked: at some recorded step they answer at least "
            f"{percent(SOLVED)} of the rows that they were not trained on. That is {percent(whole.value)}, with a "
            f"95 % interval of {interval(whole)}."
        )
        unswapped = population.table["test_accuracy_unswapped"].to_numpy(dtype=np.float64, na_value=np.nan)
        judged = counted & reached & ~np.isnan(unswapped)
        if judged.any():
            kept = Share.of(int((unswapped[judged] >= SOLVED).sum()), int(judged.sum()))
            section.paragraphs.append(
                "The null is that pairs are remembered in the other order. At their last step "
                f"{share_in_words(kept)} of those that grokked answer as many of the rows whose swap was not trained "
                "on either, which no memory answers."
            )
        if left_out := int((~counted).sum()):
            section.notes.append(
                f"Not counted here: {counted_of(left_out, 'run')}, not finished or without a recorded test accuracy. "
                "Below, such a run counts up to the step that it was seen at."
            )
        self._by_field(section, population, counted, reached, whole)

    def _by_field(
        self, section: PageSection, population: Population, counted: np.ndarray, reached: np.ndarray, whole: Share
    ) -> None:
        shares: dict[str, dict[str, Share]] = {}
        for field in population.conditions:
            groups = {name: mask & counted for name, mask in population.groups(field).items()}
            shares[field] = {
                name: Share.of(int((reached & mask).sum()), int(mask.sum()))
                for name, mask in groups.items()
                if mask.any()
            }
        shares = {field: each for field, each in shares.items() if len(each) > 1}
        if not shares:
            return
        chances = {
            field: chance_of_spread(
                reached[counted], population.levels(field).astype(str).to_numpy()[counted].astype(str)
            )
            for field in shares
        }
        tested = [field for field, chance in chances.items() if chance == chance]
        p_values = dict(zip(tested, corrected([chances[field] for field in tested]), strict=True))
        section.paragraphs += [_difference(field, p_values.get(field)) for field in shares]
        rows = [
            [Cell(field_name(field)), Cell(name), Cell(share.n, share.n), Cell(share.count, share.count),
             Cell(percent(share.value), share.value), Cell(interval(share), share.low)]
            for field, each in shares.items() for name, share in each.items()
        ]  # fmt: skip
        section.plates.append(Plate("share-grokked", _figure(shares, whole), CAPTION, "recorded metrics of every run."))
        section.markup.append(table(["field", "value", "runs", "grokked", "share", "95 % interval"], rows))


def _difference(field: str, p: float | None) -> str:
    name = field_name(field)
    if p is None:
        return f"Across {name} there is no difference to test: all runs came to the same."
    least = 1 / (RESAMPLES + 1)
    words = f"p < {scientific(2 * least, 2)}" if p <= least else f"p = {scientific(min(p, 1), 2)}"
    verb = "differ by more than chance" if p < 0.05 else "differ by no more than chance may make them"
    return (
        f"Across {name} the shares {verb}: where its values are dealt out to the runs at random, shares lie as far "
        f"apart with {words} ({RESAMPLES} permutations, corrected for all fields that vary)."
    )


def _figure(shares: dict[str, dict[str, Share]], whole: Share) -> go.Figure:
    figure, axes = panels_of([field_name(field) for field in shares], 300, legend=False)
    for (_, each), at in zip(shares.items(), axes, strict=True):
        values = np.array([share.value for share in each.values()])
        low, high = (np.array([getattr(share, edge) for share in each.values()]) for edge in ("low", "high"))
        names = [plotted(name) for name in each]
        figure.add_scatter(
            x=names, y=values, mode="markers", marker=dict(color=palette.ACCENT, size=9), showlegend=False,
            error_y=dict(array=high - values, arrayminus=values - low, color=palette.ACCENT, thickness=1.6, width=5),
            customdata=[share_in_words(share) for share in each.values()],
            hovertemplate="%{x}: %{customdata}<extra></extra>", **at,
        )  # fmt: skip
        figure.add_scatter(
            x=[names[0], names[-1]], y=[whole.value] * 2, mode="lines", hoverinfo="skip", showlegend=False,
            line=dict(color=palette.NEUTRAL, width=1, dash="dash"), **at,
        )  # fmt: skip
        number = at["xaxis"][1:]
        figure.layout[f"xaxis{number}"].update(type="category", showgrid=False, tickangle=0)
        figure.layout[f"yaxis{number}"].update(SHARE, title_text="share grokked" if number == "" else "")
    return figure
