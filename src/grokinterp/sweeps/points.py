"""Point: one run of a sweep, planned and named, before it is trained."""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from grokinterp.config import RunConfig
from grokinterp.errors import BadRequest, ConfigError, did_you_mean, listed
from grokinterp.measuring import choose
from grokinterp.sweeps.spec import Fields, Spec
from grokinterp.training.loggers import logger_names
from grokinterp.training.planning import plan

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


def points_of(spec: Spec) -> list[Point]:
    """Every run of a sweep, each planned as training would plan it.

    Raises `ConfigError` for the first point that cannot be trained, naming what varies there, and for two points that
    are the same run.
    """
    for circuit in spec.keep.circuits or ():
        choose(circuit, frozenset())
    points = [_point(varied, fields) for varied, fields in spec.points()]
    seen: dict[str, Point] = {}
    for point in points:
        other = seen.setdefault(point.config.identity, point)
        if other is not point:
            raise ConfigError(f"{describe(other.varied)} and {describe(point.varied)} are the same run; leave one out")
    return points


def describe(varied: Mapping[str, Any]) -> str:
    """`attention_rate=0.25, seed=3`."""
    return listed(f"{name}={value}" for name, value in varied.items()) or "the only point"


def _point(varied: Fields, fields: Fields) -> Point:
    for name in fields:
        if name in _NOT_SWEPT:
            raise ConfigError(f"{name} is not a field of a run and cannot be swept; leave it out of the spec")
    if "expression" not in fields and "task" in fields:
        raise ConfigError(
            f"a sweep names its task as expression, not task.{did_you_mean('expression', ['expression'])}"
        )
    try:
        logger_names(fields.get("loggers", ()))
        planned = {name: value for name, value in fields.items() if name not in ("expression", "loggers")}
        config, _ = plan(fields.get("expression"), **planned)
    except (BadRequest, TypeError) as error:
        raise ConfigError(f"at {describe(varied)}: {error}") from None
    return Point(_name(varied, config), varied, fields, config)


def _name(varied: Mapping[str, Any], config: RunConfig) -> str:
    words = {"+": "plus", "-": "minus", "*": "times", "/": "over", "^": "pow", "%": "mod"}
    parts = []
    for name, value in varied.items():
        text = str(value)
        if name == "expression":
            text = "".join(f" {words[c]} " if c in words else c for c in text)
        plain = "-".join(re.findall(r"[A-Za-z0-9_.]+", text))
        parts.append(plain if name in ("expression", "variant") else f"{name}{plain}")
    return "-".join([*parts, config.identity])[-200:].lstrip("-.")
