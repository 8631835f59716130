"""Fixtures shared by all tests."""

import os
from collections.abc import Callable
from pathlib import Path

import pytest

DATA = Path(os.environ.get("GROKINTERP_TEST_DATA", Path(__file__).parents[2] / "shared" / "data"))


@pytest.fixture(scope="session")
def data() -> Callable[[str], Path]:
    """Third-party files are not part of the repository: `data(name)` finds one, or skips, except in CI."""

    def find(name: str) -> Path:
        path = DATA / name
        if not path.exists():
            reason = f"third-party file {name} not found under {DATA}; set GROKINTERP_TEST_DATA"
            pytest.fail(reason) if os.environ.get("CI") else pytest.skip(reason)
        return path

    return find
