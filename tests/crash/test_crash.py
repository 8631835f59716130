"""A killed program leaves nothing torn: the short form of `make crash`."""

import subprocess
import sys
from pathlib import Path

import pytest

SCRIPT = Path(__file__).with_name("crash.py")


@pytest.mark.slow
def test_what_a_kill_leaves_is_whole_and_goes_on():
    """Every scenario once, half of them between two file operations and half after a random time."""
    command = [sys.executable, SCRIPT, "--kills", "10"]
    kills = subprocess.run(command, capture_output=True, text=True)
    assert kills.returncode == 0, kills.stdout + kills.stderr
    assert "10 kills of 10 scenarios" in kills.stdout and "0 left something wrong" in kills.stdout
