"""The command line: one module a command, imported when it is called."""

import sys
from importlib import import_module

from grokinterp.errors import BadRequest, did_you_mean, listed
from grokinterp.evaluation.memory import keep_memory

COMMANDS = {
    "demo": "grok modular addition in a minute: a run and its report",
    "train": "train a model on a task and keep checkpoints of it",
    "import": "turn a third-party file into a run directory",
    "info": "say what a run, a file or a directory of runs is",
    "measure": "read circuits off a run's checkpoints",
    "report": "write a run's report, one HTML file",
    "reproduce": "run the papers' claims again, and tell how they came out",
    "explore": "open a run in the browser and take parts of its model out",
    "pack": "put a run into one file for publishing",
    "tasks": "list the tasks that have a name, and what a formula may say",
    "presets": "list the papers' recipes",
    "circuits": "list the circuits",
}


def main(argv: list[str] | None = None) -> int:
    """Run one command. Returns 0, or 2 after a bad request, said in one line on standard error; 130 after Ctrl-C."""
    argv = sys.argv[1:] if argv is None else argv
    if not argv or argv[0] in ("-h", "--help"):
        print(_help())
        return 0 if argv else 2
    command, *rest = argv
    if command == "--version":
        from grokinterp import __version__

        print(__version__)
        return 0
    try:
        if command not in COMMANDS:
            raise BadRequest(
                f"no command {command!r}.{did_you_mean(command, COMMANDS)} The commands: {listed(COMMANDS)}"
            )
        keep_memory()  # before any thread has a pool of its own
        import_module(f"grokinterp.cli.{command}_command").run(rest)
    except BadRequest as error:
        print(f"grokinterp: {' '.join(str(error).split())}", file=sys.stderr)
        return 2
    except KeyboardInterrupt as stopped:
        print(f"\ngrokinterp: {stopped or 'interrupted'}", file=sys.stderr)
        return 130
    except BrokenPipeError:
        return 0
    return 0


def _help() -> str:
    width = max(map(len, COMMANDS))
    lines = [f"  {name:<{width}}  {summary}" for name, summary in COMMANDS.items()]
    return "\n".join(
        [
            "usage: grokinterp COMMAND [OPTIONS]",
            "",
            "Mechanistic interpretability of grokking: hooked models, checkpoints over time, circuits, reports.",
            "",
            *lines,
            "",
            "grokinterp COMMAND --help tells its options.",
        ]
    )
