"""Skip trigrams (Nanda et al. 2023)."""

from grokinterp.config import RunConfig, ScheduleConfig, TaskConfig, TransformerConfig

ORDER = 90

PRESETS = [
    RunConfig(
        # One layer of attention; sizes, rate and batch are our choice.
        preset="skip_trigram",
        task=TaskConfig("skip_trigram", {"answers": 10}),
        model=TransformerConfig(d_model=48, attn_only=True, output="answers"),
        schedule=ScheduleConfig(steps=3_000, batch_size=128, metrics_every=25, checkpoint_every=25),
    ),
]
