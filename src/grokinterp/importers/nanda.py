"""Files of Nanda et al. 2023's code (`transformers.py`, 2022): weights in its early orientation, losses, settings.

A dictionary with `model` and any of `optimizer`, `scheduler`, `train_losses`, `test_losses`, `train_loss`,
`test_loss`, `epoch`, `config`. Loss i of a list is of the weights before update i + 1, so it belongs to our step i;
the weights are those after the last update, one step past the last loss.
"""

import dataclasses
from collections.abc import Mapping
from typing import Any

import torch
from torch import Tensor

from grokinterp.config import OptimiserConfig, RunConfig, ScheduleConfig, SplitConfig, TransformerConfig
from grokinterp.config.family import ModelConfig
from grokinterp.config.presets import preset
from grokinterp.importers._base import Importer, ImportFileError, Payload
from grokinterp.importers._evidence import SplitMatch, answer_logits, curve_table, find_split, losses
from grokinterp.importers._parameters import float_tensors, from_early, has_norm_weights, is_early, norms_of
from grokinterp.importers._splits import recorded_split, row_remarks
from grokinterp.importers.reading.candidates import Candidate
from grokinterp.importers.reading.classic import File, Sizes, best_task, by_activation, settle
from grokinterp.importers.reading.settings import check_sizes, known_settings
from grokinterp.importers.reading.snapshots import disagreement, nan_among, snapshots
from grokinterp.importers.reading.wrappings import Wrapped, losses_of, settings_of, step_list, updates_of
from grokinterp.models.initialisation import initialise
from grokinterp.runs.provenance import OPTIMISER_UNKNOWN, Provenance
from grokinterp.runs.run import UNKNOWN_TASK, Run
from grokinterp.runs.store import MemoryStore
from grokinterp.tasks import Task

FORMULAS = {"add": "a + b", "subtract": "a - b", "x2xyy2": "a^2 + a*b + b^2"}
"""`fn_name` of his config -> formula. `rand`, his random table, is drawn anew at each access and cannot be rebuilt."""

HABITS = {"attention_direction": ("causal", "his code has no other attention")}

SEEDS = tuple(range(10))
FRACS = (0.3, 0.95, 0.9, 0.8, 0.7, 0.6, 0.5, 0.4, 0.28, 0.25)
"""The training fractions of his runs: the mainline's, and those of the sweep."""


def recognise(payload: Payload) -> bool:
    content = payload.content
    if payload.format == NANDA.name and is_early(content):
        return True  # a bare state dict, which could as well be Zhong et al.'s, with another attention
    return isinstance(content, dict) and is_early(content.get("model"))


def read(payload: Payload) -> Run:
    content = {"model": payload.content} if is_early(payload.content) else payload.content
    where = str(payload.path)
    notes: list[str] = []
    settings = settings_of(content)
    known = known_settings(settings, where, payload.stated.fields)
    curves = {name: content[name + "es"] for name in ("train_loss", "test_loss") if name + "es" in content}
    recorded = step_list(content.get("epochs"))
    metrics = curve_table(curves, notes, recorded)
    kept = snapshots(_wrapped(content, recorded, len(metrics)))
    raw = [from_early(float_tensors(state, f"a model in {where}")) for state in kept.states]
    step = kept.steps[-1]
    file = File(raw, known | norms_of(raw[-1]), HABITS, {"initialisation": "nanda"}, where, settings)
    if known.get("has_norms", (False, ""))[0] and not has_norm_weights(raw[-1]):
        words = known["has_norms"][1]
        raise ImportFileError(f"{where} has the setting {words} and no weights of norms; state normalization='none'")
    notes += kept.notes
    task, split = payload.task, SplitConfig(frac=0.3, split="nanda")
    if task is None:
        task = _task(by_activation(file.readings(payload.stated, None)), settings, notes)
    model, checkpoints, assumptions = settle(file, payload.stated, task)
    check_sizes(known, model, where)
    parameters = checkpoints[-1]
    assumptions = [*kept.assumptions, *nan_among(parameters), *assumptions]
    seed = int(settings.get("seed", 0))
    if task is not None:
        rows = recorded_split(content, task)
        task, notes = rows.task, [*notes, *rows.notes, *row_remarks(rows, model, parameters)]
        assumptions += rows.assumptions
        split = rows.split if rows.is_found else split
        if task.is_train is None:
            task, split, seed = _split(task, model, parameters, content, settings, notes, split, seed)
    config = RunConfig(
        preset="nanda",
        seed=seed,
        task=UNKNOWN_TASK if task is None else task.config(),
        split=split,
        model=model,
        optimiser=_optimiser(content, settings, notes),
        schedule=dataclasses.replace(ScheduleConfig(), steps=max(step, 1), batch_size=_batch_size(content)),
    )
    if task is not None and step:
        notes += disagreement(model, parameters, task, losses_of(content))
    provenance = Provenance.of_file(NANDA.name, payload.path, notes, assumptions=tuple(assumptions))
    store = MemoryStore.of(kept.steps, checkpoints, metrics)
    return Run(store, payload.name, config, task, payload.path, provenance)


