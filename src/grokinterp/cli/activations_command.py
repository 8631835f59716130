"""Write the activations of a hook on a run's whole table."""

from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

import tyro

from grokinterp.cli.arguments import parse, say
from grokinterp.cli.source import Source, read_one

ORDER = 85


@dataclass(frozen=True)
class Activations:
    """Write the activations of a hook, with rows and answers, to one .safetensors or .parquet file."""

    source: Annotated[Source, tyro.conf.arg(name="")]
    hook: str  # name of the hook, as in blocks.0.mlp.hook_post
    out: Path | None = None  # .safetensors or .parquet; RUN/HOOK.safetensors where left out, FILE-HOOK.safetensors
    step: int | None = None  # the checkpoint; the last where left out
    scored: bool = False  # only the position where the answer is read


def run(argv: list[str]) -> None:
    """Write the file and say where it is."""
    given = parse(Activations, argv, "activations")
    from grokinterp.measuring.exporting import export_activations
    from grokinterp.runs.files import default_place

    one = read_one(given.source)
    name = f"{given.hook}.safetensors"
    out = given.out or default_place(given.source.path, name, f"-{name}")
    written = export_activations(one, given.hook, out, step=given.step, scored=given.scored)
    say(f"{written}: {written.stat().st_size / 1e6:.1f} MB")
