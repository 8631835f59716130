"""Trajectory: the scalars that circuits read off a run's checkpoints, while nobody waits for anything else."""

import logging
import threading
import time
from collections.abc import Sequence
from functools import cached_property
from typing import Any, TypeAlias

from grokinterp import measuring
from grokinterp.circuits.progress import Progress
from grokinterp.errors import BadRequest
from grokinterp.evaluation.processor import give_way, processor_settings
from grokinterp.evaluation.snapshot import Snapshot
from grokinterp.measuring import snapshot_of
from grokinterp.readout import Circuit
from grokinterp.runs.run import Run

Position: TypeAlias = dict[str, Any]
"""The scalars of the circuits at one checkpoint, by name."""

QUIET = 2.0
"""For how many seconds nothing must have been asked before a further checkpoint is looked at."""


class Trajectory:
    """What circuits read off one run's checkpoints: at once where asked for, the others by and by.

    Circuits that do not apply to the run are left out; where none does, nothing is read. Where `gi.measure` has read
    the run before, its readings are taken.
    """

    def __init__(self, run: Run, steps: list[int], circuits: Sequence[Circuit]):
        self.run, self.steps, self._asked_for = run, steps, tuple(circuits)
        self._known: dict[int, Position] = {}
        self._asked = time.monotonic()
        self._stopped, self._done = threading.Event(), threading.Event()
        self.thread: threading.Thread | None = None

    @cached_property
    def circuits(self) -> list[Circuit]:
        """Those that apply to the run, fitted to its last checkpoint."""
        final = snapshot_of(self.run, self.steps[-1])
        return [circuit.fit(final) for circuit in self._asked_for if circuit.why_not(final) is None]

    @cached_property
    def has_waves(self) -> bool:
        """Whether key frequencies alone answer at the last checkpoint: clocks and pizzas are circuits of waves."""
        with processor_settings():
            fitted = Progress().fit(snapshot_of(self.run, self.steps[-1]))
        return fitted.why_none is None and fitted.partial is None

    def at(self, snapshot: Snapshot) -> Position | None:
        """The position of one checkpoint; None for a run that no circuit says anything of."""
        if not self.circuits:
            return None
        if snapshot.step not in self._known:
            with processor_settings():
                readouts = [circuit.read(snapshot, frozenset()) for circuit in self.circuits]
            self._known[snapshot.step] = _scalars(readouts)
        return self._known[snapshot.step]

    @property
    def known(self) -> dict[int, Position]:
        """What is known so far, by step."""
        return dict(sorted(self._known.items()))

    @property
    def is_complete(self) -> bool:
        """Whether no more will be found."""
        return not self.circuits or self._done.is_set()

    def fill(self) -> None:
        """Look at all checkpoints from now on, in a thread that gives way to everything else."""
        if self.thread is None and self.circuits:
            self.thread = threading.Thread(target=self._fill, name="grokinterp trajectory", daemon=True)
            self.thread.start()

    def go_on(self, steps: list[int]) -> None:
        """Look at the checkpoints that a run in training has gained as well, once `fill` is called."""
        if steps == self.steps:
            return
        self.steps = steps
        self.__dict__.pop("has_waves", None)  # is read off the new last checkpoint
        if self._done.is_set():
            self._done.clear()
            self.thread = None

    def wait(self) -> None:
        """Put the next checkpoint off: somebody waits for something else."""
        self._asked = time.monotonic()

    def stop(self) -> None:
        """End the thread, as soon as the checkpoint that it looks at is done."""
        self._stopped.set()
        if self.thread is not None:
            self.thread.join()

    def _fill(self) -> None:
        give_way()
        kept = [measuring.kept(self.run, circuit) for circuit in self.circuits]
        for step in set.intersection(*map(set, kept)):
            self._known.setdefault(step, _scalars([readouts[step] for readouts in kept]))
        looked_at: set[int] = set()
        while new := [step for step in self.steps if step not in looked_at]:
            looked_at.update(new)
            if not self._look_at(new):
                return
        self._done.set()

    def _look_at(self, steps: list[int]) -> bool:
        """Look at these checkpoints, the whole path early; False where the thread is to end."""
        for step in _coarse_to_fine(steps):
            while step not in self._known and (left := self._asked + QUIET - time.monotonic()) > 0:
                self._stopped.wait(left)
                if self._stopped.is_set():
                    return False
            try:
                if step not in self._known:
                    self.at(snapshot_of(self.run, step))
            except BadRequest as reason:
                # One file that cannot be read is one point less.
                logging.getLogger(__name__).warning("step %d has no position: %s", step, reason)
        return True


def _scalars(readouts: Sequence[Any]) -> Position:
    return {
        str(name): value.item() for readout in readouts for name, value in readout.data_vars.items() if not value.dims
    }


def _coarse_to_fine(steps: list[int]) -> list[int]:
    """The middle one, then the quarters, and so on: the whole path is seen early."""
    digits = len(bin(len(steps))) - 2
    return [steps[i] for i in sorted(range(len(steps)), key=lambda i: f"{i:0{digits}b}"[::-1])]
