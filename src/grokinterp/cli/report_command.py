"""Write a run's report, one HTML file."""

from dataclasses import dataclass, field
from pathlib import Path
from typing import Annotated

import tyro

from grokinterp.cli.arguments import parse, say
from grokinterp.cli.source import Source, read
from grokinterp.config.stated import Stated
from grokinterp.errors import BadRequest

ORDER = 60

PICTURES = ("svg", "pdf", "png")


@dataclass(frozen=True)
class Report:
    """Write a run's report, one HTML file that opens offline; of several runs the page of them all."""

    paths: tyro.conf.Positional[tuple[Path, ...]]
    """run directories, packed runs, third-party files, directories of runs"""
    format: str = "auto"
    """of --images: svg, pdf, png or several with commas; else how to read a file that is not recognised"""
    task: str | None = None  # formula or name of the task, where a file does not tell it
    p: int | None = None  # modulus of --task
    layout: str | None = None  # tokens of a row of --task, as in 'a b ='
    set: tuple[str, ...] = ()  # further parameters of --task, as in length=85
    stated: Annotated[Stated, tyro.conf.arg(name="")] = field(default_factory=Stated)
    out: Path | None = None  # the file to write: RUN/report.html where left out, FILE.html beside a file
    circuit: tuple[Path, ...] = ()  # Python files that define circuits of your own; they are run
    pdf: bool = False  # print the page to a PDF as well, through a Chromium on this machine
    images: Path | None = None  # a directory to write every figure to, as PNG or in the --format given; needs kaleido
    width_cm: float | None = None  # of --images, in centimetres; as wide as on the page where left out
    font_pt: float | None = None  # of --images, the size of their text in points
    pages: tyro.conf.FlagCreatePairsOff[bool] = False  # of several runs, write the page of each; of a dozen unasked
    cache: bool = True  # take what has been measured before from the cache


def run(argv: list[str]) -> None:
    """Write the file and say where it is."""
    given = parse(Report, argv, "report")
    if not given.paths:
        raise BadRequest("report: no run is named; give a run directory or a file, as in `grokinterp report runs/demo`")
    from grokinterp.importers import together
    from grokinterp.reports import PageNotWritten, report

    reading, formats = _told_apart(given)
    about_task = (given.task, given.p, given.layout, given.set)
    runs = [read(Source(path, reading, *about_task, given.stated)) for path in given.paths]
    try:
        page = report(
            together(runs),
            given.out,
            circuits=given.circuit,
            pdf=given.pdf,
            images=given.images,
            formats=formats,
            width_cm=given.width_cm,
            font_pt=given.font_pt,
            cache=given.cache,
            progress=True,
            pages=True if given.pages else None,
        )
    except PageNotWritten as refusal:
        say(refusal.numbers)  # what was computed is not lost with the page
        raise
    say(str(page.absolute()))


def _told_apart(given: Report) -> tuple[str, list[str]]:
    """How to read the file, and as what to write the pictures: --format tells either, or both with a comma between."""
    words = [word.strip().lower() for word in given.format.split(",")]
    pictures = [word for word in words if word in PICTURES]
    others = [word for word in given.format.split(",") if word.strip().lower() not in PICTURES]
    if given.images is None:
        for option, value in (
            ("--format", ",".join(pictures) or None),
            ("--width-cm", given.width_cm),
            ("--font-pt", given.font_pt),
        ):
            if value is not None:
                raise BadRequest(f"report: {option} {value} is of pictures; name their directory with --images")
    return ",".join(others) or "auto", pictures or ["png"]
