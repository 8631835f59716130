"""What a task may be given, at each bound itself and one beyond it."""

import pytest

from grokinterp.errors import BadRequest
from grokinterp.tasks import Task, encoded_sum
from grokinterp.tasks.encoders import EncodingError, find_encoder
from grokinterp.tasks.formula import Formula

LINES = {"size": 8, "length": 5, "largest": 2}
POINTS = {"points": 5}


@pytest.mark.parametrize(
    ("name", "inside", "beyond"),
    [
        ("digits", {"digits": 18, **POINTS}, {"digits": 19}),
        ("digits", {"digits": 1, **POINTS}, {"digits": 0}),
        ("digits", {"points": 2}, {"points": 1}),
        ("digits", POINTS, {"points": 5_000_001}),
        ("repeated_subsequence", {"subsequence": 2, **POINTS}, {"subsequence": 1}),
        ("repeated_subsequence", {"repeats": 2, **POINTS}, {"repeats": 1}),
        ("repeated_subsequence", {"length": 50, **POINTS}, {"length": 49}),
        ("repeated_subsequence", {"vocabulary": 53, **POINTS}, {"vocabulary": 52}),
        ("skip_trigram", {"answers": 2, **POINTS}, {"answers": 1}),
        ("skip_trigram", {"queries": 1, **POINTS}, {"queries": 0}),
        ("skip_trigram", {"fillers": 1, **POINTS}, {"fillers": 0}),
        ("skip_trigram", {"length": 3, **POINTS}, {"length": 2}),
        ("lines", {"size": 4, "length": 2, "largest": 1}, {"size": 3, "length": 2, "largest": 1}),
        ("lines", {"size": 64, "length": 64, "largest": 1}, {"size": 65, "length": 64, "largest": 1}),
        ("lines", {**LINES, "length": 8}, {**LINES, "length": 9}),
        ("lines", {"size": 4, "length": 2, "largest": 1}, {"size": 4, "length": 1, "largest": 1}),
        ("lines", {**LINES, "largest": 1}, {**LINES, "largest": 0}),
        ("lines", {**LINES, "copies": 1}, {**LINES, "copies": 0}),
        ("lines", {**LINES, "flips": 29, "outliers": 30}, {**LINES, "flips": 30, "outliers": 30}),
        ("lines", {**LINES, "flips": 0}, {**LINES, "flips": -1}),
        ("lines", {**LINES, "outliers": 0}, {**LINES, "outliers": -1}),
        ("division", {"n": 2}, {"n": 1}),
        ("slope", {"n": 2}, {"n": 1}),
        ("a + b", {"p": 2}, {"p": 1}),
        ("dihedral", {"n": 3}, {"n": 2}),
        ("alt", {"n": 3}, {"n": 2}),
        ("sym", {"n": 2}, {"n": 1}),
        ("cyclic", {"n": 2}, {"n": 1}),
        ("permutations", {"generators": "(0 1000)"}, {"generators": "(0 1001)"}),
    ],
    ids=str,
)
def test_a_bound_is_allowed_and_what_is_beyond_is_refused(name, inside, beyond):
    assert len(Task(name, **inside).inputs) >= 2
    with pytest.raises(BadRequest) as refused:
        Task(name, **beyond)
    assert "\n" not in str(refused.value)


@pytest.mark.parametrize(
    ("name", "inside", "beyond"),
    [
        ("cycle", {"bits": 400, "winners": 400}, {"bits": 400, "winners": 401}),
        ("cycle", {"bits": 1, "winners": 1}, {"bits": 1, "winners": 0}),
        ("cycle", {"bits": 100_000}, {"bits": 100_001}),
        ("cycle", {"period": 1e-9}, {"period": 0.0}),
        ("var_cycle", {"period_low": 5.0, "period_high": 5.0}, {"period_low": 5.0, "period_high": float("inf")}),
        ("grid_cell", {"primes": (97,)}, {"primes": (89,)}),
        ("grid_cell", {"primes": (2, 49)}, {"primes": (1, 97)}),
    ],
    ids=str,
)
def test_a_code_at_its_bound_is_one(name, inside, beyond):
    assert find_encoder(name, 97, **inside).n_bits >= 1
    with pytest.raises(EncodingError):
        find_encoder(name, 97, **beyond)


@pytest.mark.parametrize(
    ("inside", "beyond"),
    [
        ("a^10000", "a^10001"),
        ("a+" + "0" * 498, "a+" + "0" * 499),  # 500 characters
        ("+".join(["a"] * 79), "+".join(["a"] * 80)),  # 78 sums, one in another, and two levels of what they add
        (f"1 if a < {2**63 - 1} else 0", f"1 if a < {2**63} else 0"),
    ],
    ids=lambda text: text[:12],
)
def test_a_formula_at_its_bound_is_read(inside, beyond):
    assert Formula.parse(inside).n_operands == 2
    with pytest.raises(BadRequest):
        Formula.parse(beyond)


def test_a_mixture_of_sixty_four_formulas_is_read():
    assert len(Task("; ".join(f"a + {n}*b" for n in range(64)), p=2, layout="a op b").operations) == 64


@pytest.mark.parametrize(("combine", "bits"), [("concatenate", 20), ("overlap", 10)])
def test_a_table_of_codes_has_so_many_entries_at_most(monkeypatch, combine, bits):
    """Ten pairs of five different numbers, of the bits of one code or of two."""
    given = {"p": 5, "bits": 10, "winners": 2, "combine": combine}
    monkeypatch.setattr(encoded_sum, "MAX_ENTRIES", 10 * bits)
    assert Task("encoded_sum", **given).inputs.shape == (10, bits)
    monkeypatch.setattr(encoded_sum, "MAX_ENTRIES", 10 * bits - 1)
    with pytest.raises(BadRequest, match=f"10 rows of {bits} bits"):
        Task("encoded_sum", **given)


@pytest.mark.parametrize(("n", "shown"), [(60, 60), (61, 57)])
def test_a_formula_of_sixty_characters_is_refused_by_its_whole_text(n, shown):
    text = "a + b + c".ljust(n - 1, "0") + "!"
    with pytest.raises(BadRequest) as refused:
        Task(text, p=5)
    assert repr(text[:shown] + "..." * (shown < n)) in str(refused.value)


@pytest.mark.parametrize(("text", "p"), [("a + b mod 7", 7), ("a + b modulo", 113)])
def test_a_modulus_in_the_text_is_asked_for_as_p(text, p):
    with pytest.raises(BadRequest, match=f"write 'a \\+ b' and give p={p} "):
        Task(text, p=5)
