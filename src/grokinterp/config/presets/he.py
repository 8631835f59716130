"""He et al. 2602.16849: networks on sums of one-hots, with every row trained on, and with three quarters of them."""

from grokinterp.config import OneHotMLPConfig, OptimiserConfig, RunConfig, ScheduleConfig, SplitConfig, TaskConfig

ORDER = 45

# Their code: both matrices 0.1 N(0, 1) / sqrt(p), rows shuffled by Python's `random` (as Nanda's), seed 42.
# Their numbers for the standard run (loss 5.2e-7) are those after 10,000 steps, as their first `configs.yaml` has it;
# their later logs end at 5,000, where the loss is 0.048.
_TASK = TaskConfig("a + b", {"p": 23, "layout": "a b"})
_MODEL = OneHotMLPConfig(init_scale=0.1)

PRESETS = [
    RunConfig(
        preset="he-standard",
        task=_TASK,
        split=SplitConfig(frac=1.0, split="nanda"),
        model=_MODEL,
        optimiser=OptimiserConfig(lr=5e-5, weight_decay=0.0),
        schedule=ScheduleConfig(steps=10_000),
    ),
    RunConfig(
        preset="he-grokking",
        task=_TASK,
        split=SplitConfig(frac=0.75, split="nanda"),
        model=_MODEL,
        optimiser=OptimiserConfig(lr=1e-4, weight_decay=2.0),
        schedule=ScheduleConfig(steps=50_000, checkpoint_every=200),
    ),
]
