"""Doshi et al. 2310.13061: squaring neurons on one-hots, side by side, where a third of the labels are wrong."""

from grokinterp.config import OneHotMLPConfig, OptimiserConfig, RunConfig, ScheduleConfig, SplitConfig, TaskConfig

ORDER = 46

# Their code: squared error on one-hots of the answers, AdamW without warm-up, rows shuffled by Python's `random` with
# seed 420. Theirs are uniformly drawn labels, of which one in p is right by chance; ours are always wrong.
PRESETS = [
    RunConfig(
        preset="doshi",
        task=TaskConfig("a + b", {"p": 97, "layout": "a b"}),
        split=SplitConfig(frac=0.5, split="nanda", split_seed=420, corrupt=0.35),
        model=OneHotMLPConfig(combine="concatenate", d_mlp=500, activation="square", initialisation="doshi"),
        optimiser=OptimiserConfig(lr=1e-2, weight_decay=15.0, warmup_steps=0),
        schedule=ScheduleConfig(steps=500, loss="mse", loss_dtype="float32", metrics_every=10, checkpoint_every=20),
    )
]
