"""Writing: a page as a file, as PDF and with its figures as pictures, at one destination."""

from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path

from grokinterp.reports import PageNotWritten, export
from grokinterp.reports.page import numbers, page, plates_of
from grokinterp.reports.saving import Pictures
from grokinterp.reports.section import Plate
from grokinterp.reports.sections import sections_of
from grokinterp.reports.subject import Subject
from grokinterp.runs.files import StorageError
from grokinterp.runs.replacing import write_over


@dataclass(frozen=True)
class Destination:
    """Where a page goes: its file, whether a PDF lies beside that, and where pictures of its figures go."""

    path: Path
    pdf: bool
    pictures: Pictures | None

    def beside(self, file: str) -> "Destination":
        """That of another page in the same directory, its pictures in a folder of their own."""
        pictures = None if self.pictures is None else self.pictures.within(Path(file).stem)
        return replace(self, path=self.path.parent / file, pictures=pictures)

    def write(self, html: str, plates: Callable[[], list[Plate]], numbers: Callable[[], str]) -> Path:
        """Write a page whole or not at all. Raises `PageNotWritten` with its `numbers` where there is no room."""
        try:
            write_over(self.path, html.encode())
        except StorageError as refusal:
            raise PageNotWritten(str(refusal), numbers()) from None
        if self.pictures is not None:
            self.pictures.write(plates())
        if self.pdf:
            export.write_pdf(self.path)
        return self.path


def write_page(subject: Subject, destination: Destination) -> Path:
    """Write the page of one run."""
    return destination.write(page(subject), lambda: plates_of(sections_of(subject)), lambda: numbers(subject))
