"""Files of He et al. 2026's code: two matrices between one-hots and neurons, `mlp.W_in` and `mlp.W_out`, no biases.

A dictionary with `model` (beside the matrices a fixed `mlp.basis`), `train_loss`, `test_loss` and `epoch`, at the end
`train_losses` and `test_losses` too; or the state dict alone. So save others who read one-hots two linear layers.
Weights tell p and the number of neurons. The activation and the split are those that give the recorded losses, where
one does; else the activation is judged as of all files, by the loss of each on the task's table.
"""

import math
from collections.abc import Mapping
from dataclasses import dataclass, replace

import torch
from torch import Tensor

from grokinterp.config import OneHotMLPConfig, RunConfig, ScheduleConfig, SplitConfig
from grokinterp.config.activation import Activation
from grokinterp.errors import listed
from grokinterp.importers._base import Importer, ImportFileError, Payload
from grokinterp.importers._evidence import APART, NEAR, answer_logits, curve_table, find_split, log_ratio, losses
from grokinterp.importers._parameters import float_tensors
from grokinterp.importers._splits import Recorded, recorded_split, row_remarks
from grokinterp.importers.judging.judgement import judge
from grokinterp.importers.reading.candidates import ACTIVATIONS as EVERY
from grokinterp.importers.reading.candidates import Candidate
from grokinterp.importers.reading.classic import best_task
from grokinterp.importers.reading.names import is_one_hot_mlp, matrices_of
from grokinterp.importers.reading.snapshots import disagreement, nan_among, snapshots
from grokinterp.importers.reading.wrappings import unwrap, without_prefixes
from grokinterp.runs.provenance import SEED_UNKNOWN, Assumption, Provenance
from grokinterp.runs.run import Run, check_fits
from grokinterp.runs.store import MemoryStore
from grokinterp.tasks import Task

ACTIVATIONS: tuple[Activation, ...] = ("relu", "gelu", "square", "identity")
"""Those of their code, the one of all their published recipes but two first."""

OTHERS = tuple(name for name in EVERY if name not in ACTIVATIONS)
"""Those that are tried where no recorded loss tells."""

FORMULAS = ("a + b", "a^2 + a*b + b^2", "a - b")
"""Those of their code; a sum of one-hots cannot tell a - b from b - a."""

SEEDS, FRACS = (42, *range(10)), (0.75, 0.9, 0.8, 0.7, 0.6, 0.5, 0.4, 0.3)
"""Of their splits: 42 and .75 in every published recipe with a test set."""


def recognise(payload: Payload) -> bool:
    wrapped = unwrap(payload.content)
    return wrapped is not None and is_one_hot_mlp(without_prefixes(wrapped.states[-1]))


def read(payload: Payload) -> Run:
    wrapped, where = unwrap(payload.content), str(payload.path)
    if wrapped is None or not is_one_hot_mlp(without_prefixes(wrapped.states[-1])):
        raise ImportFileError(f"{where} has no matrices W_in and W_out of a one-hot MLP; leave format out")
    kept = snapshots(wrapped)
    states = [float_tensors(without_prefixes(state), where) for state in kept.states]
    checkpoints = [_parameters(state, payload.task, where) for state in states]
    reading = _settled(payload, checkpoints[-1], wrapped.losses)
    notes, assumptions = [*kept.notes], [*kept.assumptions, *reading.assumptions, *nan_among(checkpoints[-1])]
    content = payload.content if isinstance(payload.content, dict) else {}
    lists = {name: content.get(f"{name}es") for name in ("train_loss", "test_loss")}
    curves = {name: values for name, values in lists.items() if isinstance(values, list)}
    if wrapped.key == "epoch" and not curves:
        notes.append(f"their code saves after the update of an epoch, counted from 0: {kept.steps[-1] + 1} updates")
    notes += [note for note in reading.rows.notes if note != SEED_UNKNOWN]
    notes += row_remarks(reading.rows, reading.config, checkpoints[-1])
    notes += [SEED_UNKNOWN] if reading.seed is None else []
    notes += disagreement(reading.config, checkpoints[-1], reading.task, wrapped.losses)
    config = RunConfig(
        preset="imported",
        seed=reading.seed or 0,
        task=reading.task.config(),
        split=reading.split,
        model=reading.config,
        schedule=ScheduleConfig(steps=max(kept.steps[-1], 1)),
    )
    store = MemoryStore.of(kept.steps, checkpoints, curve_table(curves, notes) if curves else None)
    provenance = Provenance.of_file(ONE_HOT.name, payload.path, notes, assumptions=tuple(assumptions))
    return Run(store, payload.name, config, reading.task, payload.path, provenance)


def _parameters(state: Mapping[str, Tensor], task: Task | None, where: str) -> dict[str, Tensor]:
    """W_in and W_out by their classic names, whichever way round they stand."""
    W_in, W_out, others = matrices_of(state)
    if others:
        raise ImportFileError(
            f"{where} is a one-hot MLP with {listed(others)} beside its matrices, which such models here do not have; "
            f"analyse it in the code that trained it"
        )
    # Theirs are [neuron, p] and [p, neuron]; others store them as they multiply a row.
    is_turned = task is not None and task.n_answers != W_out.shape[0] and task.n_answers == W_out.shape[1]
    W_in, W_out = (W_in, W_out) if is_turned else (W_in.T, W_out.T)
    return {"blocks.0.mlp.W_in": W_in.contiguous(), "unembed.W_U": W_out.contiguous()}


