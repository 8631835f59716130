"""Wrappings: the tensors of a model wherever a file keeps them, with the steps, settings and losses beside them."""

import json
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from types import NoneType
from typing import Any

import numpy as np
import torch
from torch import Tensor

from grokinterp.importers.reading.settings import settings_among

STATE_KEYS = (
    "state_dict",
    "model_state_dict",
    "params",
    "model_state",
    "model",
    "net",
    "network",
    "parameters",
    "weights",
    "module",
)
"""Keys under which a file keeps one state dict, the likeliest first."""

SERIES_KEYS = ("state_dicts", "checkpoints", "models", "model_state_dicts", "snapshots")
"""Keys under which it keeps several: a list of them, or a dictionary by step."""

STEP_KEYS = (
    *("step", "global_step", "steps", "epoch", "epochs", "iteration", "iterations", "iter", "n_steps"),
    *("iter_num", "num_steps", "n_updates", "updates", "global_iter", "training_step", "current_step"),
)
STEP_LISTS = ("epochs", "checkpoint_epochs", "steps", "checkpoint_steps", "iterations")
SETTINGS_KEYS = (
    "model_config",
    "model_args",
    "model_kwargs",
    "config",
    "args",
    "hparams",
    "hyper_parameters",
    "hyperparameters",
    "cfg",
    "opt",
)

PREFIXES = ("module.", "_orig_mod.", "model.", "net.", "network.")
"""What wrappers put before every name: DataParallel, torch.compile, Lightning."""

DEPTH = 6


@dataclass(frozen=True)
class Wrapped:
    """What was found in a file.

    Attributes:
        states: state dicts, in order.
        steps: the step of each, or None where the file does not say.
        key: the word of the file that told the steps.
        settings: the model's settings.
        losses: `train_loss` and the like, of the last state.
    """

    states: tuple[dict[str, Tensor], ...]
    steps: tuple[int, ...] | None = None
    key: str = ""
    settings: Mapping[str, Any] = field(default_factory=dict)
    losses: Mapping[str, float] = field(default_factory=dict)


def unwrap(content: Any) -> Wrapped | None:
    """The state dicts in the content of a file; None where there is none."""
    if isinstance(content, (list, tuple)):
        return _of_list(content)
    if not isinstance(content, dict) or is_optimiser(content):
        return None
    series = next((found for key in SERIES_KEYS if (found := _series(content.get(key)))), None) or _by_number(content)
    if series is not None:
        states, steps = series
        key = "its keys"
        if steps is None:
            steps, key = _steps_of_list(content, len(states))
        return Wrapped(tuple(states), steps, key, settings_of(content), losses_of(content))
    kept = _kept(content)
    kept = as_state(_without_settings(content)) if kept is None else kept
    if kept is None:
        names = [key for key in content if not re.search("opt|sched", str(key))]
        kept = next((state for key in names if (state := as_state(content[key])) is not None), None)
    if kept is None:
        return _further_inside(content)
    step, word = _step(content)
    return Wrapped((kept,), None if step is None else (step,), word, settings_of(content), losses_of(content))


def _without_settings(content: Mapping[str, Any]) -> dict[Any, Any]:
    """What of a file is no text and no number: a state dict may have its settings and its step among its weights."""
    plain = (bool, int, float, str, NoneType)
    rest = {n: v for n, v in content.items() if n not in SETTINGS_KEYS and not isinstance(v, plain)}
    return dict(content) if any(isinstance(value, dict) for value in rest.values()) else rest


def is_optimiser(content: Any) -> bool:
    """Whether this is the state of a PyTorch optimiser, whose averages look like weights."""
    return isinstance(content, dict) and {"state", "param_groups"} <= content.keys()


def _further_inside(content: Mapping[str, Any]) -> Wrapped | None:
    """What the first of its entries holds that holds any, with the settings that stand beside it."""
    for key, value in content.items():
        if isinstance(value, (dict, list)) and not re.search("opt|sched", str(key)) and (inner := unwrap(value)):
            losses = {**losses_of(content), **inner.losses}
            return replace(inner, settings={**settings_of(content), **inner.settings}, losses=losses)
    return None