def _wrapped(content: Mapping[str, Any], recorded: list[int] | None, n_losses: int) -> Wrapped:
    """The models of a file: `state_dicts` with their `epochs`, or the only one, after its optimiser's last update."""
    states = content.get("state_dicts")
    if isinstance(states, list) and states and all(is_early(state) for state in states):
        known = recorded is not None and len(set(recorded)) == len(states)
        return Wrapped(tuple(states), tuple(recorded) if known and recorded else None, "epochs")
    return Wrapped((content["model"],), (_updates(content, n_losses),), "the optimiser's updates, or one for each loss")


def _updates(content: Mapping[str, Any], n_losses: int) -> int:
    """How many updates the weights have had: the optimiser counts them, else one for each loss."""
    counted = updates_of(content.get("optimizer"))
    return counted if counted is not None else n_losses or int(content.get("epoch", -1)) + 1


def _optimiser(content: Mapping[str, Any], settings: Mapping[str, Any], notes: list[str]) -> OptimiserConfig:
    """The optimiser's own settings: those in his config can be stale (its weight decay is, in the 0.1 run)."""
    default = preset("nanda").optimiser
    groups = content.get("optimizer", {}).get("param_groups", [])
    if not groups:
        decay = content.get("optim_config", settings).get("weight_decay", default.weight_decay)
        notes.append(f"{OPTIMISER_UNKNOWN}: weight decay {decay} and the others are assumed")
        return dataclasses.replace(default, weight_decay=float(decay))
    group = groups[0]
    stated = settings.get("weight_decay", group["weight_decay"])
    if stated != group["weight_decay"]:
        notes.append(f"weight decay {group['weight_decay']} is the optimiser's; the file's config says {stated}")
    beta1, beta2 = group["betas"]
    return dataclasses.replace(
        default,
        lr=float(group.get("initial_lr", group["lr"])),
        beta1=beta1,
        beta2=beta2,
        eps=group["eps"],
        weight_decay=float(group["weight_decay"]),
    )


def _batch_size(content: Mapping[str, Any]) -> int | None:
    return content.get("data_config", {}).get("batch_size")


def _task(readings: list[Candidate], settings: Mapping[str, Any], notes: list[str]) -> Task | None:
    """The operation his config names, or the one of his that the weights answer."""
    sizes = Sizes.of(readings[0])
    digits = _digits(sizes, readings, notes)
    if digits is not None:
        return digits
    p = settings.get("p", sizes.tokens - 1)
    if sizes.positions != 3 or p < 2:
        notes.append(
            "the task is not one of modular arithmetic and unknown here; give it to load(..., task=...), for induction "
            "heads Task('repeated_subsequence'), which is ours"
        )
        return None
    name = settings.get("fn_name")
    if name in FORMULAS:
        return Task(FORMULAS[name], p=p, layout="a b =")
    if name is not None:
        notes.append(f"the task {name!r} of his code cannot be rebuilt")
        return None
    tasks = [Task(formula, p=p, layout="a b =") for formula in FORMULAS.values()]
    best = best_task(readings, tasks, torch.arange(p * p))
    if best is None:
        notes.append(f"the task is unknown: the weights answer none of {', '.join(FORMULAS.values())} mod {p}")
        return None
    task, score = best
    notes.append(
        f"the task {task.expression} mod {p} is inferred: the weights answer {score.accuracy:.2%} of its table"
    )
    return task


