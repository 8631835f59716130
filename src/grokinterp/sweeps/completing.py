"""Completing: what is left to do for a run of a sweep once it is trained: read it, sum it up, drop its weights."""

import math
from dataclasses import replace
from pathlib import Path

from grokinterp.evaluation.processor import processor_settings
from grokinterp.evaluation.table_scores import losses
from grokinterp.measuring import measure, snapshot_of
from grokinterp.measuring.readings import keep_readings
from grokinterp.runs.directory import RunDirectory, open_run
from grokinterp.runs.run import Run, last_recorded
from grokinterp.runs.summary import SCORES, Summary
from grokinterp.runs.writer import drop_checkpoints
from grokinterp.sweeps.spec import Keep


def is_complete(path: Path, keep: Keep) -> bool:
    """Whether a trained run has been read as `keep` says, and has the weights that are to be kept, and no others."""
    steps, summary = RunDirectory(path).steps(), Summary.read(path)
    if not steps or summary.failure is not None or summary.step != steps[-1]:
        return False
    return set(keep.circuits or ()) <= set(summary.circuits) and (keep.checkpoints == "all" or len(steps) == 1)


def complete(path: Path, keep: Keep) -> None:
    """Read the circuits of a trained run, write its summary, and drop the weights that are not kept, in this order.

    Circuits are fitted to the last checkpoint, so that none can be read before it is there.
    """
    run = open_run(path)
    final = run.final.step
    with processor_settings(1):
        summary = Summary.read(path).of(final)
        if keep.circuits != ():
            trace = measure(run, keep.circuits, progress=False)
            if keep.checkpoints == "final":
                keep_readings(path, trace)
            read = [*(keep.circuits or ()), *str(trace.attrs["circuits"]).split(", ")]
            summary = replace(summary.with_trace(trace), circuits=tuple(dict.fromkeys(filter(None, read))))
        replace(summary, scores=_scores(run), failure=None).write(path)
    if keep.checkpoints == "final":
        drop_checkpoints(path, but=final)


def _scores(run: Run) -> dict[str, float]:
    """Of the last checkpoint: on its table, or, of endless data, as they were recorded in training."""
    if run.task.is_train is not None:
        return losses(snapshot_of(run, run.final.step).scored_logits, run.task)
    recorded = {name: last_recorded(run.metrics, name) for name in SCORES if name in run.metrics}
    return {name: math.nan if last is None else last[1] for name, last in recorded.items()}
