"""Scores of a reading: by hand of logits that are known, and each threshold from both sides."""

import dataclasses
import math

import pytest
import torch

import grokinterp as gi
from grokinterp.importers.judging.scores import Score, draw

TASK = gi.Task("a + b", p=5, layout="a b")
CHANCE = Score(loss=1.0, capped=1.0, accuracy=0.0, known=0.0, chance=0.01, spread=1.0)


def margins(*given: float) -> torch.Tensor:
    """Logits of the first rows of the table whose right answer leads all four wrong ones by these."""
    logits = torch.zeros(len(given), 5)
    logits[torch.arange(len(given)), TASK.labels[: len(given)]] = torch.tensor(given)
    return logits


def test_a_score_is_told_by_hand():
    """Rows with a lead of m lose log(1 + 4 e^-m): two are known, one is a guess, one is wrong by 3 and counts ln 5."""
    given = (6.0, 5.0, 0.0, -3.0)
    losses = [math.log(1 + 4 * math.exp(-m)) for m in given]
    score = Score.of(margins(*given), TASK, torch.arange(4))
    assert score.loss == pytest.approx(sum(losses) / 4)
    assert score.capped == pytest.approx((losses[0] + losses[1] + 2 * math.log(5)) / 4)
    # The first of equal logits is the guess: row 2 has the answer 2.
    assert score.accuracy == 0.5 and score.known == 0.5 and score.chance == 1 / 5
    assert score.spread == math.inf  # of two rows there is none


@pytest.mark.parametrize(("rows", "left"), [(12, 8), (11, math.inf)])
def test_the_spread_is_that_of_the_surest_known_rows(rows, left):
    """70 % of twelve are eight, of eleven seven, which are too few; one that is not known does not count."""
    leads = [5.0 + 0.3 * i for i in range(rows)]
    score = Score.of(margins(*leads, 1.0), TASK, torch.arange(rows + 1))
    expected = torch.tensor(sorted(leads)[-8:]).std().item() if left == 8 else math.inf
    assert score.spread == pytest.approx(expected, rel=1e-5)


def test_what_is_no_number_answers_nothing():
    score = Score.of(torch.full((3, 5), math.nan), TASK, torch.arange(3))
    assert (score.loss, score.accuracy, score.known) == (math.inf, 0, 0) and score.capped == pytest.approx(math.log(5))


@pytest.mark.parametrize(
    ("accuracy", "known", "chance", "borne_out"),
    [
        (0.99, 0.0, 0.01, True),
        (0.989, 0.0, 0.01, False),
        (0.09, 0.05, 0.01, True),  # memorised: most of what it answers it knows
        (0.09, 0.049, 0.01, False),  # under a twentieth of the rows
        (0.1, 0.05, 0.01, False),  # no more than half of what it answers
        (0.3, 0.2, 0.1, True),
        (0.3, 0.199, 0.1, False),  # under twice chance
    ],
)
def test_a_reading_is_borne_out_from_its_thresholds_on(accuracy, known, chance, borne_out):
    assert dataclasses.replace(CHANCE, accuracy=accuracy, known=known, chance=chance).is_borne_out == borne_out


@pytest.mark.parametrize(
    ("accuracy", "times", "untrained"), [(0.049, 1.24, True), (0.05, 1.24, False), (0.049, 1.26, False)]
)
def test_fresh_weights_answer_nothing_and_are_sure_of_nothing(accuracy, times, untrained):
    """Less than five times chance right, a loss of less than 5/4 of a guess's."""
    assert dataclasses.replace(CHANCE, accuracy=accuracy, loss=times * math.log(100)).is_untrained == untrained


@pytest.mark.parametrize(("n", "count"), [(25, 25), (25, 30), (25, 10), (12_769, 96), (34, 13), (100, 50)])
def test_rows_are_drawn_evenly_and_each_once(n, count):
    """All in order where they are few; else steps of about n / 1.618 that share no factor with n."""
    rows = draw(n, count)
    if count >= n:
        assert rows.tolist() == list(range(n))
        return
    step = int(rows[1])
    assert len(rows) == count == len(rows.unique()) and int(rows.max()) < n and rows[0] == 0
    assert torch.equal(rows, torch.arange(count) * step % n) and math.gcd(step, n) == 1
    assert 0 <= step - round(n * 0.6180339887) <= 4
