"""What counts as right, and what training lowers: by hand, for one answer, several, and numbers."""

import math

import pytest
import torch

from grokinterp.config import ScheduleConfig
from grokinterp.evaluation.losses import (
    TOLERANCE,
    accuracy,
    cross_entropy,
    is_right,
    largest,
    loss,
    objective,
    stablemax,
)

LABELS = torch.tensor([[0, 1], [0, 1], [0, 1], [0, 1]])
GUESSES = torch.tensor([[0, 1], [0, 2], [2, 1], [2, 2]])


def one_hot(guesses: torch.Tensor, size: float = 1.0) -> torch.Tensor:
    return size * torch.nn.functional.one_hot(guesses, 3).float()


def test_a_row_of_several_answers_is_right_where_all_of_them_are():
    """Both tokens, the first alone, the second alone, neither: one row of four, where a half of the tokens is right."""
    assert is_right(one_hot(GUESSES), LABELS).tolist() == [True, False, False, False]
    assert accuracy(one_hot(GUESSES), LABELS).item() == 0.25
    assert is_right(one_hot(GUESSES[:, 0]), LABELS[:, 0]).tolist() == [True, True, False, False]
    assert accuracy(one_hot(GUESSES[:0]), LABELS[:0]).isnan()


@pytest.mark.parametrize("wrong", [math.nan, math.inf])
def test_an_answer_that_is_no_finite_number_is_neither_right_nor_wrong(wrong):
    """One such logit of one row: that row is not right, and there is no share of right rows."""
    logits = one_hot(GUESSES[:, 0])
    logits[0, 1] = wrong
    assert is_right(logits, LABELS[:, 0]).tolist() == [False, True, False, False]
    assert accuracy(logits, LABELS[:, 0]).isnan() and accuracy(logits[1:], LABELS[1:, 0]).item() == pytest.approx(1 / 3)
    several = one_hot(GUESSES)
    several[3, 1, 0] = wrong
    assert accuracy(several, LABELS).isnan()
    assert accuracy(torch.tensor([[wrong], [2.0]]), torch.tensor([2.0, 2.0])).isnan()


def test_the_loss_of_several_answers_is_their_mean():
    """Logits x on one of three: -ln of e^x / (e^x + 2) where it is right, of 1 / (e^x + 2) elsewhere, half of each."""
    x = 2.0
    total = math.log(math.exp(x) + 2)
    assert loss(one_hot(GUESSES, x), LABELS).item() == pytest.approx((total - x + total) / 2)


def test_a_number_is_right_within_a_share_of_the_answer():
    """Just inside and just outside, above and below, of positive and negative answers; only the first column counts."""
    right = torch.tensor([200.0, 200.0, 200.0, 200.0, -200.0, -200.0, 0.5, 0.5])
    off = TOLERANCE * torch.tensor([0.99, -0.99, 1.01, -1.01, 0.99, -1.01, 0.99, 1.01]) * right
    answers = torch.stack([right + off, right + 1e6], 1)
    assert is_right(answers, right).tolist() == [True, True, False, False, True, False, True, False]
    assert loss(answers, right).item() == pytest.approx(off.double().square().mean().item(), rel=1e-4)


def test_small_losses_are_not_lost_to_float32():
    """A margin of 30 nats over two others: 2 e^-30, which float32 rounds to nothing; it does where it is asked to."""
    logits, labels = one_hot(torch.tensor([1]), 30.0), torch.tensor([1])
    assert cross_entropy(logits, labels).item() == pytest.approx(2 * math.exp(-30), rel=1e-3)
    assert loss(logits, labels, torch.float32).item() == 0


def test_stablemax_by_hand():
    """s is 3 at 2, 1 at 0 and 1/3 at -2: 9, 3 and 1 of 13; softmax says more of the same logits."""
    logits = torch.tensor([[2.0, 0.0, -2.0]])
    assert stablemax(logits)[0].tolist() == pytest.approx([9 / 13, 3 / 13, 1 / 13])
    lowered = objective(ScheduleConfig(loss="stablemax"))(logits, torch.tensor([2]))
    assert lowered.item() == pytest.approx(math.log(13))
    assert loss(logits, torch.tensor([0])) < objective(ScheduleConfig(loss="stablemax"))(logits, torch.tensor([0]))


def test_stablemax_has_a_gradient_where_softmax_has_none():
    """At logits of 200 the float32 cross-entropy and its gradient are exactly 0: softmax collapse (Prieto et al.)."""
    for name, collapses in (("cross_entropy", True), ("stablemax", False)):
        logits = torch.tensor([[200.0, 0.0, 1.0]], requires_grad=True)  # 1 is where the branch not taken divides by 0
        objective(ScheduleConfig(loss=name, loss_dtype="float32"))(logits, torch.tensor([0])).backward()
        assert logits.grad.isfinite().all() and (logits.grad == 0).all() == collapses


@pytest.mark.parametrize("name", ["cross_entropy", "stablemax"])
def test_the_temperature_divides_the_logits(name):
    logits, labels = torch.randn(4, 5), torch.tensor([0, 1, 2, 3])
    cool, plain = (objective(ScheduleConfig(loss=name, temperature=T)) for T in (2.0, 1.0))
    assert torch.equal(cool(logits, labels), plain(logits.double() / 2, labels))
    assert torch.equal(plain(logits, labels), cool(2 * logits.double(), labels))


def test_the_default_objective_is_the_loss_itself():
    """Bit for bit: what was trained before there was a choice."""
    logits, labels = torch.randn(6, 5), torch.randint(5, (6,))
    assert torch.equal(objective(ScheduleConfig())(logits, labels), loss(logits, labels))


def test_the_squared_error_is_over_rows_and_columns():
    """Logits (1, 2, 0) of the answer 0 are off by (0, 2, 0): 4 over three columns."""
    assert objective(ScheduleConfig(loss="mse"))(torch.tensor([[1.0, 2.0, 0.0]]), torch.tensor([0])).item() == (
        pytest.approx(4 / 3)
    )


def test_a_hundredth_off_is_right_and_more_is_not():
    """At the bound itself, as a number: 2 of 200."""
    answers, right = torch.tensor([[202.0], [198.0], [202.1], [0.0]]), torch.tensor([200.0, 200.0, 200.0, 0.0])
    assert is_right(answers, right).tolist() == [True, True, False, True]


def test_of_equal_logits_the_first_is_the_guess():
    """In half precision and in float64, which are compared by different libraries."""
    logits = torch.tensor([[1.0, 3.0, 3.0], [2.0, 2.0, 2.0]])
    for dtype in (torch.float64, torch.bfloat16):
        assert largest(logits.to(dtype)).tolist() == [1, 0]
