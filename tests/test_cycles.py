"""Cycle: which order of the numbers a table is read in, and the grid of its rows."""

import pytest
import torch

from grokinterp import Task, fourier
from grokinterp.cycles import Cycle


@pytest.mark.parametrize("expression", ["a + b", "a - b", "a^2 + b", "a*b + b"])
def test_numbers_are_their_own_order(expression):
    """Waves on Z/p, except where the answer is a product or quotient."""
    task = Task(expression, p=7)
    cycle = Cycle.of(task)
    assert cycle.n == 7 and not cycle.is_multiplicative
    assert torch.equal(cycle.tokens, torch.arange(7)) and cycle.names == fourier.basis_names(7)
    assert torch.equal(task.operands[cycle.rows], torch.cartesian_prod(cycle.tokens, cycle.tokens).reshape(7, 7, 2))


@pytest.mark.parametrize("expression", ["a*b", "a / b"])
def test_products_are_in_discrete_log_order(expression):
    """Rows with a zero are left out, so that division is complete; `additive` is the numbers' order all the same."""
    task = Task(expression, p=7)
    cycle = Cycle.of(task)
    assert cycle.n == 6 and cycle.is_multiplicative and cycle.names == fourier.character_names(7)
    assert torch.equal(cycle.tokens, fourier.powers(7))
    assert torch.equal(task.operands[cycle.rows], torch.cartesian_prod(cycle.tokens, cycle.tokens).reshape(6, 6, 2))
    assert Cycle.of(task, "additive").n == 7


def test_a_composite_modulus_has_no_discrete_logs():
    """Products mod 12 are read additively; asking for characters is refused with the remedy."""
    task = Task("a*b", p=12)
    assert not Cycle.of(task).is_multiplicative
    assert "group='additive'" in (Cycle.why_not(task, "multiplicative") or "")
    with pytest.raises(fourier.FourierError):
        Cycle.of(task, "multiplicative")
