"""Readout: what a circuit says of one checkpoint, as named arrays; and Circuit, the contract it keeps."""

from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from functools import lru_cache
from typing import Any, ClassVar, NamedTuple

import numpy as np
import xarray as xr
from torch import Tensor

from grokinterp.evaluation.snapshot import Snapshot


class Variable(NamedTuple):
    """One named array of a readout: its dims, values, units, and the paper or definition they come from."""

    dims: tuple[str, ...]
    values: Any
    units: str
    source: str


def readout(
    variables: Mapping[str, Variable], coordinates: Mapping[str, Sequence[Any] | np.ndarray] | None = None
) -> xr.Dataset:
    """A Readout: the variables with a coordinate on every dim, units and source in their attributes.

    A dim without given coordinates counts from 0; `k`, a frequency, from 1. Scalars are float64 (or text), arrays
    float32 unless they hold whole numbers, booleans or text. Raises `ValueError` where a dim has two lengths.
    """
    data: dict[str, np.ndarray] = {}
    layouts: list[tuple[Any, ...]] = []
    coords: dict[str, Any] = dict(coordinates or {})
    for name, (dims, values, units, source) in variables.items():
        array = np.asarray(values.detach().cpu() if isinstance(values, Tensor) else values)
        if array.dtype.kind == "f":
            array = array.astype(np.float64 if array.ndim == 0 else np.float32)
        data[name] = array
        layouts.append((name, tuple(dims), array.shape, units, source))
        for dim, size in zip(dims, array.shape, strict=True):
            coords.setdefault(dim, np.arange(size) + (dim == "k"))
    used = {dim for _, dims, *_ in layouts for dim in dims}
    arrays = {dim: np.asarray(values) for dim, values in coords.items() if dim in used}
    return _blank(tuple(layouts), tuple((d, x.dtype.str, *x.tolist()) for d, x in arrays.items())).copy(data=data)


# To build a dataset takes five times as long as to copy one with other numbers, and every checkpoint's are alike.
@lru_cache(maxsize=256)
def _blank(layouts: tuple[tuple[Any, ...], ...], arrays: tuple[tuple[Any, ...], ...]) -> xr.Dataset:
    blanks = {
        name: xr.Variable(dims, np.broadcast_to(0.0, shape), {"units": units, "source": source})
        for name, dims, shape, units, source in layouts
    }
    return xr.Dataset(blanks, {dim: np.array(values, dtype) for dim, dtype, *values in arrays})


class Circuit(ABC):
    """A hypothesis or a measure, read off any checkpoint.

    A frozen value: parameters are fields, evidence is an argument, nothing is stored on the way. Calling order:
    `why_not` (does it apply?), `fit` once on the final checkpoint (to choose what must stay fixed over time, key
    frequencies say), `read` on every checkpoint, `summarise` on the whole trace.
    """

    name: ClassVar[str]
    """What `measure(run, circuits=[name])` calls it."""

    version: ClassVar[int] = 1
    """Part of the cache's key: raise it when the same checkpoint would read differently."""

    descriptions: ClassVar[Mapping[str, str]] = {}
    """What each variable is, in a few words: its attribute `description` in a trace."""

    on_request: ClassVar[tuple[str, ...]] = ()
    """Variables that are computed only where `requested` names them, because they cost much or are large."""

    only_on_request: ClassVar[bool] = False
    """Whether the whole circuit waits to be asked for by name."""

    @property
    def summary(self) -> str:
        """What it measures, in the first line of its docstring."""
        return (type(self).__doc__ or "").strip().partition("\n")[0]

    def why_not(self, snapshot: Snapshot) -> str | None:
        """Why it cannot be read off this model and task, naming the missing hook or property; None where it can."""
        del snapshot
        return None

    def fit(self, final: Snapshot) -> "Circuit":
        """This circuit with whatever must not change over time chosen from the final checkpoint."""
        del final
        return self

    @abstractmethod
    def read(self, snapshot: Snapshot, requested: frozenset[str] = frozenset()) -> xr.Dataset:
        """All default variables (and those of `on_request` that are requested), also early in training."""

    def summarise(self, trace: xr.Dataset) -> dict[str, Any]:
        """Attributes that need the whole curve, such as phase boundaries, with the rules they follow."""
        del trace
        return {}
