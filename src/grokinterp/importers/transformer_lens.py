"""Files of TransformerLens' grokking demo: many checkpoints of one run in a dictionary, with losses and the split.

Keys: `model`, `config`, `checkpoints`, `checkpoint_epochs`, `train_losses`, `test_losses`, `train_indices`,
`test_indices`; `model` with a `config` or with `checkpoints` is enough. Weights have `HookedTransformer`'s names
(TransformerLens 1 to 3) or those of `TransformerBridge.boot_native` (4).

Steps: epoch e of the demo takes the train loss, makes update e + 1, then takes the test loss and the checkpoint. So a
checkpoint of epoch e (99, 199, ...) is our step e + 1, train loss e belongs to step e, test loss e to step e + 1.
"""

import dataclasses
import math
from collections.abc import Mapping
from typing import Any

import pandas as pd
import torch
from torch import Tensor

from grokinterp.config import RunConfig
from grokinterp.config.presets import preset
from grokinterp.errors import listed
from grokinterp.importers._base import Importer, ImportFileError, Payload
from grokinterp.importers._parameters import (
    float_tensors,
    from_classic,
    from_native,
    has_native_names,
    is_classic,
    is_native,
    with_unit_norms,
    without_idle_biases,
    without_norm_biases,
)
from grokinterp.importers._splits import NOT_RECORDED, recorded_split, row_remarks
from grokinterp.importers.reading.candidates import Candidate
from grokinterp.importers.reading.classic import File, Sizes, best_task, by_activation, settle
from grokinterp.importers.reading.snapshots import disagreement, nan_among, snapshots
from grokinterp.importers.reading.wrappings import Wrapped, losses_of, step_list
from grokinterp.runs.provenance import OPTIMISER_UNKNOWN, SEED_UNKNOWN, Provenance
from grokinterp.runs.run import UNKNOWN_TASK, Run
from grokinterp.runs.store import MemoryStore
from grokinterp.tasks import Task

FORMULAS = ("a + b", "a - b", "a * b", "a^2 + b^2", "a^2 + a*b + b^2")
"""Operations compared with what the weights answer; the first is the demo's own."""

SUPPORTED: dict[str, tuple[Any, ...]] = {
    "act_fn": ("relu", "gelu", "silu", "tanh", None),
    "normalization_type": (None, "LN", "LNPre", "RMS", "RMSPre"),
    "eps": (1e-5,),
    "positional_embedding_type": ("standard",),
    "attention_dir": ("causal", "bidirectional"),
    "gated_mlp": (False,),
    "parallel_attn_mlp": (False,),
    "final_rms": (False,),
    "use_local_attn": (False,),
    "use_attn_scale": (True,),
    "scale_attn_by_inverse_layer_idx": (False,),
    "tie_word_embeddings": (False,),
    "use_qk_norm": (False,),
    "num_experts": (None,),
    "attn_scores_soft_cap": (None, -1.0),
    "output_logits_soft_cap": (None, -1.0),
}
"""Fields of a TransformerLens config that change its function -> the values that our transformer computes."""


def recognise(payload: Payload) -> bool:
    content = payload.content
    if not isinstance(content, dict) or not content.keys() & {"config", "checkpoints"}:
        return False
    model = content.get("model")
    return is_classic(model) or (is_native(model) and has_native_names(model))


