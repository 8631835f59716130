"""Point: one run of a sweep, planned and named, before it is trained."""

import re
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

from grokinterp.config import RunConfig
from grokinterp.errors import BadRequest, ConfigError, listed
from grokinterp.measuring import choose
from grokinterp.sweeps.spec import Fields, Spec, plan_arguments
from grokinterp.training.loggers import logger_names
from grokinterp.training.planning import configure, signs_as_words, split_for

_NOT_SWEPT = (
    "out",
    "resume",
    "overwrite",
    "threads",
    "progress",
    "device",
    "train_indices",
    "on_metrics",
    "on_checkpoint",
)


@dataclass(frozen=True, eq=False)
class Point:
    """A run that is wanted: what varies, its name in the sweep's directory, and what `gi.train` is called with."""

    name: str
    varied: Mapping[str, Any]
    fields: Mapping[str, Any]
    config: RunConfig
    identity: str


def points_of(spec: Spec) -> list[Point]:
    """Every run of a sweep, each configured as training would configure it.

    Raises `ConfigError` for the first point that cannot be trained, naming what varies there, and for two points that
    are the same run.
    """
    for circuit in spec.keep.circuits or ():
        choose(circuit, frozenset())
    points: dict[str, Point] = {}
    splits: set[str] = set()
    for varied, fields in spec.points():
        point = _point(varied, fields, splits)
        other = points.setdefault(point.identity, point)
        if other is not point:
            raise ConfigError(f"{describe(other.varied)} and {describe(point.varied)} are the same run; leave one out")
    return [*points.values()]


def describe(varied: Mapping[str, Any]) -> str:
    """`attention_rate=0.25, seed=3`."""
    return listed(f"{name}={value}" for name, value in varied.items()) or "the only point"


def _point(varied: Fields, fields: Fields, splits: set[str]) -> Point:
    """A point; `splits` are those that have been tried, whatever their seed: to draw one takes long."""
    for name in fields:
        if name in _NOT_SWEPT:
            raise ConfigError(f"{name} is not a field of a run and cannot be swept; leave it out of the spec")
    if "task" in fields:
        raise ConfigError("a sweep names its task as expression, as in expression = 'a + b', not as task")
    try:
        logger_names(fields.get("loggers", ()))
        config, task = configure(**plan_arguments(fields))
        split = repr((config.task, replace(config.split, split_seed=None), config.schedule.batch_size))
        if split not in splits:
            split_for(config, task)
            splits.add(split)
    except (BadRequest, TypeError) as error:
        raise ConfigError(f"at {describe(varied)}: {error}") from None
    identity = config.identity
    return Point(_name(varied, identity), varied, fields, config, identity)


def _name(varied: Mapping[str, Any], identity: str) -> str:
    parts = []
    for name, value in varied.items():
        text = signs_as_words(str(value)) if name == "expression" else str(value)
        plain = "-".join(re.findall(r"[A-Za-z0-9_.]+", text))
        parts.append(plain if name in ("expression", "variant") else f"{name}{plain}")
    return "-".join([*parts, identity])[-200:].lstrip("-.")
