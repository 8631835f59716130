"""What defines a run: frozen dataclasses and their JSON form (the papers' values are in `presets`).

Nothing here imports torch, so the command line can print its help at once.
Field names are unique across the dataclasses: a value is overridden by
keyword (`gi.train(task, n_layers=2)`) or by flag (`--n-layers 2`) without saying
which dataclass it belongs to.
"""

import dataclasses
import functools
import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Literal, TypeAlias

from grokinterp.config.family import ModelConfig, family
from grokinterp.config.training import OptimiserConfig, ScheduleConfig
from grokinterp.config.transformer import TransformerConfig
from grokinterp.config.validation import check_section, check_types, plain, shown
from grokinterp.errors import ConfigError, did_you_mean, listed, require

FORMAT_VERSION = 1

SplitMethod: TypeAlias = Literal["randperm", "nanda", "swap_aware", "extrapolate", "indices"]


@dataclass(frozen=True)
class TaskConfig:
    """What is learnt: a formula such as `a + b`, or a task's name, with its parameters (`p`, `layout`, ...)."""

    expression: str = "a + b"
    parameters: dict[str, Any] = field(default_factory=dict)

    def __post_init__(self) -> None:
        parts = self.expression if isinstance(self.expression, (list, tuple)) else [self.expression]
        is_text = bool(parts) and all(isinstance(part, str) for part in parts)
        require(is_text, f"the task {self.expression!r} is no text; give a formula or a task's name, as in 'a + b'")
        is_named = isinstance(self.parameters, dict) and all(isinstance(name, str) for name in self.parameters)
        require(is_named, f"the task's parameters {self.parameters!r} have no names; give them as in p=113")


@dataclass(frozen=True)
class SplitConfig:
    """Which rows of the table are trained on.

    `nanda` is Python's `random.shuffle`, which gives Nanda's masks; `swap_aware` keeps both orders of a pair together;
    `extrapolate` trains on the smallest operands and tests on larger ones.
    """

    frac: float = 0.3  # share of the rows
    split: SplitMethod = "randperm"  # which rows are drawn, and how
    split_seed: int | None = None  # the run's seed where left out
    mislabelled: int = 0  # training rows given a random other answer (Power et al. 2022, outliers)
    corrupt: float = 0.0  # the same as a share of the training rows (Doshi et al. 2023)

    def __post_init__(self) -> None:
        check_types(self)
        require(0 < self.frac <= 1, f"frac={self.frac} must be above 0 and at most 1, as in frac=0.3")
        require(self.mislabelled >= 0, f"mislabelled={self.mislabelled} must be 0 or more rows")
        require(0 <= self.corrupt <= 1, f"corrupt={self.corrupt} is a share of the training rows, between 0 and 1")
        require(
            not (self.corrupt and self.mislabelled),
            f"corrupt={self.corrupt} and mislabelled={self.mislabelled} say the same twice; leave one out",
        )


@dataclass(frozen=True)
class RunConfig:
    """Everything that determines a run's numbers, how long it runs, and what is kept of it."""

    preset: str = "nanda"
    seed: int = 0
    task: TaskConfig = TaskConfig()
    split: SplitConfig = SplitConfig()
    model: ModelConfig = field(default_factory=TransformerConfig)
    optimiser: OptimiserConfig = field(default_factory=OptimiserConfig)
    schedule: ScheduleConfig = field(default_factory=ScheduleConfig)

    def __post_init__(self) -> None:
        for name in SECTIONS:
            check_section(name, getattr(self, name))
        check_types(self)

    @functools.cached_property  # every checkpoint is asked whether it belongs to the run
    def identity(self) -> str:
        """Twelve hexadecimal digits of what determines the weights after each step.

        How long the run goes on and what is kept of it are left out, and every field at its default: neither
        prolonging a run nor a field that is added to grokinterp later makes another run of it.
        """
        data = self.to_json()
        # The rate at each step of a cosine depends on where it ends.
        length = LENGTH if self.optimiser.lr_schedule == "constant" else LENGTH - {"steps"}
        data["schedule"] = {name: value for name, value in data["schedule"].items() if name not in length}
        return _digest({**_without(data, _defaults(type(self.model))), "kind": self.model.kind})

    @property
    def fingerprint(self) -> str:
        """Twelve hexadecimal digits of all fields, the length of the run included."""
        return _digest(self.to_json())

    def to_json(self) -> dict[str, Any]:
        """A dictionary of JSON values; `RunConfig.from_json` is its inverse."""
        data = dataclasses.asdict(self)
        for name in SECTIONS:
            section = getattr(self, name)
            # weight_decay=1 and 1.0 are one configuration, with one identity.
            floats = [f.name for f in dataclasses.fields(section) if f.type is float]
            data[name].update({each: float(getattr(section, each)) for each in floats})
        data["model"] = {"kind": self.model.kind, **data["model"]}
        return json.loads(json.dumps(data))

    @classmethod
    def from_json(cls, data: dict[str, Any]) -> "RunConfig":
        """The inverse of `to_json`. Raises `ConfigError` for unknown fields or values."""
        data = _mapping(data, "a config is a dictionary, as run.config.to_json() is")
        model = _mapping(data.get("model", {}), "a config's model is a dictionary")
        model_section = family(model.pop("kind", None))
        data["model"] = model
        sections = {
            "task": TaskConfig,
            "split": SplitConfig,
            "model": model_section,
            "optimiser": OptimiserConfig,
            "schedule": ScheduleConfig,
        }
        for name, section in sections.items():
            data[name] = _from_fields(section, _mapping(data.get(name, {}), f"a config's {name} is a dictionary"))
        return _from_fields(cls, data)

    def replace(self, **fields: Any) -> "RunConfig":
        """A copy with fields of any section changed, `replace(n_layers=2, lr=3e-4)`. Unknown names are refused."""
        return _replace_flat(self, fields)

    def field_names(self) -> list[str]:
        """The names that `replace` knows, but for whole sections."""
        return sorted(["seed", *_field_owners(self)])

    def has_field(self, name: str) -> bool:
        """Whether `replace` knows this name."""
        return name in _field_owners(self) or name in _TOP_FIELDS

    def flat(self) -> dict[str, Any]:
        """Every field by its own name, the task's parameters among them, without sections; lists are tuples."""
        flat = {"preset": self.preset, "seed": self.seed, "expression": self.task.expression, **self.task.parameters}
        flat["kind"] = self.model.kind
        for section in (self.split, self.model, self.optimiser, self.schedule):
            for each in dataclasses.fields(section):
                value = getattr(section, each.name)
                flat[each.name] = float(value) if each.type is float else value
        return {name: tuple(value) if isinstance(value, list) else value for name, value in flat.items()}

    def differences(self, other: "RunConfig") -> str:
        """`lr 0.001 / 0.01, seed 0 / 1`: the fields in which two configurations differ, in this one and the other."""
        require(
            isinstance(other, RunConfig),
            f"a configuration is compared with another, not {shown(other)}; give run.config",
        )
        mine, theirs = _flattened(self.to_json()), _flattened(other.to_json())
        names = [name for name in {**mine, **theirs} if mine.get(name) != theirs.get(name)]
        return listed(f"{name} {mine.get(name)} / {theirs.get(name)}" for name in names)

    def changes_from(self, base: "RunConfig") -> str:
        """`p=59, frac=0.8`: the fields set differently than in `base`."""
        mine, theirs = _flattened(self.to_json()), _flattened(base.to_json())
        return listed(
            f"{name}={value}" for name, value in mine.items() if theirs.get(name) != value and name != "preset"
        )


