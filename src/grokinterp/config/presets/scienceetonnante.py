"""The repository scienceetonnante/grokking."""

from grokinterp.config import EmbeddingMLPConfig, OptimiserConfig, RunConfig, ScheduleConfig, SplitConfig, TaskConfig

ORDER = 60

PRESETS = [
    RunConfig(
        # 22 steps are an epoch of 1,404 rows in batches of 64.
        preset="scienceetonnante",
        seed=42,
        task=TaskConfig("a + b", {"p": 53, "layout": "a b"}),
        split=SplitConfig(frac=0.5),
        model=EmbeddingMLPConfig(),
        optimiser=OptimiserConfig(lr=3e-4, beta2=0.999, warmup_steps=0),
        schedule=ScheduleConfig(steps=44_000, batch_size=64, metrics_every=110, checkpoint_every=1_100),
    ),
]
