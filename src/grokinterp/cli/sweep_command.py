"""Train many runs from one specification."""

import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Literal

import tyro

from grokinterp.cli.arguments import parse, say
from grokinterp.sweeps import engines

ORDER = 15


@dataclass(frozen=True)
class Sweep:
    """Train every run of a TOML specification side by side; the same command again trains what is missing.

    [run] has the fields that all runs share, [grid] lists or ranges ("0..9") of which every combination is trained,
    [[variant]] tables that vary together, [keep] what stays on disk.
    """

    spec: Annotated[Path, tyro.conf.Positional, tyro.conf.arg(name="SPEC.toml")]
    out: Path | None = None  # directory of the runs; runs/<name of the sweep> where left out
    engine: Literal[*engines.names()] = "local"  # where the runs are trained
    workers: int | None = None  # processes, each with one thread; one for each core where left out
    dry_run: bool = False  # say the runs, and about how long and how large they are, and train nothing


def run(argv: list[str]) -> None:
    """Train, or say what would be trained."""
    given = parse(Sweep, argv, "sweep")
    if given.dry_run:
        from grokinterp.sweeps.estimate import estimate

        say(estimate(given.spec, given.out, given.workers).text())
        return
    from grokinterp.sweeps import SweepError, sweep

    try:
        runs = sweep(given.spec, out=given.out, engine=given.engine, workers=given.workers)
    except SweepError as error:
        print(f"grokinterp: {error}", file=sys.stderr)
        raise SystemExit(1) from None
    say(f"{next(iter(runs.values())).path.parent}: {len(runs)} runs")
