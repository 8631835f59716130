"""The site of `make docs`: it is built strictly, has a page for everything that is found, and asks nobody outside."""

import re
import subprocess
import sys
from pathlib import Path

import pytest

import grokinterp as gi
from grokinterp import circuits, tasks
from grokinterp.config.presets import PRESETS

pytest.importorskip("mkdocs", reason="make docs needs pip install '.[docs]'")
ROOT = Path(__file__).parents[1]
PAGES = [page for page in sorted(ROOT.glob("docs/*.md")) if "```python\n" in page.read_text()]


@pytest.fixture(scope="module")
def site(tmp_path_factory) -> Path:
    """The built site; a warning of MkDocs (a dead link, say) is an error."""
    out = tmp_path_factory.mktemp("site")
    words = [sys.executable, "-m", "mkdocs", "build", "--quiet", "--site-dir", str(out)]
    built = subprocess.run(words, capture_output=True, text=True, cwd=ROOT)
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
    """Circuits a page each with their variables; tasks, presets and public names a heading or a row."""
    for name in circuits.registered():
        page = (site / "circuits" / name / "index.html").read_text()
        assert 'id="variables"' in page and page.count("<tr>") > 1, name
    listed = {page: (site / page / "index.html").read_text() for page in ("tasks", "presets", "api")}
    assert all(f"<code>{name}</code>" in listed["tasks"] for name, _ in tasks.names())
    assert all(f"<code>{name}</code>" in listed["presets"] for name in PRESETS)
    assert all(f"gi.{name}<" in listed["api"] for name in gi.__all__ if name not in ("circuits", "fourier"))


def test_the_pages_at_the_root_are_on_the_site(site):
    """README, CONTRIBUTING, CHANGELOG and the claims, with links that lead to each other."""
    start = (site / "index.html").read_text()
    assert 'href="contributing/"' in start and 'href="reproduction/"' in start and 'src="demo.png"' in start
    claims = (site / "reproduction" / "index.html").read_text()
    assert 'href="nanda-et-al-2023/"' in claims
    assert "nanda-phases" in (site / "reproduction" / "nanda-et-al-2023" / "index.html").read_text()


@pytest.mark.parametrize("page", PAGES, ids=[page.stem for page in PAGES])
def test_the_code_on_a_page_runs(page, tmp_path, monkeypatch):
    """The Python blocks of a page, one after the other as a reader would, write into `runs` alone."""
    monkeypatch.chdir(tmp_path)
    blocks = re.findall(r"^```python\n(.*?)^```", page.read_text(), re.MULTILINE | re.DOTALL)
    namespace: dict[str, object] = {"__name__": page.stem}
    for block in blocks:
        exec(compile(block, str(page), "exec"), namespace)
    assert {path.name for path in tmp_path.iterdir()} <= {"runs"}
