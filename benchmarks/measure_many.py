"""`measure` of many runs' final checkpoints: two workers against one, in turn, nothing kept on disk, equal numbers.

    python benchmarks/measure_many.py [DIR] [--runs 60] [--p 113] [--rounds 3] [--json FILE]

DIR is a directory of runs; where it is left out, runs of one layer with weights as they are drawn at first are written
to a temporary place: measures take as long on them, but for the gradients of a model that is solved.
"""

import argparse
import json
import statistics
import tempfile
import time
from pathlib import Path

import numpy as np

import grokinterp as gi
from grokinterp.config import TaskConfig
from grokinterp.config.presets import preset
from grokinterp.models.initialisation import initialise
from grokinterp.runs.writer import RunWriter
from grokinterp.tasks import build


def write_runs(directory: Path, n: int, p: int) -> None:
    """Runs of as many seeds, each with one checkpoint."""
    config = preset("nanda").replace(task=TaskConfig("a + b", {"p": p, "layout": "a b ="}))
    for seed in range(n):
        own = config.replace(seed=seed)
        task = build(own.task).split(frac=own.split.frac, seed=seed, split=own.split.split)
        model = own.model.resolved(task.n_vocab, task.n_answers, task.inputs.shape[1])
        writer = RunWriter.create(directory / f"seed{seed}", own, task)
        writer.append_metrics({"step": 0, "train_loss": 5.0, "test_loss": 5.0})
        writer.write_checkpoint(0, initialise(model, seed=seed))


def seconds(runs: gi.Runs, workers: int) -> tuple[float, np.ndarray]:
    """How long it takes, from the call to the dataset, and a column of it by which two ways are compared."""
    start = time.perf_counter()
    whole = gi.measure(runs, workers=workers, cache=False, progress=False)
    return time.perf_counter() - start, whole.test_loss.values


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("directory", type=Path, nargs="?")
    parser.add_argument("--runs", type=int, default=60)
    parser.add_argument("--p", type=int, default=113)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--json", type=Path)
    given = parser.parse_args()
    with tempfile.TemporaryDirectory() as temporary:
        directory = given.directory or Path(temporary)
        if given.directory is None:
            write_runs(directory, given.runs, given.p)
        loaded = gi.load(directory)
        assert isinstance(loaded, gi.Runs)
        runs = gi.Runs(dict(list(loaded.items())[: given.runs]))
        gi.measure(next(iter(runs.values())), steps="final", cache=False, progress=False)  # imports, paid before
        ratios = []
        for _ in range(given.rounds):
            (one, alone), (two, together) = seconds(runs, 1), seconds(runs, 2)
            np.testing.assert_array_equal(alone, together)
            ratios.append(one / two)
            print(f"{len(runs)} runs: one worker {one:.1f} s, two {two:.1f} s, {ratios[-1]:.2f} times", flush=True)
    print(f"median {statistics.median(ratios):.2f} times")
    if given.json is not None:
        given.json.write_text(json.dumps({"runs": len(runs), "ratios": ratios}, indent=1))


if __name__ == "__main__":
    main()
