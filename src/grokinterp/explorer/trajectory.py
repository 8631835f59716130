"""Trajectory: where a run's checkpoints stand between clock and pizza, found while nobody waits for anything else."""

import logging
import os
import sys
import threading
import time
from functools import cached_property
from typing import Any, TypeAlias

from grokinterp import measuring
from grokinterp.circuits.clock_pizza import ClockPizza
from grokinterp.errors import BadRequest
from grokinterp.evaluation.processor import processor_settings
from grokinterp.evaluation.snapshot import Snapshot
from grokinterp.measuring import snapshot_of
from grokinterp.runs.run import Run

Position: TypeAlias = dict[str, Any]
"""The scalars of `ClockPizza` at one checkpoint, by name."""

QUIET = 2.0
"""For how many seconds nothing must have been asked before a further checkpoint is looked at."""


class Trajectory:
    """The positions of one run's checkpoints: at once where asked for, the others by and by.

    Where `gi.measure` has read the run before, its readings are taken.
    """

    def __init__(self, run: Run, steps: list[int]):
        self.run, self.steps = run, steps
        self._known: dict[int, Position] = {}
        self._asked = time.monotonic()
        self._stopped, self._done = threading.Event(), threading.Event()
        self.thread: threading.Thread | None = None

    @cached_property
    def _circuit(self) -> ClockPizza | None:
        """None for a run that clock and pizza say nothing of."""
        final = snapshot_of(self.run, self.steps[-1])
        return None if ClockPizza().why_not(final) else ClockPizza().fit(final)

    def at(self, snapshot: Snapshot) -> Position | None:
        """The position of one checkpoint; None for a run that clock and pizza say nothing of."""
        if self._circuit is None:
            return None
        if snapshot.step not in self._known:
            with processor_settings():
                self._known[snapshot.step] = _scalars(self._circuit.read(snapshot))
        return self._known[snapshot.step]

    @property
    def known(self) -> dict[int, Position]:
        """What is known so far, by step."""
        return dict(sorted(self._known.items()))

    @property
    def is_complete(self) -> bool:
        """Whether no more will be found."""
        return self._circuit is None or self._done.is_set()

    def fill(self) -> None:
        """Look at all checkpoints from now on, in a thread that gives way to everything else."""
        if self.thread is None and self._circuit is not None:
            self.thread = threading.Thread(target=self._fill, name="grokinterp trajectory", daemon=True)
            self.thread.start()

    def go_on(self, steps: list[int]) -> None:
        """Look at the checkpoints that a run in training has gained as well, once `fill` is called."""
        if steps == self.steps:
            return
        self.steps = steps
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
        if sys.platform == "linux":
            # There a thread has a priority of its own, which the threads of its matrix products inherit.
            os.setpriority(os.PRIO_PROCESS, threading.get_native_id(), 19)
        assert self._circuit is not None
        for step, readout in measuring.kept(self.run, self._circuit).items():
            self._known.setdefault(step, _scalars(readout))
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


def _scalars(readout: Any) -> Position:
    return {str(name): value.item() for name, value in readout.data_vars.items() if not value.dims}


def _coarse_to_fine(steps: list[int]) -> list[int]:
    """The middle one, then the quarters, and so on: the whole path is seen early."""
    digits = len(bin(len(steps))) - 2
    return [steps[i] for i in sorted(range(len(steps)), key=lambda i: f"{i:0{digits}b}"[::-1])]
