"""Repeated subsequences (Nanda et al. 2023), and a small one."""

from grokinterp.config import OptimiserConfig, RunConfig, ScheduleConfig, TaskConfig, TransformerConfig

ORDER = 80

PRESETS = [
    RunConfig(
        # The sizes and the optimiser in Nanda's saved run; his generator is not known.
        preset="induction",
        task=TaskConfig("repeated_subsequence", {"length": 85, "subsequence": 16, "repeats": 3, "vocabulary": 128}),
        model=TransformerConfig(n_layers=2, d_model=48, attn_only=True),
        optimiser=OptimiserConfig(beta2=0.999),
        schedule=ScheduleConfig(steps=6_000, batch_size=128, metrics_every=25, checkpoint_every=50),
    ),
    RunConfig(
        # Ours: the phase change of two layers within 600 steps.
        preset="induction_small",
        task=TaskConfig("repeated_subsequence", {"length": 25, "subsequence": 6, "repeats": 2, "vocabulary": 32}),
        model=TransformerConfig(n_layers=2, d_model=48, attn_only=True),
        optimiser=OptimiserConfig(lr=3e-3, weight_decay=0.1),
        schedule=ScheduleConfig(steps=2_000, batch_size=64, metrics_every=20, checkpoint_every=20),
    ),
]
