"""Trial: runs the tests that reach a changed function, each change in a process forked from one that has all loaded.

The tests are collected once. First they are run once, in a fork, to learn which functions each of them calls and how
long it takes; this is kept, file by file, until the file or the code that it calls changes. A change then puts other
code into the function, in another fork, and the tests that call it are run, the quickest first, until one fails.
"""

import functools
import gc
import hashlib
import importlib.machinery
import itertools
import json
import os
import resource
import signal
import sys
import threading
import time
import traceback
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from types import CodeType, FrameType, FunctionType
from typing import Any

import pytest
from _pytest.runner import runtestprotocol
from changes import ROOT, Change

SECONDS = 8.0
"""Processor time, as it was learnt, of the tests that are tried on one change in a fork."""

FAILED = 77
"""How a fork ends that could not try a change: no test has noticed anything then."""

SHARED = (ROOT / "tests" / "conftest.py", ROOT / "tests" / "planted.py")
"""What the files of tests have in common."""

LIMIT = 60
"""Further processor seconds after which a change is taken to have made an endless loop, which is noticed."""


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

    def tests(self, change: Change) -> list[str]:
        """The tests that reach a change, the quickest first; of a line outside functions those that reach its file."""
        prefix = f"{change.file}:{change.function or ''}"
        fits = lambda name: name == prefix if change.function else name.startswith(prefix)
        names = {test for name, tests in self.calls.items() if fits(name) for test in tests}
        return sorted((name for name in names if name in self.seconds), key=lambda name: self.seconds[name])


class Trial:
    """The pytest plugin. `verdicts` has by change the test that noticed it, or None."""

    def __init__(self, changes: Sequence[Change], cache: Path, told: Callable[[Change, str | None], object]):
        self.changes, self.cache, self.told = changes, cache, told
        self.learnt = Learnt()

    def pytest_runtestloop(self, session: pytest.Session) -> bool:
        items = {item.nodeid: item for item in session.items}
        by_file = _by_file(session.items)
        places = {path: self.cache / f"{path.stem}-{_digest(path, *SHARED)}.json" for path in by_file}
        new = [item for path, group in by_file.items() if not _holds(places[path]) for item in group]
        if new:
            self.cache.mkdir(exist_ok=True)
            _in_fork(lambda: _learn(new, places))
        for place in places.values():
            kept = json.loads(place.read_text())
            self.learnt.add(Learnt(kept["seconds"], kept["calls"]))
        if not self.learnt.calls:
            raise RuntimeError("no test was seen to call anything: nothing could be noticed")
        for change in self.changes:
            if change.function is None:
                continue  # what is computed at import is tried in a process that imports it anew
            tests, left = [], SECONDS
            for name in self.learnt.tests(change):
                if name in items and (not tests or left > 0):
                    tests.append(items[name])
                    left -= self.learnt.seconds[name]
            self.told(change, _noticed_by(change, tests))
        return True


def _by_file(items: Sequence[pytest.Item]) -> dict[Path, list[pytest.Item]]:
    files: dict[Path, list[pytest.Item]] = {}
    for item in items:
        files.setdefault(item.path, []).append(item)
    return files


@functools.cache
def _digest(*paths: Path) -> str:
    return hashlib.sha256(b"".join(path.read_bytes() for path in paths)).hexdigest()[:16]


def _holds(place: Path) -> bool:
    """Whether what was learnt of a file of tests is there, and of the code as it is."""
    if not place.exists():
        return False
    code = json.loads(place.read_text())["code"]
    return all((ROOT / file).is_file() and _digest(ROOT / file) == digest for file, digest in code.items())


def _learn(items: Sequence[pytest.Item], places: Mapping[Path, Path]) -> int:
    """Run the tests, file by file, and write what was learnt of each file's to its place as soon as it is known."""
    reached: set[str] = set()
    names: dict[CodeType, str | None] = {}

    def look(frame: FrameType, event: str, argument: Any) -> None:
        del event, argument  # as nothing is given back, calls are all that is told
        code = frame.f_code
        if code not in names:
            names[code] = _name_of(code)
        if name := names[code]:
            reached.add(name)

    seconds: dict[str, float] = {}
    by_test: dict[str, set[str]] = {}
    for item, following in itertools.pairwise([*items, None]):
        reached.clear()
        started = time.process_time()
        threading.settrace(look)
        sys.settrace(look)
        reports = runtestprotocol(item, log=False, nextitem=following)
        sys.settrace(None)
        threading.settrace(None)  # type: ignore[arg-type]
        if all(report.passed for report in reports):
            seconds[item.nodeid] = time.process_time() - started
            by_test[item.nodeid] = {*reached}
        if following is None or following.path != item.path:
            _keep(places[item.path], seconds, by_test)
            seconds, by_test = {}, {}
    return len(items)


