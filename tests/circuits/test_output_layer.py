"""The map of the output layer: how much of it groups explain, and how alike neighbours are, less what chance gives."""

import math

import pytest
import torch

from grokinterp.circuits import output_layer


def test_noise_in_many_groups_explains_nothing():
    """Thirty groups of two hold half of the variance of random rows; adjusted for their number, none of it."""
    weights, labels = torch.randn(60, 400), torch.arange(30).repeat_interleave(2)
    assert output_layer.explained(weights, labels) == pytest.approx(0, abs=0.05)
    assert output_layer.explained(weights[labels], labels) == pytest.approx(1)


def test_what_all_rows_have_in_common_is_no_likeness():
    """A constant added to every row changes neither measure; rows of noise are not alike."""
    weights, labels = torch.randn(31, 400), torch.arange(31) % 5
    moved = weights + 100 * torch.randn(400)
    assert output_layer.explained(moved, labels) == pytest.approx(output_layer.explained(weights, labels), abs=1e-3)
    assert output_layer.kept(moved, 3) == pytest.approx(output_layer.kept(weights, 3), abs=1e-3)
    assert output_layer.kept(weights, 3) == pytest.approx(0, abs=0.05)


def test_what_groups_explain_by_hand():
    """0, 2 and 4, 6: squares of 4 within both groups, of two degrees of freedom, and of 20 in all, of three."""
    weights = torch.tensor([[0.0], [2.0], [4.0], [6.0]])
    found = output_layer.explained(weights, torch.tensor([0, 0, 1, 1]))
    assert found == pytest.approx(1 - (4 / 2) / (20 / 3))


@pytest.mark.parametrize("p", [7, 12, 13])
def test_the_nearest_step_is_found_up_to_the_half_of_the_line(p):
    """On a circle of frequency k neighbours are the s with k s = 1 mod p."""
    for step in range(1, p // 2 + 1):
        if math.gcd(step, p) == 1:
            angle = 2 * math.pi * pow(step, -1, p) / p * torch.arange(p)
            assert output_layer.nearest_step(torch.stack([angle.cos(), angle.sin()], 1)) == step
