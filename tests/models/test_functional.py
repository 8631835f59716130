"""Activations by their formulas, worked out in plain Python, and the fixed positions of Vaswani et al. 2017."""

import math

import pytest
import torch

from grokinterp.models.functional import ACTIVATIONS, affine, sinusoids

logistic = lambda x: 1 / (1 + math.exp(-x))
softplus = lambda x: math.log(1 + math.exp(x))

FORMULAS = {
    "relu": lambda x: max(x, 0),
    "gelu": lambda x: x * (1 + math.erf(x / math.sqrt(2))) / 2,
    "tanh": math.tanh,
    "silu": lambda x: x * logistic(x),
    "square": lambda x: x * x,
    "relu_squared": lambda x: max(x, 0) ** 2,
    "leaky_relu": lambda x: x if x > 0 else x / 100,
    "elu": lambda x: x if x > 0 else math.exp(x) - 1,
    "quick_gelu": lambda x: x * logistic(1.702 * x),
    "softplus": softplus,
    "mish": lambda x: x * math.tanh(softplus(x)),
    "sigmoid": logistic,
    "hardswish": lambda x: x * min(max(x + 3, 0), 6) / 6,
    "abs": abs,
    "identity": lambda x: x,
    "cube": lambda x: x * x * x,
    "fourth": lambda x: (x * x) ** 2,
    "eighth": lambda x: (x * x * x * x) ** 2,
    "exp": math.exp,
    "log1p_exp_2x": lambda x: math.log(1 + math.exp(2 * x)),
}


@pytest.mark.parametrize("name", ACTIVATIONS)
def test_an_activation_is_its_formula(name):
    x = torch.tensor([-3.5, -1.3, -0.2, 0.0, 0.4, 1.7, 2.9], dtype=torch.float64)
    expected = [FORMULAS[name](each) for each in x.tolist()]
    assert ACTIVATIONS[name](x).tolist() == pytest.approx(expected, rel=1e-12, abs=1e-15)


@pytest.mark.parametrize("d", [6, 7])
def test_positions_are_waves_of_lengths_in_a_geometric_row(d):
    """Column 2i is sin(t / 10000^(2i / d)), column 2i + 1 its cosine; of an odd width the last cosine is left out."""
    found = sinusoids(5, d)
    for t in range(5):
        for column in range(d):
            angle = t / 10_000 ** ((column - column % 2) / d)
            expected = math.cos(angle) if column % 2 else math.sin(angle)
            assert float(found[t, column]) == pytest.approx(expected, abs=1e-12)


def test_an_affine_map_adds_its_bias():
    x, W = torch.tensor([[1.0, 2.0]]), torch.tensor([[1.0, 0.0], [3.0, -1.0]])
    assert affine(x, W, None).tolist() == [[7, -2]]
    assert affine(x, W, torch.tensor([10.0, 20.0])).tolist() == [[17, 18]]
