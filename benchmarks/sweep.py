"""Runs an hour of a sweep: two workers against one, and against the same runs trained in turn with two threads.

Each round takes every contender once, in turn; ratios are medians over rounds. Then the overhead of an engine: many
runs of ten steps by one worker, against what their steps take. Starting the workers counts; it is shown apart too.

    python benchmarks/sweep.py [--rounds 3] [--steps 1500] [--runs 8] [--many 200] [--json FILE]
"""

import argparse
import json
import statistics
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import grokinterp as gi
from grokinterp.training.planning import plan
from grokinterp.training.timing import seconds_per_step

SHAPES = {"p=59, width 64": {"p": 59, "d_model": 64, "d_mlp": 256}, "p=113, width 128": {"p": 113}}


def swept(fields: dict[str, Any], runs: int, workers: int) -> Callable[[Path], object]:
    """A sweep over seeds."""
    spec = {"run": {"expression": "a + b", **fields}, "grid": {"seed": list(range(runs))}}
    return lambda place: gi.sweep(spec, out=place / "runs", workers=workers, progress=False)


def in_turn(fields: dict[str, Any], runs: int, threads: int) -> Callable[[Path], object]:
    """The same runs, one after the other in this process."""

    def train(place: Path) -> None:
        for seed in range(runs):
            gi.train("a + b", **fields, seed=seed, out=place / str(seed), threads=threads, progress=False)

    return train


def seconds(work: Callable[[Path], object]) -> float:
    """How long it takes in a fresh directory."""
    with tempfile.TemporaryDirectory() as name:
        start = time.perf_counter()
        work(Path(name))
        return time.perf_counter() - start


def compared(fields: dict[str, Any], runs: int, rounds: int) -> dict[str, float]:
    """Seconds of each contender, and how many times the runs an hour two workers train."""
    contenders = {
        "two workers": swept(fields, runs, 2),
        "one worker": swept(fields, runs, 1),
        "in turn, two threads": in_turn(fields, runs, 2),
        "in turn, one thread": in_turn(fields, runs, 1),
    }
    times: dict[str, list[float]] = {name: [] for name in contenders}
    for _ in range(rounds):
        for name, work in contenders.items():
            times[name].append(seconds(work))
    two = times.pop("two workers")
    ratios = {
        f"two workers against {name}": statistics.median(a / b for a, b in zip(others, two, strict=True))
        for name, others in times.items()
    }
    medians = {f"{name}, s": statistics.median(each) for name, each in (("two workers", two), *times.items())}
    return {**medians, **ratios}


def overhead(runs: int) -> dict[str, float]:
    """Seconds a run of ten steps beside its steps: first and last metrics, files, engine; the start of a worker."""
    fields = {"p": 59, "d_model": 64, "d_mlp": 256, "steps": 10}
    alone = seconds(swept(fields, 1, 1))
    steps = 10 * seconds_per_step(*plan("a + b", **fields))
    rest = (seconds(swept(fields, runs, 1)) - alone) / (runs - 1)
    return {
        "of one run and the start of its worker, s": alone,
        "a run, s": rest,
        "a run beside its steps, s": rest - steps,
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--steps", type=int, default=1500)
    parser.add_argument("--runs", type=int, default=8)
    parser.add_argument("--many", type=int, default=200, help="runs of ten steps; 0 leaves them out")
    parser.add_argument("--json", type=Path)
    given = parser.parse_args()
    results: dict[str, dict[str, float]] = {}
    for name, fields in SHAPES.items():
        # A step at p = 113 takes some eight times as long.
        steps = given.steps if fields["p"] == 59 else given.steps // 6
        results[name] = compared({**fields, "steps": steps, "checkpoint_every": steps}, given.runs, given.rounds)
    if given.many:
        results[f"{given.many} runs of 10 steps"] = overhead(given.many)
    for name, figures in results.items():
        print(name)
        for figure, value in figures.items():
            print(f"  {figure:<45} {value:.2f}")
    if given.json:
        given.json.write_text(json.dumps(results, indent=1) + "\n")


if __name__ == "__main__":
    main()
