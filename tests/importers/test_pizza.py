"""Zhong et al. 2023's models: transformers and Linear models with their config files."""

import json

import pytest
import torch
from torch.nn import functional as F

import grokinterp as gi
from grokinterp.importers._evidence import measured

RUNS = ["18c9ev5v5p", "2fsoiei4o2", "2k4ohj6bhd", "7r4zst7evs", "p71frej8t7", "p99zdpze5l", "q9rsl94xlv", "w386br1duh"]
SETTINGS = {"C": 5, "frac": 0.8, "lr": 0.001, "weight_decay": 2.0, "epoch": 300, "func": None}


@pytest.mark.parametrize("name", RUNS)
def test_released_models_add(data, name):
    """Every released model here answers all 3481 pairs, read with its own attention rate and token layout."""
    run = gi.load(data(f"pizza/model_{name}.pt"))
    assert measured(run.final.config, run.final.parameters, run.task)["accuracy"] == 1.0
    assert run.steps == [20000] and len(run.task.inputs) == 59**2
    assert run.task.is_train is None and any("split is unknown" in note for note in run.source["notes"])
    assert run.config.optimiser.weight_decay == 2.0


def test_separate_tokens_for_b(data):
    """18c9ev5v5p has 118 tokens and as many output columns, and 59 answers."""
    run = gi.load(data("pizza/model_18c9ev5v5p.pt"))
    assert run.task.parameters["layout"] == "a b+p" and run.final.config.d_vocab_out == 118
    assert run.task.n_answers == 59 and int(run.task.inputs[:, 1].min()) == 59


@pytest.fixture
def pair(tmp_path):
    """Writes `model_x.pt` and, unless None, `config_x.json` beside it."""

    def write(weights, settings):
        torch.save(weights, tmp_path / "model_x.pt")
        if settings is not None:
            (tmp_path / "config_x.json").write_text(json.dumps({**SETTINGS, **settings}))
        return tmp_path / "model_x.pt"

    return write


def transformer_weights(vocab, n_ctx, d=9, heads=2, layers=1):
    generator = torch.Generator().manual_seed(0)
    draw = lambda *shape: torch.randn(*shape, generator=generator) / 2
    d_head = d // heads
    weights = {"embed.W_E": draw(d, vocab), "pos_embed.W_pos": draw(n_ctx, d), "unembed.W_U": draw(d, vocab)}
    for i in range(layers):
        weights |= {f"blocks.{i}.attn.W_{x}": draw(heads, d_head, d) for x in "KQV"}
        weights |= {f"blocks.{i}.attn.W_O": draw(d, heads * d_head), f"blocks.{i}.attn.mask": torch.ones(n_ctx, n_ctx)}
        weights |= {f"blocks.{i}.mlp.W_in": draw(4 * d, d), f"blocks.{i}.mlp.b_in": draw(4 * d)}
        weights |= {f"blocks.{i}.mlp.W_out": draw(d, 4 * d), f"blocks.{i}.mlp.b_out": draw(d)}
    return weights


def pizza_logits(weights, tokens, alpha, activation, layers):
    """The forward of their code, from its description: bidirectional, A = softmax * alpha + (1 - alpha)."""
    x = weights["embed.W_E"].T[tokens] + weights["pos_embed.W_pos"]
    for i in range(layers):
        w = lambda name, i=i: weights[f"blocks.{i}.{name}"]
        q, k, v = (torch.einsum("hed,bpd->bhpe", w(f"attn.W_{letter}"), x) for letter in "QKV")
        pattern = (q @ k.mT / q.shape[-1] ** 0.5).softmax(-1) * alpha + (1 - alpha)
        x = x + (pattern @ v).transpose(1, 2).flatten(2) @ w("attn.W_O").T
        x = x + activation(x @ w("mlp.W_in").T + w("mlp.b_in")) @ w("mlp.W_out").T + w("mlp.b_out")
    return x @ weights["unembed.W_U"]


