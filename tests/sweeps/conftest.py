"""Fixtures of sweeps: a real Slurm, for the tests of the engine that submits to one."""

import os
from collections.abc import Callable, Iterator
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest


@pytest.fixture(scope="module")
def slurm(tmp_path_factory: pytest.TempPathFactory, loaded: Callable[[Path], ModuleType]) -> Iterator[Any]:
    """A Slurm of one node that this process and what it starts reach; skips where there is none, except in CI."""
    module = loaded(Path(__file__).with_name("cluster.py"))
    if (reason := module.missing()) is not None:
        pytest.fail(reason) if os.environ.get("CI") else pytest.skip(reason)
    with pytest.MonkeyPatch.context() as patch, module.cluster(tmp_path_factory.mktemp("slurm")) as running:
        for name in os.environ.keys() - running.environment.keys():
            patch.delenv(name)
        for name, value in running.environment.items():
            patch.setenv(name, value)
        yield running
