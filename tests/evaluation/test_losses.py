"""What counts as right, and what training lowers: by hand, for one answer, several, and numbers."""

import math

import pytest
import torch

from grokinterp.evaluation.losses import TOLERANCE, accuracy, cross_entropy, is_right, loss

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
