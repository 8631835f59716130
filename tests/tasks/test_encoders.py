"""Encoders against the thread's table, the geometry of clocks, and what makes a code of a pair."""

import math
import statistics

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from grokinterp.tasks.encoders import (
    CycleEncoder,
    EncodingError,
    GridCellEncoder,
    OneHot,
    VarCycleEncoder,
    concatenated,
    either,
    find_encoder,
    likeness,
    mean_similarity,
    overlap,
    similarities,
    winners_of,
)

NUMBERS = torch.arange(30)
ENCODERS = [
    OneHot(30),
    CycleEncoder(60, 7, period=30),
    VarCycleEncoder(60, 7, period_low=3, period_high=40),
    GridCellEncoder((2, 3, 5), 30),
]


def test_grid_cells_are_the_table_of_the_thread():
    """Primes 2, 3, 5: ten bits, three of them on, thirty different codes."""
    table = "10 100 10000,01 010 01000,10 001 00100,01 100 00010,10 010 00001,01 001 10000".split(",")
    codes = GridCellEncoder((2, 3, 5), 30).sparse(NUMBERS)
    assert ["".join(map(str, row)) for row in codes[:6].int().tolist()] == [row.replace(" ", "") for row in table]
    assert len(codes.unique(dim=0)) == 30


@pytest.mark.parametrize("encoder", ENCODERS, ids=lambda e: type(e).__name__)
def test_codes_have_exactly_as_many_bits_on_as_they_say(encoder):
    """Of numbers and of overlaps, ties included; side by side they have both, and an OR has those in either."""
    a, b = NUMBERS.repeat_interleave(30), NUMBERS.repeat(30)
    assert (encoder.sparse(NUMBERS).shape, encoder.dense(NUMBERS).dtype) == ((30, encoder.n_bits), torch.float64)
    assert (encoder.sparse(NUMBERS).sum(1) == encoder.n_winners).all()
    assert (overlap(encoder, a, b).sum(1) == encoder.n_winners).all()
    side_by_side = concatenated(encoder, a, b)
    assert side_by_side.shape[1] == 2 * encoder.n_bits
    assert torch.equal(side_by_side[:, : encoder.n_bits] | side_by_side[:, encoder.n_bits :], either(encoder, a, b))


@pytest.mark.parametrize("encoder", ENCODERS, ids=lambda e: type(e).__name__)
def test_overlap_and_or_do_not_know_the_order_of_a_pair(encoder):
    """And of a number with itself they are its own code; concatenation knows it."""
    a, b = NUMBERS.repeat_interleave(30), NUMBERS.repeat(30)
    for combine in (overlap, either):
        assert torch.equal(combine(encoder, a, b), combine(encoder, b, a))
        assert torch.equal(combine(encoder, NUMBERS, NUMBERS), encoder.sparse(NUMBERS))
    assert not torch.equal(concatenated(encoder, a, b), concatenated(encoder, b, a))


@settings(max_examples=40, deadline=None)
@given(st.integers(2, 200), st.integers(1, 30), st.integers(0, 9))
def test_a_number_turns_every_clock_by_itself_over_the_period(period, bits, seed):
    """The dense code is cos(2 pi (v + start) / period): two steps of one number are a rotation, a period is none."""
    encoder = CycleEncoder(bits, 1, seed, period=period)
    v = torch.arange(2 * period)
    dense = encoder.dense(v)
    torch.testing.assert_close(dense[:period], dense[period:])
    turn = 2 * math.pi / period
    torch.testing.assert_close(dense[2:] + dense[:-2], 2 * math.cos(turn) * dense[1:-1])


def test_var_cycle_clocks_have_periods_within_the_range_and_different_ones():
    """And with both ends equal they are the clocks of one period."""
    encoder = VarCycleEncoder(500, 5, period_low=10, period_high=20)
    assert 10 <= encoder.periods.min() < 10.5 and 19.5 < encoder.periods.max() <= 20
    assert len(encoder.periods.unique()) == 500
    one = VarCycleEncoder(50, 5, 3, period_low=31, period_high=31)
    torch.testing.assert_close(one.dense(NUMBERS), CycleEncoder(50, 5, 3, period=31).dense(NUMBERS))


