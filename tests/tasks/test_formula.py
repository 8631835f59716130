"""The formula language: Python's own arithmetic is the truth, and hostile text is refused in one line."""

import itertools
import time

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from grokinterp.tasks import TaskError
from grokinterp.tasks._table import all_rows
from grokinterp.tasks.formula import Formula

CONDITIONS = ["b % 2", "b % 2 == 1", "a < b", "a + b > 4", "not a % 3", "a == b or a > 3", "0 < a <= 2 and b != 1"]


def composed(inner: st.SearchStrategy[str]) -> st.SearchStrategy[str]:
    """Larger formulas, mostly without parentheses, so that precedence decides."""
    return st.one_of(
        st.tuples(inner, st.sampled_from([" + ", " - ", "*", " * ", "-"]), inner).map("".join),
        st.builds("-{}".format, inner),
        st.builds("({})".format, inner),
        st.builds("({}){}{}".format, inner, st.sampled_from(["^", "**", " ^ "]), st.integers(0, 5)),
        st.builds("({} if {} else {})".format, inner, st.sampled_from(CONDITIONS), inner),
    )


ATOMS = st.sampled_from(["a", "b", "c", "x", "y", "a^2", "b**3", "7", "0", "1234567890123456789012"])
FORMULAS = st.recursive(ATOMS, composed, max_leaves=8)


def python_value(text: str, a: int, b: int, c: int, p: int) -> int:
    return eval(text.replace("^", "**"), {"a": a, "b": b, "c": c, "x": a, "y": b}) % p


@settings(deadline=None, max_examples=150)
@given(text=FORMULAS, p=st.integers(2, 7))
def test_value_is_pythons_mod_p(text: str, p: int) -> None:
    """On every row a formula equals Python's exact integer arithmetic, with ^ read as **, reduced mod p."""
    text = f"a*0 + {text}"
    rows = all_rows((p, p, p))
    answers, defined = Formula.parse(text).evaluate(rows, p)
    assert defined.all()
    assert answers.tolist() == [python_value(text, a, b, c, p) for a, b, c in rows.tolist()]


@settings(deadline=None, max_examples=60)
@given(text=FORMULAS)
def test_canonical_text_means_the_same(text: str) -> None:
    """`Formula.text` parses to a formula with the same text and the same values."""
    rows = all_rows((5, 5, 5))
    first = Formula.parse(f"a*0 + {text}")
    again = Formula.parse(first.text)
    assert again.text == first.text
    assert torch.equal(first.evaluate(rows, 5)[0], again.evaluate(rows, 5)[0])


@settings(deadline=None, max_examples=60)
@given(top=FORMULAS, bottom=FORMULAS, p=st.sampled_from([2, 3, 5, 7]))
def test_quotient_times_divisor_is_the_dividend(top: str, bottom: str, p: int) -> None:
    """For prime p, x / y is the c with c * y = x, and is missing exactly where y is 0."""
    rows = all_rows((p, p, p))
    (x, _), (y, _) = (Formula.parse(f"a*0 + {text}").evaluate(rows, p) for text in (top, bottom))
    quotient, defined = Formula.parse(f"(a*0 + {top}) / (a*0 + {bottom})").evaluate(rows, p)
    assert torch.equal(defined, y != 0)
    assert torch.equal((quotient * y % p)[defined], x[defined])


@pytest.mark.parametrize(
    ("text", "same"),
    [
        ("a + b^2", "a + (b*b)"),
        ("2*a^3", "2*(a*a*a)"),
        ("-a^2", "0 - a*a"),
        ("a^2^3", "a^8"),
        ("a**2**0", "a"),
        ("a - b - c", "(a - b) - c"),
        ("a / b / c", "a / (b*c)"),
        ("x^2 + y - z", "a^2 + b - c"),
        ("a if b % 2 else b if a else c", "a if b % 2 else (b if a else c)"),
    ],
)
def test_precedence(text: str, same: str) -> None:
    """^ binds tightest and from the right, unary minus after it; the other operators are read from the left."""
    rows = all_rows((11, 11, 11))
    values, defined = Formula.parse(text).evaluate(rows, 11)
    others, others_defined = Formula.parse(same).evaluate(rows, 11)
    assert torch.equal(defined, others_defined)
    assert torch.equal(values[defined], others[defined])


@pytest.mark.parametrize("p", [2, 97, 2203])
def test_large_powers_do_not_overflow(p: int) -> None:
    """Fermat: a^p = a mod a prime p, also where a^p has thousands of digits."""
    rows = torch.stack([torch.arange(p), torch.zeros(p, dtype=torch.int64)], 1)
    assert torch.equal(Formula.parse(f"a^{p}").evaluate(rows, p)[0], rows[:, 0])


