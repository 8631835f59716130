"""The command line: one module a command, `NAME_command.py`, imported when it is called."""

import ast
import os
import pkgutil
import sys
import tempfile
from importlib import import_module
from pathlib import Path

from grokinterp.errors import BadRequest, did_you_mean, listed
from grokinterp.evaluation.processor import keep_memory

SUFFIX = "_command"


def main(argv: list[str] | None = None) -> int:
    """Run one command. Returns 0, or 2 after a bad request, said in one line on standard error; 130 after Ctrl-C."""
    argv = sys.argv[1:] if argv is None else argv
    if not argv:
        print(_help())
        return 2
    command, *rest = argv
    try:
        if command in ("-h", "--help", "--version"):
            print(_answer(command, rest))
            return 0
        if command not in names():
            known = summaries()
            raise BadRequest(f"no command {command!r}.{did_you_mean(command, known)} The commands: {listed(known)}")
        _find_temporary_directory()
        keep_memory()  # before any thread has a pool of its own
        import_module(f"{__name__}.{command}{SUFFIX}").run(rest)
    except BadRequest as error:
        print(f"grokinterp: {' '.join(str(error).split())}", file=sys.stderr)
        return 2
    except KeyboardInterrupt as stopped:
        print(f"\ngrokinterp: {stopped or 'interrupted'}", file=sys.stderr)
        return 130
    except BrokenPipeError:
        return 0
    return 0


def _find_temporary_directory() -> None:
    """Name a directory for temporary files where none can be written to: torch cannot be imported without a name."""
    try:
        tempfile.gettempdir()
    except FileNotFoundError:
        tempfile.tempdir = os.curdir
        print("grokinterp: no temporary file can be written; free some space, or set TMPDIR", file=sys.stderr)


def _answer(option: str, words: list[str]) -> str:
    """What an option says that stands where a command would."""
    if words:
        page = f"`grokinterp {words[0] if words[0] in names() else 'COMMAND'} --help` tells a command's options"
        raise BadRequest(f"{option} stands alone and was given {' '.join(words)!r}; leave that out, or {page}")
    if option == "--version":
        from grokinterp import __version__

        return __version__
    return _help()


def names() -> list[str]:
    """The commands: every module of this package that is called `NAME_command`."""
    files = [module.name for module in pkgutil.iter_modules(__path__)]
    return [file.removesuffix(SUFFIX) for file in files if file.endswith(SUFFIX)]


def summaries() -> dict[str, str]:
    """By command the first line of its module's docstring, in the modules' `ORDER`; those without one come last.

    The modules are read and not imported, since `grokinterp --help` is to answer at once.
    """
    trees = {name: ast.parse((Path(__file__).parent / f"{name}{SUFFIX}.py").read_text("utf-8")) for name in names()}
    return {name: _summary(trees[name]) for name in sorted(trees, key=lambda name: (_order(trees[name]), name))}


def _summary(module: ast.Module) -> str:
    first = (ast.get_docstring(module) or "").partition("\n")[0].rstrip(".")
    return first[:1].lower() + first[1:]


def _order(module: ast.Module) -> float:
    for node in module.body:
        match node:
            case ast.Assign([ast.Name("ORDER")], ast.Constant(int(place))):
                return place
    return float("inf")


def _help() -> str:
    commands = summaries()
    width = max(map(len, commands))
    lines = [f"  {name:<{width}}  {summary}" for name, summary in commands.items()]
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
