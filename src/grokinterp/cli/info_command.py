"""Say what a run, a file or a directory of runs is."""

from dataclasses import dataclass
from typing import Annotated

import tyro

from grokinterp.cli.arguments import parse, say
from grokinterp.cli.source import Source, read

ORDER = 40


@dataclass(frozen=True)
class Info:
    """Say what a run, a third-party file or a directory of either is."""

    source: Annotated[Source, tyro.conf.arg(name="")]


def run(argv: list[str]) -> None:
    """Print one line a fact."""
    given = parse(Info, argv, "info")
    from grokinterp.importers import describe

    say(describe(read(given.source)))
