"""Reports: a run as one self-contained page. Drawing only; the numbers come from `measure`."""

import os
from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING

from torch import nn

from grokinterp.config.validation import check_path, checks_switches, shown
from grokinterp.errors import BadRequest, did_you_mean, listed
from grokinterp.importers import Given, opened_with
from grokinterp.importers._loading import openable_in
from grokinterp.measuring.choosing import listed_names
from grokinterp.runs.files import StorageError, default_place, digits_of, make_directory
from grokinterp.runs.population.collection import Runs
from grokinterp.runs.replacing import check_page
from grokinterp.runs.run import Run
from grokinterp.tasks import Task

if TYPE_CHECKING:
    from grokinterp.readout import Circuit
    from grokinterp.reports.saving import Figure

FEW = 12
"""Of so many runs the page of each is written too, where nobody says whether: it takes seconds a run."""


class PageNotWritten(StorageError):
    """A page that there is no room or no right to write; `numbers` is what it says without its figures."""

    def __init__(self, refusal: str, numbers: str):
        super().__init__(refusal)
        self.numbers = numbers


@checks_switches
def report(
    run: Given | nn.Module,
    task: Task | str | Path | None = None,
    out: str | Path | None = None,
    *,
    circuits: "Iterable[str | Path | Circuit] | str | Path" = (),
    pdf: bool = False,
    images: str | Path | None = None,
    formats: str | Iterable[str] = "png",
    width_cm: float | None = None,
    font_pt: float | None = None,
    cache: bool = True,
    progress: bool = False,
    pages: bool | None = None,
) -> Path:
    """Write one HTML page on a run: what was trained, what happened, what was found, the verdict, how to reproduce.

    The page opens offline, prints, and asks nothing of the network. What it shows is `measure(run)`, read now or taken
    from the cache. It adapts to what the run has: one checkpoint (no slider), curves only, no curves, or a task that is
    not known, and says what is missing. Of several runs (`Runs`) it writes the page of many runs: how many grokked and
    when, with intervals, curves, verdicts, and a table of all; with `pages` the page of each beside it.

    Args:
        run: a run, several, a path, which is loaded, or a list of these; or a model in memory, as it is now.
        task: what a model in memory was trained on; beside a run, `out` may stand here.
        out: the page to write, whole or not at all; left out, `report.html` in the run's directory, or in that of all
            runs of a directory; beside a file under its name, and of other runs in a directory of `reports`.
        circuits: further circuits, by value, by name, or as a Python file; each variable is drawn by its dims.
        pdf: also print the page to `out` with the suffix .pdf, through a Chromium found on the machine.
        images: a directory to write every figure to, by its name; needs kaleido and a Chromium.
        formats: of these pictures: "png", "svg", "pdf", or several.
        width_cm: of these pictures, on paper; left out, as wide as the page has them.
        font_pt: the size of all text in these pictures, in points.
        cache: take what has been measured before from the cache.
        progress: show a progress bar while measuring.
        pages: of several runs, also write the page of each; left out, of FEW runs and fewer.

    Returns the path of the page. Raises `BadRequest` for an unknown circuit, or where PDF or PNG cannot be made;
    `PageNotWritten`, with its numbers, where there is no room or no right to write it.
    """
    from grokinterp.reports import export  # plotly and jinja2 are imported when a report is made
    from grokinterp.reports.population.writing import write_all
    from grokinterp.reports.saving import Pictures
    from grokinterp.reports.subject import Subject
    from grokinterp.reports.writing import Destination, write_page

    if task is not None and not isinstance(task, Task):
        if out is not None:
            raise BadRequest(f"task={shown(task)} must be a gi.Task, as in gi.report(model, gi.Task('a + b', p=113))")
        task, out = None, task
    check_path("out", out)
    if out is not None and Path(out).is_dir():
        raise BadRequest(f"{out} is a directory; name the page to write, as in {Path(out) / 'report.html'}")
    asked = None if listed_names(formats, "formats") == ["png"] else formats
    for name, value in (("formats", asked), ("width_cm", width_cm), ("font_pt", font_pt)):
        if images is None and value is not None:
            raise BadRequest(f"{name}={shown(value)} is of pictures; name their directory with images=")
    pictures = None if images is None else Pictures.checked(images, formats, width_cm, font_pt)
    if pdf:
        export.browser()
    given = [circuits] if isinstance(circuits, Path) else listed_names(circuits, "circuits")
    subject_of = lambda one: Subject(one, given, cache, progress)
    run = opened_with(run, task)
    # Now, so that a place that is none is told before minutes of measuring.
    if out is not None:
        check_page(Path(out), *(one.path for one in (run.values() if isinstance(run, Runs) else [run])))
        make_directory(Path(out).parent)
    if pictures is not None:
        make_directory(pictures.directory)
    if isinstance(run, Runs):
        wanted = len(run) <= FEW if pages is None else pages
        destination = Destination(Path(out) if out else _page_of(run), pdf, pictures)
        return write_all(run, destination, subject_of if wanted else None, progress)
    return write_page(subject_of(run), Destination(Path(out) if out else _place_of(run), pdf, pictures))


@checks_switches
def figure(
    run: Given | nn.Module,
    name: str = "",
    *,
    width_cm: float | None = None,
    font_pt: float | None = None,
    cache: bool = True,
    progress: bool = False,
) -> "Figure":
    """One figure of a run's report, by its name, ready to be saved: `figure(run, "loss", width_cm=8.5).save("x.pdf")`.

    Raises `BadRequest`, with the names that the report of this run has, for another name and for none.
    """
    from grokinterp.reports.figures.paper import check_size
    from grokinterp.reports.page import plates_of
    from grokinterp.reports.saving import of_plate
    from grokinterp.reports.sections import sections_of
    from grokinterp.reports.subject import Subject

    check_size(width_cm, font_pt)
    run = opened_with(run, None)
    if isinstance(run, Runs):
        raise BadRequest(f"a figure is of one run; name one of these: {listed(run)}")
    plates = {plate.name: plate for plate in plates_of(sections_of(Subject(run, (), cache, progress)))}
    if name not in plates:
        refusal = "no figure is named." if not name else f"no figure {shown(name)}.{did_you_mean(name, plates)}"
        raise BadRequest(f"{refusal} The report of {run.name} has {listed(plates) or 'none'}")
    return of_plate(plates[name], width_cm, font_pt)


def _place_of(run: Run) -> Path:
    return Path("report.html") if run.path is None else default_place(run.path, "report.html", ".html")


def _page_of(runs: Runs) -> Path:
    """Where the page of many runs lies that no one gave a place: in the directory that holds them and no others.

    Beside their file where one holds them all; else under `reports`, by how many they are and which.
    """
    paths = [run.path.resolve() for run in runs.values() if run.path is not None]
    if len({*paths}) == 1 and paths[0].is_file():
        return default_place(paths[0], "report.html", ".html")
    if paths and len(paths) == len(runs):
        parent = Path(os.path.commonpath([path.parent for path in paths]))
        if {*openable_in(parent)} <= {*paths, *(parent / name for name in runs.skipped)}:
            return default_place(parent, "report.html", ".html")
    return Path("reports") / f"{len(runs)}-runs-{digits_of(paths)}" / "index.html"
