"""List the tasks that have a name, and what a formula may say."""

from dataclasses import dataclass

from grokinterp.cli.arguments import parse, say

ORDER = 100


@dataclass(frozen=True)
class Tasks:
    """List the tasks that have a name, and what a formula may say."""


def run(argv: list[str]) -> None:
    """Print one line a task."""
    parse(Tasks, argv, "tasks")
    from grokinterp import tasks

    named = tasks.names()
    width = max(len(name) for name, _ in named)
    say("A formula needs no name: operands a, b (and c), whole numbers, + - * / ^, ( ), X if COND else Y, mod p.")
    say("Groups go by their names: c13 (cyclic), d7 (dihedral), s4 (symmetric), a5 (alternating).")
    say("\n".join(f"{name:<{width}}  {summary}" for name, summary in named))
