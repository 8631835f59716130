"""Learnt: which functions each test calls and how long it takes, kept until the test or the code that it calls changes.

A file of tests is run once. Every function of the repository is given code that reports it, so that what the tests
spend in torch costs nothing more, as it would if each call of the interpreter were told.
"""

import ast
import builtins
import functools
import gc
import hashlib
import itertools
import json
import math
import time
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from types import CodeType, FunctionType

import pytest
from _pytest.runner import runtestprotocol
from changes import ROOT, Change

SHARED = (ROOT / "tests" / "conftest.py", ROOT / "tests" / "planted.py")
"""What the files of tests have in common."""

SETTINGS = ("circuits/test_defaults.py", "tasks/test_defaults.py")
"""The tests of what functions and circuits are set to where nobody says anything."""

REPORT = "__report__"
"""The name, among Python's own, of what the functions call while the tests are learnt."""


@dataclass
class Learnt:
    """By test its seconds; by function, `file:Class.name`, the tests that call it."""

    seconds: dict[str, float] = field(default_factory=dict)
    calls: dict[str, list[str]] = field(default_factory=dict)

    def add(self, other: "Learnt") -> None:
        """Take in what was learnt of other tests."""
        self.seconds |= other.seconds
        for name, tests in other.calls.items():
            self.calls.setdefault(name, []).extend(tests)

    def tests(self, change: Change, seconds: float = math.inf) -> list[str]:
        """The tests that reach a change, the quickest first, as many as fit into so much time, but one at least.

        Of a line outside functions, those that reach its file, and those of the settings, which call no function.
        """
        prefix = f"{change.file}:{change.function or ''}"
        fits = lambda name: name == prefix if change.function else name.startswith(prefix)
        names = {test for name, tests in self.calls.items() if fits(name) for test in tests}
        if change.function is None:
            names |= {name for name in self.seconds if name.partition("::")[0].endswith(SETTINGS)}
        order = sorted((name for name in names if name in self.seconds), key=lambda name: self.seconds[name])
        before = itertools.accumulate((self.seconds[name] for name in order), initial=0.0)
        return [name for name, spent in zip(order, before, strict=False) if spent < seconds or name == order[0]]


class Shelf:
    """What is kept of each file of tests, in a folder."""

    def __init__(self, folder: Path, items: Sequence[pytest.Item]):
        self.folder = folder
        self.files: dict[Path, list[pytest.Item]] = {}
        for item in items:
            self.files.setdefault(item.path, []).append(item)

    def place(self, file: Path) -> Path:
        return self.folder / f"{file.stem}-{_digest(file, *SHARED)}.json"

    def missing(self) -> list[pytest.Item]:
        """The tests of files of which nothing is kept, or of other code than there is."""
        return [item for file, group in self.files.items() if not self._holds(file) for item in group]

    def read(self) -> Learnt:
        learnt = Learnt()
        for file in self.files:
            kept = json.loads(self.place(file).read_text())
            learnt.add(Learnt(kept["seconds"], kept["calls"]))
        return learnt

    def learn(self, items: Sequence[pytest.Item]) -> int:
        """Run tests, file by file, and keep what was learnt of each file's as soon as it is known."""
        self.folder.mkdir(exist_ok=True)
        reached: set[str] = set()
        setattr(builtins, REPORT, reached.add)
        by_path: dict[str, list[FunctionType]] = {}
        for function in repository_functions():
            by_path.setdefault(function.__code__.co_filename, []).append(function)
        for path, functions in by_path.items():
            exchange(functions, _reporting(Path(path)))
        seconds: dict[str, float] = {}
        by_test: dict[str, set[str]] = {}
        for item, following in itertools.pairwise([*items, None]):
            reached.clear()
            started = time.process_time()
            reports = runtestprotocol(item, log=False, nextitem=following)
            if all(report.passed for report in reports):
                seconds[item.nodeid] = time.process_time() - started
                by_test[item.nodeid] = {*reached}
            if following is None or following.path != item.path:
                _keep(self.place(item.path), seconds, by_test)
                seconds, by_test = {}, {}
        return len(items)

    def _holds(self, file: Path) -> bool:
        place = self.place(file)
        if not place.exists():
            return False
        code = json.loads(place.read_text())["code"]
        return all((ROOT / name).is_file() and _digest(ROOT / name) == digest for name, digest in code.items())


