"""The house: imports go down only, files keep to one noun, importing costs nothing."""

import ast
import dataclasses
import functools
import importlib
import pkgutil
import re
import subprocess
import sys
from pathlib import Path

import jaxtyping
import pytest
import torch
from jaxtyping import Float

import grokinterp as gi
from grokinterp.evaluation.losses import cross_entropy

ROOT = Path(__file__).parents[1]
FLOORS = [
    {"errors", "markup"},
    {"config", "fourier", "irreps"},
    {"tasks"},
    {"models"},
    {"runs"},
    {"evaluation"},
    {"importers", "analysis", "readout"},
    {"constructions", "training", "interventions"},
    {"circuits"},
    {"measuring"},
    {"sweeps"},
    {"reproduction", "reports"},
    {"explorer"},
    {"cli"},
]
FLOOR = {name: i for i, names in enumerate(FLOORS) for name in names}
PACKAGES = sorted(path.parent for path in ROOT.glob("src/grokinterp/**/__init__.py"))
SOURCES = sorted([*ROOT.glob("src/grokinterp/**/*.py"), *ROOT.glob("circuits/*.py")])


def home(path: Path) -> str:
    """The module or package of grokinterp that a file belongs to."""
    if path.is_relative_to(ROOT / "circuits"):
        return "circuits"
    relative = path.relative_to(ROOT / "src" / "grokinterp")
    return relative.parts[0].removesuffix(".py")


