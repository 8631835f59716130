"""List the papers' recipes."""

from dataclasses import dataclass

from grokinterp.cli.arguments import parse, say
from grokinterp.config.presets import PRESETS

ORDER = 110


@dataclass(frozen=True)
class Presets:
    """List the papers' recipes and where each differs from the default, nanda."""


def run(argv: list[str]) -> None:
    """Print one line a preset."""
    parse(Presets, argv, "presets")
    base, width = PRESETS["nanda"], max(map(len, PRESETS))
    for name, config in PRESETS.items():
        changes = config.changes_from(base)
        say(f"{name:<{width}}  {changes or 'the default: p = 113, a one-layer transformer, 30 % of the table'}")
