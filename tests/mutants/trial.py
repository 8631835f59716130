"""Trial: runs the tests that reach a changed function, each change in a process forked from one that has all loaded.

The tests are collected once. First they are run once, in a fork, to learn which functions each of them calls and how
long it takes (`learning.py`). A change then puts other code into the function, in another fork, and the tests that
call it are run, the quickest first, until one fails.
"""

import functools
import gc
import importlib
import importlib.machinery
import itertools
import os
import resource
import signal
import sys
import traceback
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import pytest
from _pytest.runner import runtestprotocol
from changes import ROOT, Change, maths_files
from learning import Learnt, Shelf, codes, exchange, repository_functions

SECONDS = 8.0
"""Processor time, as it was learnt, of the tests that are tried on one change in a fork."""

FAILED = 77
"""How a fork ends that could not try a change: no test has noticed anything then."""

LIMIT = 60
"""Further processor seconds after which a change is taken to have made an endless loop, which is noticed."""


class Trial:
    """The pytest plugin. `verdicts` has by change the test that noticed it, or None."""

    def __init__(self, changes: Sequence[Change], cache: Path, told: Callable[[Change, str | None], object]):
        self.changes, self.cache, self.told = changes, cache, told
        self.learnt = Learnt()

    def pytest_runtestloop(self, session: pytest.Session) -> bool:
        if session.testsfailed:
            raise RuntimeError("some tests cannot be collected, so that what they would notice is not")
        items = {item.nodeid: item for item in session.items}
        for path in maths_files():
            _import(path)  # what a test imports only as it runs would be imported as it stands on disk
        shelf = Shelf(self.cache, session.items)
        if missing := shelf.missing():
            _in_fork(lambda: shelf.learn(missing))
        self.learnt = shelf.read()
        if not self.learnt.calls:
            raise RuntimeError("no test was seen to call anything: nothing could be noticed")
        for change in self.changes:
            if change.function is None:
                continue  # what is computed at import is tried in a process that imports it anew
            tests = [items[name] for name in self.learnt.tests(change, SECONDS) if name in items]
            self.told(change, _noticed_by(change, tests))
        return True


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
    name = change.function or ""
    functions = [each for each in repository_functions() if each.__code__.co_filename == str(change.path)]
    if not exchange(functions, {name: codes(change.compiled())[name]}):
        raise RuntimeError(f"no function {name} is there to be changed")
    for each in gc.get_objects():
        if type(each) is functools._lru_cache_wrapper and str(each.__module__).startswith("grokinterp"):
            each.cache_clear()


def _import(path: Path) -> None:
    package, _, name = path.relative_to(ROOT).with_suffix("").as_posix().replace("/", ".").rpartition(".")
    importlib.import_module(f"{package.removeprefix('src.').replace('circuits', 'grokinterp.circuits')}.{name}")


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
