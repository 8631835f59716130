"""Zhong et al. 2023 (the clock and the pizza), and their models without attention."""

from typing import Any

from grokinterp.config import (
    EmbeddingMLPConfig,
    OptimiserConfig,
    RunConfig,
    ScheduleConfig,
    SplitConfig,
    TaskConfig,
    TransformerConfig,
)

ORDER = 30

_LINEAR: dict[str, dict[str, Any]] = {
    # Zhong et al. 2023, appendix: A = alpha, B = beta, C = gamma, D = delta; X is named so in their code only.
    "a": {"combine": "add", "d_embed": 256},
    "b": {"combine": "add", "d_embed": 256, "hidden_sizes": (256, 256)},
    "c": {"combine": "project_then_add", "d_embed": 256, "hidden_sizes": (256, 256)},
    "d": {"combine": "concatenate", "d_embed": 128},
    "x": {"combine": "add", "d_embed": 256, "shared_embedding": False},
}


def _linear(letter: str) -> RunConfig:
    model = {"hidden_sizes": (256,), "unembed_bias": False, "initialisation": "pizza_linear", **_LINEAR[letter]}
    return RunConfig(
        preset=f"pizza_linear_{letter}",
        task=TaskConfig("a + b", {"p": 59, "layout": "a b"}),
        split=SplitConfig(frac=0.8),
        model=EmbeddingMLPConfig(**model),
        optimiser=OptimiserConfig(weight_decay=2.0, beta2=0.999, warmup_steps=0),
        schedule=ScheduleConfig(steps=20_000),
    )


PRESETS = [
    RunConfig(
        preset="pizza",
        task=TaskConfig("a + b", {"p": 59, "layout": "a b"}),
        split=SplitConfig(frac=0.8),
        model=TransformerConfig(attention_direction="bidirectional", initialisation="pizza"),
        optimiser=OptimiserConfig(weight_decay=2.0),
        schedule=ScheduleConfig(steps=20_000),
    ),
    *map(_linear, _LINEAR),
]
