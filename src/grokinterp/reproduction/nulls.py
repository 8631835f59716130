"""Nulls: a claim measured on networks that learnt nothing, or nothing but rows by heart.

A target that such a network meets says nothing of what was learnt: it is vacuous, and alone it bears no claim out.
"""

import tempfile
from pathlib import Path

from grokinterp.config import RunConfig
from grokinterp.errors import BadRequest
from grokinterp.importers import load
from grokinterp.models.initialisation import initialise
from grokinterp.reproduction.bench import Bench, shortened
from grokinterp.reproduction.claim import Claim, Values, plain
from grokinterp.runs.run import Run
from grokinterp.runs.store import MemoryStore
from grokinterp.runs.writer import save_run
from grokinterp.tasks import build
from grokinterp.training.planning import split_for

UNTRAINED, MEMORISER = "untrained", "memoriser"

NO_STEP = 1e-300
"""A learning rate that moves no weight: every step of it is below half a rounding of any float32."""

BY_HEART = 500
"""Steps of a memoriser. The transformers of the claims know random answers by heart within 150."""

UNREADABLE = (ValueError, LookupError, ArithmeticError, AttributeError, RuntimeError)
"""What a measure raises on a run that has nothing to measure, a key frequency for one."""


def measure_nulls(claim: Claim, bench: Bench) -> dict[str, Values]:
    """By the name of a null what the claim's function returns of it; {} for what could not be measured of it.

    A null that is not defined for the claim is left out: a memoriser of a claim that something is not understood, of
    endless data, and of a third-party file, whose training is not ours; either of what is derived.
    """
    if claim.derived:
        return {}
    if not claim.trainings:
        return _of_files(claim, bench)
    alterations = {} if claim.of_rows else {UNTRAINED: untrained}
    runs = [run for wanted in claim.trainings for run in wanted.whole]
    has_rows = not any(build(run.config().task).is_endless for run in runs)
    if has_rows and not (claim.by_heart or claim.negative):
        alterations[MEMORISER] = memoriser
    return {
        name: _measured(claim, [*bench.altered(alter).runs(claim), *bench.files(claim)])
        for name, alter in alterations.items()
    }


def untrained(config: RunConfig) -> RunConfig:
    """The same run, no step of which moves a weight."""
    return shortened(config.replace(lr=NO_STEP))


def memoriser(config: RunConfig) -> RunConfig:
    """The same network on the same rows with random other answers, without weight decay: there is no rule to find."""
    rows = split_for(config, build(config.task)).is_train
    steps = min(config.schedule.steps, BY_HEART)
    return config.replace(
        mislabelled=0 if rows is None else int(rows.sum()), corrupt=0.0, weight_decay=0.0, steps=steps,
        metrics_every=50, checkpoint_every=max(1, steps // 4), checkpoint_steps=(), stop_after_grokking=None,
    )  # fmt: skip


def _of_files(claim: Claim, bench: Bench) -> dict[str, Values]:
    """The claim of third-party files, read of run directories with the same networks before any training."""
    with tempfile.TemporaryDirectory(prefix="grokinterp-") as place:
        paths = []
        for path in bench.files(claim):
            try:
                run = load(path)
            except BadRequest:
                return {}  # a table of numbers, say
            if not isinstance(run, Run) or not (run.has_config and run.has_task):
                return {}
            paths.append(_without_training(run, Path(place) / path.stem))
        return {UNTRAINED: _measured(claim, paths)}


def _without_training(run: Run, path: Path) -> Path:
    """The run with fresh weights at each of its checkpoints, and no curves, written to `path`."""
    fresh = initialise(run.config.model, seed=0)
    store = MemoryStore({step: lambda: fresh for step in run.steps})
    save_run(Run(store, run.name, run.config, run.task), path)
    return path


def _measured(claim: Claim, given: list[Run | Path]) -> Values:
    try:
        return plain(claim.measure(*given))
    except UNREADABLE:
        return {}
