"""Division without a modulus, by a transformer and by one arithmetic cell."""

from grokinterp.config import NALUConfig, OptimiserConfig, RunConfig, ScheduleConfig, SplitConfig, TaskConfig

ORDER = 120

PRESETS = [
    RunConfig(
        # The mainline's transformer on the integer quotients of all pairs of numbers up to 40.
        preset="division",
        task=TaskConfig("division", {"n": 40}),
        split=SplitConfig(frac=0.5),
        schedule=ScheduleConfig(steps=10_000, checkpoint_every=500),
    ),
    RunConfig(
        # One cell, trained on numbers up to 20 and tested on larger ones. Decay would pull W away from -1 and 1.
        preset="nalu",
        task=TaskConfig("division", {"n": 40, "form": "numbers"}),
        split=SplitConfig(frac=0.25, split="extrapolate"),
        model=NALUConfig(),
        optimiser=OptimiserConfig(optimiser="adam", lr=0.1, beta2=0.999, weight_decay=0.0),
        schedule=ScheduleConfig(steps=5_000),
    ),
]
