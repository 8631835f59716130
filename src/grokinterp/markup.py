"""Markup: text as a browser is given it, escaped, in tables; and powers of ten as a reader writes them."""

import re
from collections.abc import Mapping
from html import escape

_RAISED = str.maketrans("-0123456789", "⁻⁰¹²³⁴⁵⁶⁷⁸⁹")


def superscript(number: int) -> str:
    """A whole number raised: `⁻⁷`."""
    return str(number).translate(_RAISED)


def power_of_ten(number: str) -> str:
    """What a format made with an exponent, `1.04e-07`, as `1.04 × 10⁻⁷`; without one as it is."""
    digits, e, exponent = number.partition("e")
    return f"{digits} \N{MULTIPLICATION SIGN} 10{superscript(int(exponent))}" if e else digits


_BREAKS = re.compile(r"(?<=[\d⁰¹²³⁴⁵⁶⁷⁸⁹]) (?=%|nats\b|cm\b|pt\b|MB\b|\u00d7 10)|(?<=\d \u00d7) (?=10)")


def joined(text: str) -> str:
    """The text with a space that breaks no line wherever a number meets its unit: `50 %`, `1.2 × 10⁻⁷ nats`."""
    return _BREAKS.sub("\N{NO-BREAK SPACE}", text)


def inside_script(text: str) -> str:
    """JSON as it may stand inside a script element: nothing in it can end that."""
    return text.replace("<", "\\u003c")


def table(heading: str, rows: Mapping[str, object]) -> str:
    """A bold heading over a table of names and values, all text escaped; a list of values has a line for each."""
    cells = "".join(
        f"<tr><th style='text-align:left'>{escape(name)}</th><td style='text-align:left'>{_lines(value)}</td></tr>"
        for name, value in rows.items()
    )
    return f"<b>{escape(heading)}</b><table>{cells}</table>"


def _lines(value: object) -> str:
    return "<br>".join(escape(str(entry)) for entry in (value if isinstance(value, list) else [value]))
