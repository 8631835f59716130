"""A trace as bytes, for the cache: its arrays as safetensors, and beside them, as JSON, what each of them is.

A run directory comes from anybody, and its cache with it. The libraries under netCDF follow a file's links to other
files and do not survive every damage; here nothing is followed, and nothing is larger than the bytes that there are.
"""

import json
from typing import Any

import numpy as np
import safetensors.numpy
import xarray as xr

from grokinterp.config.validation import plain

DESCRIPTION = "description"
"""The array that holds the JSON. The others are called by their place in it, so that no name can be in the way."""

LAST_CHARACTER = 0x10FFFF


class DamagedTrace(ValueError):
    """Bytes that are no trace."""


def to_bytes(trace: xr.Dataset) -> bytes:
    """Write a trace; `from_bytes` is the inverse. Text becomes the numbers of its characters."""
    arrays: dict[str, np.ndarray] = {}
    entries: list[dict[str, Any]] = []
    for name, variable in trace.variables.items():
        values = np.asarray(variable.values, order="C")
        is_text = values.dtype.kind in "UO"
        arrays[str(len(entries))] = _characters(values.astype(str)) if is_text else values
        entry = {"name": name, "dims": variable.dims, "attrs": variable.attrs, "is_text": is_text}
        entries.append({**entry, "is_coordinate": name in trace.coords})
    description = json.dumps({"variables": entries, "attrs": trace.attrs}, default=plain).encode()
    return safetensors.numpy.save({**arrays, DESCRIPTION: np.frombuffer(description, np.uint8)})


def from_bytes(content: bytes) -> xr.Dataset:
    """Read a trace that `to_bytes` wrote. Raises `DamagedTrace` for any other bytes."""
    try:
        arrays = safetensors.numpy.load(content)
        description = json.loads(arrays[DESCRIPTION].tobytes())
        data: dict[str, xr.Variable] = {}
        coordinates: dict[str, xr.Variable] = {}
        for place, entry in enumerate(description["variables"]):
            values = arrays[str(place)]
            values = _text(values) if entry["is_text"] else values
            variable = xr.Variable(tuple(entry["dims"]), values, entry["attrs"])
            (coordinates if entry["is_coordinate"] else data)[entry["name"]] = variable
        return xr.Dataset(data, coordinates, description["attrs"])
    except Exception as error:  # whatever the libraries say of a damaged file, it is one
        raise DamagedTrace(str(error)) from None


def is_steps(values: np.ndarray) -> bool:
    """Whether these can be the steps of a trace: whole numbers in order, none twice."""
    return values.dtype.kind == "i" and values.ndim == 1 and bool((np.diff(values) > 0).all())


def _characters(text: np.ndarray) -> np.ndarray:
    return np.frombuffer(text.tobytes(), np.uint32).reshape(*text.shape, text.dtype.itemsize // 4)


def _text(characters: np.ndarray) -> np.ndarray:
    if characters.dtype != np.uint32 or (characters.size and int(characters.max()) > LAST_CHARACTER):
        raise DamagedTrace("no text")
    *shape, length = characters.shape
    return np.frombuffer(characters.tobytes(), f"<U{length}").reshape(shape)
