"""The site of `make docs`: it is built strictly, has a page for everything that is found, and asks nobody outside."""

import dataclasses
import importlib
import json
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

import grokinterp as gi
from grokinterp import circuits, tasks
from grokinterp.cli import names
from grokinterp.cli.options import options_of
from grokinterp.cli.train_command import arguments
from grokinterp.config.presets import PRESETS
from grokinterp.reports.glossary import WORDS

pytestmark = pytest.mark.slow

for package in ("mkdocs", "latex2mathml"):
    pytest.importorskip(package, reason="make docs needs pip install '.[docs]'")
ROOT = Path(__file__).parents[1]
PAGES = [page for page in sorted(ROOT.glob("docs/*.md")) if "```python\n" in page.read_text()]


@pytest.fixture(scope="module")
def site(tmp_path_factory) -> Path:
    """The built site, without what takes minutes; a warning of MkDocs (a dead link, say) is an error."""
    out = tmp_path_factory.mktemp("site")
    words = [sys.executable, "-m", "mkdocs", "build", "--quiet", "--site-dir", str(out)]
    environment = {**os.environ, "GROKINTERP_DOCS_DRAFT": "1"}
    built = subprocess.run(words, capture_output=True, text=True, cwd=ROOT, env=environment)
    assert built.returncode == 0, built.stdout + built.stderr
    return out


def test_a_page_asks_nobody_outside(site):
    """Scripts, styles, fonts and pictures are the site's own; only links that a reader follows lead away."""
    loads = re.compile(
        r"<(?:script|img|iframe|source)[^>]*\ssrc=[\"']?(?:https?:)?//[^>]*|<link[^>]*\shref=[\"']?(?:https?:)?//[^>]*"
    )
    for page in site.rglob("*.html"):
        outside = [tag for tag in loads.findall(page.read_text()) if 'rel="canonical"' not in tag]
        assert not outside, (page, outside)
    for style in site.rglob("*.css"):
        assert not re.search(r"(?:@import|url\()\s*[\"']?(?:https?:)?//", style.read_text()), style


def test_everything_found_has_its_place(site):
    """Circuits a page each with all that a reader asks; tasks, presets and public names a heading or a row."""
    assert len(list(site.rglob("index.html"))) >= 40
    for name in circuits.registered():
        page = (site / "circuits" / name / "index.html").read_text()
        assert 'id="variables"' in page and page.count("<tr>") > 1, name
        parts = ("Hypothesis.", "If it were false.", "Null.", "<math", "Plotly.newPlot", 'id="source"', 'id="code"')
        assert [part for part in parts if part not in page] == [], name
        said = page.partition("Hypothesis.")[2].partition("Plotly.newPlot")[0]
        assert "$" not in said, name  # mathematics in a line is drawn
        assert page.count("plotly.min.js") == 1, name
    listed = {page: (site / page / "index.html").read_text() for page in ("tasks", "presets", "api")}
    assert all(f"<code>{name}</code>" in listed["tasks"] for name, _ in tasks.names())
    assert all(f"<code>{name}</code>" in listed["presets"] for name in PRESETS)
    assert all(f"gi.{name}<" in listed["api"] for name in gi.__all__ if name not in ("circuits", "fourier"))


def test_words_remedies_and_notebooks_have_a_page(site):
    """What reports explain, what refusals say and the course are read where they are kept."""
    glossary = (site / "glossary" / "index.html").read_text()
    assert all(f"<strong>{word}</strong>" in glossary for word in WORDS)
    errors = (site / "errors" / "index.html").read_text()
    assert "Did you mean 'train'?" in errors and errors.count("<tr>") > 100
    for path in ROOT.glob("notebooks/*.ipynb"):
        page = (site / "notebooks" / path.stem / "index.html").read_text()
        assert page.count('class="highlight"') >= 5 and 'id="try"' in page and "%pip" not in page, path


def test_the_pages_at_the_root_are_on_the_site(site):
    """README, CONTRIBUTING, CHANGELOG and the claims, with links that lead to each other."""
    start = (site / "index.html").read_text()
    assert 'href="contributing/"' in start and 'href="reproduction/"' in start and 'src="demo.png"' in start
    claims = (site / "reproduction" / "index.html").read_text()
    assert 'href="nanda-et-al-2023/"' in claims
    assert "nanda-phases" in (site / "reproduction" / "nanda-et-al-2023" / "index.html").read_text()


def test_claims_are_drawn_from_their_stored_results(site):
    """The picture below a claim has the values of its row in the order in which they stand in the result."""
    values = json.loads((ROOT / "reproduction" / "results" / "nanda-saved-fractions.json").read_text())["values"]
    row = [value for name, value in values.items() if name.startswith("epochs at ")]
    page = (site / "reproduction" / "nanda-et-al-2023-saved-runs" / "index.html").read_text()
    section = page.partition('id="nanda-saved-fractions"')[2].partition("<h3")[0]
    drawn = re.search(r'"y":(\[[^\]]+\])', section)
    assert len(row) == 10 and drawn and json.loads(drawn[1]) == row


def options(command: str) -> set[str]:
    """The options that a command has."""
    module = importlib.import_module(f"grokinterp.cli.{command}_command")
    own = [value for value in vars(module).values() if getattr(value, "__module__", "") == module.__name__]
    kinds = [arguments(PRESETS["nanda"])] if command == "train" else filter(dataclasses.is_dataclass, own)
    return {option for kind in kinds for option in options_of(kind)}


def test_a_command_on_a_page_is_one_that_there_is():
    """Its options, too: those in blocks and those in a line of text."""
    typed = re.compile(r"grokinterp ([a-z]+)((?: +(?!#)[^\s`|]+)*)")
    commands = [
        (page.name, *found) for page in [ROOT / "README.md", *ROOT.glob("docs/*.md")]
        for line in page.read_text().splitlines() for found in typed.findall(line)
        if "import grokinterp" not in line
    ]  # fmt: skip
    assert len(commands) > 40
    for page, command, words in commands:
        assert command in names(), (page, command)
        asked = {word.partition("=")[0].rstrip(".,)") for word in words.split() if word.startswith("--")}
        unknown = {each for each in asked if each not in options(command) | {"--help"}}
        assert not unknown - {f"--no-{each[2:]}" for each in options(command)}, (page, command, unknown)


@pytest.mark.parametrize("page", PAGES, ids=[page.stem for page in PAGES])
def test_the_code_on_a_page_runs(page, tmp_path, monkeypatch):
    """The Python blocks of a page, one after the other as a reader would, write into `runs` alone."""
    monkeypatch.chdir(tmp_path)
    blocks = re.findall(r"^```python\n(.*?)^```", page.read_text(), re.MULTILINE | re.DOTALL)
    namespace: dict[str, object] = {"__name__": page.stem}
    for block in blocks:
        exec(compile(block, str(page), "exec"), namespace)
    assert {path.name for path in tmp_path.iterdir()} <= {"runs"}
