"""How a run is trained: its optimiser, and its schedule of steps, batches and checkpoints."""

import math
from dataclasses import dataclass
from typing import Literal, TypeAlias, get_args

from grokinterp.config.validation import check_types
from grokinterp.errors import listed, require

Part: TypeAlias = Literal["embed", "unembed", "transformer"]
Loss: TypeAlias = Literal["cross_entropy", "stablemax", "mse"]

MOST_CHECKPOINTS = 1_000_000
"""More files than a directory is read of in a minute; the steps of all of them are held in memory."""


@dataclass(frozen=True)
class OptimiserConfig:
    """How a gradient becomes an update.

    Decay kinds: `own` is the optimiser's own (of AdamW, Muon `to_zero`, else `gradient`); `to_zero` (p *= 1 - lr wd),
    `to_init` (towards the initial weights), `jiggle` (p *= exp(lr wd noise)) and `gradient` (L2) are Power et al.'s.
    """

    optimiser: Literal["adamw", "adam", "sgd", "muon"] = "adamw"  # torch's own; muon on the blocks' matrices
    lr: float = 1e-3  # learning rate, once warmed up
    beta1: float = 0.9  # memory of the mean gradient, of Adam and AdamW
    beta2: float = 0.98  # memory of the squared gradient
    eps: float = 1e-8  # added to the root of the squared gradient
    momentum: float = 0.0  # of SGD
    weight_decay: float = 1.0  # how strongly; `decay_kind` says towards what
    decay_kind: Literal["own", "to_zero", "to_init", "jiggle", "gradient"] = "own"  # towards what
    warmup_steps: int = 10  # the rate is lr * min(step / warmup_steps, 1): the first update has rate 0
    lr_schedule: Literal["constant", "cosine"] = "constant"  # of lr, once warmed up
    lr_final: float = 0.1  # share of lr at the end of a cosine
    update_noise: float = 0.0  # adds lr * update_noise * N(0, 1) to every parameter (Power et al. 2022)
    weight_noise: float = 0.0  # adds weight_noise * N(0, 1) to every parameter in each forward pass (Power et al. 2022)
    perpendicular_gradient: bool = False  # of each parameter, without its part along the weights (Prieto et al. 2025)
    fixed_norm: bool = False  # rescale to the initial weight norm after each update (Omnigrok)
    norm_multiple: float | None = None  # rescale to this many times the initial weight norm instead
    norm_from_step: int = 0  # first update after which the norm is held
    grokfast: Literal["none", "ema", "ma"] = "none"  # amplify slow gradients: by a running or a windowed mean
    grokfast_alpha: float = 0.98  # memory of the running mean
    grokfast_lambda: float = 2.0  # weight of the mean
    grokfast_window: int = 100  # steps of the windowed mean

    def __post_init__(self) -> None:
        check_types(self)
        require(self.lr > 0 and math.isfinite(self.lr), f"lr={self.lr} must be positive, as in 1e-3")
        require(self.weight_decay >= 0, f"weight_decay={self.weight_decay} must be 0 or more")
        require(0 <= self.beta1 < 1 and 0 <= self.beta2 < 1, "beta1 and beta2 must be in [0, 1)")
        require(self.eps > 0, f"eps={self.eps} must be positive, as in 1e-8")
        require(0 <= self.momentum < 1, f"momentum={self.momentum} must be in [0, 1)")
        require(self.warmup_steps >= 0, f"warmup_steps={self.warmup_steps} must be 0 or more")
        require(self.update_noise >= 0, f"update_noise={self.update_noise} must be 0 or more")
        require(self.weight_noise >= 0, f"weight_noise={self.weight_noise} must be 0 or more")
        require(
            self.norm_multiple is None or (self.norm_multiple > 0 and math.isfinite(self.norm_multiple)),
            f"norm_multiple={self.norm_multiple} must be positive, as in 0.8; leave it out to let the norm move",
        )
        require(
            not (self.fixed_norm and self.norm_multiple is not None),
            f"fixed_norm and norm_multiple={self.norm_multiple} hold the norm at two sizes; leave one out",
        )
        holds = self.fixed_norm or self.norm_multiple is not None
        require(self.norm_from_step >= 0, f"norm_from_step={self.norm_from_step} must be 0 or more")
        require(
            holds or not self.norm_from_step,
            f"norm_from_step={self.norm_from_step} says when a norm is held, and none is; give norm_multiple=1.0",
        )
        require(
            self.optimiser != "muon" or self.decay_kind != "gradient",
            "decay_kind='gradient' adds to the gradient, of which Muon keeps no size; use decay_kind='to_zero'",
        )
        require(0 <= self.lr_final <= 1, f"lr_final={self.lr_final} is a share of lr, between 0 and 1")
        require(0 <= self.grokfast_alpha < 1, f"grokfast_alpha={self.grokfast_alpha} must be in [0, 1)")
        require(self.grokfast_window >= 1, f"grokfast_window={self.grokfast_window} must be at least 1")