def _of_list(content: list[Any] | tuple[Any, ...]) -> Wrapped | None:
    """A list of states, of what holds one each, or of pairs of a step and one of these."""
    pairs = [item for item in content if isinstance(item, (list, tuple)) and len(item) == 2]
    steps = [_as_step(item[0]) for item in pairs]
    if content and len(pairs) == len(content) and None not in steps:
        rest = _of_list([item[1] for item in pairs])
        return rest and replace(
            rest, steps=tuple(step for step in steps if step is not None), key="the numbers beside them"
        )
    states = [as_state(item) for item in content if not isinstance(item, dict) or _kept(item) is None]
    if len(states) == len(content) > 0 and all(state is not None for state in states):
        return Wrapped(tuple(state for state in states if state is not None))
    inner = [unwrap(item) for item in content] if content and all(isinstance(i, dict) for i in content) else []
    if inner and all(one is not None and len(one.states) == 1 for one in inner):
        return _joined([one for one in inner if one is not None])
    return None


def _by_number(content: Mapping[str, Any]) -> tuple[list[dict[str, Tensor]], tuple[int, ...] | None] | None:
    """A file that is a series itself: states of the same names under keys with a number, `step_100`."""
    series = _series(content) if len(content) > 1 else None
    return series if series and len({tuple(state) for state in series[0]}) == 1 and len(series[0][0]) > 2 else None


def _kept(content: Mapping[str, Any]) -> dict[str, Tensor] | None:
    """The state under one of the usual keys; nested modules are one only where nothing beside them is another."""
    several = sum(isinstance(value, dict) and as_state(value) is not None for value in content.values()) > 1
    for key in STATE_KEYS:
        value = content.get(key)
        is_nested = isinstance(value, dict) and any(isinstance(each, dict) for each in value.values())
        if (state := as_state(value)) is not None and not (several and is_nested and key not in STATE_KEYS[:3]):
            return state
    return None


def as_state(value: Any, depth: int = DEPTH) -> dict[str, Tensor] | None:
    """A dictionary of tensors (nested ones too, as JAX keeps them) as one state dict; None for anything else."""
    if not isinstance(value, dict) or not value or depth == 0:
        return None
    state: dict[str, Tensor] = {}
    for key, item in value.items():
        if not isinstance(key, str):
            return None
        if isinstance(item, Tensor):
            state[key] = item
        elif isinstance(item, np.ndarray) and item.dtype.kind in "fiub":
            state[key] = torch.from_numpy(np.ascontiguousarray(item))
        elif inner := as_state(item, depth - 1):
            state |= {f"{key}.{name}": each for name, each in inner.items()}
        else:
            return None
    return state if depth < DEPTH or any(each.ndim >= 2 for each in state.values()) else None


