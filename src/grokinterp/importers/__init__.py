"""Reading runs: this project's own, and third-party files by their content. No code in a file is ever run."""

from grokinterp.importers._base import Importer, ImportFileError
from grokinterp.importers._loading import FORMATS, load
from grokinterp.importers._opening import (
    Given,
    opened,
    opened_one,
    opened_with,
    opening_call,
    opening_words,
    together,
)
from grokinterp.importers._report import describe
from grokinterp.importers._unpickle import UnsafeFileError

__all__ = [
    "FORMATS",
    "Given",
    "ImportFileError",
    "Importer",
    "UnsafeFileError",
    "describe",
    "load",
    "opened",
    "opened_one",
    "opened_with",
    "opening_call",
    "opening_words",
    "together",
]