@pytest.mark.parametrize(
    ("diff_vocab", "eqn_sign", "vocab", "n_ctx", "layout"),
    [(0, 0, 5, 2, "a b"), (1, False, 10, 2, "a b+p"), (False, True, 6, 3, "a b ="), (1, 1, 11, 3, "a b+p =")],
)
@pytest.mark.parametrize(("layers", "act_fn", "alpha"), [(1, "ReLU", 0.3), (2, "GeLU", 1), (1, "Tanh", 0)])
def test_transformers_keep_their_function(pair, diff_vocab, eqn_sign, vocab, n_ctx, layout, layers, act_fn, alpha):
    """Every layout, activation and rate; a width of 9 with 2 heads has heads of 4, as the code's floor division."""
    weights = transformer_weights(vocab, n_ctx, layers=layers)
    settings = {
        "diff_vocab": diff_vocab,
        "eqn_sign": eqn_sign,
        "act_fn": act_fn,
        "attn_coeff": alpha,
        "n_layers": layers,
    }
    run = gi.load(pair(weights, {**settings, "funcs": "lambda x: (x[0]+x[1])%5"}))
    assert run.task.parameters["layout"] == layout and run.steps == [300]
    tokens = run.task.inputs
    activation = {"ReLU": torch.relu, "GeLU": F.gelu, "Tanh": torch.tanh}[act_fn]
    expected = pizza_logits(weights, tokens, alpha, activation, layers)
    torch.testing.assert_close(run.final.model()(tokens), expected, rtol=1e-4, atol=1e-4)


@pytest.mark.parametrize("kind", "ABCDX")
def test_linear_models_keep_their_function(pair, kind):
    """The five types, written out as their paper defines them."""
    generator = torch.Generator().manual_seed(1)
    draw = lambda *shape: torch.randn(*shape, generator=generator)
    d = 4 if kind == "D" else 8
    tables = ("embed1", "embed2") if kind == "X" else ("embed",)
    weights = {f"{table}.weight": draw(5, d) for table in tables}
    weights |= {"unembed.weight": draw(5, 8), "l1.weight": draw(8, 8), "l1.bias": draw(8)}
    if kind in "BC":
        weights |= {"l2.weight": draw(8, 8), "l2.bias": draw(8)}
    run = gi.load(pair(weights, {"model_type": kind, "n_vocab": 5, "d_model": 8, "d_hidden": 8}))

    a, b = run.task.inputs.T
    e_a, e_b = weights[f"{tables[0]}.weight"][a], weights[f"{tables[-1]}.weight"][b]
    first = lambda x: x @ weights["l1.weight"].T + weights["l1.bias"]
    before = {"C": lambda: first(e_a) + first(e_b), "D": lambda: first(torch.cat([e_a, e_b], 1))}
    hidden = torch.relu(before.get(kind, lambda: first(e_a + e_b))())
    if kind in "BC":
        hidden = torch.relu(hidden @ weights["l2.weight"].T + weights["l2.bias"])
    expected = hidden @ weights["unembed.weight"].T
    torch.testing.assert_close(run.final.model()(run.task.inputs)[:, -1], expected, rtol=1e-4, atol=1e-4)


def test_a_missing_config_is_named(pair):
    """The attention rate is not in the weights: the missing file is named, and nothing is guessed."""
    with pytest.raises(gi.BadRequest, match=r"config_x\.json is not beside it.*attention rate") as refusal:
        gi.load(pair(transformer_weights(5, 2), None))
    assert "\n" not in str(refusal.value)
    linear = {"embed.weight": torch.ones(5, 4), "unembed.weight": torch.ones(5, 8), "l1.weight": torch.ones(8, 4)}
    with pytest.raises(gi.BadRequest, match=r"Linear model .* config_x\.json is not beside it"):
        gi.load(pair(linear, None))


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"attn_coeff": None, "act_fn": "ReLU"}, "attn_coeff=None, where a number is needed"),
        ({"attn_coeff": 1, "act_fn": "Swish"}, "act_fn='Swish'; known here are ReLU, GeLU, Tanh"),
        ({"attn_coeff": 1, "act_fn": "ReLU", "n_layers": 3}, "n_layers=3 and the weights 1"),
        ({"attn_coeff": 1, "act_fn": "ReLU", "C": 7}, "d_vocab=5 and the task 'a . b' needs 7"),
        ({"model_type": "E"}, "model_type='E'; known here are A, B, C, D, X"),
    ],
)
def test_a_config_that_is_not_the_models_is_refused(pair, settings, message):
    """Settings that are missing, unknown or contradict the weights are named."""
    with pytest.raises(gi.BadRequest, match=message):
        gi.load(pair(transformer_weights(5, 2), settings))