def read(payload: Payload) -> Run:
    content, where = payload.content, str(payload.path)
    notes = [f"{OPTIMISER_UNKNOWN}: those of the demo are assumed"]
    every = config if isinstance(config := content.get("config"), dict) else {}
    settings = but_stated(every, payload.stated.fields)
    check_supported(settings, where)
    base = preset("transformer_lens_demo")
    kept = snapshots(_wrapped(content, where))
    notes += kept.notes
    raw = without_idle_biases([classic_parameters(state, settings, where) for state in kept.states])
    file = dataclasses.replace(classic_file(raw, settings, where), settings=every)
    task, split = payload.task or _task(content, file.readings(payload.stated, None), notes), base.split
    model, checkpoints, assumptions = settle(file, payload.stated, task)
    assumptions = [*kept.assumptions, *assumptions, *nan_among(checkpoints[-1])]
    steps = kept.steps
    if task is not None:
        recorded = recorded_split(content, task)
        task, assumptions = recorded.task, [*assumptions, *recorded.assumptions]
        if recorded.is_found:
            split = recorded.split
        elif task.is_train is None:
            notes += recorded.notes or [NOT_RECORDED]
        notes += row_remarks(recorded, model, checkpoints[-1])
    if settings.get("seed") is None:
        notes.append(SEED_UNKNOWN)
    config = RunConfig(
        preset=base.preset,
        seed=int(settings.get("seed") or 0),
        task=task.config() if task else UNKNOWN_TASK,
        split=split,
        model=model,
        optimiser=base.optimiser,
        schedule=dataclasses.replace(base.schedule, steps=max(steps[-1], 1)),
    )
    if task is not None and steps[-1]:
        notes += disagreement(model, checkpoints[-1], task, losses_of(content))
    provenance = Provenance.of_file(TRANSFORMER_LENS.name, payload.path, notes, assumptions=tuple(assumptions))
    store = MemoryStore.of(steps, checkpoints, _metrics(content, steps[-1]))
    return Run(store, payload.name, config, task, payload.path, provenance)


def _wrapped(content: Mapping[str, Any], where: str) -> Wrapped:
    """Our steps, ascending, and the state dict at each; `model` is the last where no checkpoint is."""
    epochs, states = list(content.get("checkpoint_epochs", [])), list(content.get("checkpoints", []))
    if len(epochs) != len(states):
        raise ImportFileError(
            f"{where} has {len(states)} checkpoints and {len(epochs)} checkpoint_epochs; save one epoch for each"
        )
    by_step = {int(epoch) + 1: state for epoch, state in zip(epochs, states, strict=True)}
    n_updates = max(len(content.get("train_losses", [])), *by_step, 0)
    by_step.setdefault(n_updates, content["model"])
    if n_updates == 0:
        return Wrapped((content["model"],))
    steps = tuple(sorted(by_step))
    key = "checkpoint_epochs, each after its update" if states else "one update for each of train_losses"
    return Wrapped(tuple(by_step[step] for step in steps), steps, key)


def but_stated(settings: Mapping[str, Any], stated: Mapping[str, Any]) -> dict[str, Any]:
    """The settings but those whose field the reader states, with the number of heads as it is stated."""
    names = {
        "activation": ("act_fn",),
        "attention_direction": ("attention_dir",),
        "position_embedding": ("positional_embedding_type",),
        **dict.fromkeys(("normalization", "norm_kind", "final_norm"), ("normalization_type",)),
    }
    left_out = {name for field in stated for name in names.get(field, ())}
    heads = {name: value for name, value in stated.items() if name == "n_heads"}
    return {name: value for name, value in settings.items() if name not in left_out} | heads


def check_supported(settings: Mapping[str, Any], where: str) -> None:
    """Refuse a TransformerLens config that computes something else than this project's transformer."""
    wrong = [
        f"{name}={settings[name]!r}"
        for name, values in SUPPORTED.items()
        if name in settings and settings[name] not in values
    ]
    scale, d_head = settings.get("attn_scale") or -1, settings.get("d_head") or 1
    if scale > 0 and not math.isclose(scale, math.sqrt(d_head), rel_tol=1e-6):
        wrong.append(f"attn_scale={scale}")
    heads = settings.get("n_heads")
    if (settings.get("n_key_value_heads") or heads) != heads:
        wrong.append(f"n_key_value_heads={settings['n_key_value_heads']}")
    if wrong:
        raise ImportFileError(
            f"{where} is a TransformerLens model with {listed(wrong)}, which this project's transformer does not "
            f"compute; analyse it with TransformerLens itself"
        )


