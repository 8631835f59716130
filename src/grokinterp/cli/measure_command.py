"""Read circuits off a run's checkpoints."""

import dataclasses
import json
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

import tyro

from grokinterp.cli.arguments import parse, say
from grokinterp.cli.source import Source, read
from grokinterp.config.validation import finite_or_none

ORDER = 50


@dataclass(frozen=True)
class Measure:
    """Read circuits off a run's checkpoints. Prints the last step's numbers; --out writes the whole trace.

    Of a directory of runs the last checkpoint of each is read, or --steps, and the table of all is printed.
    """

    source: Annotated[Source, tyro.conf.arg(name="")]
    circuits: tuple[str, ...] = ()  # names, as `grokinterp circuits` lists them; all that apply where left out
    circuit: tuple[Path, ...] = ()  # Python files that define circuits of your own; they are run
    on_request: tuple[str, ...] = ()  # circuits and variables that are not computed by default
    steps: tuple[int, ...] = ()  # the checkpoints to read; all where left out
    json: bool = False  # print one JSON object
    out: Path | None = None  # write the trace: .nc, .csv or .parquet
    cache: bool = True  # take what has been read before from the cache
    workers: int | None = None  # of a directory of runs, how many are read side by side


def run(argv: list[str]) -> None:
    """Measure, print the last step, and write the trace."""
    given = parse(Measure, argv, "measure")
    from grokinterp import circuits, measuring
    from grokinterp.analysis.outcome import SCORES, Ending, Outcome
    from grokinterp.cli import readings
    from grokinterp.measuring.trace_files import make_place, write
    from grokinterp.runs.population.collection import Runs, as_shown

    if given.out is not None:
        make_place(given.out)
    own = [circuit for path in given.circuit for circuit in circuits.from_file(path)]
    named = list(given.circuits or ([] if given.circuit else measuring.default_names(given.on_request)))
    source = read(given.source)
    trace = measuring.measure(
        source,
        circuits=[*named, *own],
        steps=given.steps or None,
        on_request=given.on_request,
        cache=given.cache,
        workers=given.workers,
    )
    if isinstance(source, Runs):
        table = source.table
        say(str(table.to_json(orient="index")) if given.json else as_shown(table).to_string())
        for name, reason in zip(source, trace.not_read.values.tolist(), strict=True):
            print(f"{name}: {reason}" if reason else "", end="\n" if reason else "", file=sys.stderr)
        if given.out is not None:
            write(trace, given.out)
        return
    values = measuring.scalars(trace)
    if "outcome" in trace.attrs:
        # How many steps were to be trained stands in the run, not in the trace.
        last = trace.isel(step=-1)
        scores = {name: float(last[name]) for name in SCORES if name in last}
        values["outcome"] = Outcome.of(scores, Ending.of(source), not source.unexplained).kind
    if given.json:
        finite = {name: finite_or_none(value) for name, value in values.items()}
        assumed = [dataclasses.asdict(assumption) for assumption in source.assumptions]
        say(json.dumps({**finite, "assumed": assumed}, default=str, allow_nan=False))
    else:
        for line in [*readings.lines(values, trace, not source.unexplained), *map(str, source.assumptions)]:
            say(line)
    if given.out is not None:
        write(trace, given.out)  # last: where the disk is full, the numbers have been shown
