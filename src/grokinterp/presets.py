"""The papers' recipes by name: task layout, split, model, initialisation, optimiser and schedule together."""

from typing import Any

from grokinterp.architecture import EmbeddingMLPConfig, TransformerConfig
from grokinterp.config import OptimiserConfig, RunConfig, ScheduleConfig, SplitConfig, TaskConfig
from grokinterp.refusals import ConfigError, did_you_mean, listed

_PIZZA_LINEAR: dict[str, dict[str, Any]] = {
    # Zhong et al. 2023, appendix: A = alpha, B = beta, C = gamma, D = delta; X is named so in their code only.
    "a": {"combine": "add", "d_embed": 256},
    "b": {"combine": "add", "d_embed": 256, "hidden_sizes": (256, 256)},
    "c": {"combine": "project_then_add", "d_embed": 256, "hidden_sizes": (256, 256)},
    "d": {"combine": "concatenate", "d_embed": 128},
    "x": {"combine": "add", "d_embed": 256, "shared_embedding": False},
}


def _pizza_linear(letter: str) -> RunConfig:
    model = {"hidden_sizes": (256,), "unembed_bias": False, "initialisation": "pizza_linear", **_PIZZA_LINEAR[letter]}
    return RunConfig(
        preset=f"pizza_linear_{letter}",
        task=TaskConfig("a + b", {"p": 59, "layout": "a b"}),
        split=SplitConfig(frac=0.8),
        model=EmbeddingMLPConfig(**model),
        optimiser=OptimiserConfig(weight_decay=2.0, beta2=0.999, warmup_steps=0),
        schedule=ScheduleConfig(steps=20_000),
    )


PRESETS: dict[str, RunConfig] = {
    "nanda": RunConfig(
        # Nanda et al. 2023, mainline: 114 output columns, biases in the MLP trained and decayed.
        task=TaskConfig("a + b", {"p": 113, "layout": "a b ="}),
        split=SplitConfig(split="nanda"),
    ),
    "transformer_lens_demo": RunConfig(
        # The demo freezes its biases at zero, which is the same function and gradient as having none.
        preset="transformer_lens_demo",
        seed=999,
        task=TaskConfig("a + b", {"p": 113, "layout": "a b ="}),
        split=SplitConfig(split_seed=598),
        model=TransformerConfig(mlp_bias=False, output="answers", initialisation="transformer_lens"),
        optimiser=OptimiserConfig(warmup_steps=0),
    ),
    "pizza": RunConfig(
        preset="pizza",
        task=TaskConfig("a + b", {"p": 59, "layout": "a b"}),
        split=SplitConfig(frac=0.8),
        model=TransformerConfig(attention_direction="bidirectional", initialisation="pizza"),
        optimiser=OptimiserConfig(weight_decay=2.0),
        schedule=ScheduleConfig(steps=20_000),
    ),
    **{f"pizza_linear_{letter}": _pizza_linear(letter) for letter in _PIZZA_LINEAR},
    "furuta": RunConfig(
        preset="furuta",
        task=TaskConfig("a + b", {"p": 97, "layout": "a op b"}),
        model=TransformerConfig(position_embedding="none", mlp_bias=False, initialisation="furuta"),
        optimiser=OptimiserConfig(warmup_steps=0),
        schedule=ScheduleConfig(steps=100_000, checkpoint_every=500),
    ),
    "power": RunConfig(
        # Weight decay 1 is the paper's best recipe; the released code's own default is 0.
        preset="power",
        task=TaskConfig("a / b", {"p": 97, "layout": "power"}),
        split=SplitConfig(frac=0.5, split_seed=0),
        model=TransformerConfig(
            n_layers=2, position_embedding="sinusoidal", normalization="post", mlp_bias=False, initialisation="power"
        ),
        schedule=ScheduleConfig(steps=100_000, batch_size=512, checkpoint_every=0, checkpoints_per_octave=4),
    ),
    "scienceetonnante": RunConfig(
        # 22 steps are an epoch of 1,404 rows in batches of 64.
        preset="scienceetonnante",
        seed=42,
        task=TaskConfig("a + b", {"p": 53, "layout": "a b"}),
        split=SplitConfig(frac=0.5),
        model=EmbeddingMLPConfig(),
        optimiser=OptimiserConfig(lr=3e-4, beta2=0.999, warmup_steps=0),
        schedule=ScheduleConfig(steps=44_000, batch_size=64, metrics_every=110, checkpoint_every=1_100),
    ),
    "chughtai": RunConfig(
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
}


def preset(name: str) -> RunConfig:
    """The named preset. Raises `ConfigError`, listing the presets, for an unknown name."""
    if name not in PRESETS:
        raise ConfigError(f"no preset {name!r}.{did_you_mean(name, PRESETS)} The presets: {listed(PRESETS)}")
    return PRESETS[name]