def _keep(place: Path, seconds: dict[str, float], by_test: dict[str, set[str]]) -> None:
    """Write what was learnt of one file. Its first test sets up what the others share."""
    shared = next(iter(by_test.values()), set())
    calls: dict[str, list[str]] = {}
    for test, called in by_test.items():
        for name in called | shared:
            calls.setdefault(name, []).append(test)
    code = {file: _digest(ROOT / file) for file in {name.partition(":")[0] for name in calls}}
    place.write_text(json.dumps({"seconds": seconds, "calls": calls, "code": code}))


def _name_of(code: CodeType) -> str | None:
    """`file:Class.name` of the outermost function that this code is of, if that is in the repository."""
    path = Path(code.co_filename)
    if not path.is_relative_to(ROOT) or {"tests", ".venv"} & {*path.relative_to(ROOT).parts}:
        return None
    return f"{path.relative_to(ROOT).as_posix()}:{code.co_qualname.partition('.<locals>')[0]}"


def _noticed_by(change: Change, tests: Sequence[pytest.Item]) -> str | None:
    """The test that fails under a change, or `endless`; None where all pass."""

    def attempt() -> int:
        _exchange(change)
        for number, (item, following) in enumerate(itertools.pairwise([*tests, None]), start=1):
            if any(report.failed for report in runtestprotocol(item, log=False, nextitem=following)):
                return number
        return 0

    number = _in_fork(attempt)
    if number is None:
        return "it did not end, or ended the process"
    return tests[number - 1].nodeid if number else None


def _in_fork(function: Callable[[], int]) -> int | None:
    """What the function gives in a process of its own; None where that was killed, as after too much time."""
    reader, writer = os.pipe()
    child = os.fork()
    if child == 0:
        soft = int(SECONDS + LIMIT) if function.__name__ == "attempt" else resource.RLIM_INFINITY
        resource.setrlimit(resource.RLIMIT_CPU, (soft, resource.RLIM_INFINITY))
        signal.signal(signal.SIGXCPU, signal.SIG_DFL)
        try:
            os.write(writer, str(function()).encode())
        except BaseException:
            traceback.print_exc(file=sys.__stderr__)
            os._exit(FAILED)
        os._exit(0)
    os.close(writer)
    with os.fdopen(reader) as pipe:
        text = pipe.read()
    status = os.waitpid(child, 0)[1]
    if os.WIFEXITED(status) and os.WEXITSTATUS(status) == FAILED:
        raise RuntimeError("a trial failed by itself; what it says stands above")
    return int(text) if text else None


def _exchange(change: Change) -> None:
    """Give the functions of this process the code that the change makes of them, and forget what they gave before."""
    new = _codes(change.compiled())[change.function or ""]
    for each in gc.get_objects():
        # By `type`: `isinstance` asks the objects themselves, and dead weak references among them object.
        if type(each) is functools._lru_cache_wrapper and str(each.__module__).startswith("grokinterp"):
            each.cache_clear()
        elif type(each) is FunctionType:
            code = each.__code__
            if code.co_qualname == change.function and code.co_filename == str(change.path):
                each.__code__ = new


def _codes(module: CodeType) -> dict[str, CodeType]:
    """The code of every function of a module that lies in no other, by qualified name."""

    def walk(code: CodeType) -> Iterator[CodeType]:
        for each in code.co_consts:
            if isinstance(each, CodeType):
                yield each
                if "<locals>" not in each.co_qualname:
                    yield from walk(each)

    return {code.co_qualname: code for code in walk(module)}


# -- a change that is there from the start


class Only:
    """The pytest plugin of a process of its own: these tests, the quickest first."""

    def __init__(self, tests: Sequence[str]):
        self.order = {name: number for number, name in enumerate(tests)}

    def pytest_collection_modifyitems(self, items: list[pytest.Item]) -> None:
        items[:] = sorted((item for item in items if item.nodeid in self.order), key=lambda i: self.order[i.nodeid])


def install(change: Change) -> None:
    """Let this process import the changed file in the place of the one on disk."""
    source, path = change.source.encode(), str(change.path)
    loader = importlib.machinery.SourceFileLoader
    read, status = loader.get_data, loader.path_stats

    def get_data(self: Any, name: str) -> bytes:
        return source if name == path else read(self, name)

    def path_stats(self: Any, name: str) -> Any:
        if name == path:
            raise OSError("what is compiled of it on disk is of another source")
        return status(self, name)

    loader.get_data, loader.path_stats = get_data, path_stats  # type: ignore[method-assign]
