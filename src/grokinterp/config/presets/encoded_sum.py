"""Sums whose pair of numbers is given as sparse bits."""

from grokinterp.config import DenseMLPConfig, OptimiserConfig, RunConfig, ScheduleConfig, SplitConfig, TaskConfig

ORDER = 110

PRESETS = [
    RunConfig(
        # The forum thread's classifier, scikit-learn's by its layers and its 25 iterations: 300 steps are 25 epochs of
        # batches of 200, Adam at its defaults. Its L2 term, 1e-4 / 200, is left out.
        preset="encoded_sum",
        task=TaskConfig("encoded_sum", {"p": 97}),
        split=SplitConfig(frac=0.5),
        model=DenseMLPConfig(),
        optimiser=OptimiserConfig(optimiser="adam", beta2=0.999, weight_decay=0.0, warmup_steps=0),
        schedule=ScheduleConfig(steps=300, batch_size=200, metrics_every=12, checkpoint_every=12),
    ),
]
