"""Furuta et al. 2024."""

from grokinterp.config import OptimiserConfig, RunConfig, ScheduleConfig, TaskConfig, TransformerConfig

ORDER = 40

PRESETS = [
    RunConfig(
        preset="furuta",
        task=TaskConfig("a + b", {"p": 97, "layout": "a op b"}),
        model=TransformerConfig(position_embedding="none", mlp_bias=False, initialisation="furuta"),
        optimiser=OptimiserConfig(warmup_steps=0),
        schedule=ScheduleConfig(steps=100_000, checkpoint_every=500),
    ),
]
