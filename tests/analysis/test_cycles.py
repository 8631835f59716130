"""Cycle: which order of the numbers a table is read in, and the grid of its rows."""

import pytest
import torch

from grokinterp import Task, ablate, fourier
from grokinterp.analysis.cycles import Cycle, sparser_order, token_order
from grokinterp.config import EmbeddingMLPConfig
from grokinterp.interventions import AblationError, cycle_length
from grokinterp.models.mlp import EmbeddingMLP


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
    assert Cycle.why_not(task) is None and Cycle.why_not(Task("a * b", p=7), "multiplicative") is None
    with pytest.raises(fourier.FourierError):
        Cycle.of(task, "multiplicative")


def test_elements_of_a_group_go_round_no_cycle():
    """But those of a cyclic one. No frequency can be taken out of what has none, and the refusal says why."""
    group = Task("sym", n=3, layout="a b")
    assert "S3 go round no cycle" in (Cycle.why_not(group) or "")
    assert Cycle.why_not(Task("cyclic", n=5)) is None
    assert cycle_length(group) == 0 and cycle_length(Task("cyclic", n=5)) == 5
    model = EmbeddingMLP(EmbeddingMLPConfig(d_embed=4, hidden_sizes=(4,)), task=group)
    with pytest.raises(AblationError, match="S3 go round no cycle"), ablate(model, frequencies=[1]):
        pass


@pytest.mark.parametrize("expression", ["multiply_non_zero", "a*b", "a / b"])
def test_a_table_in_another_order_is_no_grid_as_it_stands(expression):
    """A table of n * n rows is put in the order of the cycle's places, not taken for it by its length."""
    task = Task(expression, p=7)
    cycle = Cycle.of(task)
    grid = cycle.grid(task.operands)
    assert torch.equal(grid, torch.cartesian_prod(cycle.tokens, cycle.tokens).unflatten(0, (6, 6)))


@pytest.mark.parametrize(("multiplicative", "group"), [(0.59, "additive"), (0.61, "multiplicative")])
def test_the_multiplicative_order_is_taken_from_a_margin_on(monkeypatch, multiplicative, group):
    """A Gini index larger by more than a tenth; of p = 2, and of no prime, there is no other order."""
    monkeypatch.setattr(token_order, "sparsity", lambda W_E: 0.5 if len(W_E) == 7 else multiplicative)
    assert sparser_order(torch.ones(7, 2)).group == group
    assert sparser_order(torch.ones(7, 2), margin=0.2).group == "additive"
    for p in (2, 9):
        assert [*sparser_order(torch.ones(p, 2)).gini] == ["additive"]
