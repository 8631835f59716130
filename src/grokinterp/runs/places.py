"""Places: where what is made of a run is written that nobody gave a place, so that no run's is ever another's."""

import hashlib
import os
from collections.abc import Iterable
from pathlib import Path


def default_place(source: Path, name: str, ending: str) -> Path:
    """The file of this name in a run's directory, or beside a file one that has its name and this ending.

    Where nothing can be written there, one in the working directory: with the source's name, and a few digits that
    tell its path from those of others of that name.
    """
    place = source / name if source.is_dir() else source.with_name(f"{source.name}{ending}")
    if os.access(place.parent, os.W_OK):
        return place
    return Path(f"{source.resolve().name}-{digits_of([source])}{ending}")


def digits_of(sources: Iterable[Path]) -> str:
    """Eight digits that tell these paths, in any order, from others."""
    paths = "\0".join(sorted(str(source.resolve()) for source in sources))
    return hashlib.sha256(paths.encode(errors="surrogateescape")).hexdigest()[:8]
