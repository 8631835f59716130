"""Turn a third-party file into a run directory."""

from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

import tyro

from grokinterp.cli.arguments import parse, say
from grokinterp.cli.source import Source, read

ORDER = 30


@dataclass(frozen=True)
class Import:
    """Turn a third-party file into a run directory. No code in the file is run."""

    source: Annotated[Source, tyro.conf.arg(name="")]
    out: Path | None = None  # directory of the run; runs/<name of the file> where left out
    overwrite: bool = False  # replace the run in --out, if there is one


def run(argv: list[str]) -> None:
    """Write the directory, one for each run of the file, and say where."""
    given = parse(Import, argv, "import")
    from grokinterp.runs.population.collection import Runs
    from grokinterp.runs.writer import save_run

    run = read(given.source)
    out = given.out or Path("runs") / given.source.path.stem
    runs = {out / name: one for name, one in run.items()} if isinstance(run, Runs) else {out: run}
    for path, one in runs.items():
        saved = save_run(one, path, overwrite=given.overwrite)
        say(f"{path}: {len(saved)} checkpoints, {len(saved.metrics)} rows of metrics")