def test_another_operation_is_not_taken_for_addition(pair):
    """A formula that is not addition mod C leaves the task unknown, and can be given."""
    path = pair(
        transformer_weights(5, 2), {"attn_coeff": 1, "act_fn": "ReLU", "funcs": "lambda x: (x[0]*x[1])%5", "epoch": 10}
    )
    assert not gi.load(path).has_task
    assert gi.load(path, task=gi.Task("a * b", p=5, layout="a b")).task.expression == "a * b"


# -- what is stated


def how(run):
    """What was settled -> how it is known."""
    return {assumption.what: assumption.how for assumption in run.assumptions}


@pytest.mark.parametrize(
    ("stated", "function"),
    [
        ({"activation": "silu"}, (0.5, F.silu)),
        ({"attention_rate": 0.25}, (0.25, torch.relu)),
        ({"activation": "tanh", "attention_rate": 1.0, "n_heads": 2}, (1.0, torch.tanh)),
    ],
    ids=lambda value: str(value) if isinstance(value, dict) else "",
)
def test_what_is_stated_goes_before_the_settings(pair, stated, function):
    """The model computes what the reader says; the rest is the file's."""
    weights = transformer_weights(5, 2)
    run = gi.load(pair(weights, {"attn_coeff": 0.5, "act_fn": "ReLU"}), **stated)
    expected = pizza_logits(weights, run.task.inputs, *function, layers=1)
    torch.testing.assert_close(run.final.model()(run.task.inputs), expected, rtol=1e-4, atol=1e-4)
    assert all(how(run)[f"{name}={value}"] == "stated" for name, value in stated.items())
    assert how(run)["step 300"] == "from the file"
    assert ("attention_rate" in stated) == ("attention_rate=0.5" not in how(run))


@pytest.mark.parametrize(
    ("stated", "named"),
    [
        ({"n_heads": 3}, "n_heads=2, so n_heads=3 is refused"),
        ({"norm_kind": "rms"}, "no reading with .*norm_kind='rms'"),
        ({"final_norm": True}, "no reading with .*final_norm=True"),
        ({"combine": "add"}, "which has no combine"),
    ],
    ids=str,
)
def test_what_the_weights_cannot_be_is_refused(pair, stated, named):
    """In one line that names the option."""
    path = pair(transformer_weights(5, 2), {"attn_coeff": 0.5, "act_fn": "ReLU"})
    with pytest.raises(gi.BadRequest, match=named) as refusal:
        gi.load(path, **stated)
    assert "\n" not in str(refusal.value)


def test_what_is_taken_for_granted_is_assumed(pair):
    """The direction matters in two layers, and only their code tells it; a Linear model's ReLU is their code's too."""
    settings = {"attn_coeff": 0.5, "act_fn": "ReLU"}
    assert how(gi.load(pair(transformer_weights(5, 2, layers=2), settings))) == {
        "step 300": "from the file",
        "AdamW, betas 0.9 and 0.98": "assumed",
        "activation=relu": "from the file",
        "attention_rate=0.5": "from the file",
        "normalization=none": "from the file",
        "attention_direction=bidirectional": "assumed",
    }
    run = gi.load(pair(transformer_weights(5, 2, layers=2), settings), attention_direction="causal")
    assert how(run)["attention_direction=causal"] == "stated" and run.final.config.attention_direction == "causal"
    linear = {"embed.weight": torch.ones(5, 8), "unembed.weight": torch.ones(5, 8), "l1.weight": torch.ones(8, 8)}
    linear |= {"l1.bias": torch.ones(8)}
    path = pair(linear, {"model_type": "A", "n_vocab": 5, "d_model": 8, "d_hidden": 8})
    assert how(gi.load(path))["activation=relu"] == "assumed" and how(gi.load(path))["combine=add"] == "from the file"
    run = gi.load(path, activation="gelu")
    assert run.final.config.activation == "gelu" and how(run)["activation=gelu"] == "stated"
    with pytest.raises(gi.BadRequest, match="combine='concatenate' is refused"):
        gi.load(path, combine="concatenate")