LENGTH = frozenset(
    {
        "steps",
        "metrics_every",
        "checkpoint_every",
        "checkpoint_steps",
        "checkpoints_per_octave",
        "stop_after_grokking",
        "grokked_accuracy",
    }
)
"""Fields of the schedule that say how long a run goes on and what is kept of it."""


def _digest(data: dict[str, Any]) -> str:
    canonical = json.dumps(data, sort_keys=True, separators=(",", ":"))
    return hashlib.sha256(canonical.encode()).hexdigest()[:12]


@functools.cache
def _defaults(kind: type[ModelConfig]) -> dict[str, Any]:
    """Every field of a configuration of this family at its default, as JSON."""
    return RunConfig(model=kind()).to_json()


def _without(data: dict[str, Any], defaults: dict[str, Any]) -> dict[str, Any]:
    """The entries that differ from the defaults, in nested dictionaries too."""
    differing = {name: value for name, value in data.items() if name not in defaults or defaults[name] != value}
    return {
        name: _without(value, defaults.get(name, {})) if isinstance(value, dict) else value
        for name, value in differing.items()
    }


def _flattened(data: dict[str, Any]) -> dict[str, Any]:
    flat: dict[str, Any] = {}
    for name, value in data.items():
        flat.update(_flattened(value) if isinstance(value, dict) else {name: value})
    return flat


def _mapping(given: Any, words: str) -> dict[str, Any]:
    """A copy of what must be a dictionary with names; `words` say so."""
    is_named = isinstance(given, Mapping) and all(isinstance(name, str) for name in given)
    require(is_named, f"{words}, not {shown(given)}")
    return {**given}


def _from_fields(cls: Any, data: dict[str, Any]) -> Any:
    known = {f.name for f in dataclasses.fields(cls)}
    unknown = sorted(set(data) - known)
    if unknown:
        raise ConfigError(
            f"{cls.__name__} has no field {listed(unknown)}; was it written by a newer grokinterp? "
            f"Its fields: {listed(sorted(known))}"
        )
    return cls(**{name: tuple(value) if isinstance(value, list) else value for name, value in data.items()})


SECTIONS = ("split", "model", "optimiser", "schedule")
_TOP_FIELDS = ("preset", "seed", "task", *SECTIONS)


def _field_owners(config: RunConfig) -> dict[str, str]:
    return {f.name: section for section in SECTIONS for f in dataclasses.fields(getattr(config, section))}


def _replace_flat(config: RunConfig, fields: dict[str, Any]) -> RunConfig:
    owners = _field_owners(config)
    changed: dict[str, dict[str, Any]] = {}
    top: dict[str, Any] = {}
    for name, value in ((name, plain(value)) for name, value in fields.items()):
        # `split` and `optimiser` are a section each, and the name of a field in it.
        if name in _TOP_FIELDS and (name not in owners or dataclasses.is_dataclass(value)):
            top[name] = value
        elif name in owners:
            value = tuple(value) if isinstance(value, list) else value
            changed.setdefault(owners[name], {})[name] = value
        else:
            raise ConfigError(
                f"{name!r} is no field of a {config.model.kind} run.{did_you_mean(name, config.field_names())} "
                f"`help(gi.train)` and `grokinterp train --help` list all"
            )
    for section, values in changed.items():
        top[section] = dataclasses.replace(top.get(section, getattr(config, section)), **values)
    return dataclasses.replace(config, **top)
