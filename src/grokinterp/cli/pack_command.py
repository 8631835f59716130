"""Put a run into one file for publishing."""

from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

import tyro

from grokinterp.cli.arguments import parse, say
from grokinterp.cli.source import Source, read_one

ORDER = 90


@dataclass(frozen=True)
class Pack:
    """Put a run into one safetensors file for publishing; `load` reads it as it reads the directory."""

    source: Annotated[Source, tyro.conf.arg(name="")]
    out: Path | None = None  # the file; the run's name with .safetensors, beside it, where left out


def run(argv: list[str]) -> None:
    """Write the file and say where it is."""
    given = parse(Pack, argv, "pack")
    from grokinterp.runs.packing import check_own, pack

    source, one = given.source.path.resolve(), read_one(given.source)
    # Not with_suffix: a run may be called frac_0.3.
    usual = source.with_name(f"{source.name}.safetensors")
    if given.out is None:
        check_own(usual, one)
    packed = pack(one, given.out or usual)
    say(f"{packed}: {packed.stat().st_size / 1e6:.1f} MB")
