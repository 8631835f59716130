"""Plain state dicts, from `torch.save(model.state_dict(), ...)` or safetensors: of a HookedTransformer, or of an
ordinary `nn.Module` whose task is given.

Weights do not say everything. What they leave open is chosen by how well the weights then answer the task, and told in
`run.source`: `mapping` says which parameter went where, `notes` what was inferred.
"""

from collections.abc import Mapping
from typing import Any

import torch
from torch import Tensor

from grokinterp.config import ModelConfig, RunConfig, ScheduleConfig
from grokinterp.evaluation.evaluator import evaluator
from grokinterp.evaluation.losses import accuracy
from grokinterp.importers._base import Importer, ImportFileError, Payload
from grokinterp.importers._module_names import mapping, matches
from grokinterp.importers._parameters import float_tensors, is_classic, is_native, without_idle_biases
from grokinterp.importers.transformer_lens import check_supported, classic_parameters, model_config
from grokinterp.models.parameters import check_parameters
from grokinterp.runs.provenance import Provenance
from grokinterp.runs.run import UNKNOWN_TASK, Run, check_fits
from grokinterp.runs.store import MemoryStore
from grokinterp.tasks import Task

ROWS_TRIED = 512
"""Rows of the table on which candidates are compared."""


def recognise(payload: Payload) -> bool:
    state = _state(payload.content)
    return state is not None and (payload.task is not None or is_classic(state) or is_native(state))


def _state(content: Any) -> dict[str, Tensor] | None:
    """The dictionary of tensors in a file, itself or under one of the usual keys."""
    if not isinstance(content, dict):
        return None
    if content and all(isinstance(value, Tensor) for value in content.values()):
        return content
    for key in ("state_dict", "model_state_dict", "model"):
        if isinstance(content.get(key), dict):
            return _state(content[key])
    return None


def read(payload: Payload) -> Run:
    state = _state(payload.content)
    if state is None:
        raise ImportFileError(f"{payload.path} holds no state dict; save one with torch.save(model.state_dict(), ...)")
    where = str(payload.path)
    notes = ["the step is unknown: the checkpoint is numbered 0"]
    places: dict[str, str] = {}
    if is_classic(state) or is_native(state):
        settings = payload.settings or {}
        check_supported(settings, where)
        (parameters,) = without_idle_biases([classic_parameters(state, settings, where)])
        model: ModelConfig = model_config(parameters, settings)
        if not settings:
            notes.append(f"activation {model.activation} and causal attention are assumed: weights do not tell them")
        if payload.task is not None:
            check_fits(payload.task, model, payload.name)
            model = model.resolved(payload.task.n_vocab, payload.task.n_answers, payload.task.inputs.shape[1])
    elif payload.task is not None:
        weights = float_tensors(state, where)
        model, parameters = _best_match(weights, payload.task, where, notes)
        places = mapping(weights, parameters)
    else:
        raise ImportFileError(
            f"{where} is a state dict of an unknown model; say what it was trained on, as in "
            f"gi.load(..., task=gi.Task('a + b', p=113)), so that its parameters can be told apart"
        )
    if payload.task is None:
        notes.append("the task is unknown; give it to load(..., task=...)")
    elif payload.task.is_train is None:
        notes.append("the split is unknown")
    task = payload.task
    config = RunConfig(
        preset="imported",
        task=task.config() if task else UNKNOWN_TASK,
        model=model,
        schedule=ScheduleConfig(steps=1),
    )
    provenance = Provenance.of_file(STATE_DICT.name, payload.path, notes, mapping=places)
    return Run(MemoryStore({0: lambda: parameters}), payload.name, config, task, payload.path, provenance)


def _best_match(
    state: Mapping[str, Tensor], task: Task, where: str, notes: list[str]
) -> tuple[ModelConfig, dict[str, Tensor]]:
    """The model, of those that the parameters could be, that answers the task best; the first where none does."""
    n = len(task.inputs)
    rows = torch.randperm(n, generator=torch.Generator().manual_seed(0))[:ROWS_TRIED]
    tried: list[tuple[float, ModelConfig, dict[str, Tensor]]] = []
    for model, parameters in matches(state, task, where):
        check_fits(task, model, where)
        check_parameters(model, parameters)
        with torch.no_grad():
            logits = evaluator(model, task)(parameters, rows, for_gradient=False)
        share = float(accuracy(logits[..., : task.n_answers], task.labels[rows]))
        tried.append((share, model, parameters))
    best = max(tried, key=lambda candidate: candidate[0])
    # Below that the differences are chance.
    share, model, parameters = best if best[0] > 0.5 else tried[0]
    kinds = ("activation", "combine", "n_heads", "attention_direction", "normalization")
    chosen = ", ".join(f"{kind}={getattr(model, kind)}" for kind in kinds if hasattr(model, kind))
    certainty = "inferred from" if share > 0.5 else "only assumed, given"
    notes.append(f"{chosen}: {certainty} an accuracy of {share:.1%} on {len(rows)} rows of the task")
    return model, parameters


STATE_DICT = Importer(
    "state_dict", "a plain state dict of a HookedTransformer, or of any nn.Module with a task given", recognise, read
)
