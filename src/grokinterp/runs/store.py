"""Store: where a run's numbers are kept, and the store of what a third-party file held."""

from collections.abc import Callable, Mapping, Sequence
from typing import Protocol, runtime_checkable

import numpy as np
import pandas as pd
import torch
from torch import Tensor

from grokinterp.runs.digests import digest_of_tensors


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

    def digests(self, steps: Sequence[int]) -> dict[int, str]:
        """By step, what tells the content of the checkpoint from any other's."""
        ...

    def metrics(self) -> pd.DataFrame:
        """One row a measured step, with a column `step`."""
        ...

    def columns(self, names: Sequence[str]) -> dict[str, np.ndarray]:
        """Those of these columns of `metrics` that there are, [row] each: less than a whole table, and sooner."""
        ...


class MemoryStore:
    """Checkpoints and curves that a third-party file held."""

    def __init__(self, checkpoints: Mapping[int, Callable[[], dict[str, Tensor]]], metrics: pd.DataFrame | None = None):
        self._checkpoints = dict(sorted(checkpoints.items()))
        self._digests: dict[int, str] = {}
        self._metrics = pd.DataFrame({"step": []}) if metrics is None else metrics

    @classmethod
    def of(
        cls, steps: Sequence[int], checkpoints: Sequence[dict[str, Tensor]], metrics: pd.DataFrame | None = None
    ) -> "MemoryStore":
        """Of checkpoints that are read already, one for each step."""
        given = zip(steps, checkpoints, strict=True)
        return cls({step: lambda checkpoint=checkpoint: checkpoint for step, checkpoint in given}, metrics)

    def steps(self) -> list[int]:
        return list(self._checkpoints)

    def __contains__(self, step: object) -> bool:
        return step in self._checkpoints

    def parameters(self, step: int) -> dict[str, Tensor]:
        # Copies: the file is read once, and an edit of one dictionary must not reach the next.
        read = self._checkpoints[step]()
        return {name: value.clone(memory_format=torch.contiguous_format) for name, value in read.items()}

    def digests(self, steps: Sequence[int]) -> dict[int, str]:
        new = [step for step in steps if step not in self._digests]
        self._digests.update({step: digest_of_tensors(self._checkpoints[step]()) for step in new})
        return {step: self._digests[step] for step in steps}

    def metrics(self) -> pd.DataFrame:
        return self._metrics.copy()

    def columns(self, names: Sequence[str]) -> dict[str, np.ndarray]:
        return columns_of(self._metrics, names)


def columns_of(metrics: pd.DataFrame, names: Sequence[str]) -> dict[str, np.ndarray]:
    """`Store.columns` of a table."""
    return {name: metrics[name].to_numpy() for name in names if name in metrics}
