"""Every run: a table that sorts and filters, its columns what differs and what each run came to."""

from typing import Any
from urllib.parse import quote

import numpy as np
import pandas as pd
from markupsafe import Markup

from grokinterp.errors import listed
from grokinterp.reports.population.cells import Cell, table
from grokinterp.reports.population.population import FINDINGS, Population, field_name, shown
from grokinterp.reports.population.section import PageSection, PopulationSection
from grokinterp.reports.population.sparkline import sparkline
from grokinterp.reports.prose import percent, scientific
from grokinterp.runs.population.table import RESULTS

HEADS = {
    "steps": "steps",
    "memorised_step": "memorised at",
    "grokked_step": "grokked at",
    "test_accuracy_unswapped": "test accuracy, unswapped",
    "wall_seconds": "seconds",
}


class EveryRun(PopulationSection):
    """The last section: it may be long."""

    order = 900
    title = "Every run"

    def fill(self, section: PageSection, population: Population) -> None:
        frame = population.table
        columns = [*population.fields, *(name for name in RESULTS if bool(frame[name].notna().any()))]
        shown_frame = frame.assign(
            **{name: population.findings(name) for name in FINDINGS}, verdict=population.verdicts
        )
        kind = "accuracy" if np.isfinite(population.curves("test_accuracy")).any() else "loss"
        curves = [population.curves(f"{side}_{kind}") for side in ("train", "test")]
        results = [shown_frame[column].tolist() for column in columns]
        rows = []
        for i, name in enumerate(frame.index):
            picture = sparkline(population.steps, *(each[i : i + 1] for each in curves), is_share=kind == "accuracy")
            link = population.links.get(name)
            title = Markup('<a href="{}">{}</a>').format(quote(link), name) if link else Markup("{}").format(name)
            values = [result_cell(column, each[i]) for column, each in zip(columns, results, strict=True)]
            rows.append([Cell(title), Cell(picture), *values])
        if population.headlines:
            for name, row in zip(frame.index, rows, strict=True):
                row.append(Cell(population.headlines.get(name, "")))
            columns = [*columns, "what was found"]
        heads = ["run", f"{kind} over steps", *(HEADS.get(name, field_name(name)) for name in columns)]
        section.markup.append(
            Markup(
                '<p class="filterbar"><label>Filter <input type="search" id="filter" placeholder="any column"></label> '
                '<output id="shown">{} runs</output></p>'
            ).format(f"{len(frame):,}")
        )
        section.markup.append(table(heads, rows, kind="runs", filtered=True))
        links = f" {len(population.links):,} have a page of their own." if population.links else ""
        section.paragraphs.append(
            f"What differs between the runs, and what each came to; a blank was not measured or not recorded.{links} "
            "A click "
            "on a column's head sorts by it. The boxes take a part of a word, or a bound such as > 0.99 or <= 2000. "
            "Small "
            f"curves are the {kind} on training rows (grey) and test rows (blue)."
        )
        if not population.links:
            section.notes.append(
                "No run has a page of its own yet: `grokinterp report DIR --pages` writes one for each, and links "
                "them here."
            )
        for name, reason in population.skipped.items():
            section.notes.append(f"Left out, {name}: {reason}")


def result_cell(column: str, value: Any) -> Cell:
    """A value as a reader writes it, with the number that it is sorted by."""
    if not isinstance(value, tuple | list) and pd.isna(value):
        return Cell("")
    if isinstance(value, tuple | list):
        return Cell(listed(value) if value else "none", len(value))
    if isinstance(value, str | bool | np.bool_):
        return Cell(shown(bool(value) if isinstance(value, np.bool_) else value))
    number = float(value)
    if "accuracy" in column and column in RESULTS:
        return Cell(percent(number), number)
    if column in RESULTS:
        return Cell(scientific(number) if column.endswith("loss") else f"{number:,.0f}", number)
    return Cell(scientific(number, 6), number)