def test_only_the_branch_taken_divides() -> None:
    """Power's mix1 keeps its rows with b = 0, and at an even p divides by odd b only."""
    rows = all_rows((97, 97))
    assert Formula.parse("a / b if b % 2 else a - b").evaluate(rows, 97)[1].all()
    rows = all_rows((8, 8))
    values, defined = Formula.parse("a / b if b % 2 else a - b").evaluate(rows, 8)
    a, b, odd = rows[:, 0], rows[:, 1], rows[:, 1] % 2 == 1
    assert defined.all()
    assert torch.equal((values * b % 8)[odd], a[odd])
    assert torch.equal(values[~odd], ((a - b) % 8)[~odd])


def test_conditions_are_about_plain_integers() -> None:
    """`a + b < 5` does not wrap around mod p, while the values do."""
    rows = all_rows((5, 5))
    carried, _ = Formula.parse("1 if a + b >= 5 else 0").evaluate(rows, 5)
    assert carried.tolist() == [int(a + b >= 5) for a, b in itertools.product(range(5), repeat=2)]


@pytest.mark.parametrize("text", ["a^8 * b", "a^9 + b^9"])
def test_conditions_are_exact_or_refused(text: str) -> None:
    """Below 2^63 a condition's integers are exact; where the modulus lets them reach it, they are refused."""
    rows, bound = all_rows((97, 97)), 6 * 10**17
    answers, _ = Formula.parse(f"1 if {text} > {bound} else 0").evaluate(rows, 97)
    assert answers.tolist() == [int(python_value(text, a, b, 0, 2**70) > bound) for a, b in rows.tolist()]
    assert 0 < int(answers.sum()) < len(answers)
    for larger in (f"({text}) * a * b * 100", f"({text})^2"):
        formula = Formula.parse(f"1 if {larger} > 0 else 0")
        assert formula.evaluate(all_rows((2, 2)), 2)[1].all()
        with pytest.raises(TaskError, match=r"2\^63 and more in a condition"):
            formula.evaluate(rows, 97)


@pytest.mark.parametrize(
    ("text", "p", "says"),
    [
        ("a / b", 12, "b, which can be 2"),
        ("a / b", 12, "p=13"),
        ("a / (b + 1)", 9, "b + 1, which can be 3"),
        ("a / 3", 9, "divides by 3, which has no inverse mod 9"),
        ("a / b if a else b", 4, "b, which can be 2"),
    ],
)
def test_divisor_without_inverse(text: str, p: int, says: str) -> None:
    """A divisor that can be non-zero and without inverse is an error with the number and a prime p as remedy."""
    with pytest.raises(TaskError, match="no inverse mod") as caught:
        Formula.parse(text).evaluate(all_rows((p, p)), p)
    assert says in str(caught.value)


@pytest.mark.parametrize(("text", "p"), [("a / 2", 9), ("a / (2*b + 1)", 8), ("a / (1 if b % 3 else 5)", 6)])
def test_invertible_divisors_of_a_composite_modulus(text: str, p: int) -> None:
    """Where every divisor that occurs has an inverse, p need not be prime."""
    rows = all_rows((p, p))
    top, bottom = text.split(" / ")
    quotient, defined = Formula.parse(text).evaluate(rows, p)
    assert defined.all()
    divisor = Formula.parse(f"a*0 + {bottom}").evaluate(rows, p)[0]
    assert torch.equal(quotient * divisor % p, Formula.parse(top).evaluate(rows, p)[0])


