"""Pages that `make docs` makes of the code and of the files at the root, so that nothing is said twice.

A hook of MkDocs: tasks, models, presets and circuits are listed as the package finds them, so that a new one has its
place without a line here.
"""

import dataclasses
import inspect
import re
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType
from typing import Any

import xarray as xr
from mkdocs.config.defaults import MkDocsConfig
from mkdocs.structure.files import File, Files

import grokinterp as gi
from grokinterp import circuits, tasks
from grokinterp.config import MODEL_CONFIGS
from grokinterp.config.presets import PRESETS, preset
from grokinterp.evaluation.snapshot import Snapshot
from grokinterp.importers import FORMATS
from grokinterp.models.initialisation import initialise
from grokinterp.readout import Circuit

ROOT = Path(__file__).parents[1]
MOVED = {"docs/": "", "REPRODUCTION.md": "reproduction/index.md", "CONTRIBUTING.md": "contributing.md",
         "CHANGELOG.md": "changelog.md"}  # fmt: skip
"""Where a file that the pages at the root link to stands on the site."""


def on_files(files: Files, config: MkDocsConfig) -> Files:
    """Add the generated pages to those in docs/."""
    for path, text in pages().items():
        files.append(File.generated(config, path, content=text))
    config.nav = [
        {title: in_directory(files, place) if place.endswith("/") else place}
        for each in config.nav or []
        for title, place in each.items()
    ]
    return files


def in_directory(files: Files, place: str) -> list[str]:
    """The pages of a directory that `nav` names whole, its index first."""
    paths = [file.src_uri for file in files.documentation_pages() if file.src_uri.startswith(place)]
    return sorted(paths, key=lambda path: (not path.endswith("index.md"), path))


def on_page_markdown(markdown: str, **_: Any) -> str:
    """Fill in the list of formats where a page asks for it."""
    return markdown.replace("<!-- formats -->", table(("format", "what it is"), FORMATS.items()))


def pages() -> dict[str, str]:
    """By its place on the site, every page that is made."""
    readouts = read_tiny_models()
    shipped = circuits.registered()
    return {
        "index.md": linked(ROOT / "README.md"),
        "contributing.md": linked(ROOT / "CONTRIBUTING.md"),
        "changelog.md": linked(ROOT / "CHANGELOG.md"),
        "reproduction/index.md": linked(ROOT / "REPRODUCTION.md").replace("](reproduction/", "]("),
        "tasks.md": tasks_page(),
        "models.md": models_page(),
        "presets.md": presets_page(),
        "circuits/index.md": circuits_page(shipped),
        **{f"circuits/{name}.md": circuit_page(each, readouts.get(name)) for name, each in shipped.items()},
        "api.md": api_page(),
    }


def linked(path: Path) -> str:
    """A page of the root, its links as they lead from the site; a directory that is not on it becomes plain text."""
    text = path.read_text("utf-8")
    for old, new in MOVED.items():
        text = text.replace(f"]({old}", f"]({new}")
    return re.sub(r"\[([^]]+)\]\(notebooks\)", r"`\1`", text)


def tasks_page() -> str:
    rows = [(f"`{name}`", summary, parameters(name)) for name, summary in tasks.names()]
    formulas = "A formula needs no name: operands a, b (and c), whole numbers, + - * / ^, ( ), X if COND else Y, mod p."
    return f"# Tasks\n\n{formulas}\n\n{table(('name', 'what is learnt', 'parameters'), rows)}"


def parameters(name: str) -> str:
    return ", ".join(f"`{each}`" for each in tasks.parameter_names(name))


def models_page() -> str:
    return "# Models\n\n" + "\n".join(fields_of(config) for config in MODEL_CONFIGS.values())


def fields_of(config: type) -> str:
    """A config's docstring and its fields with their defaults."""
    rows = [(f"`{field.name}`", f"`{default_of(field)}`") for field in dataclasses.fields(config)]
    return f"## {config.__name__}\n\n{inspect.getdoc(config)}\n\n{table(('field', 'default'), rows)}"


def default_of(field: Any) -> str:
    if field.default is not dataclasses.MISSING:
        return repr(field.default)
    return "given" if field.default_factory is dataclasses.MISSING else repr(field.default_factory())


def presets_page() -> str:
    base = preset("nanda")
    rows = [(f"`{name}`", config.changes_from(base) or "the default") for name, config in PRESETS.items()]
    return f"# Presets\n\n{table(('preset', 'how it differs from nanda'), rows)}"


