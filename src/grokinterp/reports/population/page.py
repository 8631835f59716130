"""Page of many runs: its sections put together as one HTML file that needs nothing else."""

from typing import cast

import pandas as pd
import plotly.offline
from markupsafe import Markup

from grokinterp.errors import counted
from grokinterp.reports import prose
from grokinterp.reports.page import figures_json, plates_of, templates, written
from grokinterp.reports.population.population import Population, field_name
from grokinterp.reports.population.sections import sections_of
from grokinterp.runs.population.fields import is_of_a_seed


def page(population: Population) -> str:
    """The whole HTML page; `report` writes it to a file."""
    sections = sections_of(population)
    plates = plates_of(list(sections))
    return (
        templates()
        .get_template("population.html")
        .render(
            title=title(population),
            headline=headline(population),
            sections=sections,
            written=written(),
            plotly=Markup(plotly.offline.get_plotlyjs()) if plates else Markup(""),
            figures=Markup(figures_json(plates)),
            has_plates=bool(plates),
        )
    )


def title(population: Population) -> str:
    """How many runs, and of what where all have the same task."""
    n = len(population.table)
    tasks = {prose.title(run) if run.has_task else "" for run in population.runs.values()}
    count = counted(n, "run")
    return f"{count}: {tasks.pop()}" if len(tasks) == 1 and "" not in tasks else count


def headline(population: Population) -> str:
    """What varies, and over how many values."""
    if not population.fields:
        return "Nothing that is known of them differs"
    counts = {field: cast(pd.Series, population.table[field]).nunique() for field in population.fields}
    words = [f"{field_name(field)} ({counted(count, 'value')})" for field, count in counts.items()]
    only = all(map(is_of_a_seed, population.fields))
    return f"{'Only the seed varies' if only else 'What varies'}: {', '.join(words)}"
