"""What defines a run: frozen dataclasses and their JSON form (the papers' values are in `presets`).

Nothing here imports torch, so the command line can print its help at once.
Field names are unique across the dataclasses: a value is overridden by
keyword (`gi.train(task, n_layers=2)`) or by flag (`--n-layers 2`) without saying
which dataclass it belongs to.
"""

import dataclasses
import hashlib
import json
import math
from dataclasses import dataclass, field
from typing import Any, Literal, TypeAlias, get_args

from grokinterp.architecture import MODEL_CONFIGS, ModelConfig, TransformerConfig
from grokinterp.refusals import ConfigError, check_literals, did_you_mean, listed, require

FORMAT_VERSION = 1

SplitMethod: TypeAlias = Literal["randperm", "nanda", "swap_aware", "indices"]
Part: TypeAlias = Literal["embed", "unembed", "transformer"]


@dataclass(frozen=True)
class TaskConfig:
    """What is learnt: a formula such as `a + b`, or a task's name, with its parameters (`p`, `layout`, ...)."""

    expression: str = "a + b"
    parameters: dict[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class SplitConfig:
    """Which rows of the table are trained on.

    `frac` is the share of rows; `split` the method: `randperm` (torch), `nanda` (Python's
    `random.shuffle`, reproduces Nanda's), `swap_aware` (both orders of a commutative pair on one
    side) or `indices` (given by hand); `split_seed=None` follows the run's seed; `mislabelled`
    training rows get a random other answer (Power et al. 2022, outliers).
    """

    frac: float = 0.3
    split: SplitMethod = "randperm"
    split_seed: int | None = None
    mislabelled: int = 0

    def __post_init__(self) -> None:
        check_literals(self)
        require(0 < self.frac <= 1, f"frac={self.frac} must be above 0 and at most 1, as in frac=0.3")
        require(self.mislabelled >= 0, f"mislabelled={self.mislabelled} must be 0 or more rows")


@dataclass(frozen=True)
class OptimiserConfig:
    """How a gradient becomes an update.

    `decay_kind`: `to_zero` (decoupled, AdamW's), `to_init` (decoupled, towards the initial weights),
    `jiggle` (multiplies by exp(noise)), `gradient` (L2 in the gradient); the last three are Power et
    al.'s ablations. `warmup_steps` ramps the rate as min(step / warmup, 1), so that the first update
    has rate 0. `fixed_norm` keeps the total weight norm of step 0 (Omnigrok). `grokfast` amplifies the
    slow gradient (`ema`: g + lambda * ema; `ma`: g + lambda * mean of the last window).
    """

    optimiser: Literal["adamw", "adam", "sgd"] = "adamw"
    lr: float = 1e-3
    beta1: float = 0.9
    beta2: float = 0.98
    eps: float = 1e-8
    momentum: float = 0.0
    weight_decay: float = 1.0
    decay_kind: Literal["to_zero", "to_init", "jiggle", "gradient"] = "to_zero"
    warmup_steps: int = 10
    lr_schedule: Literal["constant", "cosine"] = "constant"
    lr_final: float = 0.1
    update_noise: float = 0.0
    fixed_norm: bool = False
    grokfast: Literal["none", "ema", "ma"] = "none"
    grokfast_alpha: float = 0.98
    grokfast_lambda: float = 2.0
    grokfast_window: int = 100

    def __post_init__(self) -> None:
        check_literals(self)
        require(self.lr > 0 and math.isfinite(self.lr), f"lr={self.lr} must be positive, as in 1e-3")
        require(self.weight_decay >= 0, f"weight_decay={self.weight_decay} must be 0 or more")
        require(0 <= self.beta1 < 1 and 0 <= self.beta2 < 1, "beta1 and beta2 must be in [0, 1)")
        require(self.eps > 0, f"eps={self.eps} must be positive, as in 1e-8")
        require(0 <= self.momentum < 1, f"momentum={self.momentum} must be in [0, 1)")
        require(self.warmup_steps >= 0, f"warmup_steps={self.warmup_steps} must be 0 or more")
        require(self.update_noise >= 0, f"update_noise={self.update_noise} must be 0 or more")
        require(0 <= self.lr_final <= 1, f"lr_final={self.lr_final} is a share of lr, between 0 and 1")
        require(0 <= self.grokfast_alpha < 1, f"grokfast_alpha={self.grokfast_alpha} must be in [0, 1)")
        require(self.grokfast_window >= 1, f"grokfast_window={self.grokfast_window} must be at least 1")


@dataclass(frozen=True)
class ScheduleConfig:
    """How long, in what batches, and what is kept.

    `batch_size=None` is the full training set. Checkpoints are kept at step 0, at the last step, every
    `checkpoint_every` steps (0: none), at `checkpoint_steps`, and at `checkpoints_per_octave` log-spaced
    steps. `stop_after_grokking=n` ends the run n steps after test accuracy first passes
    `grokked_accuracy`. `frozen_parts` do not train; `pretrained_parts` start from the final checkpoint
    of the run at `pretrained` (Furuta et al. 2024, section 7).
    """

    steps: int = 25_000
    batch_size: int | None = None
    loss_dtype: Literal["float64", "float32"] = "float64"
    metrics_every: int = 100
    checkpoint_every: int = 100
    checkpoint_steps: tuple[int, ...] = ()
    checkpoints_per_octave: int = 0
    stop_after_grokking: int | None = None
    grokked_accuracy: float = 0.99
    pretrained: str | None = None
    pretrained_parts: tuple[Part, ...] = ()
    frozen_parts: tuple[Part, ...] = ()

    def __post_init__(self) -> None:
        check_literals(self)
        require(self.steps >= 1, f"steps={self.steps} must be at least 1")
        require(
            self.batch_size is None or self.batch_size >= 1,
            f"batch_size={self.batch_size} must be at least 1; leave it out for the full training set",
        )
        require(self.metrics_every >= 1, f"metrics_every={self.metrics_every} must be at least 1")
        require(
            self.checkpoint_every >= 0,
            f"checkpoint_every={self.checkpoint_every} must be 0 (only the first and last step) or more",
        )
        require(self.checkpoints_per_octave >= 0, "checkpoints_per_octave must be 0 or more")
        require(
            self.stop_after_grokking is None or self.stop_after_grokking >= 0,
            f"stop_after_grokking={self.stop_after_grokking} must be 0 or more steps",
        )
        require(0 < self.grokked_accuracy <= 1, f"grokked_accuracy={self.grokked_accuracy} must be in (0, 1]")
        for part in (*self.pretrained_parts, *self.frozen_parts):
            require(part in get_args(Part), f"{part!r} is not a part of a model; the parts are {listed(get_args(Part))}")
        require(
            bool(self.pretrained) == bool(self.pretrained_parts),
            "pretrained and pretrained_parts go together, as in pretrained='runs/add', pretrained_parts=('embed',)",
        )

    def checkpointed_steps(self) -> list[int]:
        """Every step at which a checkpoint is written, ascending, 0 and `steps` included."""
        chosen = {0, self.steps, *(step for step in self.checkpoint_steps if 0 <= step <= self.steps)}
        if self.checkpoint_every:
            chosen.update(range(0, self.steps, self.checkpoint_every))
        if self.checkpoints_per_octave:
            octaves = math.log2(self.steps) if self.steps > 1 else 0
            points = int(octaves * self.checkpoints_per_octave) + 1
            chosen.update(min(self.steps, round(2 ** (i / self.checkpoints_per_octave))) for i in range(points))
        return sorted(chosen)


@dataclass(frozen=True)
class RunConfig:
    """Everything that determines a run's numbers. `identity` is the hash of its JSON form."""

    preset: str = "nanda"
    seed: int = 0
    task: TaskConfig = TaskConfig()
    split: SplitConfig = SplitConfig()
    model: ModelConfig = TransformerConfig()
    optimiser: OptimiserConfig = OptimiserConfig()
    schedule: ScheduleConfig = ScheduleConfig()

    @property
    def identity(self) -> str:
        """Twelve hexadecimal digits of the SHA-256 of the canonical JSON form."""
        canonical = json.dumps(self.to_json(), sort_keys=True, separators=(",", ":"))
        return hashlib.sha256(canonical.encode()).hexdigest()[:12]

    def to_json(self) -> dict[str, Any]:
        """A dictionary of JSON values; `RunConfig.from_json` is its inverse."""
        return json.loads(json.dumps(dataclasses.asdict(self)))

    @classmethod
    def from_json(cls, data: dict[str, Any]) -> "RunConfig":
        """The inverse of `to_json`. Raises `ConfigError` for unknown fields or values."""
        data = dict(data)
        kind = data.get("model", {}).get("kind")
        if kind not in MODEL_CONFIGS:
            raise ConfigError(f"a config's model.kind must be one of {listed(MODEL_CONFIGS)}, not {kind!r}")
        sections = {
            "task": TaskConfig,
            "split": SplitConfig,
            "model": MODEL_CONFIGS[kind],
            "optimiser": OptimiserConfig,
            "schedule": ScheduleConfig,
        }
        for name, section in sections.items():
            data[name] = _from_fields(section, data.get(name, {}))
        return _from_fields(cls, data)

    def replace(self, **fields: Any) -> "RunConfig":
        """A copy with fields of any section changed, `replace(n_layers=2, lr=3e-4)`. Unknown names are refused."""
        return _replace_flat(self, fields)


def _from_fields(cls: Any, data: dict[str, Any]) -> Any:
    known = {f.name for f in dataclasses.fields(cls)}
    unknown = sorted(set(data) - known)
    if unknown:
        raise ConfigError(
            f"{cls.__name__} has no field {listed(unknown)}; was it written by a newer grokinterp? Its fields: {listed(sorted(known))}"
        )
    return cls(**{name: tuple(value) if isinstance(value, list) else value for name, value in data.items()})


SECTIONS = ("split", "model", "optimiser", "schedule")


def _replace_flat(config: RunConfig, fields: dict[str, Any]) -> RunConfig:
    owner = {f.name: section for section in SECTIONS for f in dataclasses.fields(getattr(config, section))}
    owner.pop("kind")
    changed: dict[str, dict[str, Any]] = {}
    top: dict[str, Any] = {}
    for name, value in fields.items():
        if name in ("preset", "seed", "task", *SECTIONS):
            top[name] = value
        elif name in owner:
            value = tuple(value) if isinstance(value, list) else value
            changed.setdefault(owner[name], {})[name] = value
        else:
            known = sorted((*owner, "seed", "task"))
            raise ConfigError(
                f"{name!r} is not a field of a run with a {config.model.kind} model.{did_you_mean(name, known)} "
                f"The fields: {listed(known)}"
            )
    for section, values in changed.items():
        top[section] = dataclasses.replace(top.get(section, getattr(config, section)), **values)
    return dataclasses.replace(config, **top)