@dataclass(frozen=True)
class Reading:
    """A model and its task, how they are known, and the split that the file or its losses tell; the seed drew it."""

    config: OneHotMLPConfig
    task: Task
    assumptions: tuple[Assumption, ...]
    split: SplitConfig
    seed: int | None
    rows: Recorded


def _settled(payload: Payload, parameters: Mapping[str, Tensor], recorded: Mapping[str, float]) -> Reading:
    W_in, W_U = parameters.values()
    p, where = W_U.shape[1], str(payload.path)
    combine = "concatenate" if W_in.shape[0] == 2 * p else "add"
    base = OneHotMLPConfig(combine=combine, d_mlp=W_U.shape[0]).resolved(p, p, 2)
    stated = payload.stated.fields
    possible = (stated["activation"],) if "activation" in stated else ACTIVATIONS
    configs = {activation: replace(base, activation=activation) for activation in possible}
    payload.stated.refuse_unless(next(iter(configs.values())), where)
    task, of_task = (payload.task, []) if payload.task else _task(configs, parameters, p)
    check_fits(task, base, where)
    rows = recorded_split(payload.content, task)
    task = rows.task
    matched = {name: _match(config, parameters, task, recorded) for name, config in configs.items()}
    nearest, *others = sorted(match.distance for match in matched.values())
    # As of splits: near the recorded losses, and the next best four times as far from them.
    told = nearest <= NEAR and min(others, default=math.inf) >= APART * max(nearest, NEAR / 100)
    name = min(matched, key=lambda activation: matched[activation].distance)
    split, seed = rows.split if rows.is_found else SplitConfig(split="nanda"), None
    known = [*rows.assumptions, *(Assumption(f"{field}={value}", "stated") for field, value in stated.items())]
    if "activation" not in stated:
        if told:
            theirs = f"the recorded test loss is {recorded.get('test_loss', math.nan):.5g}"
            ours = listed(f"{each.loss:.5g} under {activation}" for activation, each in matched.items())
            known.append(Assumption(f"activation={name}", "inferred", f"{theirs}; the weights give {ours}"))
        else:
            configs |= {each: replace(base, activation=each) for each in OTHERS}
            readings = [Candidate(each, parameters, {"activation": each.activation}) for each in configs.values()]
            verdict = judge(readings, task)
            name = verdict.candidate.open["activation"]
            known += verdict.assumptions
    match = matched.get(name, Match(math.inf, math.nan))
    if task.is_train is None and match.task is not None and match.distance <= NEAR:
        task, seed, split = match.task, match.seed, SplitConfig(frac=match.frac, split="nanda", split_seed=match.seed)
        drawn = "all rows" if match.frac == 1 else f"seed {match.seed}, frac {match.frac}"
        known.append(Assumption(f"split: {drawn}", "inferred", f"it gives the recorded losses to {match.distance:.1e}"))
    return Reading(configs[name], task, (*of_task, *known), split, seed, rows)


def _task(
    configs: Mapping[str, OneHotMLPConfig], parameters: Mapping[str, Tensor], p: int
) -> tuple[Task, list[Assumption]]:
    """The task of theirs that the weights answer under any activation; else the one of their recipes."""
    tasks = [Task(formula, p=p, layout="a b") for formula in FORMULAS]
    readings = [Candidate(config, parameters, {}) for config in configs.values()]
    best = best_task(readings, tasks, torch.arange(p * p))
    if best is None:
        why = "their recipes; the weights answer none of their tasks"
        return tasks[0], [Assumption(f"the task {FORMULAS[0]} mod {p}", "assumed", why)]
    evidence = f"the weights answer {best[1].accuracy:.2%} of its table"
    return best[0], [Assumption(f"the task {best[0].expression} mod {p}", "inferred", evidence)]


@dataclass(frozen=True)
class Match:
    """How near a reading comes to the recorded losses, on the rows of what split; `loss` is that of the test rows."""

    distance: float
    loss: float
    task: Task | None = None
    frac: float = 1.0
    seed: int | None = None


def _match(
    config: OneHotMLPConfig, parameters: Mapping[str, Tensor], task: Task, recorded: Mapping[str, float]
) -> Match:
    rows = losses(answer_logits(config, parameters, task)[..., : task.n_answers], task)
    whole = float(rows.mean())
    if not {"train_loss", "test_loss"} <= recorded.keys():
        return Match(math.inf, whole)
    train, test = recorded["train_loss"], recorded["test_loss"]
    if task.is_train is not None:
        unseen = float(rows[~task.is_train].mean()) if not task.is_train.all() else whole
        return Match(max(log_ratio(float(rows[task.is_train].mean()), train), log_ratio(unseen, test)), unseen)
    if train == test:  # of all rows, both
        return Match(log_ratio(whole, test), whole, task.split(frac=1.0, split="nanda"))
    found = find_split(rows, task, (train, test), SEEDS, FRACS)
    if found is None or found.task.is_train is None:
        return Match(math.inf, whole)
    return Match(found.distance, float(rows[~found.task.is_train].mean()), found.task, found.frac, found.seed)


ONE_HOT = Importer("one_hot", "one-hot MLPs of He et al. 2026 (.pth)", recognise, read)