@functools.cache
def _digest(*paths: Path) -> str:
    return hashlib.sha256(b"".join(path.read_bytes() for path in paths)).hexdigest()[:16]


def _keep(place: Path, seconds: Mapping[str, float], by_test: Mapping[str, set[str]]) -> None:
    """Write what was learnt of one file. Its first test sets up what the others share."""
    shared = next(iter(by_test.values()), set())
    calls: dict[str, list[str]] = {}
    for test, called in by_test.items():
        for name in called | shared:
            calls.setdefault(name, []).append(test)
    code = {file: _digest(ROOT / file) for file in {name.partition(":")[0] for name in calls}}
    place.write_text(json.dumps({"seconds": seconds, "calls": calls, "code": code}))


# -- the functions of the repository


def repository_functions() -> Iterator[FunctionType]:
    """Every function that is loaded of the repository's own code."""
    inside, outside = f"{ROOT}/", (f"{ROOT}/tests/", f"{ROOT}/.venv/")
    for each in gc.get_objects():
        # By `type`: `isinstance` asks the objects themselves, and dead weak references among them object.
        if type(each) is FunctionType:
            file = each.__code__.co_filename
            if file.startswith(inside) and not file.startswith(outside):
                yield each


def exchange(functions: Iterable[FunctionType], codes: Mapping[str, CodeType]) -> int:
    """Give functions of one file other code, by qualified name; how many of them there were."""
    named = [each for each in functions if each.__code__.co_qualname in codes]
    for each in named:
        each.__code__ = codes[each.__code__.co_qualname]
    return len(named)


def codes(module: CodeType) -> dict[str, CodeType]:
    """The code of every function of a module that lies in no other, by qualified name."""

    def walk(code: CodeType) -> Iterator[CodeType]:
        for each in code.co_consts:
            if isinstance(each, CodeType):
                yield each
                if "<locals>" not in each.co_qualname:
                    yield from walk(each)

    return {code.co_qualname: code for code in walk(module)}


def _reporting(path: Path) -> dict[str, CodeType]:
    """The code of a file's functions where they report themselves, those inside others as the outermost."""
    tree = ast.parse(path.read_text("utf-8"))
    _Reporting(path.relative_to(ROOT).as_posix()).visit(tree)
    return codes(compile(ast.fix_missing_locations(tree), str(path), "exec"))


class _Reporting(ast.NodeTransformer):
    """Puts a report, of `file:Class.name`, at the start of functions."""

    def __init__(self, file: str):
        self.file, self.classes, self.function = file, "", ""

    def visit_ClassDef(self, node: ast.ClassDef) -> ast.ClassDef:
        before = self.classes
        self.classes += f"{node.name}."
        self.generic_visit(node)
        self.classes = before
        return node

    def visit_FunctionDef(self, node: ast.FunctionDef) -> ast.FunctionDef:
        before = self.function
        self.function = before or self.classes + node.name
        self.generic_visit(node)
        node.body.insert(1 if ast.get_docstring(node) else 0, ast.Expr(self._call()))
        self.function = before
        return node

    def visit_Lambda(self, node: ast.Lambda) -> ast.Lambda:
        self.generic_visit(node)
        if self.function:
            # What reports gives None.
            node.body = ast.BoolOp(ast.Or(), [self._call(), node.body])
        return node

    def _call(self) -> ast.Call:
        return ast.Call(ast.Name(REPORT, ast.Load()), [ast.Constant(f"{self.file}:{self.function}")], [])
