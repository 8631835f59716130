"""Any bytes give a run or one line of refusal: the short form of `make fuzz`."""

import subprocess
import sys
from pathlib import Path

import pytest

SCRIPT = Path(__file__).with_name("fuzz.py")
PARSERS = [
    "torch", "torch-legacy", "curves", "safetensors", "packed", "settings", "config", "metrics", "checkpoint",
    "optimiser", "formula", "split", "metrics-lines",
]  # fmt: skip


@pytest.mark.slow
def test_parsers_refuse_in_one_line():
    """Forty changed files a parser, and every file that once was a finding."""
    command = [sys.executable, SCRIPT, "--count", "40", *(word for name in PARSERS for word in ("--only", name))]
    tried = subprocess.run(command, capture_output=True, text=True)
    assert tried.returncode == 0, tried.stdout + tried.stderr
    assert tried.stdout.count("0 kinds of finding") == len(PARSERS)
