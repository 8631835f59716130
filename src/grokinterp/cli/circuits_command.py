"""List the circuits."""

from dataclasses import dataclass

from grokinterp.cli.arguments import parse, say

ORDER = 120


@dataclass(frozen=True)
class Circuits:
    """List the circuits that are shipped or installed."""


def run(argv: list[str]) -> None:
    """Print one line a circuit, and what it computes on request."""
    parse(Circuits, argv, "circuits")
    from grokinterp import circuits

    shipped = circuits.registered()
    width = max(map(len, shipped))
    for name, circuit in shipped.items():
        asked = f" On request: {', '.join(circuit.on_request)}." if circuit.on_request else ""
        say(f"{name:<{width}}  {circuit.summary}{' (on request)' if circuit.only_on_request else ''}{asked}")
