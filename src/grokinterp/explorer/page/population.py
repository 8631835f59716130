"""All runs: what differs between them and what each came to, on a page from which one is opened, or two compared."""

from urllib.parse import quote

from markupsafe import Markup

from grokinterp.explorer.session import Session
from grokinterp.explorer.state import State
from grokinterp.reports.page import templates
from grokinterp.reports.population.cells import Cell, table
from grokinterp.reports.population.population import FINDINGS, Population, field_name
from grokinterp.reports.population.sections.every_run import HEADS, result_cell
from grokinterp.runs.population.collection import Runs
from grokinterp.runs.population.table import RESULTS

RUNS = "runs"
"""Where the page lies, beside the explorer's own."""

SHOWN = ("status", "steps", "grokked_step", "test_loss", "test_accuracy", "verdict", "geometry", "key_frequencies")


def runs_page(session: Session) -> str:
    """The page of all runs, read anew: it computes nothing."""
    population = Population(Runs(session.runs))
    frame = population.table.assign(**{name: population.findings(name) for name in FINDINGS})
    columns = [*population.fields, *(name for name in RESULTS if name in SHOWN and bool(frame[name].notna().any()))]
    values = [frame[column].tolist() for column in columns]  # a cell of a frame takes as long as a row of lists
    rows = []
    for i, name in enumerate(frame.index):
        choose = Markup('<input type="checkbox" data-run="{}" aria-label="compare {}">').format(quote(name), name)
        link = Markup('<a href="./?{}">{}</a>').format(State(run=name).query, name)
        cells = [result_cell(column, each[i]) for column, each in zip(columns, values, strict=True)]
        rows.append([Cell(choose), Cell(link), *cells])
    heads = ["compare", "run", *(HEADS.get(column, field_name(column)) for column in columns)]
    text = table(heads, rows, kind="runs", filtered=True)
    return templates().get_template("all_runs.html").render(table=text, n=len(frame))
