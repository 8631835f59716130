"""Writing: the page of many runs, and before it the pages of each where they are wanted."""

from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

from grokinterp.errors import BadRequest
from grokinterp.reports import PageNotWritten
from grokinterp.reports.page import plates_of
from grokinterp.reports.population.links import existing_pages, file_names
from grokinterp.reports.population.page import page
from grokinterp.reports.population.population import Population
from grokinterp.reports.population.sections import sections_of
from grokinterp.reports.population.work import Pages, measure_what_is_missing
from grokinterp.reports.subject import Subject
from grokinterp.reports.verdict import headline
from grokinterp.reports.writing import Destination, write_page
from grokinterp.runs.files import make_directory
from grokinterp.runs.population.collection import Runs, as_shown
from grokinterp.runs.run import Run


@dataclass
class SinglePages:
    """What became of the pages of single runs, by the run's name.

    Attributes:
        headlines: what each page that was written found, in a line.
        skipped: why there is no page of the others.
        numbers: what the pages say that there was no room or no right to write.
    """

    headlines: dict[str, str] = field(default_factory=dict)
    skipped: dict[str, str] = field(default_factory=dict)
    numbers: list[str] = field(default_factory=list)

    def refuse_none(self) -> None:
        """Raise `BadRequest`, or `PageNotWritten` with the numbers, where no page was written."""
        if self.headlines:
            return
        why = "; ".join(f"{name}: {reason}" for name, reason in self.skipped.items())
        refusal = f"none of the runs could be reported: {why}"
        raise PageNotWritten(refusal, "\n\n".join(self.numbers)) if self.numbers else BadRequest(refusal)


def write_pages(
    runs: Runs, destination: Destination, subject_of: Callable[[Run], Subject], progress: bool
) -> SinglePages:
    """Write the page of each run beside `destination`. One that cannot be read or written does not stop the others."""
    single = SinglePages(skipped=dict(runs.skipped))
    with Pages(runs, destination.path.parent, progress) as written:
        for name, file in zip(runs, file_names(list(runs)), strict=True):
            try:
                subject = subject_of(runs[name])
                written.add(write_page(subject, destination.beside(file)))
                single.headlines[name] = headline(subject)
            except PageNotWritten as error:
                single.skipped[name] = str(error)
                single.numbers.append(error.numbers)
            except BadRequest as error:
                single.skipped[name] = str(error)
    single.refuse_none()
    return single


def write_population(runs: Runs, destination: Destination, single: SinglePages, progress: bool) -> Path:
    """Write the page of many runs, whose last checkpoints are measured first where they were not."""
    read = Runs({name: run for name, run in runs.items() if name not in single.skipped})
    skipped = single.skipped | measure_what_is_missing(read, progress)
    links = existing_pages(runs, destination.path.parent)
    population = Population(runs, links, skipped, single.headlines)
    return destination.write(
        page(population),
        lambda: plates_of(list(sections_of(population))),
        lambda: "\n\n".join([as_shown(population.table).to_string(), *single.numbers]),
    )


def write_all(
    runs: Runs, destination: Destination, subject_of: Callable[[Run], Subject] | None, progress: bool
) -> Path:
    """Write the page of many runs, after those of each where `subject_of` makes them."""
    if not runs:
        raise BadRequest("none of the runs could be reported: there are none")
    make_directory(destination.path.parent)
    if subject_of is None:
        single = SinglePages(skipped=dict(runs.skipped))
    else:
        single = write_pages(runs, destination, subject_of, progress)
    return write_population(runs, destination, single, progress)
