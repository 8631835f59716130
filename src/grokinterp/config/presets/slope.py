"""The slope of the line through two points."""

from grokinterp.config import RunConfig, ScheduleConfig, SplitConfig, TaskConfig, TransformerConfig

ORDER = 100

PRESETS = [
    RunConfig(
        # The mainline's recipe on 70 % of the pairs of points; more classes than tokens.
        preset="slope",
        task=TaskConfig("slope", {"n": 10}),
        split=SplitConfig(frac=0.7),
        model=TransformerConfig(output="answers"),
        schedule=ScheduleConfig(steps=6_000, metrics_every=50, checkpoint_every=100),
    ),
]
