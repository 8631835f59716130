"""The table of many runs in a browser: a click sorts, boxes filter, and a thousand rows are as quick as ten."""

import pytest

from grokinterp.reports.page import templates
from grokinterp.reports.population.cells import Cell, table

ROWS = 1000


@pytest.fixture(scope="module")
def page(tmp_path_factory, chromium):
    """A page with one table of ROWS rows: a name, a number that falls and is blank in every tenth row, a word."""
    numbers = [None if i % 10 == 0 else ROWS - i for i in range(ROWS)]
    words = ["<b>clock" if i % 4 else "pizza" for i in range(ROWS)]
    shown = ["" if number is None else f"{number:,}" for number in numbers]
    rows = [[Cell(f"run {i}"), Cell(shown[i], numbers[i]), Cell(words[i])] for i in range(ROWS)]
    script = templates().get_template("tables.js").render()
    bar = '<input id="filter"><output id="shown"></output>'
    text = f"{bar}{table(['run', 'steps', 'verdict'], rows, 'runs', filtered=True)}<script>{script}</script>"
    path = tmp_path_factory.mktemp("table") / "table.html"
    path.write_text(
        f"<!DOCTYPE html><meta charset='utf-8'><style>.scrolled {{max-height: 300px; overflow: auto}}</style>{text}"
    )
    page = chromium(900, 700).new_page()
    page.goto(path.as_uri())
    return page


def first(page, n: int = 3) -> list[str]:
    return page.eval_on_selector_all("tbody tr", f"rows => rows.slice(0, {n}).map(row => row.cells[0].textContent)")


def test_a_click_sorts_up_and_then_down_blanks_last(page):
    """Numbers as numbers; names by the numbers in them."""
    page.click("[data-column='1']")
    assert first(page) == ["run 999", "run 998", "run 997"]
    page.click("[data-column='1']")
    assert first(page) == ["run 1", "run 2", "run 3"]
    assert page.get_attribute("th:nth-child(2)", "aria-sort") == "descending"
    page.click("[data-column='0']")
    assert first(page) == ["run 0", "run 1", "run 2"]


def test_boxes_take_words_and_bounds(page):
    """What is blank is neither above nor below a bound; words are found as they are shown, markup as text."""
    page.fill("[data-filter='1']", "> 990")
    assert page.text_content("#shown") == "9 of 1,000 runs"
    page.fill("[data-filter='2']", "<B>clo")
    assert page.text_content("#shown") == "7 of 1,000 runs"
    page.fill("[data-filter='1']", "")
    page.fill("[data-filter='2']", "pizza")
    assert page.text_content("#shown") == "250 of 1,000 runs"
    page.fill("[data-filter='2']", "")
    page.fill("#filter", "run 99")
    assert page.text_content("#shown") == "11 of 1,000 runs"
    page.fill("#filter", "")
    assert page.text_content("#shown") == "1,000 runs"


def test_few_rows_are_laid_out_and_the_others_come_with_scrolling(page):
    """A thousand rows in the document take a second to sort; all are there when the page is printed."""
    count = "() => document.querySelectorAll('tbody tr').length"
    page.click("[data-column='0']")
    few = page.evaluate(count)
    assert few < 100
    page.evaluate("() => { const box = document.querySelector('.scrolled'); box.scrollTop = box.scrollHeight; }")
    page.wait_for_function(f"document.querySelectorAll('tbody tr').length > {few}")
    page.evaluate("() => window.dispatchEvent(new Event('beforeprint'))")
    assert page.evaluate(count) == ROWS