def circuits_page(shipped: dict[str, Circuit]) -> str:
    rows = [(f"[{name}]({name}.md)", paragraph(type(circuit))) for name, circuit in shipped.items()]
    return f"# Circuits\n\n{table(('circuit', 'what it reads off a checkpoint'), rows)}"


def circuit_page(circuit: Circuit, readout: xr.Dataset | None) -> str:
    """What a circuit says it is, its parameters, and the variables it reads off the smallest model it applies to."""
    kind = type(circuit)
    module = inspect.getmodule(kind)
    text = [f"# {circuit.name}", inspect.getdoc(module) or "", f"## {kind.__name__}", inspect.getdoc(kind) or ""]
    if fields := dataclasses.fields(circuit):  # type: ignore[arg-type]
        text += ["## Parameters", table(("field", "default"), [(f"`{f.name}`", f"`{default_of(f)}`") for f in fields])]
    if circuit.only_on_request:
        text.append(f'Only on request: `gi.measure(run, circuits=["{circuit.name}"])`.')
    if readout is None:
        raise SystemExit(f"circuit {circuit.name} applies to none of the TINY models; add one to TINY")
    rows = [
        (f"`{name}`", ", ".join(map(str, values.dims)), values.attrs.get("units", ""), values.attrs.get("source", ""))
        for name, values in readout.data_vars.items()
    ]
    return "\n\n".join([*text, "## Variables", table(("variable", "dims", "units", "source"), rows)])


TINY: tuple[tuple[str, tasks.Task, dict[str, Any]], ...] = (
    ("nanda", tasks.Task("a + b", p=7), {"d_model": 8, "n_heads": 2}),
    ("chughtai", tasks.Task("sym", n=3, layout="a b"), {"d_embed": 8, "hidden_sizes": (8,)}),
    ("digits", tasks.Task("digits", digits=2, points=200), {"d_model": 8, "n_heads": 2}),
    ("induction_small", tasks.Task("repeated_subsequence", points=200), {"d_model": 8, "n_heads": 2}),
    ("slope", tasks.Task("slope", n=3), {"d_model": 8, "n_heads": 2}),
    ("encoded_sum", tasks.Task("encoded_sum", p=7), {"hidden_sizes": (8,)}),
    ("nalu", tasks.Task("division", n=8, form="numbers"), {}),
    ("lines_patches", tasks.Task("lines", largest=1), {"d_model": 8, "n_heads": 2}),
)
"""Preset, task and sizes of models between which every circuit finds one that it applies to."""


def read_tiny_models() -> dict[str, xr.Dataset]:
    """Every circuit on the first of the TINY models that it applies to; untrained, since only names are wanted."""
    readouts: dict[str, xr.Dataset] = {}
    for name, task, fields in TINY:
        snapshot = untrained(name, task, fields)
        for circuit in circuits.registered().values():
            if circuit.name not in readouts and circuit.why_not(snapshot) is None:
                readouts[circuit.name] = circuit.fit(snapshot).read(snapshot, frozenset(circuit.on_request))
    return readouts


def untrained(name: str, task: Any, fields: dict[str, Any]) -> Snapshot:
    base = preset(name)
    task = task.split(frac=base.split.frac, seed=0)
    config = base.replace(**fields).model.resolved(task.n_vocab, task.n_answers, task.inputs.shape[1])
    return Snapshot(0, config, task, initialise(config, seed=0))


def api_page() -> str:
    """A section for every public name, where it lives, and for the public modules."""
    text = ["# API", "`import grokinterp as gi`: each name is `gi.NAME`."]
    for name in gi.__all__:
        value = getattr(gi, name)
        if isinstance(value, ModuleType):
            continue
        text += [f"## gi.{name}", f"::: {value.__module__}.{value.__qualname__}"]
    text += [f"## {module}\n\n::: {module}" for module in ("grokinterp.fourier", "grokinterp.readout")]
    return "\n\n".join(text)


def paragraph(kind: type) -> str:
    return " ".join((inspect.getdoc(kind) or "").partition("\n\n")[0].split())


def table(head: tuple[str, ...], rows: Any) -> str:
    """A Markdown table."""
    return "\n".join(_lines(head, rows)) + "\n"


def _lines(head: tuple[str, ...], rows: Any) -> Iterator[str]:
    for cells in (head, ("---",) * len(head), *rows):
        yield "| " + " | ".join(" ".join(cell.split()).replace("|", "\\|") for cell in cells) + " |"
