"""Lines in images, by three vision transformers."""

from typing import Any

from grokinterp.config import OptimiserConfig, RunConfig, ScheduleConfig, SplitConfig, TaskConfig, VisionConfig

ORDER = 130

_VISION: dict[str, dict[str, Any]] = {
    # With LayerNorm or random positions the model of every pixel stays at chance for a thousand steps; with 16 classes
    # it reached 59 % of the test lines in 2,000.
    "pixels": {
        "task": TaskConfig("lines", {"largest": 2}),
        "patch": 1,
        "n_layers": 1,
        "n_heads": 8,
        "normalization": "none",
        "initialisation": "waves",
        "lr": 2e-3,
        "beta2": 0.99,
        "steps": 3_000,
        "batch_size": 32,
        "checkpoint_every": 500,
    },
    "patches": {"patch": 4},
    "nested": {"patch": 4, "inner_layers": 1},
}


def _lines(name: str) -> RunConfig:
    """Three vision transformers on the same images; all sizes are our choice."""
    base = RunConfig(
        preset=f"lines_{name}",
        task=TaskConfig("lines"),
        split=SplitConfig(frac=0.7),
        model=VisionConfig(),
        optimiser=OptimiserConfig(weight_decay=0.1, warmup_steps=50),
        schedule=ScheduleConfig(steps=2_000, batch_size=64, checkpoint_every=200),
    )
    return base.replace(**_VISION[name])


PRESETS = [*map(_lines, _VISION)]
