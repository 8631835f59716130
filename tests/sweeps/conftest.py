"""Fixtures of sweeps: a real Slurm, for the tests of the engine that submits to one."""

import importlib.util
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest


def _cluster() -> Any:
    spec = importlib.util.spec_from_file_location("cluster", Path(__file__).with_name("cluster.py"))
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.fixture(scope="module")
def slurm(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Any]:
    """A Slurm of one node that this process and what it starts reach; skips where there is none, except in CI."""
    module = _cluster()
    if (reason := module.missing()) is not None:
        pytest.fail(reason) if os.environ.get("CI") else pytest.skip(reason)
    with pytest.MonkeyPatch.context() as patch, module.cluster(tmp_path_factory.mktemp("slurm")) as running:
        for name in os.environ.keys() - running.environment.keys():
            patch.delenv(name)
        for name, value in running.environment.items():
            patch.setenv(name, value)
        yield running
