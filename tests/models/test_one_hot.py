"""The one-hot MLP: its equations, its activations, the waves that are taken out of it, and its papers' recipe."""

import math

import pytest
import torch

import grokinterp as gi
from grokinterp import fourier
from grokinterp.config import OneHotMLPConfig
from grokinterp.config.presets import preset
from grokinterp.evaluation.evaluator import evaluator
from grokinterp.models import build
from grokinterp.models.functional import ACTIVATIONS
from grokinterp.models.initialisation import initialise
from grokinterp.training.planning import plan

P = 7
FUNCTIONS = {
    "relu": lambda x: max(x, 0),
    "square": lambda x: x**2,
    "abs": abs,
    "identity": lambda x: x,
    "cube": lambda x: x**3,
    "fourth": lambda x: x**4,
    "eighth": lambda x: x**8,
    "exp": math.exp,
    "log1p_exp_2x": lambda x: math.log1p(math.exp(2 * x)),
}


def drawn(combine, activation="relu"):
    """A config at p = 7 with 20 neurons, weights, and its task."""
    task = gi.Task("a + b", p=P, layout="a b").split(0.6, seed=0)
    config = OneHotMLPConfig(combine=combine, d_mlp=20, activation=activation).resolved(P, P, 2)
    return config, {name: value.double() for name, value in initialise(config, 0).items()}, task


@pytest.mark.parametrize("combine", ["add", "concatenate"])
@pytest.mark.parametrize("activation", FUNCTIONS)
def test_logits_are_those_of_the_equation(combine, activation):
    """act(W_a[a] + W_b[b]) W_U, one table for both operands where one-hots are added; hooks and fast path alike."""
    config, weights, task = drawn(combine, activation)
    W_in, (a, b) = weights["blocks.0.mlp.W_in"], task.operands.T
    pre = W_in[a] + W_in[b + (P if combine == "concatenate" else 0)]
    post = torch.tensor([[FUNCTIONS[activation](x) for x in row] for row in pre.tolist()], dtype=torch.float64)
    expected = post @ weights["unembed.W_U"]
    torch.testing.assert_close(build(config, weights, task=task)(task.inputs)[:, 0], expected)
    torch.testing.assert_close(evaluator(config, task)(weights), expected)


def test_the_softened_activation_stays_finite_and_exact():
    """log(1 + e^2x) beyond where e^2x overflows, and below where 1 + e^2x is 1."""
    x = torch.tensor([500.0, -30.0], dtype=torch.float64)
    assert ACTIVATIONS["log1p_exp_2x"](x).tolist() == pytest.approx([1000, math.exp(-60)], rel=1e-12)


@pytest.mark.parametrize("combine", ["add", "concatenate"])
def test_a_frequency_is_taken_out_of_the_rows_of_numbers(combine):
    """Taking waves out of the one-hots is taking them out of each operand's rows of W_in."""
    config, weights, task = drawn(combine)
    model = build(config, weights, task=task)
    with gi.ablate(model, frequencies=[2]):
        ablated = model(task.inputs)[:, 0]
    W_in, waves = weights["blocks.0.mlp.W_in"].clone(), fourier.wave_rows(P, [2])
    for rows in W_in.split(P):
        rows -= fourier.project(rows, waves)
    torch.testing.assert_close(ablated, evaluator(config, task)({**weights, "blocks.0.mlp.W_in": W_in}))


def test_rows_of_other_numbers_are_refused():
    """A token beyond p, and a third operand, in one line each."""
    config, weights, task = drawn("add")
    model = build(config, weights, task=task)
    with pytest.raises(gi.BadRequest, match="tokens are 0 to 6 and the rows hold 0 to 7"):
        model(torch.tensor([[0, 7]]))
    with pytest.raises(gi.BadRequest, match="the model reads 2 operands"):
        model(torch.tensor([[0, 1, 2]]))


def test_it_is_drawn_as_in_he_et_al():
    """Both matrices 0.1 N(0, 1) / sqrt(p): the first loss is that of a guess, log 23, and the weight norm 3.21."""
    config = preset("he-standard").model.resolved(23, 23, 2)
    norm = sum(value.square().sum() for value in initialise(config, 42).values()).sqrt()
    assert float(norm) == pytest.approx(0.1 * math.sqrt(2 * 512), rel=0.02)
    assert float(norm) == pytest.approx(3.2092, rel=0.02)  # of their log at epoch 0


def test_it_is_drawn_as_in_doshi_et_al():
    """500 neurons: half of a tenth, of what a and b are to them and of what they write, whatever p is."""
    for p in (23, 97):
        config, _ = plan("a + b", preset="doshi", p=p)
        weights = initialise(config.model, 0)
        assert weights["blocks.0.mlp.W_in"].shape == (2 * p, 500)
        assert [w.std().item() for w in weights.values()] == pytest.approx([0.05] * 2, rel=0.02)


def test_the_recipe_follows_their_loss(tmp_path):
    """Their log of p = 23, seed 42: 3.1139 at 200 steps, another draw of the same distribution; ours is .003 off."""
    run = gi.train("a + b", preset="he-standard", seed=42, steps=200, checkpoint_every=0, out=tmp_path / "he")
    assert run.metrics.train_loss.iloc[-1] == pytest.approx(3.113867, abs=0.003)
    assert run.final.config.in_words().startswith("512 ReLU neurons on one-hots of the operands, added")
