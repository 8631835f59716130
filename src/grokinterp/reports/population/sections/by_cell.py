"""By cell: what the runs of every combination of values came to."""

from collections import Counter

import numpy as np
import pandas as pd

from grokinterp.analysis.proportions import Share
from grokinterp.analysis.survival import Reached
from grokinterp.reports.population.cells import Cell, share_in_words, steps, table
from grokinterp.reports.population.population import Population, field_name, shown
from grokinterp.reports.population.section import PageSection, PopulationSection

CELLS = 200
"""How many combinations are listed at most."""
NULL = "noise and remembered rows have values of every measure too"


class ByCell(PopulationSection):
    """A row for each combination of the fields that vary, seeds aside."""

    order = 400
    title = "Verdict and geometry by cell"

    def fill(self, section: PageSection, population: Population) -> None:
        self._verdicts(section, population)
        if not population.conditions:
            return
        key = [population.table[field].map(_text).to_numpy() for field in population.conditions]
        cells: dict[tuple[str, ...], list[int]] = {}
        for i, values in enumerate(zip(*key, strict=True)):
            cells.setdefault(values, []).append(i)
        if len(cells) > CELLS or len(cells) == len(population.table):
            section.notes.append(
                f"The runs stand in {len(cells):,} cells of {', '.join(map(field_name, population.conditions))}, too "
                "few in each to be told together; the table of all runs has them one by one."
            )
            return
        rows = [self._row(population, values, np.array(places)) for values, places in cells.items()]
        heads = [*map(field_name, population.conditions), "runs", "grokked (95 % interval)", "median step to grok",
                 "verdict", "geometry"]  # fmt: skip
        section.markup.append(table(heads, rows))

    def _verdicts(self, section: PageSection, population: Population) -> None:
        """Which circuits the solved runs have, each share with its interval, and the null."""
        solved = population.is_solved
        unjudged: dict[int, list[str]] = {}
        shares: list[str] = []
        for name, what in (("verdict", "Zhong et al.'s measures of clock and pizza"), ("geometry", "geometry")):
            known = population.table[name].notna().to_numpy()
            if not known.any():
                section.notes.append(
                    f"No {name} was measured ({what}): the circuit does not apply to these runs, or they have no "
                    "weights."
                )
                continue
            judged = known & solved & (population.table[name] != "unsolved").to_numpy()
            if not judged.any():
                unjudged.setdefault(int(known.sum()), []).append(name)
                continue
            counts = Counter(population.table[name][judged])
            words = "; ".join(
                f"{kind} {share_in_words(Share.of(count, int(judged.sum())))}" for kind, count in counts.most_common()
            )
            shares.append(f"By {what}, of the runs that solve their task: {words}.")
        of_none = [
            f"Of {count:,} runs that were measured none solves its task, so none has a {' or a '.join(names)}."
            for count, names in unjudged.items()
        ]
        if paragraphs := [*shares, *of_none]:
            paragraphs[-1] += f" Runs that do not solve it are not judged, since {NULL}."
        section.paragraphs += paragraphs

    def _row(self, population: Population, values: tuple[str, ...], places: np.ndarray) -> list[Cell]:
        frame = population.table.iloc[places]
        grokked, last = population.grokked[places], population.last[places]
        counted = (population.is_ended & population.is_scored)[places]
        share = Share.of(int((~np.isnan(grokked[counted])).sum()), int(counted.sum()))
        seen = population.is_scored[places]
        median = Reached.of(grokked[seen], last[seen]).median if seen.any() else None
        held = [Cell(text, frame[field].iloc[0] if text and pd.api.types.is_numeric_dtype(frame[field]) else None)
                for field, text in zip(population.conditions, values, strict=True)]  # fmt: skip
        named = (population.verdicts.iloc[places], population.findings("geometry").iloc[places])
        counts = [", ".join(f"{kind} {n}" for kind, n in Counter(each.dropna()).most_common()) for each in named]
        return [
            *held,
            Cell(len(frame), len(frame)),
            Cell(share_in_words(share), share.value),
            Cell(steps(median), median),
            *map(Cell, counts),
        ]


def _text(value: object) -> str:
    return "" if value is None or value is pd.NA or value != value else shown(value)
