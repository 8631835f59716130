"""Spec: what a sweep varies and what it keeps, read from TOML or a dictionary and checked before anything trains."""

import itertools
import math
import re
import tomllib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from os import PathLike
from pathlib import Path
from typing import Any, Literal, TypeAlias

import tomli_w

from grokinterp.config.validation import plain, shown
from grokinterp.errors import BadRequest, ConfigError, did_you_mean, listed, require

Fields: TypeAlias = dict[str, Any]
"""Fields of `gi.train`, `expression` among them, and their values."""

_RANGE = re.compile(r"\s*(-?\d{1,18})\s*\.\.\s*(-?\d{1,18})\s*")
MOST_POINTS = 100_000
LONGEST_NAME = 100
_SECTIONS = ("name", "ensemble", "run", "grid", "variant", "keep")


@dataclass(frozen=True)
class Variant:
    """An alternative in which several fields vary together; `name` is its value in tables."""

    name: str
    fields: Mapping[str, Any]


@dataclass(frozen=True)
class Keep:
    """What stays on disk: every checkpoint, or the final one once `circuits` have been read off all of them.

    `circuits` are names; None stands for those that `measure` reads by default, and () for none.
    """

    checkpoints: Literal["all", "final"] = "all"
    circuits: tuple[str, ...] | None = ()


@dataclass(frozen=True)
class Spec:
    """A sweep: the fields that every run has, and those that vary.

    With `ensemble`, runs that differ in their seed only are trained together where that is faster, each equal to the
    run trained alone to float rounding.

    The points are the product of the values of `grid` and of the `variants`, the last field of the grid fastest.
    """

    name: str
    run: Mapping[str, Any]
    grid: Mapping[str, tuple[Any, ...]] = field(default_factory=dict)
    variants: tuple[Variant, ...] = ()
    keep: Keep = Keep()
    ensemble: bool = False

    def __post_init__(self) -> None:
        fits = bool(re.fullmatch(r"\w[\w.-]*", self.name, re.ASCII)) and len(self.name) <= LONGEST_NAME
        require(fits, f"name={shown(self.name)} must be a word of letters, digits, - and _, as in name='rates'")
        for axis, values in self.grid.items():
            require(len(values) > 0, f"[grid] {axis} has no values; give at least one, or leave it out")
            require(
                len(set(map(repr, values))) == len(values), f"[grid] {axis}={shown(list(values))} names a value twice"
            )
        names = [variant.name for variant in self.variants]
        require(len(set(names)) == len(names), f"two [[variant]] tables have one name; the names: {listed(names)}")
        for variant in self.variants:
            twice = sorted(set(variant.fields) & set(self.grid))
            require(not twice, f"{listed(twice)} stands in [grid] and in variant {variant.name!r}; leave one out")
        require(
            len(self) <= MOST_POINTS, f"the grid has {len(self):,} points, more than the {MOST_POINTS:,} of one sweep"
        )

    def __len__(self) -> int:
        return math.prod(map(len, self.grid.values())) * max(1, len(self.variants))

    @property
    def varied(self) -> list[str]:
        """The names of what varies, as the columns of a table: `variant`, then the fields of the grid."""
        return [*(["variant"] if self.variants else []), *self.grid]

    def points(self) -> Iterator[tuple[Fields, Fields]]:
        """Every point: what varies (`variant` by its name), and all its fields."""
        for variant in self.variants or (None,):
            for values in itertools.product(*self.grid.values()):
                here = dict(zip(self.grid, values, strict=True))
                named = {} if variant is None else {"variant": variant.name}
                together = {} if variant is None else variant.fields
                yield {**named, **here}, {**self.run, **together, **here}

    @classmethod
    def read(cls, source: "Spec | str | Path | Mapping[str, Any]") -> "Spec":
        """The spec in a TOML file, or in a dictionary of the same form. Raises `ConfigError` for what fits no sweep."""
        if isinstance(source, Spec):
            return source
        if isinstance(source, Mapping):
            return cls.from_dict(source)
        from grokinterp.runs.files import read_whole

        if not isinstance(source, str | PathLike):
            raise ConfigError(f"a sweep is a TOML file or a dictionary of its tables, not {shown(source)}")
        path = Path(source)
        try:
            tables = tomllib.loads(read_whole(path).decode())
        except BadRequest:
            raise
        except (ValueError, RecursionError) as error:  # its own, of text that is no UTF-8, of a number of 5,000 digits
            raise ConfigError(f"{path} is not TOML: {error}") from None
        except OSError as error:
            raise ConfigError(f"{path} cannot be read: {error.strerror}; name a sweep's TOML file") from None
        return cls.from_dict({"name": path.stem, **tables})

    @classmethod
    def from_dict(cls, tables: Mapping[str, Any]) -> "Spec":
        """A spec from tables as a TOML file has them; the inverse of `to_dict`."""
        tables = _toml_values(tables, "a sweep")
        for name in tables:
            if name not in _SECTIONS:
                raise ConfigError(
                    f"{name!r} is no part of a sweep.{did_you_mean(name, _SECTIONS)} The parts: {listed(_SECTIONS)}"
                )
        run, grid, keep = (_table(tables, name) for name in ("run", "grid", "keep"))
        require(
            bool(run or grid or tables.get("variant")), "a sweep of nothing; say what is trained in [run] or [grid]"
        )
        unknown = sorted(set(keep) - {"checkpoints", "circuits"})
        require(not unknown, f"[keep] has no {listed(unknown)}; it has checkpoints and circuits")
        kinds = ("all", "final")
        kept = keep.get("checkpoints", "all")
        require(kept in kinds, f"[keep] checkpoints={shown(kept)} is unknown; choose one of {listed(kinds)}")
        if "circuits" in keep:
            require(_is_names(keep["circuits"]), f"[keep] circuits={shown(keep['circuits'])} must be a list of names")
            keep["circuits"] = tuple(keep["circuits"])
        elif keep.get("checkpoints") == "final":
            keep["circuits"] = None
        ensemble = tables.get("ensemble", False)
        require(isinstance(ensemble, bool), f"ensemble={shown(ensemble)} must be true or false")
        return cls(
            name=str(tables.get("name", "sweep")),
            run=run,
            grid={axis: _values(axis, values) for axis, values in grid.items()},
            variants=tuple(map(_variant, _list(tables.get("variant", [])))),
            keep=Keep(**keep),
            ensemble=ensemble,
        )

    def to_dict(self) -> dict[str, Any]:
        """Tables as a TOML file has them."""
        circuits = {} if self.keep.circuits is None else {"circuits": list(self.keep.circuits)}
        tables = {
            "name": self.name,
            "ensemble": self.ensemble,
            "run": dict(self.run),
            "grid": {axis: list(values) for axis, values in self.grid.items()},
            "variant": [{"name": variant.name, **variant.fields} for variant in self.variants],
            "keep": {"checkpoints": self.keep.checkpoints, **circuits},
        }
        return {name: table for name, table in tables.items() if table}

    def to_toml(self) -> str:
        """The spec as text that `read` reads."""
        return tomli_w.dumps(self.to_dict())


