"""The early-warning bench by stages, so that the order of commits shows what was fixed before what was read.

    python reproduction/early_warning.py train      # the drawn runs, in their order; goes on where it was stopped
    python reproduction/early_warning.py first      # measures the first half, and writes its table and the thresholds
    python reproduction/early_warning.py held-out   # refused until the thresholds are committed
    python reproduction/early_warning.py llc        # the local learning coefficient of a few runs; likewise

`grokinterp reproduce early-warning` does all of it at once, from the same functions.
"""

import json
import math
import subprocess
import sys
from pathlib import Path
from typing import get_args

from grokinterp.reproduction import Bench, Places
from grokinterp.reproduction.early_warning import coefficient
from grokinterp.reproduction.early_warning.courses import course_of, read, write
from grokinterp.reproduction.early_warning.detector import Course, Detector
from grokinterp.reproduction.early_warning.outcome import counted, thresholds
from grokinterp.reproduction.early_warning.settings import Half, drawn, halves

HERE = Path(__file__).parent / "early_warning"
THRESHOLDS = HERE / "thresholds.json"


def main(stage: str) -> None:
    """Do one stage."""
    bench = Bench([Path("runs/reproduction")], Places.of().data, threads=1, progress=False)
    if stage == "train":
        for run in drawn():
            trained = bench.run(run.training)
            print(run.number, run.setting.name, "seed", run.seed, trained.steps[-1], flush=True)
    elif stage == "first":
        THRESHOLDS.write_text(json.dumps(stored(thresholds(counted(measured(bench, "first")))), indent=1) + "\n")
    elif stage == "held-out":
        if not is_committed(THRESHOLDS):
            sys.exit(f"{THRESHOLDS} is not committed; the held-out half is read after the thresholds are fixed")
        measured(bench, "held out")
    elif stage == "llc":
        for half in get_args(Half):
            runs = coefficient.chosen(half)
            sampled = {run.number: coefficient.coefficient_of(bench.run(run.training)) for run in runs}
            write(sampled, table_of(half, "llc_"))
    else:
        sys.exit(f"no stage {stage!r}; the stages: train, first, held-out, llc")


def stored(detectors: dict[str, Detector]) -> dict[str, dict[str, float | bool | None]]:
    """Detectors as JSON has them: None for a threshold that never warns."""
    known = lambda threshold: None if math.isnan(threshold) else threshold
    return {
        name: {"threshold": known(each.threshold), "rises": each.rises, "hold": each.hold}
        for name, each in detectors.items()
    }


def table_of(half: Half, kind: str = "") -> Path:
    """Where the table of a half lies."""
    return HERE / f"{kind}{half.replace(' ', '_')}.parquet"


def measured(bench: Bench, half: Half) -> list[Course]:
    """Measure the runs of a half, and write their table."""
    path = table_of(half)
    runs = [run for run in drawn() if halves()[run.setting] == half]
    write({run.number: course_of(bench.run(run.training)) for run in runs}, path)
    return list(read(path).values())


def is_committed(path: Path) -> bool:
    """Whether git has the file as it stands."""
    git = lambda *words: subprocess.run(["git", *words, str(path)], capture_output=True, text=True, cwd=HERE).stdout
    return path.exists() and bool(git("log", "-1", "--format=%h", "--")) and not git("status", "--porcelain", "--")


if __name__ == "__main__":
    main(sys.argv[1] if len(sys.argv) == 2 else "")
