"""Kills training, sweeping, recording, overwriting, importing and packing at random, and looks at what is left.

`python tests/crash/crash.py --kills 200 --seed 0`: half of the kills come just before the k-th thing that the program
asks of the file system, so that every gap between two of them is met whatever the machine is busy with; the others
after a random time. Every kill is followed by a look and by doing the same again:

- what lies at the place that was asked for is the old thing whole, the new one, or nothing; never a part of one;
- a killed training's checkpoints are those of an uninterrupted one bit for bit, and so are its metrics, once each;
- `resume` goes on and ends in the uninterrupted run's weights and metrics; an import or a pack done again is whole;
- nothing is left beside it.
"""

import argparse
import itertools
import json
import os
import random
import shutil
import signal
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

os.environ.setdefault("OMP_NUM_THREADS", "1")

import pandas as pd
import torch
from torch import nn

import grokinterp as gi
from grokinterp.runs import Runs
from grokinterp.runs.packing import pack
from grokinterp.runs.writer import save_run

FIELDS = {"p": 5, "d_model": 8, "n_heads": 2, "frac": 0.5, "steps": 30, "metrics_every": 5, "checkpoint_every": 10}
EVENTS = ("open", "os.rename", "os.remove", "os.mkdir", "os.rmdir", "os.link", "os.truncate")
"""What Python tells its audit hooks of the file system; each is a moment to be killed at."""


def train(out: Path, **fields: object) -> gi.Run:
    return gi.train("a + b", out=out, progress=False, threads=1, **{**FIELDS, **fields})


class Sines(nn.Module):
    """A module that no model of ours is."""

    def __init__(self) -> None:
        super().__init__()
        torch.manual_seed(0)
        self.table, self.out = nn.Embedding(5, 8), nn.Linear(8, 5)

    def forward(self, rows: torch.Tensor) -> torch.Tensor:
        return self.out(self.table(rows).sum(1).sin())


def record(out: Path, **options: bool) -> gi.Run:
    """A loop of somebody's own, whose gradient descent has no state but the weights."""
    task, model = gi.Task("a + b", p=5, layout="a b").split(0.5), Sines()
    with gi.record(out, task, model, **options) as recorder:
        for step in range(recorder.step, 31):
            loss = nn.functional.cross_entropy(model(task.inputs[task.is_train]), task.labels[task.is_train])
            if step % 10 == 0:
                recorder.checkpoint(step, model)
            if step % 5 == 0:
                recorder.log(step, train_loss=loss)
            model.zero_grad()
            loss.backward()
            with torch.no_grad():
                for parameter in model.parameters():
                    parameter -= 0.1 * parameter.grad
    return gi.load(out)


def sweep(out: Path) -> Runs:
    """Two runs in a thread of this process; of their weights the last stay."""
    spec = {"run": {"expression": "a + b", **FIELDS}, "grid": {"seed": [0, 1]}}
    with ThreadPoolExecutor(1) as executor:
        keep = {"checkpoints": "final", "circuits": ["loss"]}
        return gi.sweep({**spec, "keep": keep}, out=out, executor=executor, progress=False)


@dataclass(frozen=True)
class Scenario:
    """`prepare` what is there before, `act` in a process that is killed, then `check` raises AssertionError."""

    prepare: Callable[[Path], None]
    act: Callable[[Path], object]
    check: Callable[[Path], None]


