"""Attention: means are those of the hooked model, planted comparisons of the operands are found."""

import numpy as np
import pytest
import torch

import grokinterp as gi
from grokinterp import circuits, models
from grokinterp.config import TransformerConfig
from grokinterp.errors import BadRequest
from grokinterp.evaluation.snapshot import Snapshot
from grokinterp.models.initialisation import initialise

attention = circuits.attention


def angles(n, k):
    turn = 2 * np.pi * k / n * torch.arange(n, dtype=torch.float64)
    return turn.repeat_interleave(n), turn.repeat(n)


def test_the_difference_form_is_recovered():
    """Constant, alpha and beta are fitted exactly; what is not of the form counts against it by its variance."""
    n, rows = 11, torch.arange(121).reshape(11, 11)
    a, b = angles(n, 3)
    form = 0.4 + 0.2 * (a.cos() - b.cos()) - 0.1 * (a.sin() - b.sin())
    other = (a.cos() + b.cos()) * 0.05**0.5
    found = attention.difference_fit(torch.stack([form, form + other, torch.full((121,), 1 / 3).double()], 1), rows)
    assert found.frequency.tolist() == [3, 3, 0]
    # The variance of the form is 0.2^2 + 0.1^2 = 0.05, and that of the other wave 0.05 as well.
    assert found.fve.tolist() == pytest.approx([1, 0.5, 0])
    assert found.alpha.tolist() == pytest.approx([0.2, 0.2, 0])
    assert found.beta.tolist() == pytest.approx([-0.1, -0.1, 0])


def test_the_nyquist_frequency_has_no_sine():
    """On an even cycle (-1)^a - (-1)^b is of the form, with beta 0."""
    a, b = angles(8, 4)
    found = attention.difference_fit((0.5 + 0.1 * (a.cos() - b.cos()))[:, None], torch.arange(64).reshape(8, 8))
    assert found.frequency.tolist() == [4] and found.fve.tolist() == pytest.approx([1])
    assert found.alpha.tolist() == pytest.approx([0.1]) and found.beta.tolist() == [0]


def test_a_planted_head_compares_its_operands(planted):
    """Sigmoid of a difference of waves: frequency 3, explained but for the cube; a and b each get half on average."""
    found = attention.Attention().read(planted.attention_wave(11, 3))
    assert found.attention_frequency.values.tolist() == [[3]]
    assert found.attention_fve.values.tolist() == [[pytest.approx(1, abs=1e-4)]]
    expected = [[1, 0, 0], [0.5, 0.5, 0], [0.5, 0.5, 0]]
    np.testing.assert_allclose(found.attention_pattern[0, 0], expected, atol=1e-6)
    assert "attention_to" not in found


@pytest.mark.parametrize(
    ("expression", "layout", "options"),
    [
        ("a + b", "a b =", {}),
        ("a*b", "a op b =", {"attention_direction": "bidirectional", "attention_rate": 0.3}),
        ("a + b", "a b", {"attention_rate": 0.0, "position_embedding": "sinusoidal"}),
        ("a / b", "a b =", {"n_layers": 2}),
        ("a + b + c", "a b =", {"normalization": "pre", "attention_rate": 0.5}),
        ("a + b; a*b", "a op b =", {"attention_bias": True}),
    ],
)
def test_means_are_those_of_the_hooked_model(expression, layout, options):
    """Every query position of every layer and head, whichever way the model is evaluated, any number of operands."""
    task = gi.Task(expression, p=5, layout=layout).split(0.5)
    config = TransformerConfig(d_model=16, n_heads=2, **options)
    config = config.resolved(task.n_vocab, task.n_answers, task.inputs.shape[1])
    parameters = {name: torch.randn(x.shape) / 3 for name, x in initialise(config, seed=0).items()}
    snapshot = Snapshot(0, config, task, parameters)
    found = attention.Attention().read(snapshot)
    _, cache = models.build(config, parameters=parameters, task=task).run_with_cache(task.inputs)
    expected = [cache[f"blocks.{i}.attn.hook_pattern"].mean(0) for i in range(config.n_layers)]
    np.testing.assert_allclose(found.attention_pattern, torch.stack(expected), atol=1e-6)
    is_pairs = len(task.operations) == 1 and task.operands.shape[1] == 2
    assert found.attention_fve.isnull().all() != is_pairs
    assert (found.attention_frequency > 0).all() == (is_pairs and config.attention_rate > 0)


