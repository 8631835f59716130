"""Page: sections and figures put together as one HTML file that needs nothing else."""

import json
from datetime import UTC, datetime

import jinja2
import plotly.io as pio
import plotly.offline
from markupsafe import Markup

from grokinterp.reports import story
from grokinterp.reports.sections import SECTIONS, Plate, Subject, configuration
from grokinterp.runs import Run


def page(run: Run) -> str:
    """The whole HTML page on a run; `report` writes it to a file."""
    subject = Subject(run)
    sections = [section for make in SECTIONS if (section := make(subject)) is not None]
    environment = jinja2.Environment(
        loader=jinja2.PackageLoader("grokinterp.reports"),
        autoescape=True,
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    source = environment.loader
    assert source is not None
    plates = [plate for section in sections for plate in section.plates]
    return environment.get_template("report.html").render(
        title=story.title(run),
        name=run.name,
        sections=sections,
        configuration=configuration(run),
        written=datetime.now(UTC).strftime("%-d %B %Y"),
        plotly=Markup(plotly.offline.get_plotlyjs()) if plates else Markup(""),
        figures=Markup(figures_json(plates)),
        stylesheet=Markup(source.get_source(environment, "report.css")[0]),
        script=Markup(source.get_source(environment, "report.js")[0]),
    )


def figures_json(plates: list[Plate]) -> str:
    """Every figure by name, as JSON that may stand inside a script element."""
    figures = {plate.name: json.loads(pio.to_json(plate.figure) or "") for plate in plates}
    # Nothing in the text of a figure can end the element that holds it.
    return json.dumps(figures, separators=(",", ":")).replace("<", "\\u003c")