def without_prefixes(state: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """The state dict without what wrappers put before every name."""
    names = {name.replace("/", "."): value for name, value in state.items()}
    while prefix := next((p for p in PREFIXES if names and all(name.startswith(p) for name in names)), None):
        names = {name.removeprefix(prefix): value for name, value in names.items()}
    return names


def with_metadata(state: dict[str, Tensor], metadata: Mapping[str, str]) -> dict[str, Any]:
    """The content of a safetensors file: a state dict, with the steps and settings that stand in its metadata."""
    told = {name: _as_value(text) for name, text in metadata.items() if name != "format"}
    if not told:
        return state
    # What is a dictionary itself stands under a name of its own, as in a file of PyTorch's.
    plain = {name: value for name, value in told.items() if not isinstance(value, dict)}
    return {**told, "state_dict": state, "hyper_parameters": plain}


def _as_value(text: str) -> Any:
    """What a text says in JSON; itself where it is none."""
    try:
        return json.loads(text)
    except (ValueError, RecursionError):
        return text


def are_one(states: tuple[Mapping[str, Tensor], ...]) -> bool:
    """Whether several states are the same tensors: lists of `model.state_dict()` that was not copied."""
    first = states[0]
    places = {name: value.data_ptr() for name, value in first.items()}
    return len(states) > 1 and all(
        state.keys() == first.keys() and all(value.data_ptr() == places[name] for name, value in state.items())
        for state in states[1:]
    )


def settings_of(content: Mapping[str, Any]) -> dict[str, Any]:
    """The settings beside a state dict, those under a key of several together and those that stand there themselves."""
    settings = settings_among(content)
    for key in SETTINGS_KEYS:
        value = content.get(key)
        if isinstance(value, dict):
            settings |= {str(name): each for name, each in value.items()}
    return settings


def losses_of(content: Mapping[str, Any]) -> dict[str, float]:
    """Recorded losses: the number itself, or the last of a list."""
    losses = {}
    for name in ("train_loss", "test_loss", "val_loss", "train_losses", "test_losses", "val_losses"):
        value = content.get(name)
        value = value[-1] if isinstance(value, list) and value else value
        if (number := as_number(value)) is not None:
            losses.setdefault(name.replace("losses", "loss").replace("val", "test"), number)
    return losses


def as_number(value: Any) -> float | None:
    """A number, or the only one of a tensor or an array."""
    if isinstance(value, (Tensor, np.ndarray)):
        value = value.item() if (value.numel() if isinstance(value, Tensor) else value.size) == 1 else None
    if isinstance(value, bool) or not isinstance(value, (int, float)):
        return None
    return float(value) if not isinstance(value, int) or value.bit_length() < 1000 else None


def _as_step(value: Any) -> int | None:
    number = as_number(value)
    return int(number) if number is not None and 0 <= number < 2**53 and number.is_integer() else None


def _step(content: Mapping[str, Any]) -> tuple[int | None, str]:
    for key in STEP_KEYS:
        value = content.get(key)
        value = value[-1] if isinstance(value, list) and value else value
        if (step := _as_step(value)) is not None:
            return step, key
    for key in ("optimizer", "optimiser", "optimizer_state_dict", "optimizer_states"):
        if (step := updates_of(content.get(key))) is not None:
            return step, f"{key}, which counts its updates"
    return None, ""


def updates_of(optimiser: Any) -> int | None:
    """How many updates the state of a PyTorch optimiser counts."""
    if isinstance(optimiser, list) and optimiser:
        optimiser = optimiser[0]
    state = optimiser.get("state") if isinstance(optimiser, dict) else None
    entries = state.values() if isinstance(state, dict) else ()
    counts = [
        step for entry in entries if isinstance(entry, dict) and (step := _as_step(entry.get("step"))) is not None
    ]
    return max(counts, default=None)


def _series(value: Any) -> tuple[list[dict[str, Tensor]], tuple[int, ...] | None] | None:
    if isinstance(value, dict):
        by_step = {_number_in(key): state for key, item in value.items() if (state := as_state(item)) is not None}
        if len(by_step) != len(value) or None in by_step or not by_step:
            return None
        steps = tuple(sorted(step for step in by_step if step is not None))
        return [by_step[step] for step in steps], steps
    if not isinstance(value, (list, tuple)) or not value:
        return None
    states = [state for item in value if (state := as_state(item)) is not None]
    return (states, None) if len(states) == len(value) else None


def _number_in(key: Any) -> int | None:
    if isinstance(key, str):
        digits = re.fullmatch(r"\D*(\d{1,15})\D*", key)
        return int(digits[1]) if digits else None
    return _as_step(key)


def _steps_of_list(content: Mapping[str, Any], count: int) -> tuple[tuple[int, ...] | None, str]:
    for key in (*STEP_LISTS, *(key for key in content if re.search("step|epoch|iter", str(key)))):
        steps = step_list(content.get(key))
        if steps is not None and len(steps) == count and len(set(steps)) == count:
            return tuple(steps), key
    return None, ""


def step_list(value: Any) -> list[int] | None:
    """A list, tuple, array or tensor of steps as whole numbers; None for anything else."""
    if isinstance(value, (Tensor, np.ndarray)):
        value = value.tolist()
    if not isinstance(value, (list, tuple)):
        return None
    steps = [_as_step(item) for item in value]
    return None if not steps or None in steps else [step for step in steps if step is not None]


def _joined(parts: list[Wrapped]) -> Wrapped:
    """A list of wrapped states as one."""
    steps = [part.steps[0] for part in parts if part.steps is not None]
    is_known = len(set(steps)) == len(parts)
    last = parts[-1]
    states = tuple(part.states[0] for part in parts)
    return Wrapped(states, tuple(steps) if is_known else None, last.key, last.settings, last.losses)


def dropped(state: Mapping[str, Tensor]) -> Iterator[str]:
    """The names of entries that are no weights: counters of no dimension, and what is empty."""
    return (name for name, value in state.items() if value.ndim == 0 or value.numel() == 0)
