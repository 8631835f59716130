"""Five-digit addition (Nanda et al. 2023)."""

from grokinterp.config import RunConfig, ScheduleConfig, TaskConfig, TransformerConfig

ORDER = 70

PRESETS = [
    RunConfig(
        # Nanda et al. 2023's five-digit addition: the mainline's model. Rate, decay and batch are not recorded: these
        # are assumed (the first two are those of his induction run).
        preset="digits",
        task=TaskConfig("digits", {"digits": 5}),
        model=TransformerConfig(output="answers"),
        schedule=ScheduleConfig(steps=6_000, batch_size=128, metrics_every=50, checkpoint_every=50),
    ),
]
