"""What a run is called, and what its file says of it, is text in every page: report, index, explorer, notebook.

A run whose every string is markup (its name, its path, keys and values of its provenance, its configuration, its
columns of metrics) goes through each page, and the page is read as a browser reads it: the markup makes no element.
"""

import dataclasses
import json
import urllib.request
from collections.abc import Iterator
from html.parser import HTMLParser
from pathlib import Path
from urllib.parse import urlencode

import pandas as pd
import pytest

import grokinterp as gi
from grokinterp.explorer.page import export
from grokinterp.explorer.session import Session
from grokinterp.explorer.state import State
from grokinterp.explorer.web.access import refusal_page
from grokinterp.runs.population.collection import Runs
from grokinterp.runs.provenance import Assumption, Provenance
from grokinterp.runs.run import Run
from grokinterp.runs.store import MemoryStore

HOSTILE = "</title></script></style></textarea><img src=x onerror=\"pwned('{}')\">&lt;\"'>"


class Elements(HTMLParser):
    """Finds the elements of a page that carry the markup, and whether its words are shown as text."""

    def __init__(self, page: str):
        super().__init__()
        self.carriers: list[str] = []
        self.feed(page)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        # As a value of an attribute the words do no harm, but of one that is run.
        if any(name.startswith("on") and "pwned" in (value or "") for name, value in attrs):
            self.carriers.append(self.get_starttag_text() or tag)


@pytest.fixture(scope="module")
def hostile() -> Run:
    """A run in memory that carries the markup wherever a file or a directory could put a string."""
    from grokinterp.models.initialisation import initialise
    from grokinterp.training.planning import plan

    config, task = plan("a + b", p=5, d_model=8, n_heads=2, steps=200)
    mark = HOSTILE.format
    config = dataclasses.replace(config, preset=mark("preset"))
    provenance = Provenance(
        format=mark("format"),
        file=mark("file"),
        created=mark("created"),
        versions={mark("library"): mark("version")},
        trained_elsewhere=True,
        notes=(mark("note"),),
        assumptions=(Assumption(mark("what"), "inferred", mark("evidence")),),
        mapping={mark("parameter"): mark("of the file")},
        settings_file=mark("settings"),
        copied_from=mark("copied"),
        others={mark("key"): mark("value"), mark("keys"): [mark("entry")], mark("more"): {mark("inner"): mark("leaf")}},
    )
    weights = {step: (lambda step=step: initialise(config.model, seed=step)) for step in (0, 100, 200)}
    metrics = pd.DataFrame({"step": [0, 200], "train_loss": [2.0, 1.0], "test_loss": [2.0, 2.0], mark("column"): 1.0})
    return Run(MemoryStore(weights, metrics), mark("name"), config, task, Path(mark("path")), provenance)


def pages(run: Run, folder: Path) -> Iterator[tuple[str, str]]:
    """Each page's name and text."""
    runs = Runs({run.name: run, HOSTILE.format("second"): run}, {HOSTILE.format("skipped"): HOSTILE.format("why")})
    yield "report", gi.report(run, folder / "report.html", cache=False).read_text()
    gi.report(runs, folder / "all" / "index.html", cache=False)
    for path in sorted((folder / "all").glob("*.html")):
        yield f"index: {path.name}", path.read_text()
    yield "notebook, run", run._repr_html_()
    yield "notebook, runs", runs._repr_html_()
    yield "notebook, task", run.task._repr_html_()
    yield "frozen explorer", gi.explore(run, out=folder / "frozen.html").read_text()
    handle = gi.explore(run)
    try:
        yield "explorer", urllib.request.urlopen(handle.url).read().decode()
        yield "notebook, explorer", handle._repr_html_()
    finally:
        handle.stop()
    session = Session.of(runs)
    yield "exported section", export.section(session, session.resolved(State()))
    yield "refusal", refusal_page("token", urlencode({HOSTILE: HOSTILE}))


def test_no_string_of_a_run_is_markup_in_any_page(hostile, tmp_path):
    """Every page is walked; the reader sees the markup of a page that does not escape."""
    assert Elements(f"<title>{HOSTILE}</title>").carriers and Elements(f"<script>{HOSTILE}</script>").carriers
    carriers = {name: Elements(page).carriers for name, page in pages(hostile, tmp_path)}
    assert len(carriers) >= 10
    assert not any(carriers.values()), json.dumps(carriers, indent=1)
