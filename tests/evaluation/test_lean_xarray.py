"""xarray in a command or a worker imports no dask, which stays there for everyone else."""

import subprocess
import sys
from pathlib import Path

import pytest

pytest.importorskip("dask", reason="without dask there is none to leave out")

COMMAND = """
import sys
from grokinterp.cli import main
assert main(["measure", sys.argv[1], "--circuits", "loss", "--no-cache"]) == 0
assert "xarray" in sys.modules and "dask.array" not in sys.modules
"""

WORKER = """
import sys
from grokinterp.evaluation.lean_xarray import leave_out_dask
leave_out_dask()
import numpy as np
import xarray as xr
both = xr.concat([xr.Dataset({"x": ("step", np.ones(3))}, {"step": np.arange(3)})] * 2, "run")
assert both.x.sum() == 6 and "dask" not in sys.modules
import dask.array
assert dask.array.ones(3).sum().compute() == 3
"""


def run(code: str, *arguments: str) -> None:
    subprocess.run([sys.executable, "-c", code, *arguments], check=True, stdout=subprocess.DEVNULL)


def test_a_command_imports_no_dask(small_run: Path):
    run(COMMAND, str(small_run))


def test_dask_can_be_imported_after_it_was_left_out():
    run(WORKER)
