"""TransformerLens' grokking demo."""

from grokinterp.config import OptimiserConfig, RunConfig, SplitConfig, TaskConfig, TransformerConfig

ORDER = 20

PRESETS = [
    RunConfig(
        # The demo freezes its biases at zero, which is the same function and gradient as having none.
        preset="transformer_lens_demo",
        seed=999,
        task=TaskConfig("a + b", {"p": 113, "layout": "a b ="}),
        split=SplitConfig(split_seed=598),
        model=TransformerConfig(mlp_bias=False, output="answers", initialisation="transformer_lens"),
        optimiser=OptimiserConfig(warmup_steps=0),
    ),
]
