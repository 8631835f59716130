"""He et al. 2026 (arXiv 2602.16849): the circuit of their grokking run is readable before it answers."""

import statistics
from dataclasses import replace
from typing import cast

from grokinterp.reproduction.claim import Values, claim
from grokinterp.reproduction.needed_run import training
from grokinterp.reproduction.reading import seeds, trace
from grokinterp.reproduction.target import Target, at_least, at_most
from grokinterp.runs.run import Run

PAPER = "He et al. 2026"
STEPS = (400, 1_000, 2_400)
RUN = training("a + b", 0.5, "he-grokking", seed=42, steps=2_400, checkpoint_every=0, checkpoint_steps=STEPS)


@claim(
    "he-latent-early",
    f"{PAPER}, their repository: grokking run",
    "Phases have their order thousands of steps before the network answers a row whose swap is unseen too.",
    {
        "rebuilt at 400": Target(0.4, 0.9, "0.4 to 0.9"),
        "rebuilt at 1,000": at_least(0.7),
        "rebuilt at 2,400": at_least(0.95),
        "the network itself, at most": at_most(0.02),
        "columns shuffled, at most": at_most(0.2),
    },
    recipe="Their recipe, seed 42, the first 2,400 steps. Their own files gave .641, .897 and 1 at these steps.",
    measured="accuracy on test rows whose swap is unseen too, of the network rebuilt from each checkpoint's waves",
    trainings=[RUN],
)
def early(run: Run) -> Values:
    over = trace(run, "latent_circuit", "loss", steps=STEPS)
    rebuilt = over.latent_accuracy_unswapped
    return {
        **{f"rebuilt at {step:,}": rebuilt.sel(step=step).item() for step in STEPS},
        "the network itself, at most": over.test_accuracy_unswapped.max().item(),
        "columns shuffled, at most": over.latent_accuracy_shuffled.max().item(),
    }


SEEDS = [replace(RUN, fields={**RUN.fields, "seed": seed}) for seed in range(5)]


@claim(
    "he-latent-early-seeds",
    f"{PAPER}, their repository: grokking run",
    "Phases have their order thousands of steps before the network answers a row whose swap is unseen too (second "
    "setting: the median of five other seeds).",
    early.targets,
    recipe="Their recipe, seeds 0 to 4, the first 2,400 steps. Their own files, of seed 42, gave .641, .897 and 1.",
    measured="as for he-latent-early, the median over seeds",
    trainings=SEEDS,
)
def early_seeds(*runs: Run) -> Values:
    each = [early.measure(run) for run in runs]
    medians = {name: statistics.median(cast(float, values[name]) for values in each) for name in early.targets}
    return {
        **medians,
        "at 400": {name: cast(float, values["rebuilt at 400"]) for name, values in zip(seeds(runs), each, strict=True)},
    }