def classic_parameters(state: Mapping[str, Any], settings: Mapping[str, Any], where: str) -> dict[str, Tensor]:
    """Classic parameters of a state dict in either of TransformerLens' styles."""
    parameters = float_tensors(state, where)
    if is_classic(parameters):
        classic = from_classic(parameters)
    elif is_native(parameters):
        if "n_heads" not in settings:
            raise ImportFileError(
                f"{where} has TransformerLens 4's names, whose weights do not tell the number of heads; "
                f"save it with its config: torch.save({{'model': model.state_dict(), 'config': model.cfg}}, ...), "
                f"or state it, as in n_heads=4 (--n-heads 4)"
            )
        classic = from_native(parameters, int(settings["n_heads"]))
    else:
        raise ImportFileError(
            f"{where} has a checkpoint that is no TransformerLens transformer: {listed([*state][:8])}"
        )
    kind = settings.get("normalization_type")
    if kind in ("LN", "RMS") and not any(name.endswith(".ln1.w") for name in classic):
        raise ImportFileError(
            f"{where} has normalization_type={kind!r} and no weights of norms; it is not their config"
        )
    if kind in ("LNPre", "RMSPre"):
        classic = with_unit_norms(classic)
    return without_norm_biases(classic) if kind in ("RMS", "RMSPre") else classic


def classic_file(checkpoints: list[dict[str, Tensor]], settings: Mapping[str, Any], where: str) -> File:
    """Classic parameters with what TransformerLens' own config tells of them."""
    told = told_by(settings)
    n_ctx = {"n_ctx": told["n_ctx"][0]} if "n_ctx" in told else {}
    return File(checkpoints, told, {}, {"initialisation": "transformer_lens", **n_ctx}, where)


def told_by(settings: Mapping[str, Any]) -> dict[str, tuple[Any, str]]:
    """Fields of our config that a TransformerLens config tells -> their values, and its words for them."""
    told: dict[str, tuple[Any, str]] = {}
    if activation := settings.get("act_fn"):
        told["activation"] = (activation, f"act_fn={activation}")
    if direction := settings.get("attention_dir"):
        told["attention_direction"] = (direction, f"attention_dir={direction}")
    if "normalization_type" in settings:
        kind = settings["normalization_type"]
        words = f"normalization_type={kind}" + (": norms folded into the weights" if str(kind).endswith("Pre") else "")
        told["normalization"] = ("pre" if kind else "none", words)
        if kind in ("RMS", "RMSPre"):
            told["norm_kind"] = ("rms", words)
    if n_ctx := settings.get("n_ctx"):
        told["n_ctx"] = (int(n_ctx), f"n_ctx={n_ctx}")
    return told


def _task(content: Mapping[str, Any], readings: list[Candidate], notes: list[str]) -> Task | None:
    """The operation mod p, read after '=', that the weights answer on the training rows; else the demo's own."""
    sizes = Sizes.of(readings[0])
    rows, others = (step_list(content.get(f"{side}_indices")) or [] for side in ("train", "test"))
    n_rows = len(rows) + len(others)
    p = math.isqrt(n_rows) if n_rows else sizes.tokens - 1
    rows = rows if max(rows, default=0) < p * p else []
    if p < 2 or (n_rows and p * p != n_rows) or sizes.positions != 3 or sizes.tokens < p + 1:
        notes.append("the task is unknown; give it to load(..., task=...)")
        return None
    tasks = [Task(formula, p=p, layout="a b =") for formula in FORMULAS]
    best = best_task(by_activation(readings), tasks, torch.tensor(rows) if rows else torch.arange(p * p))
    if best is None:
        notes.append(f"the task {FORMULAS[0]} mod {p} is assumed, being the demo's: the weights answer none so far")
        return tasks[0]
    task, score = best
    part = "training rows" if rows else "table"
    notes.append(
        f"the task {task.expression} mod {p} is inferred: the weights answer {score.accuracy:.2%} of its {part}"
    )
    return task


def _metrics(content: Mapping[str, Any], n_updates: int) -> pd.DataFrame:
    """The losses by our steps; lists shorter than the run were recorded every so many epochs."""
    curves = {}
    for name, lag in (("train_loss", 0), ("test_loss", 1)):
        values = [float(loss) for loss in content.get(f"{name}es", [])]
        every = max(1, n_updates // len(values)) if values else 1
        curves[name] = pd.Series(values, index=[i * every + lag for i in range(len(values))], dtype=float)
    return pd.DataFrame(curves).rename_axis("step").reset_index()


TRANSFORMER_LENS = Importer("transformer_lens", "files of TransformerLens' grokking demo (.pth)", recognise, read)
