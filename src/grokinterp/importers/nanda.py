"""Files of Nanda et al. 2023's code (`transformers.py`, 2022): weights in its early orientation, losses, settings.

A dictionary with `model` and any of `optimizer`, `scheduler`, `train_losses`, `test_losses`, `train_loss`,
`test_loss`, `epoch`, `config`. Loss i of a list is of the weights before update i + 1, so it belongs to our step i;
the weights are those after the last update, one step past the last loss.
"""

from collections.abc import Mapping
from dataclasses import dataclass, replace
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
from grokinterp.importers.reading.snapshots import Snapshots, disagreement, nan_among, snapshots
from grokinterp.importers.reading.wrappings import Wrapped, losses_of, settings_of, step_list, updates_of
from grokinterp.models.initialisation import initialise
from grokinterp.runs.provenance import OPTIMISER_UNKNOWN, Assumption, Provenance
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
    where, settings, stated = str(payload.path), settings_of(content), payload.stated
    told = known_settings(settings, where, stated.fields)
    notes: list[str] = []
    recorded = step_list(content.get("epochs"))
    curves = {name: content[name + "es"] for name in ("train_loss", "test_loss") if name + "es" in content}
    metrics = curve_table(curves, notes, recorded)
    kept = snapshots(_wrapped(content, recorded, len(metrics)))
    notes += kept.notes
    file = _file(kept, told, settings, where)
    task = payload.task
    if task is None:
        task = _task(by_activation(file.readings(stated, None)), settings, notes)
    model, checkpoints, settled = settle(file, stated, task)
    check_sizes(told, model, where)
    trained = Trained(content, settings, model, checkpoints[-1])
    rows = trained.rows(task)
    notes += rows.notes
    optimiser, step = _optimiser(content, settings, notes), kept.steps[-1]
    if rows.task is not None and step:
        notes += disagreement(model, trained.parameters, rows.task, losses_of(content))
    batch_size = content.get("data_config", {}).get("batch_size")
    config = RunConfig(
        preset="nanda",
        seed=rows.seed,
        task=UNKNOWN_TASK if rows.task is None else rows.task.config(),
        split=rows.split,
        model=model,
        optimiser=optimiser,
        schedule=replace(ScheduleConfig(), steps=max(step, 1), batch_size=batch_size),
    )
    assumptions = (*kept.assumptions, *nan_among(trained.parameters), *settled, *rows.assumptions)
    provenance = Provenance.of_file(NANDA.name, payload.path, notes, assumptions=assumptions)
    store = MemoryStore.of(kept.steps, checkpoints, metrics)
    return Run(store, payload.name, config, rows.task, payload.path, provenance)


def _file(kept: Snapshots, told: Mapping[str, tuple[Any, str]], settings: Mapping[str, Any], where: str) -> File:
    """His checkpoints under classic names. Refuses settings that say norms of weights that have none."""
    checkpoints = [from_early(float_tensors(state, f"a model in {where}")) for state in kept.states]
    has_norms, words = told.get("has_norms", (False, ""))
    if has_norms and not has_norm_weights(checkpoints[-1]):
        raise ImportFileError(f"{where} has the setting {words} and no weights of norms; state normalization='none'")
    told = {**told, **norms_of(checkpoints[-1])}
    return File(checkpoints, told, HABITS, {"initialisation": "nanda"}, where, settings)


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
        return replace(default, weight_decay=float(decay))
    group = groups[0]
    stated = settings.get("weight_decay", group["weight_decay"])
    if stated != group["weight_decay"]:
        notes.append(f"weight decay {group['weight_decay']} is the optimiser's; the file's config says {stated}")
    beta1, beta2 = group["betas"]
    return replace(
        default,
        lr=float(group.get("initial_lr", group["lr"])),
        beta1=beta1,
        beta2=beta2,
        eps=group["eps"],
        weight_decay=float(group["weight_decay"]),
    )


