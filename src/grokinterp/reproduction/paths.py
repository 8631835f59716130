"""Paths: where results, the table and third-party files lie, in a clone of the repository or without one."""

import os
from dataclasses import dataclass
from pathlib import Path

RESULTS = Path("reproduction") / "results"


@dataclass(frozen=True)
class Places:
    """Attributes: results: the directory of results. pages: of REPRODUCTION.md and docs/. data: third-party files."""

    results: Path
    pages: Path
    data: Path

    @classmethod
    def of(cls, results: Path | None = None, data: Path | None = None) -> "Places":
        """The clone's own, or the current directory's where the package was installed without one.

        The pages of another directory of results lie in that directory. `data` falls back on the environment's
        GROKINTERP_TEST_DATA, then on `../shared/data`.
        """
        root = repository() or Path.cwd()
        variable = os.environ.get("GROKINTERP_TEST_DATA")
        return cls(
            results or root / RESULTS,
            results or root,
            data or (Path(variable) if variable else root.parent / "shared" / "data"),
        )


def repository() -> Path | None:
    """The root of the clone that this package is imported from, if it is."""
    root = Path(__file__).parents[3]
    return root if (root / "pyproject.toml").exists() and (root / "src" / "grokinterp").is_dir() else None