def _digits(sizes: Sizes, readings: list[Candidate], notes: list[str]) -> Task | None:
    """Addition digit by digit, where the model has its tokens and positions and the weights add."""
    width, rest = divmod((sizes.positions or 0) - 3, 3)
    if (sizes.tokens, sizes.columns, rest) != (12, 10, 0) or width < 1:
        return None
    task = Task("digits", digits=width)
    best = best_task(readings, [task], torch.arange(len(task.inputs)))
    if best is None:
        return None
    share = best[1].accuracy
    notes.append(f"the task, sums of {width} digits, is inferred: the weights add {share:.2%} of 1,000 pairs rightly")
    return task


def _split(
    task: Task,
    model: ModelConfig,
    parameters: Mapping[str, Tensor],
    content: Mapping[str, Any],
    settings: Mapping[str, Any],
    notes: list[str],
    split: SplitConfig,
    seed: int,
) -> tuple[Task, SplitConfig, int]:
    """The task with his training mask: by the seed in his config, else by the recorded losses."""
    if "seed" in settings and "frac_train" in settings:
        split = dataclasses.replace(split, frac=settings["frac_train"])
        return task.split(frac=split.frac, seed=seed, split="nanda"), split, seed
    found = _split_of_final_loss(task, model, parameters, content) or _split_of_first_loss(task, model, content)
    if found is None:
        why = "no seed from 0 to 9 with one of his fractions gives the recorded losses"
        notes.append(f"the split is unknown: {why if _recorded(content, 0) else 'there are no losses to find it by'}")
        return task, split, seed
    off = f"{found.distance:.1e}"
    notes.append(f"the split (seed {found.seed}, frac {found.frac}) is inferred: it gives the recorded losses to {off}")
    return found.task, dataclasses.replace(split, frac=found.frac), found.seed


def _recorded(content: Mapping[str, Any], index: int) -> tuple[float, float] | None:
    lists = [content.get(f"{part}_losses", []) for part in ("train", "test")]
    return (float(lists[0][index]), float(lists[1][index])) if all(len(values) for values in lists) else None


def _split_of_final_loss(
    task: Task, model: ModelConfig, parameters: Mapping[str, Tensor], content: Mapping[str, Any]
) -> SplitMatch | None:
    recorded = _recorded(content, -1)
    if recorded is None:
        return None
    row_losses = losses(answer_logits(model, parameters, task), task)
    return find_split(row_losses, task, recorded, SEEDS, FRACS)


def _split_of_first_loss(task: Task, model: ModelConfig, content: Mapping[str, Any]) -> SplitMatch | None:
    """Where the last losses move too fast to tell: his initial weights, drawn again, have the recorded first losses."""
    recorded = _recorded(content, 0)
    if recorded is None or not isinstance(model, TransformerConfig) or model.n_layers != 1 or model.attn_only:
        return None
    for seed in SEEDS:
        row_losses = losses(answer_logits(model, initialise(model, seed), task), task)
        # The same weights to rounding: a wrong split of them is off by 1e-3, the right one by 1e-9 (1e-7 in float32).
        found = find_split(row_losses, task, recorded, (seed,), FRACS, near=1e-5)
        if found is not None:
            return found
    return None


NANDA = Importer("nanda", "weights and losses of Nanda et al. 2023 (.pth)", recognise, read)
