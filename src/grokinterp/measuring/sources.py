"""Sources: the code that a circuit's numbers come from, found by following imports through the files."""

import ast
import hashlib
import importlib.util
import sys
import time
from collections.abc import Iterable, Iterator
from functools import cache
from pathlib import Path

STARTED = time.time()
"""When this process began to measure: a file written later may not be the code that was imported."""


def digest_of_sources(roots: Iterable[str]) -> str | None:
    """A digest of the files of these modules and of every module of their packages that they reach by import.

    None where a file may not be what runs: a module without one (a notebook's), or one edited since this process began.
    """
    digest = hashlib.sha256()
    for name in sorted(reached(roots)):
        path = _file_of(name)
        if path is None or path.stat().st_mtime > STARTED:
            return None
        digest.update(name.encode() + _digest_of_file(path, path.stat().st_mtime_ns))
    return digest.hexdigest()


def reached(roots: Iterable[str]) -> set[str]:
    """The modules of grokinterp, and of the packages of `roots`, that are reached by import; `roots` included."""
    modules = set(roots)
    new = [*modules]
    while new:
        more = _imports_of(new.pop()) - modules
        modules |= more
        new += more
    return modules


@cache
def _imports_of(name: str) -> frozenset[str]:
    """The modules of grokinterp and of its own package that a module imports, also inside functions.

    With a module comes the package that holds it; a package that looks for its modules with `pkgutil` imports all.
    """
    path = _file_of(name)
    if path is None:
        return frozenset()
    package = name if path.name == "__init__.py" else name.rpartition(".")[0]
    named: set[str] = set()
    for node in _statements_of(ast.parse(path.read_bytes())):
        if isinstance(node, ast.Import):
            named.update(alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            parents = package.split(".")[: package.count(".") + 2 - node.level] if node.level else []
            base = ".".join([*parents, *([node.module] if node.module else [])])
            within = {f"{base}.{alias.name}" for alias in node.names}
            # `from grokinterp import fourier` takes nothing else from the package, which loads the rest on demand.
            named |= within if base == "grokinterp" and all(map(_file_of, within)) else {base, *within}
    if "pkgutil" in named:
        named |= {f"{package}.{file.stem}" for file in path.parent.glob("*.py")} - {f"{package}.__init__"}
    known = {each for each in named if each.partition(".")[0] in ("grokinterp", name.partition(".")[0])}
    holders = {".".join(each.split(".")[:depth]) for each in known for depth in range(2, each.count(".") + 1)}
    return frozenset(each for each in known | holders if _file_of(each))


def _statements_of(tree: ast.AST) -> Iterator[ast.AST]:
    """Every statement, in functions too; not the expressions, which are most of a file and hold no import."""
    new = [tree]
    while new:
        node = new.pop()
        for field in ("body", "orelse", "finalbody", "handlers", "cases"):
            inner = getattr(node, field, None)
            if isinstance(inner, list):
                new += inner
                yield from inner


@cache
def _file_of(name: str) -> Path | None:
    """The Python file of a module, without importing it; None where there is none."""
    module = sys.modules.get(name)
    if module is not None:
        file = getattr(module, "__file__", None)
        return Path(file) if file and file.endswith(".py") else None
    parent, _, last = name.rpartition(".")
    if parent:
        holder = _file_of(parent)
        if holder is None or holder.name != "__init__.py":
            return None
        candidates = (holder.parent / f"{last}.py", holder.parent / last / "__init__.py")
        return next((path for path in candidates if path.is_file()), None)
    try:
        spec = importlib.util.find_spec(name)
    except (ImportError, ValueError):
        return None
    return Path(spec.origin) if spec and spec.origin and spec.origin.endswith(".py") else None


@cache
def _digest_of_file(path: Path, written: int) -> bytes:
    del written  # a file that is written anew is read anew
    return hashlib.sha256(path.read_bytes()).digest()