REFUSED = {
    "": "empty",
    "   ": "empty",
    "a +* b": "breaks off after 'a +'",
    "* a": "does not begin",
    "(a + b": "parenthesis",
    "a + b)": "parenthesis",
    ")a(": "parenthesis",
    "a if b": "without its 'else'",
    "a + d": "'d', which is no operand; the operands are a, b, c",
    "ab": "write a product as a*b",
    "2a": "write a product as 2*a",
    "2 a": "breaks off",
    "3a^2 + b": "write a product as 2*a",
    "(a + b)(a - b)": "a product is written",
    "3": "no operand",
    "9^9^9^9^9": "no operand",
    "a + 1.5": "cannot hold '.'",
    "a + 1e5": "runs into a letter",
    "a + True": "whole number",
    "a if None else b": "whole number",
    "a^b": "exponent",
    "a^-1": "1 / a for an inverse",
    "a^(1/2)": "exponent",
    "a**999999999999": "exponent above",
    "a^9^9^9^9": "exponent above",
    "a % 2": "outside a condition",
    "a // b": "write a / b",
    "a < b": "as in 1 if a < b else 0",
    "a and b": "as in 1 if a < b else 0",
    "not a": "as in 1 if a < b else 0",
    "a = b": "breaks off after 'a'",
    "a if b / 2 else a": "condition",
    "a if b % a else a": "condition",
    "a if b % 0 else a": "condition",
    "a if b is 3 else a": "condition",
    "a if b in a else a": "condition",
    "a if 9999999999999999999 > b else a": "2^63",
    "__import__('os').system('x')": "cannot hold",
    "__import__": "no operand",
    "a.b": "cannot hold '.'",
    "a.__class__": "cannot hold '.'",
    "a[0]": "cannot hold '['",
    "f(a)": "function call",
    "exec(a)": "function call",
    "lambda: 0": "cannot hold ':'",
    "(a := 3)": "cannot hold ':'",
    "a, b": "cannot hold ','",
    "a # b": "cannot hold '#'",
    "a \\\n b": "cannot hold",
    "a\0": "cannot hold",
    "\uff41 + b": "cannot hold",
    "a ^^ b": "breaks off after 'a ^'",
    "await a": "does not belong there",
    "(yield a)": "",
    "*a": "does not begin",
    "(" * 10_000 + "a" + ")" * 10_000: "longer than 500",
    "(" * 240 + "a" + ")" * 240: "",
    "-" * 490 + "a": "nested",
    "a" + "+a" * 240: "nested",
    "a^" * 240 + "2": "",
    "9" * 499: "no operand",
    "a if " * 90 + "a": "",
    "a + b\n" * 200: "longer than 500",
}


@pytest.mark.parametrize("text", REFUSED, ids=lambda text: repr(text[:30]))
def test_refusals_are_one_clear_line_and_quick(text: str) -> None:
    """Whatever is typed, the answer is a TaskError of one short line, at once; nothing is evaluated as code."""
    started = time.process_time()
    with pytest.raises(TaskError) as caught:
        Formula.parse(text)
    assert time.process_time() - started < 1
    message = str(caught.value)
    assert REFUSED[text] in message
    assert "\n" not in message and len(message) < 260


@settings(deadline=None, max_examples=300)
@given(st.text(alphabet="abcxyz 0129+-*/^%()<>=!if_elsnotdr\n", max_size=40))
def test_random_text_is_read_or_refused(text: str) -> None:
    """No text raises anything but TaskError."""
    try:
        values, defined = Formula.parse(text).evaluate(all_rows((3, 3, 3)), 3)
    except TaskError as error:
        assert "\n" not in str(error)
    else:
        assert values.shape == defined.shape == (27,)
        assert ((values >= 0) & (values < 3))[defined].all()


def test_at_the_bounds() -> None:
    """The largest exponent and a sum of 60 terms are still read, quickly."""
    rows = all_rows((7, 7))
    assert torch.equal(Formula.parse("a^10000").evaluate(rows, 7)[0], Formula.parse("a^4").evaluate(rows, 7)[0])
    assert torch.equal(Formula.parse("a" + " + a" * 59).evaluate(rows, 7)[0], rows[:, 0] * 60 % 7)


def test_missing_operand_column() -> None:
    """A formula in c over a table of two operands is refused."""
    with pytest.raises(TaskError, match="needs 3 operands"):
        Formula.parse("a + c").evaluate(all_rows((5, 5)), 5)


@pytest.mark.parametrize(
    ("text", "symbol"),
    [
        ("x + y", "+"),
        ("a/b", "/"),
        ("b - a", "b-a"),
        ("a**2 + b", "a^2+b"),
        ("+a if a < 2 else -b", "+a_if_a<2_else-b"),
    ],
)
def test_operator_token(text: str, symbol: str) -> None:
    """`a + b` is written with `+`; what is not one operator between a and b has its own text as token."""
    assert Formula.parse(text).symbol == symbol


@pytest.mark.parametrize(
    "condition",
    ["a - b", "-a", "-a + 2 < b", "-b % 3 == 1", "a < b < c", "a <= b <= c != a", "a - 2*b > -3", "not a - b"],
)
def test_conditions_on_negative_numbers_and_chains_are_pythons(condition):
    """Plain integers with their sign, on every row of three operands mod 5."""
    operands = torch.cartesian_prod(*[torch.arange(5)] * 3)
    found, _ = Formula.parse(f"1 if {condition} else c - c").evaluate(operands, 5)
    expected = [int(bool(eval(condition, {}, dict(zip("abc", row, strict=True))))) for row in operands.tolist()]
    assert found.tolist() == expected
