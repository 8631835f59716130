"""Any bytes give a run or one line of refusal: the short form of `make fuzz`."""

import subprocess
import sys
from pathlib import Path

import pytest

SCRIPT = Path(__file__).with_name("fuzz.py")


@pytest.mark.slow
def test_parsers_refuse_in_one_line():
    """Five changed files a parser, and every file that once was a finding."""
    tried = subprocess.run([sys.executable, SCRIPT, "--count", "5"], capture_output=True, text=True)
    assert tried.returncode == 0, tried.stdout + tried.stderr
    assert tried.stdout.count(" files, 0 kinds of finding") == 27
