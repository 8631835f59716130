"""Text for a browser is escaped in one place, and powers of ten are written one way."""

import pytest

from grokinterp.explorer.page.text import number
from grokinterp.markup import joined, power_of_ten, superscript, table
from grokinterp.reports.prose import scientific


def test_every_string_of_a_table_is_text():
    """Heading, names, values and entries of lists."""
    hostile = "<script>alert(1)</script>"
    html = table(hostile, {hostile: hostile, "list": [hostile, 3]})
    assert "<script" not in html and html.count("&lt;script&gt;") == 4 and "<br>3" in html


@pytest.mark.parametrize(("given", "read"), [("1.04e-07", "1.04 × 10⁻⁷"), ("2e+10", "2 × 10¹⁰"), ("0.037", "0.037")])  # noqa: RUF001
def test_powers_of_ten_are_raised(given, read):
    """With their sign where it is minus."""
    assert power_of_ten(given) == read and superscript(-120) == "⁻¹²⁰"


def test_report_and_explorer_write_small_numbers_alike():
    """Three digits and a power."""
    assert scientific(1.037e-7) == number(1.037e-7) == power_of_ten("1.04e-07")


def test_no_line_breaks_between_a_number_and_its_unit():
    """Percent, nats and powers of ten; words and formulas stay as they are."""
    tiny = power_of_ten("1.19e-07")
    text = f"50 % of it, {tiny} nats; 12 MB; a % b, 3 natural"
    parts = joined(text).split(" ")
    assert parts[0] == "50\xa0%" and "12\xa0MB;" in parts and ["a", "%", "b,", "3", "natural"] == parts[-5:]
    assert sum("\xa0nats" in part for part in parts) == 1 and len(parts) == 10
