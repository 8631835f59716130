"""Train many runs from one specification."""

import sys
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal, TypeAlias

import tyro

from grokinterp.cli.arguments import parse, say
from grokinterp.errors import counted
from grokinterp.sweeps import engines

ORDER = 35

if TYPE_CHECKING:
    Engine: TypeAlias = str
else:
    Engine = Literal[*engines.names()]


@dataclass(frozen=True)
class Sweep:
    """Train every run of a TOML specification side by side; the same command again trains what is missing.

    In the specification [run] has the fields that all runs share, and [grid] lists or ranges ("0..9"), of which every
    combination is trained. [[variant]] tables name fields that vary together, and [keep] says what stays on disk.
    Finished runs are skipped, and those that were cut go on. Runs that fail cost the others nothing: they are named at
    the end, each with its log, and the exit code is 1.
    """

    spec: Annotated[Path, tyro.conf.Positional, tyro.conf.arg(metavar="SPEC.toml", help="what is trained")]
    out: Path | None = None  # directory of the runs; runs/<name of the sweep> where left out
    engine: Engine = "local"  # where the runs are trained
    workers: int | None = None  # processes of one thread, one for each core where left out; Slurm jobs at once
    slurm: Annotated[tyro.conf.UseAppendAction[tuple[str, ...]], tyro.conf.arg(metavar="KEY=VALUE")] = ()
    """what a Slurm job asks for: time=60, partition=cpu, mem=4G, setup="module load python"; again for each"""
    no_wait: tyro.conf.FlagCreatePairsOff[bool] = False  # submit to Slurm, or say how what was submitted stands
    dry_run: tyro.conf.FlagCreatePairsOff[bool] = False
    """say the runs, and about how long and how large they are, and train nothing"""


def run(argv: list[str]) -> None:
    """Train, or say what would be trained."""
    given = parse(Sweep, argv, "sweep")
    if given.dry_run:
        from grokinterp.sweeps.estimate import estimate

        say(estimate(given.spec, given.out, given.workers, given.engine, given.slurm).text())
        return
    if given.no_wait:
        from grokinterp.sweeps.standing import submit

        standing = submit(given.spec, given.out, given.engine, given.workers, given.slurm)
        say(standing.text())
        raise SystemExit(1 if standing.failed else 0)
    from grokinterp.sweeps import SweepError, sweep

    try:
        runs = sweep(given.spec, out=given.out, engine=given.engine, workers=given.workers, slurm=given.slurm)
    except SweepError as error:
        print(f"grokinterp: {error}", file=sys.stderr)
        raise SystemExit(1) from None
    path = next(iter(runs.values())).path
    assert path is not None
    say(f"{path.parent}: {counted(len(runs), 'run')}")
