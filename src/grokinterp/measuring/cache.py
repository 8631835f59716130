"""TraceCache: what has been read of a run before, kept by what was read, so that nothing else is served for it."""

import hashlib
import json
import logging
import weakref
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import platformdirs
import xarray as xr

from grokinterp.measuring.sources import digest_of_sources
from grokinterp.measuring.trace_bytes import DamagedTrace, from_bytes, is_steps, to_bytes
from grokinterp.readout import Circuit
from grokinterp.runs.digests import digest_of_tensors
from grokinterp.runs.directory import TRACES
from grokinterp.runs.files import StorageError, make_directory, regular_status
from grokinterp.runs.replacing import write_over
from grokinterp.runs.run import Run
from grokinterp.tasks import Task

CHECKPOINT = "_checkpoint"
"""The variable of a kept trace that holds the digest of the checkpoint each step was read from."""

CHECKSUM = 32
"""Bytes at the end of a kept trace, by which a damaged one is known."""


_TOLD: "weakref.WeakSet[Run]" = weakref.WeakSet()
"""Runs whose readings could not be kept, of which that has been said: a report asks for readings several times."""


class TraceCache:
    """Readings of one run: in its directory, or in the user's cache directory for a file.

    A reading is known by the circuit with its parameters and all code that it reaches, by the task with its mask and
    labels, by the model's configuration, and step by step by the content of the checkpoint. `steps` are those that it
    is asked for. Of a run that lies nowhere nothing is kept.
    """

    def __init__(self, run: Run, steps: Sequence[int]):
        self.run = run
        self._digests: dict[int, str] = {}
        self._recorded: dict[Path, dict[int, str]] = {}
        self._is_distrusted = False
        if run.path is None:
            return
        self._digests = run.digests(steps)
        self._directory, self._subject = run.path / TRACES, f"{_digest_of_task(run.task)} {run.model_config!r}"
        if not run.path.is_dir():
            self._directory = Path(platformdirs.user_cache_dir("grokinterp")) / TRACES
            self._subject += run.digests([run.final.step])[run.final.step]

    def read(self, circuit: Circuit, requested: frozenset[str]) -> xr.Dataset | None:
        """What is kept of a fitted circuit, of any steps; None where that is nothing, or damaged."""
        file = self._file(circuit, requested)
        trace = None if file is None or self._is_distrusted else _opened(file)
        if file is None or trace is None:
            return None
        recorded = dict(zip(trace.step.values.tolist(), trace[CHECKPOINT].values.tolist(), strict=True))
        valid = {step: digest for step, digest in recorded.items() if self._digests.get(step, digest) == digest}
        self._recorded[file] = valid
        return trace.drop_vars(CHECKPOINT).sel(step=[*valid]) if valid else None

    def distrust(self) -> bool:
        """Count all that is kept as absent, as what fits no circuit is; whether anything had been read of it."""
        recorded, self._recorded, self._is_distrusted = self._recorded, {}, True
        return bool(recorded)

    def write(self, circuit: Circuit, requested: frozenset[str], trace: xr.Dataset) -> None:
        """Keep a trace of steps that were asked for, and of those that `read` gave. Warns where that is impossible."""
        file = self._file(circuit, requested)
        if file is None:
            return
        digests = {**self._recorded.get(file, {}), **self._digests}
        column = xr.Variable("step", np.array([digests[step] for step in trace.step.values.tolist()]))
        content = to_bytes(trace.assign({CHECKPOINT: column}))
        try:
            make_directory(file.parent)
            write_over(file, content + hashlib.sha256(content).digest())
        except StorageError as refusal:
            if self.run not in _TOLD:
                logging.getLogger(__name__).warning("what was read is not kept for the next time: %s", refusal)
            _TOLD.add(self.run)

    def _file(self, circuit: Circuit, requested: frozenset[str]) -> Path | None:
        """Where this circuit's readings are kept; None for those of code that may change unseen."""
        if self.run.path is None or not self.run.model_config.is_described:
            return None
        # A task's own class and the model's family need not be imported by the circuit.
        model = self.run.model_config
        kinds = (type(circuit), type(self.run.task), type(model))
        code = digest_of_sources([*(kind.__module__ for kind in kinds), model.module.partition(":")[0]])
        if code is None:
            return None
        asked = sorted(requested & {circuit.name, *circuit.on_request})
        key = json.dumps([circuit.name, circuit.version, repr(circuit), code, asked, self._subject])
        return self._directory / f"{circuit.name}-{hashlib.sha256(key.encode()).hexdigest()[:16]}.trace"


def _opened(file: Path) -> xr.Dataset | None:
    """The trace in a file; None for one that is absent or damaged, or that somebody wrote to do harm."""
    try:
        regular_status(file)
        content = file.read_bytes()
        trace, checksum = content[:-CHECKSUM], content[-CHECKSUM:]
        if hashlib.sha256(trace).digest() != checksum:
            return None
        kept = from_bytes(trace)
    except (OSError, StorageError, DamagedTrace):
        return None
    is_whole = CHECKPOINT in kept and kept[CHECKPOINT].dims == ("step",) and is_steps(kept.step.values)
    return kept if is_whole else None


def _digest_of_task(task: Task) -> str:
    """What tells one table, its labels and its training mask from another's."""
    arrays = {
        name: value
        for name in ("operands", "inputs", "labels", "train_labels", "operation", "is_train")
        if (value := getattr(task, name)) is not None
    }
    names = ("expression", "parameters", "sizes", "positions", "n_answers", "tokens", "operations")
    spelled = repr([getattr(task, name) for name in names])
    return digest_of_tensors(arrays) + hashlib.sha256(spelled.encode()).hexdigest()
