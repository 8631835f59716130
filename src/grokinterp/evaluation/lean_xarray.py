"""Lean xarray: a process of our own uses xarray without dask, which takes a second to import."""

import sys


def leave_out_dask() -> None:
    """Let xarray take dask for absent, in this process, from here on. Imports xarray.

    Where dask is installed, xarray imports it with its first array, to tell dask's arrays from numpy's; it looks once,
    and keeps the answer. So this is for processes that have no other use of xarray than ours, which hands it numpy's
    arrays: a command, or a worker. Dask itself can be imported as ever. Nothing happens where it is imported already.
    """
    if "dask" in sys.modules:
        return
    sys.modules["dask"] = None  # type: ignore[assignment] # Python's own word for "cannot be imported"
    try:
        import xarray

        _ = xarray.Dataset({"any": 0.0}).chunks
    finally:
        del sys.modules["dask"]