@dataclass(frozen=True)
class ScheduleConfig:
    """How long, in what batches, and what is kept. The first and the last step always have a checkpoint."""

    steps: int = 25_000  # updates
    batch_size: int | None = None  # the full training set where left out
    loss: Loss = "cross_entropy"  # what is lowered: of softmax, of StableMax (Prieto et al. 2025), or the squared error
    temperature: float = 1.0  # divides the logits in what is lowered; metrics are of the logits as they are
    loss_dtype: Literal["float64", "float32"] = "float64"  # type of the numbers in which the loss is computed
    metrics_every: int = 100  # steps between two rows of metrics
    checkpoint_every: int = 100  # 0: none in between
    checkpoint_steps: tuple[int, ...] = ()  # further steps with a checkpoint
    checkpoints_per_octave: int = 0  # further log-spaced checkpoints
    stop_after_grokking: int | None = None  # end this many steps after test accuracy reaches grokked_accuracy
    grokked_accuracy: float = 0.99  # test accuracy from which stop_after_grokking counts
    pretrained: str | None = None  # a run whose final checkpoint some parts start from (Furuta et al. 2024, section 7)
    pretrained_parts: tuple[Part, ...] = ()  # which parts start from there
    frozen_parts: tuple[Part, ...] = ()  # parts that do not train

    @property
    def lowers_train_loss(self) -> bool:
        """Whether what is lowered is the loss that metrics call `train_loss`."""
        return self.loss == "cross_entropy" and self.temperature == 1

    def __post_init__(self) -> None:
        check_types(self)
        require(self.steps >= 1, f"steps={self.steps} must be at least 1")
        require(
            self.batch_size is None or self.batch_size >= 1,
            f"batch_size={self.batch_size} must be at least 1; leave it out for the full training set",
        )
        require(
            self.temperature > 0 and math.isfinite(self.temperature),
            f"temperature={self.temperature} must be positive; 1.0 leaves the logits as they are",
        )
        require(
            self.temperature == 1 or self.loss != "mse",
            f"temperature={self.temperature} divides the logits of a softmax, and loss='mse' has none; leave one out",
        )
        require(self.metrics_every >= 1, f"metrics_every={self.metrics_every} must be at least 1")
        require(
            self.checkpoint_every >= 0,
            f"checkpoint_every={self.checkpoint_every} must be 0 (only the first and last step) or more",
        )
        require(min(self.checkpoint_steps, default=0) >= 0, "checkpoint_steps must be 0 or more, as in (10, 20)")
        require(self.checkpoints_per_octave >= 0, "checkpoints_per_octave must be 0 or more")
        between = self.steps // self.checkpoint_every if self.checkpoint_every else 0
        checkpoints = between + self.steps.bit_length() * self.checkpoints_per_octave
        require(
            checkpoints <= MOST_CHECKPOINTS,
            f"steps={self.steps:,} would have {checkpoints:,} checkpoints; raise checkpoint_every, or take 0",
        )
        require(
            self.stop_after_grokking is None or self.stop_after_grokking >= 0,
            f"stop_after_grokking={self.stop_after_grokking} must be 0 or more steps",
        )
        require(0 < self.grokked_accuracy <= 1, f"grokked_accuracy={self.grokked_accuracy} must be in (0, 1]")
        for part in (*self.pretrained_parts, *self.frozen_parts):
            require(
                part in get_args(Part), f"{part!r} is not a part of a model; the parts are {listed(get_args(Part))}"
            )
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
