"""A trace on disk: netCDF keeps everything, a table holds what has one number a step."""

import io
from pathlib import Path

import pandas as pd
import xarray as xr

from grokinterp.errors import BadRequest
from grokinterp.runs.files import make_directory
from grokinterp.runs.replacing import check_output, write_over

SUFFIXES = (".nc", ".csv", ".parquet")


def make_place(path: Path) -> None:
    """Make the directory of a trace. Raises `BadRequest` for a file name that no format goes with, or no place."""
    if path.suffix not in SUFFIXES:
        raise BadRequest(f"a trace is written to .nc, .csv or .parquet, not {path.name!r}")
    check_output(path)
    make_directory(path.parent)


def write(trace: xr.Dataset, path: Path) -> None:
    """Write a trace: .nc whole, .csv and .parquet as `table`. The file appears whole or not at all."""
    make_place(path)
    buffer = io.BytesIO()
    if path.suffix == ".nc":
        trace.to_netcdf(buffer, engine="h5netcdf")
    elif path.suffix == ".csv":
        table(trace).to_csv(buffer, index=False)
    else:
        table(trace).to_parquet(buffer, index=False)
    write_over(path, buffer.getvalue())


def table(trace: xr.Dataset) -> pd.DataFrame:
    """One row a step; `x` for a number, `x[k=14]` for each entry of a short vector. Larger arrays are left to .nc.

    Of many runs one row a run, or a run and step, with what varies; vectors are left to .nc.
    """
    if "run" in trace.dims:
        of_rows = [name for name, each in trace.data_vars.items() if set(each.dims) <= {"run", "step"}]
        return trace[of_rows].to_dataframe().reset_index()
    columns = {"step": trace.step.values}
    for name, variable in trace.data_vars.items():
        if variable.dims == ("step",):
            columns[str(name)] = variable.values
        elif variable.ndim == 2 and variable.shape[1] <= 200:
            dim = variable.dims[1]
            columns |= {f"{name}[{dim}={label}]": variable.values[:, i] for i, label in enumerate(trace[dim].values)}
    return pd.DataFrame(columns)
