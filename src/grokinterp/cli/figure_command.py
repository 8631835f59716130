"""Save one figure of a run's report for a paper."""

from dataclasses import dataclass, field
from pathlib import Path
from typing import Annotated

import tyro

from grokinterp.cli.arguments import parse, say
from grokinterp.cli.source import Source, read_one
from grokinterp.config.stated import Stated

ORDER = 65


@dataclass(frozen=True)
class Figure:
    """Save one figure of a run's report as PDF, SVG or PNG; without its name, the names are listed."""

    path: tyro.conf.Positional[Path]  # a run directory, a packed run, or a third-party file
    name: tyro.conf.Positional[str] = ""  # of the figure, as in `loss`
    format: str = "auto"  # how to read a file; recognised by its content where left out
    task: str | None = None  # formula or name of the task, where a file does not tell it
    p: int | None = None  # modulus of --task
    layout: str | None = None  # tokens of a row of --task, as in 'a b ='
    set: tuple[str, ...] = ()  # further parameters of --task, as in length=85
    stated: Annotated[Stated, tyro.conf.arg(name="")] = field(default_factory=Stated)
    out: Path | None = None  # .pdf, .svg or .png; RUN/NAME.pdf where left out, FILE-NAME.pdf beside a file
    width_cm: float | None = None  # its width on paper in centimetres, as 8.5 for a column
    font_pt: float | None = None  # the size of all its text in points
    dpi: float = 300  # pixels of a .png to the inch
    cache: bool = True  # take what has been measured before from the cache


def run(argv: list[str]) -> None:
    """Write the file and say where it is."""
    given = parse(Figure, argv, "figure")
    from grokinterp.reports import figure
    from grokinterp.reports.saving import check_path
    from grokinterp.runs.files import default_place

    opened = read_one(Source(given.path, given.format, given.task, given.p, given.layout, given.set, given.stated))
    name = f"{given.name or 'figure'}.pdf"
    out = given.out or default_place(given.path, name, f"-{name}")
    check_path(out, given.dpi)
    drawn = figure(opened, given.name, width_cm=given.width_cm, font_pt=given.font_pt, cache=given.cache, progress=True)
    say(str(drawn.save(out, given.dpi).absolute()))
