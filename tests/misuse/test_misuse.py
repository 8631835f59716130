"""What people type wrongly, from the shell and from Python: one line with the remedy, and nothing on disk.

`command_line.txt` and `python.txt` are the tables, a line each: the call, ` => `, a part of the refusal. To add one,
write its line. All are made in one process without the tests' type checks (`attempts.py`), as users make them.
"""

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

HERE = Path(__file__).parent


def table(name: str) -> dict[str, str]:
    """Call -> part of the refusal."""
    lines = HERE.joinpath(name).read_text("utf-8").splitlines()
    rows = [line.rsplit(" => ", 1) for line in lines if line and not line.startswith("#")]
    return {call: fragment for call, fragment in rows}


COMMAND_LINE, PYTHON = table("command_line.txt"), table("python.txt")


@pytest.fixture(scope="module")
def outcomes() -> dict[str, dict[str, dict[str, Any]]]:
    """What became of every call, by table and call."""
    calls = json.dumps({"cli": [*COMMAND_LINE], "python": [*PYTHON]})
    finished = subprocess.run([sys.executable, HERE / "attempts.py"], input=calls, capture_output=True, text=True)
    assert finished.returncode == 0, finished.stderr[-2000:]
    return json.loads(finished.stdout)


def test_the_tables_are_long_enough() -> None:
    """At least 195 different wrong uses are tried."""
    assert len(COMMAND_LINE) + len(PYTHON) >= 195


@pytest.mark.slow
@pytest.mark.parametrize("line", COMMAND_LINE)
def test_a_wrong_line_is_refused_in_one(line: str, outcomes: dict[str, Any]) -> None:
    """Exit 2, one line on standard error that names the remedy, no traceback, nothing written."""
    seen = outcomes["cli"][line]
    assert (seen["type"], seen.get("code")) == (None, 2), seen
    assert len(seen["stderr"].splitlines()) == 1
    assert seen["stderr"].startswith("grokinterp: ")
    assert COMMAND_LINE[line] in seen["stderr"]
    assert seen["changed"] == []


@pytest.mark.slow
@pytest.mark.parametrize("call", PYTHON)
def test_a_wrong_call_is_refused_in_one(call: str, outcomes: dict[str, Any]) -> None:
    """A `ValueError` of one line that names the remedy, nothing written."""
    seen = outcomes["python"][call]
    assert seen.get("refused"), seen
    assert "\n" not in seen["text"]
    assert PYTHON[call] in seen["text"]
    assert seen["changed"] == []