@settings(max_examples=40, deadline=None)
@given(st.integers(0, 96), st.integers(0, 96), st.integers(0, 96))
def test_the_overlap_of_clocks_is_that_of_the_half_sum_or_its_opposite(a, b, shift):
    """cos wa + cos wb = 2 cos(w(a - b) / 2) cos(w(a + b) / 2): pairs of equal sum have one of two codes (the pizza)."""
    encoder = CycleEncoder(200, 30)
    c, d = (a + shift) % 97, (b - shift) % 97
    pairs = torch.tensor([[a, c], [b, d]])
    codes = overlap(encoder, *pairs)
    half_sums = (a + b) / 2, (c + d) / 2
    signs = [math.cos(math.pi * (x - y) / 97) * math.cos(2 * math.pi * (h - half_sums[0]) / 97)
             for (x, y), h in zip(((a, b), (c, d)), half_sums, strict=True)]  # fmt: skip
    assert torch.equal(codes[0], codes[1]) == (signs[0] * signs[1] > 0)


def test_winners_are_the_largest_and_of_equal_ones_the_first():
    """By hand."""
    dense = torch.tensor([[0.1, 0.9, 0.5, 0.4], [1.0, 0.0, 1.0, 1.0]])
    assert winners_of(dense, 2).tolist() == [[False, True, True, False], [True, False, True, False]]


def test_similarity_of_sparse_codes_is_the_share_of_bits_in_common():
    """By hand: three codes of two winners each; every one-hot pair has nothing in common, grid cells share residues."""
    codes = torch.tensor([[1, 1, 0, 0], [1, 0, 1, 0], [0, 0, 1, 1]]).bool()
    expected = torch.tensor([[1, 0.5, 0], [0.5, 1, 0.5], [0, 0.5, 1]], dtype=torch.float64)
    torch.testing.assert_close(similarities(codes), expected)
    torch.testing.assert_close(mean_similarity(codes), torch.tensor([0.25, 0.5, 0.25], dtype=torch.float64))
    # Two numbers share the bit of a prime q if they are equal mod q: 30 / q - 1 of the 29 others.
    shared = sum(30 / q - 1 for q in (2, 3, 5)) / 3 / 29
    torch.testing.assert_close(
        mean_similarity(GridCellEncoder((2, 3, 5), 30).sparse(NUMBERS)), torch.full((30,), shared, dtype=torch.float64)
    )


def test_likeness_is_a_correlation_that_only_sees_different_rows():
    """1 with itself, scaled or shifted; -1 reversed; the diagonal does not count; NaN where all pairs are alike."""
    x, y = (similarities(torch.randn(9, 4, generator=torch.Generator().manual_seed(seed))) for seed in (0, 1))
    pairs = [[one[i, j].item() for i in range(9) for j in range(i)] for one in (x, y)]
    assert likeness(x, y) == pytest.approx(statistics.correlation(*pairs))
    assert likeness(x, 3 * x + 1) == pytest.approx(1)
    assert likeness(x, -x + 7 * torch.eye(9)) == pytest.approx(-1)
    assert math.isnan(likeness(x, similarities(OneHot(9).sparse(torch.arange(9)))))


@pytest.mark.parametrize(
    ("name", "given", "message"),
    [
        ("cicle", {}, "no encoder 'cicle'. Did you mean 'cycle'?"),
        ("cycle", {"primes": (2,)}, "has no 'primes'; it has bits, winners, encoder_seed, period"),
        ("one_hot", {"bits": 5}, "has no 'bits'; it has no parameters"),
        ("cycle", {"winners": 401}, "winners=401 must be from 1 to 400"),
        ("cycle", {"winners": 0}, "winners=0 must be from 1 to 400"),
        ("cycle", {"bits": 0}, "bits=0 must be from 1 to 100000"),
        ("cycle", {"period": 0.0}, "period=0.0 must be a positive number"),
        ("var_cycle", {"period_low": 5.0, "period_high": 4.0}, "period_high=4.0 must be at least period_low=5.0"),
        ("grid_cell", {"primes": (2, 3)}, "give codes to 6 numbers and there are 97; add a prime"),
        ("grid_cell", {"primes": (2, 4, 97)}, "must be coprime numbers of at least 2"),
    ],
)
def test_what_makes_no_code_is_refused_in_one_line(name, given, message):
    """With what there is, or what would work."""
    with pytest.raises(EncodingError) as refused:
        find_encoder(name, 97, **given)
    assert message in str(refused.value) and "\n" not in str(refused.value)


def test_where_a_clock_starts_says_nothing_of_its_period():
    """Two draws, of 4,000 clocks: no correlation of period and place at number 0 beyond four errors."""
    encoder = find_encoder("var_cycle", 97, bits=4000, winners=10)
    turns = (encoder.periods - encoder.period_low) / (encoder.period_high - encoder.period_low)
    start = encoder.dense(torch.zeros(1, dtype=torch.int64))[0]
    for wave in (torch.cos, torch.sin):
        other = wave(2 * math.pi * turns)
        assert abs(torch.corrcoef(torch.stack([start, other]))[0, 1].item()) < 4 / 4000**0.5
