"""Arguments: a dataclass filled from the command line by tyro, its refusals brought down to one line."""

import contextlib
import io
import json
import re
import sys
from collections.abc import Iterable
from typing import Any, TypeVar

import tyro

from grokinterp.cli.help_page import as_prose
from grokinterp.cli.options import check_typed, options_of
from grokinterp.errors import BadRequest, did_you_mean

T = TypeVar("T")


def parse(kind: type[T], argv: list[str], command: str) -> T:
    """`kind` filled from `argv`. Prints help and exits on `--help`; raises `BadRequest` on what does not fit."""
    if any(re.fullmatch(r"|--[\w-]+=", word) for word in argv):
        raise BadRequest(
            f"{command}: one of the words is empty; leave it out, or put what it should be between the quotes"
        )
    page, errors, options = io.StringIO(), io.StringIO(), options_of(kind)
    try:
        with contextlib.redirect_stdout(page), contextlib.redirect_stderr(errors):
            given = tyro.cli(
                kind,
                prog=f"grokinterp {command}",
                args=argv,
                config=(tyro.conf.OmitArgPrefixes, tyro.conf.OmitSubcommandPrefixes),
            )
    except SystemExit as stopped:
        if stopped.code in (0, None):
            say(as_prose(page.getvalue()))
            raise
        raise BadRequest(_one_line(errors.getvalue(), command, options)) from None
    try:
        check_typed(argv, options)
    except BadRequest as refusal:
        raise BadRequest(f"{command}: {refusal}") from None
    return given


def _plain_words(message: str) -> str:
    """What tyro says of a value that does not parse, without the names of Python's types."""
    message = re.sub(r"^Error parsing (?!--)\w+: ", "", message)
    wrong = re.match(r"Error parsing (--[\w-]+): .*?(int\(\)|INT|float)(?: |\b).*?(?:from \[|: )('[^']*')", message)
    if wrong is None:
        return re.sub(r"^Error parsing (--[\w-]+): .*?\[('[^']*')\]$", r"\1 cannot be \2", message)
    return f"{wrong[1]} takes {'a number' if wrong[2] == 'float' else 'a whole number'}, not {wrong[3]}"


def _one_line(boxed: str, command: str, options: Iterable[str]) -> str:
    # tyro draws a box, in Unicode or in ASCII: a title, a message, then sections set apart by rules.
    text = re.sub(r"\x1b\[[0-9;]*m|[│╭╮╰╯]", "", boxed)
    title, *sections = (words for part in re.split(r"[─-]{3,}|─ | ─", text) if (words := " ".join(part.split())))
    message = _plain_words((sections[0] if sections else title).rstrip("."))
    suggestion = re.search(r"Perhaps you meant:\s+(--[\w-]+)", text)
    hint = f" Did you mean {suggestion[1]}?" if suggestion else ""
    if not hint and (unknown := re.match(r"Unrecognized options: (--[\w-]+)", message)):
        hint = did_you_mean(unknown[1], options)
    return f"{command}: {message}.{hint} `grokinterp {command} --help` lists the options."


def split_at_dashes(argv: list[str]) -> tuple[list[str], list[str]]:
    """What stands before `--`, and what after it: there a formula may begin with `-`."""
    if "--" not in argv:
        return argv, []
    at = argv.index("--")
    return argv[:at], argv[at + 1 :]


def option(argv: list[str], name: str) -> str | None:
    """The value of `--name VALUE` or `--name=VALUE` in `argv`, before it is parsed."""
    for i, word in enumerate(argv):
        if word == f"--{name}" and i + 1 < len(argv):
            return argv[i + 1]
        if word.startswith(f"--{name}="):
            return word.split("=", 1)[1]
    return None


def say(text: str) -> None:
    """Print a result for the user, at once."""
    print(text, flush=True, file=sys.stdout)


def parameter(text: str) -> tuple[str, Any]:
    """`winners=40` as a name and a value: a number, true, false or a list as JSON has them, else the words themselves.

    Raises `BadRequest` for anything without `=`.
    """
    name, sign, value = text.partition("=")
    if not sign:
        raise BadRequest(f"--set takes NAME=VALUE, as in table_seed=1, not {text!r}")
    try:
        return name.strip(), json.loads(value)
    except (ValueError, RecursionError):
        return name.strip(), value
