"""A directory of runs becomes a page of them all, of few runs with the page of each; PDF and PNG say what they need."""

import re
from html.parser import HTMLParser

import pytest

import grokinterp as gi
from grokinterp.cli import main
from grokinterp.errors import BadRequest
from grokinterp.reports import export, report
from grokinterp.reports.population.links import file_names
from grokinterp.runs.writer import RunWriter


class Cells(HTMLParser):
    """The rows of the table, as the hrefs and the text of each."""

    def __init__(self):
        super().__init__()
        self.links: list[str] = []
        self.lines = 0

    def handle_starttag(self, tag, attrs):
        if tag == "a" and not dict(attrs)["href"].startswith("#"):
            self.links.append(dict(attrs)["href"])
        self.lines += tag == "polyline"


@pytest.fixture
def several(small, small_run):
    """Two runs beside each other: one with curves, one with a single checkpoint and none."""
    writer = RunWriter.create(small_run.parent / "bare", small.config, small.task)
    writer.append_metrics({"step": 300, "train_loss": 1.0, "test_loss": 2.0})
    writer.write_checkpoint(300, small.weights(3))
    writer.finish()
    return small_run.parent


def test_a_directory_of_runs_becomes_an_index(several, tmp_path, capsys):
    """One row a run, in order; each link leads to a report that is there; the curves of one are drawn in small."""
    out = tmp_path / "pages" / "all.html"
    assert main(["report", str(several), "--out", str(out)]) == 0
    assert capsys.readouterr().out.split() == [str(out)]
    cells = Cells()
    cells.feed(out.read_text())
    assert cells.links == ["bare.html", "small.html"]
    assert all((out.parent / link).read_text().startswith("<!DOCTYPE html>") for link in cells.links)
    assert cells.lines >= 1
    assert "2 runs" in out.read_text() and "default-src 'none'" in out.read_text()
    assert not re.search(r'(src|href)="https?:', out.read_text().partition("<script>")[0])


def test_pages_are_written_where_they_are_asked_for(several, tmp_path, monkeypatch, capsys):
    """Of more runs than a few only with --pages; those that are there are linked, whoever wrote them."""
    monkeypatch.setattr("grokinterp.reports.FEW", 1)
    out = tmp_path / "pages" / "all.html"
    report(gi.load(several), out)
    assert {path.name for path in out.parent.iterdir()} == {"all.html"} and "--pages" in out.read_text()
    report(gi.load(several / "small"), several / "small" / "report.html")
    report(gi.load(several), out)
    cells = Cells()
    cells.feed(out.read_text())
    assert len(cells.links) == 1 and (out.parent / cells.links[0]).samefile(several / "small" / "report.html")
    assert main(["report", str(several), "--pages", "--out", str(out)]) == 0
    before, after, _ = [line for line in capsys.readouterr().err.splitlines() if "page" in line]
    assert re.match(r"2 pages in .*: at most about \d+ seconds?, 12 MB$", before) and "after the first" in after
    assert {path.name for path in out.parent.iterdir()} == {"all.html", "bare.html", "small.html"}


def test_several_paths_are_several_runs(several, tmp_path):
    """Named one by one they are the same index; the same name twice is told apart."""
    out = tmp_path / "pages" / "index.html"
    paths = [str(several / "small"), str(several / "small")]
    assert main(["report", *paths, "--out", str(out)]) == 0
    assert {path.name for path in out.parent.iterdir()} == {"index.html", "small.html", "small-2.html"}


def test_file_names_are_safe_and_apart():
    """No name leaves its directory, hides, or overwrites another or the index."""
    found = file_names(["a/b", "a b", "../x", "index", "Run", "run", "???"])
    assert len({name.lower() for name in found}) == 7
    assert all(re.fullmatch(r"[A-Za-z0-9_][A-Za-z0-9._-]*\.html", name) for name in found)
    assert "index.html" not in found


def test_a_pdf_needs_a_browser(monkeypatch, small_run, tmp_path):
    """Without one the remedy is named, before anything is measured or written."""
    monkeypatch.setattr(export.shutil, "which", lambda name: None)
    monkeypatch.setattr(export, "PLACES", ())
    monkeypatch.setattr(export, "_of_kaleido", lambda: None)
    monkeypatch.delenv("BROWSER_PATH", raising=False)
    with pytest.raises(BadRequest, match="no Chromium or Chrome to make a PDF with"):
        report(gi.load(small_run), tmp_path / "r.html", pdf=True)
    assert not (tmp_path / "r.html").exists() and not (small_run / "traces").exists()


def test_the_page_of_a_directory_lies_in_it(several, tmp_path, monkeypatch, capsys):
    """Left to itself it stands beside the runs it is of, not where the shell is, and the whole path is said."""
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()
    monkeypatch.chdir(elsewhere)
    monkeypatch.setattr("grokinterp.reports.FEW", 1)
    assert main(["report", str(several)]) == 0
    assert capsys.readouterr().out.splitlines()[-1] == str(several / "report.html")
    assert (several / "report.html").is_file() and not any(elsewhere.iterdir())
