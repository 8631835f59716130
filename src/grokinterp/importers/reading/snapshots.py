"""Snapshots: the checkpoints of a file with their steps, and what is odd about their numbers."""

import math
from collections.abc import Mapping
from dataclasses import dataclass

import torch
from torch import Tensor

from grokinterp.config import ModelConfig
from grokinterp.importers._contents import cut
from grokinterp.importers._evidence import measured
from grokinterp.importers.reading.wrappings import Wrapped, are_one
from grokinterp.runs.provenance import Assumption
from grokinterp.tasks import Task

APART = 3.0
"""A recorded loss that is further than this factor from the measured one is remarked."""


@dataclass(frozen=True)
class Snapshots:
    """State dicts by their steps, ascending, and what was settled about them."""

    states: tuple[Mapping[str, Tensor], ...]
    steps: tuple[int, ...]
    notes: tuple[str, ...] = ()
    assumptions: tuple[Assumption, ...] = ()


def snapshots(wrapped: Wrapped) -> Snapshots:
    """Those of a file; several that share their memory are one."""
    states, steps, notes = wrapped.states, wrapped.steps, ()
    if are_one(states):
        notes = (same_tensors(len(states)),)
        states, steps = states[-1:], None if steps is None else (max(steps),)
    if steps is None:
        several = f"the {len(states)} checkpoints are numbered from 0, in their order"
        unknown = "the step is unknown: the checkpoint is numbered 0" if len(states) == 1 else several
        numbers = tuple(range(len(states)))
        return Snapshots(states, numbers, (*notes, unknown), (Assumption("steps", "assumed", unknown),))
    order = sorted(range(len(states)), key=lambda i: steps[i])
    words = f"step {steps[order[-1]]}" if len(steps) == 1 else f"{len(steps)} steps, {min(steps)} to {max(steps)}"
    known = Assumption(words, "from the file", wrapped.key)
    return Snapshots(tuple(states[i] for i in order), tuple(steps[i] for i in order), notes, (known,))


def same_tensors(count: int) -> str:
    """What is said of snapshots that share their memory."""
    return (
        f"its {count} snapshots are the same tensors, saved without copying (as lists of model.state_dict() are): "
        f"they are one checkpoint, the last"
    )


def disagreement(
    model: ModelConfig, parameters: Mapping[str, Tensor], task: Task, recorded: Mapping[str, float]
) -> list[str]:
    """A remark for each recorded loss that the weights do not have; of an unknown split, none of its parts' has it."""
    names = [name for name in ("train_loss", "test_loss") if name in recorded]
    if not names or (task.is_train is None and "test_loss" not in names):
        return []
    values = measured(model, parameters, task)
    remarks = []
    for name in names:
        mine = values.get(name, values["loss"] if name == "test_loss" and task.is_train is None else None)
        theirs = recorded[name]
        if mine is None or not math.isfinite(theirs) or max(mine, theirs) < 1e-6:
            continue
        if not math.isfinite(mine) or max(mine, 1e-12) / max(theirs, 1e-12) > APART or theirs > APART * mine:
            part = name if name in values else f"{name}, of rows that are not known,"
            remarks.append(
                f"the recorded {part} is {theirs:.4g} and the weights give {mine:.4g}: they are of another moment or "
                f"task, or read wrongly"
            )
    return remarks


def nan_among(parameters: Mapping[str, Tensor]) -> list[Assumption]:
    """What is said of weights that hold NaN or infinite numbers."""
    counts = {name: int((~torch.isfinite(value)).sum()) for name, value in parameters.items()}
    words = {name: "NaN" if parameters[name].isnan().any() else "infinite numbers" for name in counts}
    return [
        Assumption(
            f"{cut(name)} holds {words[name]}",
            "not explained",
            f"{count:,} of its {parameters[name].numel():,} entries are no finite numbers",
        )
        for name, count in counts.items()
        if count
    ]
