"""State dicts from `torch.save` or safetensors: of a HookedTransformer, or of an `nn.Module` whose task is given.

Weights do not say everything. What they leave open, and neither the file's settings nor the user states, is judged by
the loss of each reading on the task's table, and told in `run.assumptions`.
"""

import dataclasses
from collections.abc import Mapping, Sequence
from typing import Any

from torch import Tensor

from grokinterp.config import ModelConfig, RunConfig, ScheduleConfig, SplitConfig
from grokinterp.config.stated import Stated
from grokinterp.importers._base import Importer, ImportFileError, Payload
from grokinterp.importers._parameters import (
    float_tensors,
    has_native_names,
    is_classic,
    is_native,
    without_idle_biases,
)
from grokinterp.importers._splits import NOT_RECORDED, recorded_split, row_remarks
from grokinterp.importers.reading.candidates import candidates
from grokinterp.importers.reading.classic import judged_by_task, settle
from grokinterp.importers.reading.contradictions import stated_assumptions, task_assumptions
from grokinterp.importers.reading.names import mapping
from grokinterp.importers.reading.settings import check_sizes, known_settings
from grokinterp.importers.reading.snapshots import disagreement, nan_among, snapshots
from grokinterp.importers.reading.wrappings import unwrap, without_prefixes
from grokinterp.importers.transformer_lens import but_stated, check_supported, classic_file, classic_parameters
from grokinterp.runs.provenance import Assumption, Provenance
from grokinterp.runs.run import UNKNOWN_TASK, Run
from grokinterp.runs.store import MemoryStore
from grokinterp.tasks import Task


def recognise(payload: Payload) -> bool:
    wrapped = unwrap(payload.content)
    if wrapped is None:
        return False
    state = without_prefixes(wrapped.states[-1])
    return payload.task is not None or is_classic(state) or is_native(state)


def read(payload: Payload) -> Run:
    wrapped = unwrap(payload.content)
    where = str(payload.path)
    if wrapped is None:
        raise ImportFileError(f"{where} holds no state dict; save one with torch.save(model.state_dict(), ...)")
    kept = snapshots(wrapped)
    states = [float_tensors(without_prefixes(state), where) for state in kept.states]
    settings = {**wrapped.settings, **(payload.settings or {})}
    recorded = None if payload.task is None else recorded_split(payload.content, payload.task)
    task = None if recorded is None else recorded.task
    # Others call the parts of their modules as TransformerLens 4 does: its own files tell their heads.
    knows_heads = "n_heads" in {**settings, **payload.stated.fields} and has_native_names(states[-1])
    assumptions = [*kept.assumptions, *(task_assumptions(task, settings) if task is not None else [])]
    places: dict[str, str] = {}
    if is_classic(states[-1]) or (is_native(states[-1]) and (task is None or knows_heads)):
        model, checkpoints, read_off = _of_transformer_lens(states, task, payload.stated, settings, where)
    elif task is None:
        raise ImportFileError(
            f"{where} is a state dict of an unknown model; say what it was trained on, as in "
            f"gi.load(..., task=gi.Task('a + b', p=113)), so that its parameters can be told apart"
        )
    else:
        model, checkpoints, read_off, places = _of_modules(states, task, payload.stated, settings, where)
    assumptions += read_off
    assumptions += nan_among(states[-1])
    notes, split = list(kept.notes), SplitConfig()
    if task is None or recorded is None:
        notes.append("the task is unknown; give it to load(..., task=...)")
    else:
        assumptions = [*assumptions, *recorded.assumptions]
        split = recorded.split if recorded.is_found else split
        notes += recorded.notes or ([NOT_RECORDED] if task.is_train is None else [])
        notes += row_remarks(recorded, model, checkpoints[-1])
        notes += disagreement(model, checkpoints[-1], task, wrapped.losses)
    config = RunConfig(
        preset="imported",
        task=task.config() if task else UNKNOWN_TASK,
        split=split,
        model=model,
        schedule=ScheduleConfig(steps=max(kept.steps[-1], 1)),
    )
    provenance = Provenance.of_file(
        STATE_DICT.name, payload.path, notes, mapping=places, assumptions=tuple(assumptions)
    )
    return Run(MemoryStore.of(kept.steps, checkpoints), payload.name, config, task, payload.path, provenance)


def _of_transformer_lens(
    states: Sequence[Mapping[str, Tensor]], task: Task | None, stated: Stated, settings: Mapping[str, Any], where: str
) -> tuple[ModelConfig, list[dict[str, Tensor]], list[Assumption]]:
    """The model of classic or native names: what its settings leave open is judged where the task is given."""
    every = settings
    settings = but_stated(settings, stated.fields)
    check_supported(settings, where)
    checkpoints = without_idle_biases([classic_parameters(state, settings, where) for state in states])
    file = dataclasses.replace(classic_file(checkpoints, settings, where), settings=every)
    return settle(file, stated, task)


def _of_modules(
    states: Sequence[Mapping[str, Tensor]],
    task: Task,
    stated: Stated,
    settings: Mapping[str, Any],
    where: str,
) -> tuple[ModelConfig, list[dict[str, Tensor]], list[Assumption], dict[str, str]]:
    """The model of an ordinary module's parameters, and which of them became which."""
    told = known_settings(settings, where, stated.fields)
    assumptions = [
        Assumption(f"{name}={value}", "from the file", words)
        for name, (value, words) in told.items()
        if name not in ("n_layers", "d_model", "mlp_size", "has_norms")
    ]
    known = {**{name: value for name, (value, _) in told.items()}, **stated.fields}
    found = candidates(states[-1], known, task, where)
    chosen, judged = judged_by_task(found, task, where, bool(stated.fields))
    assumptions = [*stated_assumptions(stated, chosen, settings, where), *assumptions]
    if "n_heads" not in {**known, **chosen.open} and (n_heads := getattr(chosen.config, "n_heads", None)):
        assumptions.append(Assumption(f"n_heads={n_heads}", "from the file", "the shapes of its weights"))
    check_sizes(told, chosen.config, where)
    settled = {**known, **chosen.open}
    every = [candidates(state, settled, task, where)[0].parameters for state in states[:-1]]
    checkpoints = [*map(dict, every), dict(chosen.parameters)]
    return chosen.config, checkpoints, assumptions + judged, mapping(states[-1], found[0].parameters)


STATE_DICT = Importer(
    "state_dict", "a plain state dict of a HookedTransformer, or of any nn.Module with a task given", recognise, read
)
