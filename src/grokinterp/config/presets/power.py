"""Power et al. 2022."""

from grokinterp.config import RunConfig, ScheduleConfig, SplitConfig, TaskConfig, TransformerConfig

ORDER = 50

PRESETS = [
    RunConfig(
        # Weight decay 1 is the paper's best recipe; the released code's own default is 0.
        preset="power",
        task=TaskConfig("a / b", {"p": 97, "layout": "power"}),
        split=SplitConfig(frac=0.5, split_seed=0),
        model=TransformerConfig(
            n_layers=2, position_embedding="sinusoidal", normalization="post", mlp_bias=False, initialisation="power"
        ),
        schedule=ScheduleConfig(steps=100_000, batch_size=512, checkpoint_every=0, checkpoints_per_octave=4),
    ),
]