@functools.cache
def imported(path: Path) -> frozenset[str]:
    """Every module a file imports, also inside functions, by full name."""
    names: set[str] = set()
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            names.update(alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module:
            names.add(node.module)
            names.update(f"{node.module}.{alias.name}" for alias in node.names)
    return frozenset(names)


def test_imports_go_down_only():
    """A module imports from floors below its own, or from its own package."""
    rooms = {path: home(path) for path in SOURCES}
    without_floor = {room for room in rooms.values() if room not in FLOOR} - {"__init__", "__main__"}
    assert not without_floor, f"{without_floor} have no floor; give each one in FLOORS"
    upwards = [
        f"{path.relative_to(ROOT)} (floor {FLOOR[here]}) imports {parts[1]} from above or beside"
        for path, here in rooms.items()
        if here in FLOOR
        for parts in (name.split(".") for name in imported(path))
        if parts[0] == "grokinterp" and len(parts) > 1 and parts[1] in FLOOR and parts[1] != here
        if FLOOR[parts[1]] >= FLOOR[here]
    ]
    assert not upwards


def test_heavy_libraries_stay_in_their_rooms():
    """Only models/ imports TransformerLens, only reports/ imports plotly."""
    for library, room in (("transformer_lens", "models"), ("plotly", "reports")):
        users = [path for path in SOURCES if library in {name.split(".")[0] for name in imported(path)}]
        assert [str(path.relative_to(ROOT)) for path in users if home(path) != room] == [], library


def test_circuits_do_not_know_each_other():
    """A circuit is one file: it imports neither its neighbours nor what draws it."""
    for path in ROOT.glob("circuits/*.py"):
        assert not any(name.startswith("grokinterp.circuits") for name in imported(path)), path.name


def test_a_file_stays_short():
    """Past 320 lines a second noun has moved in."""
    lines = {str(path.relative_to(ROOT)): len(path.read_text().splitlines()) for path in SOURCES}
    assert {path: count for path, count in lines.items() if count > 320} == {}


DISCOVERED = {"tasks", "cli", "importers", "constructions", "claims", "sections", "presets"}
"""Collections whose members are found, not listed: they grow a file at a time."""


def test_a_package_stays_narrow():
    """Past 14 files at one level a second room has moved in."""
    files = {package: len(list(package.glob("*.py"))) for package in PACKAGES if package.name not in DISCOVERED}
    assert {str(package.relative_to(ROOT)): count for package, count in files.items() if count > 14} == {}


def test_the_corridor_is_short():
    """A module that stands in no package is a contract or public maths, and there are four at most."""
    loose = {path.stem for path in (ROOT / "src" / "grokinterp").glob("*.py")} - {"__init__", "__main__"}
    assert len(loose) <= 4, loose


def test_a_model_family_says_of_itself_what_is_asked():
    """Code outside a family asks its methods; six places may branch on which it is, each of which says why."""
    ladder = re.compile(
        r"isinstance\([^()]*(?:\([^()]*\))?[^()]*(?:Transformer|EmbeddingMLP|DenseMLP|NALU|Vision|OneHot)\w*Config"
    )
    ladders = {str(path.relative_to(ROOT)): len(ladder.findall(path.read_text())) for path in SOURCES}
    assert sum(ladders.values()) <= 6, {name: count for name, count in ladders.items() if count}


def test_rows_of_claims_can_be_read():
    """The index is one screen, and a row of a table of claims is at most 400 characters."""
    index = ROOT / "REPRODUCTION.md"
    assert len(index.read_text().splitlines()) <= 80
    for page in (index, *ROOT.glob("docs/reproduction/*.md")):
        assert max(map(len, (line for line in page.read_text().splitlines() if line[:1] == "|")), default=0) <= 400, (
            page
        )


def test_tests_mirror_the_packages():
    """A test of a package stands in a folder of its name; what is of all of them lies flat, in ten files at most."""
    rooms = {path.name for path in PACKAGES} | {"circuits"}
    folders = {path.parent.name for path in (ROOT / "tests").glob("*/test_*.py")}
    assert folders <= rooms | {"crash", "fuzz", "misuse", "soak"}
    assert len(list((ROOT / "tests").glob("test_*.py"))) <= 10


def test_the_wheel_has_every_package():
    """Every folder with modules in it is a package, because setup.py finds packages and nothing else."""
    folders = {path.parent for path in SOURCES if path.is_relative_to(ROOT / "src")}
    assert folders == set(PACKAGES)


@pytest.mark.parametrize("arguments", [["-c", "import grokinterp"], ["-m", "grokinterp", "--help"]], ids=str)
def test_starting_imports_neither_torch_nor_transformer_lens(arguments):
    """`import grokinterp` and `grokinterp --help` answer at once."""
    probe = subprocess.run(
        [sys.executable, "-X", "importtime", *arguments], capture_output=True, text=True, check=True, cwd=ROOT
    )
    modules = {line.rsplit("|", 1)[-1].strip() for line in probe.stderr.splitlines()}
    assert "grokinterp" in modules
    assert not modules & {"torch", "transformer_lens", "plotly", "pandas", "numpy"}


def test_public_names_survive_the_import_of_every_submodule():
    """No module bears the name of a public function, which importing it would hide."""
    before = {name: getattr(gi, name) for name in gi.__all__}
    for module in pkgutil.walk_packages(gi.__path__, "grokinterp."):
        if not module.name.endswith("__main__"):
            importlib.import_module(module.name)
    importlib.import_module("grokinterp.circuits")
    assert {name: getattr(gi, name) for name in gi.__all__} == before
    assert set(gi.__all__) <= set(dir(gi))
    with pytest.raises(AttributeError, match="has no attribute 'trian'"):
        gi.trian  # noqa: B018


def test_calls_check_types_and_shapes():
    """Arguments, what is returned and a dataclass's fields: an axis of one name has one size in a call."""
    checked = jaxtyping.jaxtyped(typechecker=None)  # as the hook of the tests decorates

    @checked
    def longer(x: Float[torch.Tensor, "row"], by: int) -> Float[torch.Tensor, "row"]:
        return torch.cat([x, x.new_zeros(by)])

    @checked
    @dataclasses.dataclass
    class Pair:
        one: Float[torch.Tensor, "row"]
        other: Float[torch.Tensor, "row"]

    three = torch.ones(3)
    assert torch.equal(longer(three, by=0), three) and torch.equal(Pair(three, three).other, three)
    wrong = [
        lambda: longer(three, 1),
        lambda: longer(three[None], 0),
        lambda: longer(three, "0"),
        lambda: Pair(three, three[:2]),
        lambda: cross_entropy(torch.zeros(3, 5), torch.zeros(4, dtype=torch.long)),
    ]
    for call in wrong:
        with pytest.raises(jaxtyping.TypeCheckError):
            call()
