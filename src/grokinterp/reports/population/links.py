"""Links: what the single pages of runs are called, and which of them are there."""

import os
import re
from collections.abc import Sequence
from pathlib import Path

from grokinterp.runs.population.collection import Runs


def file_names(names: Sequence[str]) -> list[str]:
    """A file name for each run's report: its name with what no file system likes replaced, told apart by numbers."""
    files: list[str] = []
    taken: set[str] = set()
    for name in names:
        stem = re.sub(r"[^A-Za-z0-9._-]+", "-", name).strip("-.") or "run"
        stem = f"{stem}-report" if stem == "index" else stem
        candidate, number = stem, 2
        while f"{candidate}.html".lower() in taken:
            candidate, number = f"{stem}-{number}", number + 1
        files.append(f"{candidate}.html")
        taken.add(files[-1].lower())
    return files


def existing_pages(runs: Runs, directory: Path) -> dict[str, str]:
    """By the run's name, where its page lies as seen from `directory`: in there, or `report.html` in the run's own."""
    links = {}
    for (name, run), file in zip(runs.items(), file_names([*runs]), strict=True):
        if (directory / file).is_file():
            links[name] = file
        elif run.path is not None and (own := run.path / "report.html").is_file():
            links[name] = Path(os.path.relpath(own.resolve(), directory.resolve())).as_posix()
    return links
