"""Settings: the runs of the bench, drawn by a written rule, and the split of their settings into halves.

The whole product has 432 runs: SIZES x TASKS x two fractions of the table x DECAYS x ARCHITECTURES x SEEDS. A block is
the twelve pairs of a task and a size in random order; each takes its other factors at random from what no earlier block
has taken of that pair. BLOCKS blocks are trained, in this order. A setting is a run without its seed. The distinct
settings are put in random order, then sorted by decay and side of the fraction, and dealt out in turn: every other one
is of the first half, on which thresholds are chosen, the rest is held out. Both orders are those of Python's
`random.Random` with the seed DRAW. Some fifteen trial runs of the same kind, most of them of seed 0, only chose the
rate, the sizes and the fractions; nothing but their accuracies was looked at.
"""

import functools
import itertools
import random
from dataclasses import astuple, dataclass
from typing import Any, Literal, NamedTuple, TypeAlias

from grokinterp.reproduction.needed_run import Training, training

Half: TypeAlias = Literal["first", "held out"]

TASKS = ("a + b", "a - b", "a * b", "a^2 + b^2")
DECAYS = (0.0, 0.3, 1.0)
SEEDS = (0, 1, 2)
DRAW = 15
BLOCKS = 5


class Size(NamedTuple):
    """A modulus, and a fraction of the table on either side of where networks of this size grok within STEPS."""

    p: int
    below: float
    above: float


SIZES = (Size(23, 0.6, 0.8), Size(31, 0.45, 0.7), Size(59, 0.33, 0.5))

STEPS = 1_500
"""Updates of a run. One that has not grokked by then counts as one that does not grok."""

AFTER = 150
"""Steps for which a run goes on once it has grokked, so that its key frequencies are those of a cleaned-up network."""

CHECKPOINTS = (0, *(round(20 * 1.15**i) for i in range(31)))
"""Each 15 % later than the one before, up to 1,324, so that what is early is as fine as what is late; then the end."""

ARCHITECTURES: dict[str, tuple[str, dict[str, Any]]] = {
    "transformer": ("nanda", {"d_model": 48, "n_heads": 3, "d_mlp": 192}),
    "MLP": ("pizza_linear_d", {"d_embed": 48, "hidden_sizes": (192,), "beta2": 0.98, "warmup_steps": 10}),
}
"""One layer of attention and 192 neurons, or 192 neurons on the embeddings side by side; a preset and its changes."""


@dataclass(frozen=True)
class Setting:
    """Everything that is drawn for a run but its seed."""

    task: str
    p: int
    frac: float
    decay: float
    architecture: str

    @property
    def is_above(self) -> bool:
        """Whether the fraction of the table is the larger one of its size."""
        return self.frac == next(size.above for size in SIZES if size.p == self.p)

    @property
    def name(self) -> str:
        """In words, as tables have it."""
        return f"{self.task}, p {self.p}, {self.frac:g} of the table, decay {self.decay:g}, {self.architecture}"


class Drawn(NamedTuple):
    """One run of the bench: its number in the order of the draw, from 0, its setting and its seed."""

    number: int
    setting: Setting
    seed: int

    @property
    def training(self) -> Training:
        """As the bench trains it."""
        setting = self.setting
        preset, fields = ARCHITECTURES[setting.architecture]
        return training(
            setting.task, 0.3, preset, p=setting.p, frac=setting.frac, weight_decay=setting.decay, seed=self.seed,
            lr=1e-2, steps=STEPS, metrics_every=20, checkpoint_every=0, checkpoint_steps=CHECKPOINTS,
            stop_after_grokking=AFTER, **fields,
        )  # fmt: skip


@functools.cache
def drawn() -> tuple[Drawn, ...]:
    """Draw the runs, in the order in which they are trained."""
    order = random.Random(DRAW)
    rest = {
        (task, size): order.sample(others, len(others))
        for task, size in itertools.product(TASKS, SIZES)
        for others in [list(itertools.product((size.below, size.above), DECAYS, ARCHITECTURES, SEEDS))]
    }
    runs: list[Drawn] = []
    for _ in range(BLOCKS):
        for task, size in order.sample(list(rest), len(rest)):
            frac, decay, architecture, seed = rest[task, size].pop()
            runs.append(Drawn(len(runs), Setting(task, size.p, frac, decay, architecture), seed))
    return tuple(runs)


@functools.cache
def halves() -> dict[Setting, Half]:
    """Split the settings: by a setting its half."""
    settings = sorted({run.setting for run in drawn()}, key=astuple)
    order = random.Random(DRAW).sample(settings, len(settings))
    order.sort(key=lambda setting: (setting.decay, setting.is_above))
    return {setting: "held out" if i % 2 else "first" for i, setting in enumerate(order)}
