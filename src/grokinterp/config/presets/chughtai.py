"""Chughtai et al. 2023."""

from grokinterp.config import EmbeddingMLPConfig, OptimiserConfig, RunConfig, ScheduleConfig, TaskConfig

ORDER = 140

PRESETS = [
    RunConfig(
        preset="chughtai",
        task=TaskConfig("a + b", {"p": 113, "layout": "a b"}),
        model=EmbeddingMLPConfig(
            d_embed=256,
            shared_embedding=False,
            hidden_sizes=(128,),
            mlp_bias=False,
            unembed_bias=False,
            initialisation="chughtai",
        ),
        optimiser=OptimiserConfig(warmup_steps=0),
        schedule=ScheduleConfig(steps=50_000),
    ),
]