class Reference:
    """What the same work gives when nothing disturbs it."""

    def __init__(self, folder: Path):
        self.folder = folder
        self.run, self.other = train(folder / "run"), train(folder / "other", seed=1)
        self.cosine = train(folder / "cosine", lr_schedule="cosine")
        self.recorded = record(folder / "recorded")
        pack(self.run, folder / "run.safetensors")

    def scenarios(self) -> dict[str, Scenario]:
        return {
            "train": Scenario(nothing, lambda place: train(place / "run"), self.check_training),
            "resume": Scenario(
                lambda place: train(place / "run", steps=20) and None,
                lambda place: train(place / "run", resume=True),
                self.check_training,
            ),
            "cosine": Scenario(nothing, lambda place: train(place / "run", lr_schedule="cosine"), self.check_cosine),
            "record": Scenario(nothing, lambda place: record(place / "run"), self.check_recording),
            "overwrite": Scenario(
                lambda place: shutil.copytree(self.folder / "other", place / "run") and None,
                lambda place: train(place / "run", overwrite=True),
                self.check_overwriting,
            ),
            "import": Scenario(
                nothing,
                lambda place: save_run(gi.load(self.folder / "run.safetensors"), place / "run"),
                self.check_import,
            ),
            "import over": Scenario(
                lambda place: shutil.copytree(self.folder / "other", place / "run") and None,
                lambda place: save_run(gi.load(self.folder / "run.safetensors"), place / "run", overwrite=True),
                self.check_import,
            ),
            "sweep": Scenario(nothing, lambda place: sweep(place / "runs") and None, self.check_sweep),
            "pack": Scenario(nothing, lambda place: pack(self.run, place / "p.safetensors"), self.check_pack),
            "pack over": Scenario(
                lambda place: pack(self.other, place / "p.safetensors") and None,
                lambda place: pack(self.run, place / "p.safetensors"),
                self.check_pack,
            ),
        }

    def check_training(self, place: Path) -> None:
        self._check_resumed(place / "run", self.run)

    def check_cosine(self, place: Path) -> None:
        self._check_resumed(place / "run", self.cosine, lr_schedule="cosine")

    def _check_resumed(self, path: Path, whole: gi.Run, **fields: object) -> None:
        if path.exists():
            check_part(gi.load(path), whole)
        check_whole(train(path, resume=True, **fields), whole)
        check_tidy(path.parent, path.name)

    def check_recording(self, place: Path) -> None:
        if (place / "run").exists():
            check_part(gi.load(place / "run"), self.recorded)
        check_whole(record(place / "run", resume=True), self.recorded)
        check_tidy(place, "run")

    def check_overwriting(self, place: Path) -> None:
        assert (place / "run").exists(), "neither the old run nor the new one is there"
        left = gi.load(place / "run")
        if left.config.seed == 1:
            check_whole(left, self.other)
        else:
            check_part(left, self.run)
        check_whole(train(place / "run", overwrite=True), self.run)
        check_tidy(place, "run")

    def check_sweep(self, place: Path) -> None:
        """Every run of the sweep is the run trained alone; what was read of dropped weights is what they give."""
        runs = sweep(place / "runs")
        for run, whole in zip(runs.values(), (self.run, self.other), strict=True):
            assert run.steps == [30] and run.metrics.step.tolist() == whole.metrics.step.tolist(), run.name
            check_part(run, whole)
            read = [gi.measure(each, ["loss"], progress=False).train_loss.values.tolist() for each in (run, whole)]
            assert read[0] == read[1], read
        left = sorted(path.name for path in (place / "runs").iterdir())
        assert left == sorted(["points.json", "sweep.toml", *runs]), left
        check_tidy(place, "runs")

    def check_import(self, place: Path) -> None:
        if (place / "run").exists():
            left = gi.load(place / "run")
            check_whole(left, self.other if left.config.seed == 1 else self.run)
        check_whole(save_run(gi.load(self.folder / "run.safetensors"), place / "run", overwrite=True), self.run)
        check_tidy(place, "run")

    def check_pack(self, place: Path) -> None:
        path = place / "p.safetensors"
        if path.exists():
            left = gi.load(path)
            check_whole(left, self.other if left.config.seed == 1 else self.run)
        check_whole(gi.load(pack(self.run, path)), self.run)
        check_tidy(place, "p.safetensors")


def nothing(place: Path) -> None:
    del place


def check_part(run: gi.Run, whole: gi.Run) -> None:
    """Checkpoints and metrics are the whole run's as far as they go, none torn and none twice."""
    assert set(run.steps) <= set(whole.steps), (run.steps, whole.steps)
    for step in run.steps:
        for name, value in whole[step].parameters.items():
            assert torch.equal(run[step].parameters[name], value), (step, name)
    rows = run.metrics
    if len(rows):
        assert rows.step.is_unique, rows.step.tolist()
        expected = whole.metrics[whole.metrics.step.isin(rows.step)].reset_index(drop=True)
        pd.testing.assert_frame_equal(rows[expected.columns], expected, check_dtype=False)


def check_whole(run: gi.Run, whole: gi.Run) -> None:
    assert run.steps == whole.steps, (run.steps, whole.steps)
    assert run.metrics.step.tolist() == whole.metrics.step.tolist(), f"metrics of {run.metrics.step.tolist()}"
    check_part(run, whole)


