"""What an installation needs and gives: every dependency is declared and used, and the package is found anywhere."""

import ast
import functools
import re
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
SOURCES = [*ROOT.glob("src/grokinterp/**/*.py"), *ROOT.glob("circuits/*.py")]
MODULES = {
    "scikit-learn": "sklearn",
    "scikit-image": "skimage",
    "tomli-w": "tomli_w",
    "transformer-lens": "transformer_lens",
}
"""The module of a distribution that does not bear its name."""
EXTRAS = ("explore", "static", "loggers", "systems", "slurm", "dask", "llc")
"""Those that the package itself imports from; the others are programs and what the tests need."""
THROUGH = {
    "pyarrow": "to_parquet(",  # pandas writes parquet with it
    "h5netcdf": 'engine="h5netcdf"',  # xarray writes netCDF with it
    "h5py": 'engine="h5netcdf"',  # which has it as one of two extras, and no default
    "distributed": "`client.get_executor()`",  # a sweep is handed what it makes
    "tensorboard": "torch.utils.tensorboard",  # torch writes events with it
}
"""Declared, used by another library for us, and the words in which it is asked to."""


def declared() -> dict[str, str]:
    """Every dependency and its bounds, also those of the extras that the package imports."""
    extras = PROJECT["optional-dependencies"]
    requirements = [*PROJECT["dependencies"], *(line for name in EXTRAS for line in extras.get(name, []))]
    return dict(re.fullmatch(r"([\w.-]+)(.*)", line).groups() for line in requirements)


@functools.cache
def imported() -> set[str]:
    """The top-level name of every module that the package imports, wherever in a file."""
    names: set[str] = set()
    for path in SOURCES:
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.Import):
                names.update(alias.name.partition(".")[0] for alias in node.names)
            elif isinstance(node, ast.ImportFrom) and node.module and not node.level:
                names.add(node.module.partition(".")[0])
    return names


def test_what_is_declared_is_used():
    """A dependency that nothing imports is a download for nothing."""
    text = "".join(path.read_text() for path in SOURCES)
    unused = {name for name in declared() if MODULES.get(name, name) not in imported() and name not in THROUGH}
    assert not unused
    assert not {name for name in declared() if name in THROUGH and THROUGH[name] not in text}


def test_what_is_imported_is_declared():
    """Nothing is used that is there only because another library brings it."""
    modules = {MODULES.get(name, name) for name in declared()}
    assert imported() - set(sys.stdlib_module_names) - {"grokinterp"} <= modules


def test_every_dependency_has_a_lower_bound():
    """`make lowest` tries them; without one a version from years ago fulfils the metadata and breaks."""
    assert not [name for name, bounds in declared().items() if ">=" not in bounds]


@pytest.mark.parametrize("folder", ["grokinterp", "elsewhere"])
def test_the_package_is_found_from_any_directory(tmp_path, folder):
    """Also from one with a folder of the package's name, as that which a clone lies in: a folder is no package."""
    (tmp_path / folder / "src").mkdir(parents=True)
    code = "import grokinterp, grokinterp.circuits; print(grokinterp.train.__module__, grokinterp.circuits.__file__)"
    started = subprocess.run([sys.executable, "-c", code], cwd=tmp_path, capture_output=True, text=True)
    assert started.returncode == 0, started.stderr
    assert started.stdout.startswith("grokinterp.")
