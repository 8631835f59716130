"""Write a run's report, one HTML file."""

from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import tyro

from grokinterp.cli.arguments import parse, say
from grokinterp.cli.source import Source, read
from grokinterp.config.stated import Stated
from grokinterp.errors import BadRequest

if TYPE_CHECKING:
    from grokinterp.runs.run import Run, Runs

ORDER = 60


@dataclass(frozen=True)
class Report:
    """Write a run's report, one HTML file that opens offline; of several runs an index, the reports beside it."""

    paths: tyro.conf.Positional[
        tuple[Path, ...]
    ]  # run directories, packed runs, third-party files, directories of runs
    format: str = "auto"  # how to read a file; recognised by its content where left out
    task: str | None = None  # formula or name of the task, where a file does not tell it
    p: int | None = None  # modulus of --task
    layout: str | None = None  # tokens of a row of --task, as in 'a b ='
    stated: Annotated[Stated, tyro.conf.arg(name="")] = field(default_factory=Stated)
    out: Path | None = None  # the file to write: report.html, of several runs reports/index.html
    circuit: tuple[Path, ...] = ()  # Python files that define circuits of your own; they are run
    pdf: bool = False  # print the page to a PDF as well, through a Chromium on this machine
    images: Path | None = None  # a directory to write the figures to as PNG; needs kaleido
    cache: bool = True  # take what has been measured before from the cache


def run(argv: list[str]) -> None:
    """Write the file and say where it is."""
    given = parse(Report, argv, "report")
    if not given.paths:
        raise BadRequest("report: no run is named; give a run directory or a file, as in `grokinterp report runs/demo`")
    from grokinterp.reports import report

    runs = [read(Source(path, given.format, given.task, given.p, given.layout, given.stated)) for path in given.paths]
    subject = runs[0] if len(runs) == 1 else _together(runs)
    page = report(
        subject, given.out, circuits=given.circuit, pdf=given.pdf, images=given.images, cache=given.cache, progress=True
    )
    say(str(page))


def _together(found: "list[Run | Runs]") -> "Runs":
    """All runs by name; a name that comes again is given a number."""
    from grokinterp.runs.run import Runs

    runs, skipped = {}, {}
    for one in found:
        for each in one.values() if isinstance(one, Runs) else [one]:
            name, number = each.name, 2
            while name in runs:
                name, number = f"{each.name}-{number}", number + 1
            runs[name] = each
        skipped |= one.skipped if isinstance(one, Runs) else {}
    return Runs(runs, skipped)
