"""Progress: how far the runs of a sweep are, read off their directories while others train them."""

import json
import sys
import time
from collections.abc import Sequence
from pathlib import Path

from tqdm.auto import tqdm

from grokinterp.errors import counted, listed
from grokinterp.runs.directory import JSONL
from grokinterp.sweeps.work import Job

SECONDS_BETWEEN_LINES = 30.0
MOST_LINES = 8
"""How many runs have a line of their own at once."""


class Progress:
    """One bar for the sweep, in steps, and a line for each run in training; without a terminal a line now and then."""

    def __init__(self, jobs: Sequence[Job], done: int, show: bool):
        self._steps = {Path(job.directory): job.steps for job in jobs}
        self._ended: set[Path] = set()
        self._done, self._runs = done, len(jobs) + done
        self._bars: list[tqdm] = []
        self._is_terminal = show and sys.stderr.isatty()
        self._is_plain = show and not self._is_terminal
        self._printed_at = time.monotonic()
        if self._is_terminal:
            # What was trained before does not count for the pace.
            trained = sum(last_step(each) for each in self._steps)
            self._bars.append(tqdm(total=sum(self._steps.values()), initial=trained, unit="step", unit_scale=True))
        if self._is_plain and done:
            self._print(f"{done} of {counted(self._runs, 'run')} trained already")

    def end(self, job: Job, line: str) -> None:
        """Count a run as ended, and say how."""
        self._ended.add(Path(job.directory))
        self._done += 1
        if self._is_terminal:
            self._bars[0].write(line, file=sys.stderr)
        elif self._is_plain:
            self._print(f"{line} ({self._done} of {self._runs})")

    def look(self) -> None:
        """Read how far each run is, and show it."""
        if not self._is_terminal and time.monotonic() - self._printed_at < SECONDS_BETWEEN_LINES:
            return
        reached = {each: total if each in self._ended else last_step(each) for each, total in self._steps.items()}
        steps, total = sum(reached.values()), sum(self._steps.values())
        training = {each: step for each, step in reached.items() if step and each not in self._ended}
        runs = f"{self._done} of {counted(self._runs, 'run')}"
        if self._is_terminal:
            self._bars[0].set_description(runs, refresh=False)
            self._bars[0].update(steps - self._bars[0].n)
            self._show([f"{each.name}: {step} of {self._steps[each]} steps" for each, step in training.items()])
        elif self._is_plain:
            self._print(f"{runs}, {steps} of {total} steps; in training {listed(each.name for each in training)}")

    def _show(self, lines: Sequence[str]) -> None:
        while len(self._bars) <= min(len(lines), MOST_LINES):
            self._bars.append(tqdm(position=len(self._bars), bar_format="  {desc}", leave=False))
        for bar, line in zip(self._bars[1:], [*lines, *[""] * MOST_LINES], strict=False):
            bar.set_description_str(line)

    def close(self) -> None:
        """End the bars."""
        for bar in reversed(self._bars):
            bar.close()

    def _print(self, line: str) -> None:
        self._printed_at = time.monotonic()
        print(line, file=sys.stderr, flush=True)


def last_step(directory: Path) -> int:
    """The step of the last line of a run's metrics; 0 where there is none yet."""
    try:
        with (directory / JSONL).open("rb") as file:
            file.seek(0, 2)
            file.seek(max(0, file.tell() - 4096))
            lines = file.read().split(b"\n")
    except OSError:
        return 0
    try:
        return int(json.loads(lines[-2])["step"]) if len(lines) > 1 else 0
    except (ValueError, KeyError, TypeError):
        return 0
