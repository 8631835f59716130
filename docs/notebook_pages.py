"""Pages of the notebooks: run once, with their outputs and figures as the site's own."""

import hashlib
import os
import re
import tempfile
from pathlib import Path
from typing import Any

import nbformat
from page_figures import DRAFT, placed

ROOT = Path(__file__).parents[1]
KEPT = ROOT / ".venv" / "notebooks"
"""Where executed notebooks are kept, by their own text and that of the package."""

PLOTLY = "application/vnd.plotly.v1+json"


def pages() -> dict[str, str]:
    """By its place on the site, the page of every notebook."""
    paths = sorted((ROOT / "notebooks").glob("*.ipynb"))
    read = {path.stem: nbformat.read(path, as_version=4) for path in paths}
    if not DRAFT:
        read = executed(read)
    return {f"notebooks/{name}.md": notebook_page(notebook) for name, notebook in read.items()}


def executed(notebooks: dict[str, Any]) -> dict[str, Any]:
    """The notebooks with outputs: run in their order in one folder, as a reader would, with the tests' settings."""
    sources = sorted([*ROOT.glob("src/**/*.py"), *ROOT.glob("circuits/*.py")])
    texts = [*map(nbformat.writes, notebooks.values()), *(path.read_text("utf-8") for path in sources)]
    kept = KEPT / hashlib.sha256("\n".join(texts).encode()).hexdigest()[:16]
    if not kept.is_dir():
        from nbclient import NotebookClient

        os.environ |= {"GROKINTERP_FAST": "1", "PLOTLY_RENDERER": "plotly_mimetype"}
        with tempfile.TemporaryDirectory() as folder:
            where = {"metadata": {"path": folder}}
            for each in notebooks.values():
                NotebookClient(each, timeout=None, kernel_name="python3", resources=where).execute()
        kept.mkdir(parents=True)
        for name, each in notebooks.items():
            nbformat.write(each, kept / f"{name}.ipynb")
    return {name: nbformat.read(kept / f"{name}.ipynb", as_version=4) for name in notebooks}


def notebook_page(notebook: Any) -> str:
    """Text as it is, code in blocks, outputs below their code."""
    text = []
    for cell in notebook.cells:
        if cell.cell_type == "markdown":
            text.append(as_page(cell.source))
        elif "%pip" not in cell.source:
            text += [f"```python\n{cell.source}\n```", *(output_text(output) for output in cell.outputs)]
    return "\n\n".join(each for each in text if each)


def as_page(markdown: str) -> str:
    """A cell's text, its links to notebooks as links to their pages."""
    return re.sub(r"\]\((\w+)\.ipynb\)", r"](\1.md)", markdown)


def output_text(output: Any) -> str:
    """A figure, a table, or what was printed; nothing of progress and warnings."""
    if output.output_type == "stream":
        return fenced(output.text) if output.name == "stdout" else ""
    data = output.get("data", {})
    if PLOTLY in data:
        return placed({name: data[PLOTLY][name] for name in ("data", "layout")})
    if "image/png" in data:
        return f'<img alt="a figure" src="data:image/png;base64,{data["image/png"].strip()}">'
    return fenced(data["text/plain"]) if "text/plain" in data else ""


def fenced(text: str) -> str:
    """What a cell printed, as a block."""
    return f"```text\n{text.rstrip()}\n```" if text.strip() else ""