def check_tidy(place: Path, name: str) -> None:
    """Nothing that a kill left is still there after the work was done again."""
    assert sorted(os.listdir(place)) == [name], sorted(os.listdir(place))
    assert not [*place.rglob(".*.tmp")], [*place.rglob(".*.tmp")]


def killed(act: Callable[[Path], object], place: Path, at: int | None = None, after: float = 0.0) -> bool:
    """Whether `act` was still at work when it was killed: at its `at`-th file operation, or `after` so many seconds."""
    child = started(act, place, at)
    if at is None:
        time.sleep(after)
        os.kill(child, signal.SIGKILL)
    return os.WIFSIGNALED(os.waitpid(child, 0)[1])


def started(act: Callable[[Path], object], place: Path, at: int | None, count_to: int | None = None) -> int:
    """A process that does its work in silence and dies before its `at`-th file operation; it counts them to a pipe."""
    child = os.fork()
    if child:
        return child
    try:
        silent = os.open(os.devnull, os.O_WRONLY)
        os.dup2(silent, 1)
        os.dup2(silent, 2)
        count = [0]
        if at is not None:
            kill_at(place, at, count)
        act(place)
        if count_to is not None:
            os.write(count_to, str(count[0]).encode())
    finally:
        os._exit(0)


def kill_at(place: Path, at: int, count: list[int]) -> None:
    """From now on this process counts what it asks of the file system under `place`, and dies before number `at`."""

    def hook(event: str, arguments: tuple[object, ...]) -> None:
        if event in EVENTS and str(place) in str(arguments[0]):
            count[0] += 1
            if count[0] > at:
                os.kill(os.getpid(), signal.SIGKILL)

    sys.addaudithook(hook)


def last_moment(scenario: Scenario, folder: Path) -> tuple[int, float]:
    """How many file operations the undisturbed work has, and how many seconds it takes."""
    place = fresh(folder, scenario)
    start = time.monotonic()
    reader, writer = os.pipe()
    os.waitpid(started(scenario.act, place, 10**9, writer), 0)
    os.close(writer)
    with os.fdopen(reader) as pipe:
        return int(pipe.read()), time.monotonic() - start


def fresh(folder: Path, scenario: Scenario) -> Path:
    place = folder / "place"
    shutil.rmtree(place, ignore_errors=True)
    place.mkdir()
    scenario.prepare(place)
    return place


def crashes(kills: int, seed: int, only: str | None = None) -> Iterator[dict[str, object]]:
    """One line a kill: what was done, when it was killed, and what was wrong with what it left (nothing, if well).

    One that came after the work was done is looked at, and is none of the `kills`.
    """
    draw = random.Random(seed)
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name).resolve()
        scenarios = {name: s for name, s in Reference(folder).scenarios().items() if only in (None, name)}
        moments = {name: last_moment(scenario, folder) for name, scenario in scenarios.items()}
        count = 0
        for number in itertools.count():
            if count == kills:
                return
            name = list(scenarios)[number % len(scenarios)]
            scenario, (operations, seconds) = scenarios[name], moments[name]
            timed = (number + number // len(scenarios)) % 2 == 1
            moment = {"after": draw.uniform(0, seconds)} if timed else {"at": draw.randrange(operations)}
            place = fresh(folder, scenario)
            caught = killed(scenario.act, place, **moment)
            count += caught
            line: dict[str, object] = {"scenario": name, **moment, "killed": caught, "wrong": ""}
            try:
                scenario.check(place)
            except Exception as error:  # whatever comes out of a torn run is a finding
                line["wrong"] = f"{type(error).__name__}: {' '.join(str(error).split())[:300]}"
            yield line


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--kills", type=int, default=200)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--only", help="one scenario by its name")
    given = parser.parse_args()
    wrong = caught = late = 0
    scenarios = set()
    for line in crashes(given.kills, given.seed, given.only):
        scenarios.add(line["scenario"])
        caught += bool(line["killed"])
        late += not line["killed"]
        if line["wrong"]:
            wrong += 1
            print(json.dumps(line), flush=True)
    print(f"{caught} kills of {len(scenarios)} scenarios, and {late} too late; {wrong} left something wrong")
    return bool(wrong)


if __name__ == "__main__":
    sys.exit(main())
