"""Small multiples: one row a field, its pictures differing in that field alone, every seed a line."""

from typing import cast

import numpy as np
import pandas as pd
from markupsafe import Markup

from grokinterp.reports.population.population import Population, field_name, shown
from grokinterp.reports.population.section import PageSection, PopulationSection
from grokinterp.reports.population.sparkline import sparkline

PICTURES = 12
LINES = 30
"""How many pictures a row has, and how many runs a picture."""


class SmallMultiples(PopulationSection):
    """All fields but one are held at what most runs have."""

    order = 350
    title = "One thing at a time"

    def fill(self, section: PageSection, population: Population) -> None:
        fields = [field for field in population.conditions if bool(population.table[field].notna().any())]
        if len(fields) < 2 or len(population.steps) < 3:
            return  # with one field its training curves are this already
        keys = pd.DataFrame({field: population.table[field].map(_text) for field in fields})
        for field in fields:
            others = [other for other in fields if other != field]
            cells = keys.groupby(others, sort=False)[field].nunique().to_dict()
            # The cell in which the field takes most values, and of those the one with most runs.
            best = max(cells, key=lambda cell: (cells[cell], int(_is_in(keys, others, cell).sum())))
            if cells[best] < 2:
                continue
            held = _is_in(keys, others, best)
            order = cast(pd.Series, keys.loc[held.to_numpy(), field]).drop_duplicates().tolist()
            order = sorted(order, key=_number)[:PICTURES]
            pictures = [
                Markup('<figure class="multiple">{}<figcaption>{} {}</figcaption></figure>').format(
                    _picture(population, (held & (keys[field] == value)).to_numpy()),
                    field_name(field),
                    value or "not told",
                )
                for value in order
            ]
            values = best if isinstance(best, tuple) else (best,)
            where = ", ".join(f"{field_name(other)} {value}" for other, value in zip(others, values, strict=True))
            section.markup.append(
                Markup('<h3>Only {} differs; {}</h3><div class="multiples">{}</div>').format(
                    field_name(field), where, Markup("").join(pictures)
                )
            )
        if section.markup:
            section.paragraphs.append(
                "Each picture has the accuracy on training rows (grey) and test rows (blue) of all seeds, from 0 to "
                "1, over "
                f"{population.steps[-1]:,.0f} steps (at most {LINES} seeds, losses on a log scale where no accuracy "
                "was "
                "recorded). Within a row of pictures nothing else differs, so what changes is the field's doing or "
                "chance: "
                "the lines of one picture show how far seeds alone lie apart."
            )


def _picture(population: Population, mask: np.ndarray) -> Markup:
    chosen = np.flatnonzero(mask)[:LINES]
    is_share = bool(np.isfinite(population.curves("test_accuracy")).any())
    kind = "accuracy" if is_share else "loss"
    train, test = (population.curves(f"{side}_{kind}")[chosen] for side in ("train", "test"))
    return sparkline(population.steps, train, test, is_share, width=200, height=90, points=60)


def _is_in(keys: pd.DataFrame, fields: list[str], cell: object) -> pd.Series:
    values = cell if isinstance(cell, tuple) else (cell,)
    return cast(pd.Series, (keys[fields] == list(values)).all(axis=1))


def _text(value: object) -> str:
    return "" if value is None or value is pd.NA or value != value else shown(value)


def _number(text: str) -> tuple[bool, float, str]:
    try:
        return False, float(text), text
    except ValueError:
        return True, 0.0, text
