"""The help page of a command: what tyro lists, as prose.

tyro's boxes name Python's types, and defaults that say nothing.
"""

import re
import shutil
import textwrap
from dataclasses import dataclass, field

LINES_START = 8
"""Columns before the line that explains an option, as tyro draws it."""
WIDEST = 100
KINDS = {"STR": "TEXT", "INT": "NUMBER", "FLOAT": "NUMBER"}
HEAD = 24
"""Columns of an option's names and values; a line of their own where they are longer."""
LONGEST_CHOICE = 24
"""Characters of choices that stand beside an option's name; longer ones are listed after its line."""


@dataclass
class Entry:
    """An option or an argument as tyro draws it: its names and values, and the line that explains it."""

    head: str
    line: str = ""


@dataclass
class Section:
    """A box of tyro's: its title, what is said of all its options, and these."""

    title: str
    about: list[str] = field(default_factory=list)
    entries: list[Entry] = field(default_factory=list)


def as_prose(drawn: str, width: int | None = None) -> str:
    """The page that is printed, from the one that tyro draws in ASCII; in `width` columns, or the terminal's."""
    width = min(width or shutil.get_terminal_size().columns, WIDEST)
    opening, *boxes = re.split(r"^ (\w.*?) *\n -{3,} *\n", drawn, flags=re.MULTILINE)
    usage, *paragraphs = opening.strip().split("\n\n")
    pages = [_values(usage.replace("[-h] ", ""))]
    pages += [textwrap.fill(" ".join(text.split()), width) for text in paragraphs]
    sections = [_section(title, lines) for title, lines in zip(boxes[::2], boxes[1::2], strict=True)]
    return "\n\n".join([*pages, *(_page(section, width) for section in sections)])


def _section(title: str, drawn: str) -> Section:
    section = Section(title)
    about, ruled, options = drawn.rpartition("  ---")
    if ruled:
        section.about = about.split()
    for line in filter(str.strip, options.partition("\n")[2].splitlines() if ruled else drawn.splitlines()):
        depth = len(line) - len(line.lstrip())
        if depth >= LINES_START and section.entries:
            section.entries[-1].line += f" {line.strip()}"
        elif line.lstrip().startswith(("-", "[")) or not section.entries:
            head, _, rest = line.strip().partition("  ")
            section.entries.append(Entry(head, rest))
        else:
            section.entries[-1].head += line.strip()  # choices that go on in the next line
    return section


def _page(section: Section, width: int) -> str:
    lines = [
        section.title,
        *textwrap.wrap(" ".join(section.about), width, initial_indent="  ", subsequent_indent="  "),
    ]
    for entry in section.entries:
        head, line = _plain(entry)
        if len(head) > HEAD:
            lines.append(f"  {head}")
            head = ""
        lines += textwrap.wrap(
            f"  {head:<{HEAD}}  {line}", width, subsequent_indent=" " * (HEAD + 4), break_on_hyphens=False
        )
    return "\n".join(lines)


def _plain(entry: Entry) -> tuple[str, str]:
    head = _values(entry.head).replace("{None,", "{")
    line = " ".join(entry.line.split())
    if negated := re.match(r"(--[\w-]+), (--no-[\w-]+)$", head):
        head = f"--[no-]{negated[1][2:]}" if line.endswith("(default: True)") else negated[1]
    line = re.sub(r" ?\((default: ?(None|True|False)?|required)\)$", "", line)
    choices = re.search(r"\{(.*?)\}", head)
    if choices and len(choices[1]) > LONGEST_CHOICE:
        head = head.replace(choices[0], "NAME")
        line = f"{line}; one of {', '.join(choices[1].split(','))}"
    elif choices:
        head = head.replace(choices[0], choices[1].replace(",", "|"))
    return head, line


def _values(text: str) -> str:
    """What stands for a value: `[[PATH [PATH ...]]]` is `[PATH ...]`, and Python's types are words."""
    text = text.replace("{None}|", "")
    text = re.sub(r"\[+([\w|]+) \[\1 ?\.\.\.\]+", r"[\1 ...]", text)
    return re.sub(r"\b(STR|INT|FLOAT)\b", lambda kind: KINDS[kind[1]], text)
