"""Pages that `make docs` makes of the code and of the files at the root, so that nothing is said twice.

A hook of MkDocs: tasks, models, presets and circuits are listed as the package finds them, so that a new one has its
place without a line here.
"""

import dataclasses
import importlib
import inspect
import pkgutil
from pathlib import Path
from types import ModuleType
from typing import Any

import circuit_pages
import claim_figures
import notebook_pages
import warning_figure
from circuit_pages import default_of
from mkdocs.config.defaults import MkDocsConfig
from mkdocs.structure.files import File, Files
from mkdocs.structure.pages import Page
from page_figures import SCRIPT, filled, placed
from page_tables import table
from plotly.offline import get_plotlyjs

import grokinterp as gi
from grokinterp import circuits, tasks
from grokinterp.config import MODEL_CONFIGS, SECTIONS, presets
from grokinterp.config.presets import DEFAULT, PRESETS, preset
from grokinterp.importers import FORMATS
from grokinterp.reports.glossary import WORDS
from grokinterp.training.fields import comments, type_text

ROOT = Path(__file__).parents[1]
MOVED = {"docs/": "", "REPRODUCTION.md": "reproduction/index.md", "CONTRIBUTING.md": "contributing.md",
         "CHANGELOG.md": "changelog.md"}  # fmt: skip
"""Where a file that the pages at the root link to stands on the site."""

WARNING = "<!-- early-warning figure -->"


def on_files(files: Files, config: MkDocsConfig) -> Files:
    """Add the generated pages to those in docs/."""
    for path, text in {**pages(), SCRIPT: get_plotlyjs()}.items():
        files.append(File.generated(config, path, content=text))
    config.nav = in_nav(files, config.nav or [])
    return files


def in_nav(files: Files, entries: list[Any]) -> list[Any]:
    """The entries of `nav`, those that end with a slash as the pages of that directory."""
    named: list[Any] = []
    for each in entries:
        for title, place in each.items():
            if isinstance(place, list):
                named.append({title: in_nav(files, place)})
            else:
                named.append({title: in_directory(files, place) if place.endswith("/") else place})
    return named


def in_directory(files: Files, place: str) -> list[str]:
    """The pages of a directory that `nav` names whole, its index first."""
    paths = [file.src_uri for file in files.documentation_pages() if file.src_uri.startswith(place)]
    return sorted(paths, key=lambda path: (not path.endswith("index.md"), path))


def on_page_markdown(markdown: str, page: Page, **_: Any) -> str:
    """Fill in the list of formats and the early-warning figure where a page asks for them, and pictures of claims."""
    markdown = claim_figures.with_figures(markdown, page.file.src_uri)
    if WARNING in markdown:
        markdown = markdown.replace(WARNING, placed(warning_figure.figure()))
    return markdown.replace("<!-- formats -->", table(("format", "what it is"), FORMATS.items()))


def on_post_page(output: str, page: Page, **_: Any) -> str:
    """Put the figures in their places."""
    return filled(output, "../" * page.url.count("/"))


def pages() -> dict[str, str]:
    """By its place on the site, every page that is made."""
    return {
        "index.md": linked(ROOT / "README.md"),
        "contributing.md": linked(ROOT / "CONTRIBUTING.md"),
        "changelog.md": linked(ROOT / "CHANGELOG.md"),
        "reproduction/index.md": linked(ROOT / "REPRODUCTION.md").replace("](reproduction/", "]("),
        "tasks.md": tasks_page(),
        "models.md": models_page(),
        "presets.md": presets_page(),
        "errors.md": errors_page(),
        "glossary.md": glossary_page(),
        **circuit_pages.pages(circuits.registered()),
        **notebook_pages.pages(),
        "api.md": api_page(),
    }


def linked(path: Path) -> str:
    """A page of the root, its links as they lead from the site."""
    text = path.read_text("utf-8")
    for old, new in MOVED.items():
        text = text.replace(f"]({old}", f"]({new}")
    return text.replace("](notebooks)", "](notebooks/01_grok_in_a_minute.md)")


def tasks_page() -> str:
    rows = [(f"`{name}`", summary, parameters(name)) for name, summary in tasks.names()]
    formulas = (
        "A formula needs no name: operands a, b (and c), whole numbers, + - * / ^, ( ), X if COND else Y, all mod p: "
        '`gi.train("a^2 + a*b", p=59)` or `grokinterp train "a^2 + a*b" --p 59`. A task with a name takes '
        'parameters of its own: `gi.train("sym", n=4)`, `grokinterp train sym --set n=4`. '
        "[A task of your own](own_task.md) is a function or a table."
    )
    return f"# Tasks\n\n{formulas}\n\n{table(('name', 'what is learnt', 'parameters'), rows)}"


