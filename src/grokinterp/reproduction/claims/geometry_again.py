"""Disc, torus and number of frequencies (arXiv 2512.25060, 2505.18266), where the first setting missed by little."""

from typing import Any

from grokinterp.reproduction.claim import Values, claim
from grokinterp.reproduction.claims.causes import OURS, small
from grokinterp.reproduction.claims.geometry import PAPER
from grokinterp.reproduction.claims.geometry_trained import used_frequencies
from grokinterp.reproduction.needed_run import Training, training
from grokinterp.reproduction.reading import end_of, last
from grokinterp.reproduction.target import Target, at_least, near
from grokinterp.runs.run import Run


def _torus(p: int, minutes: float, **more: Any) -> Training:
    return training(
        "a + b", minutes, "doshi", p=p, seed=0, corrupt=0.0, weight_decay=5.0, steps=300, metrics_every=50,
        checkpoint_every=0, **more,
    )  # fmt: skip


MORE = {"p = 59": _torus(59, 0.3), "p = 59, 1,000 neurons": _torus(59, 0.5, d_mlp=1_000)}
"""Seventeen and thirty-four neurons a frequency, where the first setting has ten."""


@claim(
    "geometry-torus-more-neurons",
    f"{PAPER}, abstract",
    "Trained anew, an MLP that sees its operands apart learns a torus: four components of about a quarter each (second "
    "and third setting: more neurons a frequency).",
    {
        "share of two components": near(0.5, 0.1),
        "share of four components": at_least(0.9),
        "median phase difference": near(1.57, 0.3),
    },
    recipe="As for geometry-torus-trained, at p = 59 with 500 and with 1,000 neurons.",
    measured="as for geometry-torus-trained",
    trainings=tuple(MORE.values()),
)
def torus(*runs: Run) -> Values:
    ends = {name: last(run, "geometry") for name, run in zip(MORE, runs, strict=True)}
    of = lambda variable: {name: end[variable].item() for name, end in ends.items()}
    return {
        "share of two components": of("cluster_share_of_two"),
        "share of four components": of("cluster_share_of_four"),
        "median phase difference": of("phase_difference_median"),
        "geometry": of("geometry"),
    }


LARGER = [
    small(seed, p=p, frac=frac, weight_decay=2.0, steps=2_000, checkpoint_every=0)
    for p, frac in ((43, 0.55), (59, 0.5))
    for seed in (0, 1)
]


@claim(
    "embeddings-use-few-frequencies-larger",
    f"{PAPER}, its precursor arXiv 2505.18266: number of frequencies",
    "With trained embeddings a network uses a few of its frequencies, 3 to 6 (second and third setting: p = 43, 59).",
    {"frequencies": Target(3, 6, "3 to 6")},
    recipe=f"{OURS} Here p = 43 with 55 % and p = 59 with half of the table, seeds 0 and 1, decay 2, 2,000 steps.",
    measured="frequencies at which eight neurons or more have R2 of .9 or more; the test accuracy beside them",
    trainings=LARGER,
)
def few(*runs: Run) -> Values:
    names = [f"p = {run.task.n_answers}, seed {run.config.seed}" for run in runs]
    return {
        "frequencies": dict(zip(names, map(used_frequencies, runs), strict=True)),
        "test accuracy": dict(zip(names, (end_of(run, "test_accuracy") for run in runs), strict=True)),
    }