def plan_arguments(fields: Mapping[str, Any]) -> Fields:
    """What `training.planning.plan` is called with for the fields of a run; loggers configure nothing."""
    named = {name: value for name, value in fields.items() if name not in ("expression", "loggers")}
    return {"task": fields.get("expression"), **named}


def _toml_values(value: Any, place: str) -> Any:
    """What TOML can hold, numbers and arrays of NumPy and torch as Python's. Raises `ConfigError` for anything else."""
    value = plain(value)
    if isinstance(value, Mapping):
        require(all(isinstance(name, str) for name in value), f"{place} has a name that is no text")
        return {name: _toml_values(each, name) for name, each in value.items()}
    if isinstance(value, list | tuple | range):
        return [_toml_values(each, place) for each in value]
    require(isinstance(value, bool | int | float | str), f"{place}={shown(value)} is no value of TOML; leave it out")
    return value


def _is_names(values: Any) -> bool:
    return isinstance(values, list) and all(isinstance(value, str) for value in values)


def _list(values: Any) -> list[Any]:
    require(isinstance(values, list), "a variant is a table of its own, written [[variant]]")
    return values


def _table(tables: Mapping[str, Any], name: str) -> dict[str, Any]:
    table = tables.get(name, {})
    if not isinstance(table, Mapping):
        raise ConfigError(f"[{name}] of a sweep is a table of fields, not {shown(table)}")
    return dict(table)


def _values(axis: str, values: Any) -> tuple[Any, ...]:
    """The values along one axis: a list, or a range of whole numbers with both ends, as in "0..9"."""
    if isinstance(values, str) and (ends := _RANGE.fullmatch(values)):
        first, last = int(ends[1]), int(ends[2])
        require(first <= last, f"[grid] {axis}={shown(values)} is empty; the smaller end comes first, as in 0..9")
        require(last - first < MOST_POINTS, f"[grid] {axis}={shown(values)} has {last - first + 1} values")
        return tuple(range(first, last + 1))
    if isinstance(values, list):
        return tuple(values)
    raise ConfigError(f'[grid] {axis}={shown(values)} is neither a list nor a range, as in [0, 1] or "0..9"')


def _variant(table: Any) -> Variant:
    if not isinstance(table, Mapping) or "name" not in table or len(table) < 2:
        raise ConfigError("a [[variant]] is a table with a name and the fields that vary together")
    return Variant(str(table["name"]), {name: value for name, value in table.items() if name != "name"})