def _task(readings: list[Candidate], settings: Mapping[str, Any], notes: list[str]) -> Task | None:
    """The operation his config names, or the one of his that the weights answer."""
    sizes = Sizes.of(readings[0])
    digits = _digits(sizes, readings, notes)
    if digits is not None:
        return digits
    p = settings.get("p", sizes.tokens - 1)
    if sizes.positions != 3 or p < 2:
        notes.append(
            "the task is not one of modular arithmetic and unknown here; name it, as in --task repeated_subsequence "
            "(ours, for induction heads), its parameters as in --set length=85, or give it to load(..., task=...)"
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


@dataclass(frozen=True)
class Rows:
    """The task with the rows trained on, where they are known, and how a run's configuration says them."""

    task: Task | None
    split: SplitConfig
    seed: int
    assumptions: tuple[Assumption, ...] = ()
    notes: tuple[str, ...] = ()


@dataclass(frozen=True)
class Trained:
    """A model of his as it is read, and what its file keeps of its training."""

    content: Mapping[str, Any]
    settings: Mapping[str, Any]
    model: ModelConfig
    parameters: Mapping[str, Tensor]

    def rows(self, task: Task | None) -> Rows:
        """The rows trained on: as they are stated or the file lists them, else as his code draws them."""
        unknown = Rows(task, SplitConfig(frac=0.3, split="nanda"), int(self.settings.get("seed", 0)))
        if task is None:
            return unknown
        recorded = recorded_split(self.content, task)
        notes = (*recorded.notes, *row_remarks(recorded, self.model, self.parameters))
        if recorded.task.is_train is None:
            drawn = self._drawn(unknown, task)
            return replace(drawn, notes=(*notes, *drawn.notes))
        split = recorded.split if recorded.is_found else unknown.split
        return Rows(recorded.task, split, unknown.seed, recorded.assumptions, notes)

    def _drawn(self, unknown: Rows, task: Task) -> Rows:
        """His draw of the rows by the seed in his config, else by the recorded losses."""
        if {"seed", "frac_train"} <= self.settings.keys():
            split = replace(unknown.split, frac=self.settings["frac_train"])
            return replace(unknown, task=task.split(frac=split.frac, seed=unknown.seed, split="nanda"), split=split)
        match = self._match_of_last_losses(task) or self._match_of_first_losses(task)
        if match is None:
            none = "no seed from 0 to 9 with one of his fractions gives the recorded losses"
            why = none if self._recorded(0) else "there are no losses to find it by"
            return replace(unknown, notes=(f"the split is unknown: {why}",))
        drawn = f"the split (seed {match.seed}, frac {match.frac}) is inferred"
        notes = (f"{drawn}: it gives the recorded losses to {match.distance:.1e}",)
        return Rows(match.task, replace(unknown.split, frac=match.frac), match.seed, notes=notes)

    def _recorded(self, index: int) -> tuple[float, float] | None:
        """The train and the test loss at an index of his lists."""
        lists = [self.content.get(f"{part}_losses", []) for part in ("train", "test")]
        return (float(lists[0][index]), float(lists[1][index])) if all(len(values) for values in lists) else None

    def _match_of_last_losses(self, task: Task) -> SplitMatch | None:
        recorded = self._recorded(-1)
        if recorded is None:
            return None
        row_losses = losses(answer_logits(self.model, self.parameters, task), task)
        return find_split(row_losses, task, recorded, SEEDS, FRACS)

    def _match_of_first_losses(self, task: Task) -> SplitMatch | None:
        """Where the last losses move too fast to tell: his initial weights, drawn again, have the recorded first ones.

        They are the same to rounding: a wrong split of them is off by 1e-3, the right one by 1e-9 (1e-7 in float32).
        """
        recorded, model = self._recorded(0), self.model
        if recorded is None or not isinstance(model, TransformerConfig) or model.n_layers != 1 or model.attn_only:
            return None
        for seed in SEEDS:
            row_losses = losses(answer_logits(model, initialise(model, seed), task), task)
            match = find_split(row_losses, task, recorded, (seed,), FRACS, near=1e-5)
            if match is not None:
                return match
        return None


NANDA = Importer("nanda", "weights and losses of Nanda et al. 2023 (.pth)", recognise, read)