def test_multiplication_is_compared_in_discrete_logs(planted):
    """The same head on tokens in discrete-log order: its frequency counts characters."""
    made = planted.attention_wave(11, 3)
    task = gi.Task("a*b", p=11).split(0.5)
    a = gi.fourier.discrete_logs(11)
    turn = 2 * np.pi * 4 / 10 * a
    W_E = made.parameters["embed.W_E"].clone()
    W_E[:11, 0], W_E[:11, 1] = turn.cos(), turn.sin()
    snapshot = Snapshot(0, made.config, task, {**made.parameters, "embed.W_E": W_E})
    found = attention.Attention().read(snapshot)
    assert found.attention_frequency.item() == 4 and found.attention_fve.item() == pytest.approx(1, abs=1e-4)
    assert attention.Attention(group="additive").read(snapshot).attention_fve.item() < 0.9


@pytest.mark.parametrize(
    ("layout", "expected"), [("a b =", (0, 1)), ("a b+p", (0, 1)), ("a op b", (0, 2)), ("power", (1, 3))]
)
def test_operands_are_found_in_every_layout(layout, expected):
    """By their tokens, also where the second operand has tokens of its own."""
    assert gi.Task("a + b", p=7, layout=layout).operand_columns == expected


def test_maps_over_the_operands_on_request(planted):
    """attention_to[layer, head, a, b, source] is the pattern of the row a, b; NaN where division has no row."""
    snapshot = planted.untrained(7, expression="a / b")
    found = attention.Attention().read(snapshot, frozenset({"attention_to"}))
    assert found.attention_to.dims == ("layer", "head", "a", "b", "source")
    assert found.attention_to.sel(b=0).isnull().all()
    row = int((snapshot.task.operands == torch.tensor([3, 5])).all(1).nonzero())
    pattern = snapshot["blocks.0.attn.hook_pattern"]
    np.testing.assert_allclose(found.attention_to[0].sel(a=3, b=5), pattern[row])
    with pytest.raises(BadRequest, match="attention_pattern"):
        attention.Attention().read(planted.untrained(5, expression="a + b; a*b"), frozenset({"attention_to"}))


def test_a_model_without_attention_is_refused(planted):
    """With the hook it lacks."""
    assert "hook_pattern" in (attention.Attention().why_not(planted.clock()) or "")


def test_attention_to_a_is_not_that_to_b():
    """A head that looks at a alone, by sigmoid(size cos(w a)): that is its frequency.

    Of cos w_k a the fitted cos w_k a - cos w_k b holds half; to b there is no attention that could vary.
    """
    p, k, size = 11, 3, 0.1
    task = gi.Task("a + b", p=p, layout="a b+p =").split(frac=0.5, seed=0)
    config = TransformerConfig(d_model=4, n_heads=1, d_head=2, d_mlp=4, position_embedding="none")
    config = config.resolved(task.n_vocab, task.n_answers, 3)
    parameters = {name: torch.zeros_like(value) for name, value in initialise(config, seed=0).items()}
    angle = 2 * np.pi * k / p * torch.arange(p)
    W_E = parameters["embed.W_E"]
    W_E[:p, 0], W_E[p : 2 * p, 2], W_E[2 * p, 3] = angle.cos(), 1, 1
    parameters["blocks.0.attn.W_Q"][0, 3, 0] = 2**0.5
    parameters["blocks.0.attn.W_K"][0, 0, 0], parameters["blocks.0.attn.W_K"][0, 2, 0] = size, -99
    found = attention.Attention().read(Snapshot(0, config, task, parameters))
    assert found.attention_frequency.item() == k
    assert found.attention_fve.item() == pytest.approx(0.5, abs=1e-3)


def test_a_head_is_flat_up_to_a_hundred_thousandth():
    """Standard deviations on either side of it: a difference of waves of amplitude A has one of A."""
    a, b = angles(11, 3)
    wave = a.cos() - b.cos()
    found = attention.difference_fit(
        torch.stack([1 / 3 + 0.9e-5 * wave, 1 / 3 + 1.1e-5 * wave], 1), torch.arange(121).reshape(11, 11)
    )
    assert found.frequency.tolist() == [0, 3] and found.fve.tolist() == pytest.approx([0, 1])
    assert found.alpha.tolist() == pytest.approx([0, 1.1e-5])
