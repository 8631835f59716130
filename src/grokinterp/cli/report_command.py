"""`grokinterp report PATH`."""

from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

import tyro

from grokinterp.cli.arguments import parse, say
from grokinterp.cli.source import Source, read_one


@dataclass(frozen=True)
class Report:
    """Write a run's report: one HTML file that opens offline."""

    source: Annotated[Source, tyro.conf.arg(name="")]
    out: Path = Path("report.html")  # the file to write


def run(argv: list[str]) -> None:
    """Write the file and say where it is."""
    given = parse(Report, argv, "report")
    from grokinterp.reports import report

    say(str(report(read_one(given.source), given.out)))