def parameters(name: str) -> str:
    return ", ".join(f"`{each}`" for each in tasks.parameter_names(name))


def models_page() -> str:
    intro = "A preset names the family of its model; any field below is an argument of `gi.train`, or an option."
    return f"# Models\n\n{intro}\n\n" + "\n".join(fields_of(config) for config in MODEL_CONFIGS.values())


def fields_of(config: type) -> str:
    """A config's docstring and its fields, each with its type, its default and a line."""
    lines = comments(config)
    rows = [
        (f"`{field.name}`", f"`{type_text(field.type)}`", f"`{default_of(field)}`", lines.get(field.name, ""))
        for field in dataclasses.fields(config)
    ]
    return f"## {config.__name__}\n\n{inspect.getdoc(config)}\n\n{table(('field', 'type', 'default', ''), rows)}"


def presets_page() -> str:
    """Whose recipe each preset is and how it differs from the default, and that one in full."""
    base = preset(DEFAULT)
    names = [file.name for file in pkgutil.iter_modules(presets.__path__)]
    files = [importlib.import_module(f"{presets.__name__}.{name}") for name in names]
    whose = {config.preset: inspect.getdoc(file) or "" for file in files for config in file.PRESETS}
    rows = [(f"`{name}`", whose[name], config.changes_from(base) or "-") for name, config in PRESETS.items()]
    listed = table(("preset", "whose recipe", f"how it differs from {DEFAULT}"), rows)
    full = [
        (f"`{field.name}`", f"`{getattr(values, field.name)!r}`", comments(type(values)).get(field.name, ""))
        for values in (getattr(base, section) for section in SECTIONS)
        for field in dataclasses.fields(values)
    ]
    return "\n\n".join(
        [
            "# Presets",
            'A preset is the recipe of a paper: `gi.train("a + b", preset="pizza")`, `grokinterp train "a + b" '
            "--preset pizza`. Every field that is given beside it takes the place of the preset's own. `None` follows "
            "from the task, or is left out.",
            listed,
            f"## {DEFAULT} in full",
            table(("field", "value", ""), full),
        ]
    )


def errors_page() -> str:
    """What people typed wrongly and the part of the refusal that names the remedy: the tables that the tests try."""
    text = [
        "# Errors and remedies",
        "A refusal is one line: what was wrong, and what would be right. Nothing is written before it. From Python it "
        "is a `gi.BadRequest`, which is a `ValueError`; on the command line the exit status is 2. Below is what people "
        "typed, and the part of the line that tells what to do; every row is tried by the tests.",
    ]
    for title, name in (("From Python", "python"), ("On the command line", "command_line")):
        lines = (ROOT / "tests" / "misuse" / f"{name}.txt").read_text("utf-8").splitlines()
        calls = [line.rsplit(" => ", 1) for line in lines if line and not line.startswith("#")]
        before = "grokinterp " if name == "command_line" else ""
        by_remedy: dict[str, list[str]] = {}
        for call, remedy in calls:
            by_remedy.setdefault(remedy, []).append(f"`{before}{call}`")
        rows = [(remedy.replace("<", "&lt;"), "<br>".join(typed[:3])) for remedy, typed in by_remedy.items()]
        text += [f"## {title}", table(("what it says to do", "typed"), rows)]
    return "\n\n".join(text)


def glossary_page() -> str:
    """The words that the reports explain, in their order of letters."""
    text = ["# Glossary", "The same words explain themselves in a report, under the mouse and on paper."]
    text += [f"**{word}**\n:   {meaning}" for word, meaning in sorted(WORDS.items(), key=lambda pair: pair[0].lower())]
    return "\n\n".join(text)


def api_page() -> str:
    """A section for every public name, where it lives, and for the public modules."""
    text = ["# API", "`import grokinterp as gi`: each name is `gi.NAME`. Shapes are in the signatures, axes by name."]
    for name in gi.__all__:
        value = getattr(gi, name)
        if isinstance(value, ModuleType):
            continue
        text += [f"## gi.{name}", f"::: {value.__module__}.{value.__qualname__}"]
    text += [f"## {module}\n\n::: {module}" for module in ("grokinterp.fourier", "grokinterp.readout")]
    return "\n\n".join(text)
