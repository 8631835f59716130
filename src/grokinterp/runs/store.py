"""Store: where a run's numbers are kept, and the store of what a third-party file held."""

from collections.abc import Callable, Mapping
from typing import Protocol, runtime_checkable

import pandas as pd
import torch
from torch import Tensor


@runtime_checkable
class Store(Protocol):
    """Where a run's numbers are kept. Read afresh at every call: a run may still be training."""

    def steps(self) -> list[int]:
        """The steps with a checkpoint, ascending."""
        ...

    def __contains__(self, step: object) -> bool:
        """Whether there is a checkpoint at this step."""
        ...

    def parameters(self, step: int) -> dict[str, Tensor]:
        """The weights after `step` updates, by their classic names, on the CPU."""
        ...

    def metrics(self) -> pd.DataFrame:
        """One row a measured step, with a column `step`."""
        ...


class MemoryStore:
    """Checkpoints and curves that a third-party file held."""

    def __init__(self, checkpoints: Mapping[int, Callable[[], dict[str, Tensor]]], metrics: pd.DataFrame | None = None):
        self._checkpoints = dict(sorted(checkpoints.items()))
        self._metrics = pd.DataFrame({"step": []}) if metrics is None else metrics

    def steps(self) -> list[int]:
        return list(self._checkpoints)

    def __contains__(self, step: object) -> bool:
        return step in self._checkpoints

    def parameters(self, step: int) -> dict[str, Tensor]:
        # Copies: the file is read once, and an edit of one dictionary must not reach the next.
        read = self._checkpoints[step]()
        return {name: value.clone(memory_format=torch.contiguous_format) for name, value in read.items()}

    def metrics(self) -> pd.DataFrame:
        return self._metrics.copy()
