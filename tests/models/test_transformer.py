"""The transformer against its equations, written out again here, and against models that others trained."""

import math

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from grokinterp.config import TransformerConfig
from grokinterp.models.parameters import parameter_shapes
from grokinterp.models.transformer import HookedTransformer

configs = st.builds(
    TransformerConfig,
    n_layers=st.integers(1, 3),
    d_model=st.sampled_from([8, 11]),
    n_heads=st.integers(1, 3),
    d_head=st.sampled_from([None, 5]),
    d_mlp=st.sampled_from([None, 7]),
    attn_only=st.booleans(),
    activation=st.sampled_from(["relu", "gelu", "tanh", "silu", "square"]),
    attention_direction=st.sampled_from(["causal", "bidirectional"]),
    attention_rate=st.sampled_from([1.0, 0.6, 0.0]),
    position_embedding=st.sampled_from(["learned", "sinusoidal", "none"]),
    normalization=st.sampled_from(["none", "pre", "post"]),
    norm_kind=st.sampled_from(["layer", "rms"]),
    final_norm=st.sampled_from([None, True, False]),
    embedding_scale=st.sampled_from([1.0, 8**0.5]),
    attention_bias=st.booleans(),
    mlp_bias=st.booleans(),
    unembed_bias=st.booleans(),
    tied_unembed=st.booleans(),
    output=st.sampled_from(["vocabulary", "answers"]),
).map(lambda config: config.resolved(n_vocab=6, n_answers=5, n_positions=4))


def random_parameters(config, seed=0):
    """Every parameter random, float64: biases and LayerNorm too, which start at constants."""
    generator = torch.Generator().manual_seed(seed)
    shapes = parameter_shapes(config).items()
    return {name: torch.randn(shape, generator=generator, dtype=torch.float64) * 0.4 for name, shape in shapes}


def tokens_for(config, n_rows=5, seed=1):
    generator = torch.Generator().manual_seed(seed)
    return torch.randint(config.d_vocab, (n_rows, config.n_ctx), generator=generator)


def normalised(config, x, weights, name):
    centred = x - x.mean(-1, keepdim=True) if config.norm_kind == "layer" else x
    b = weights[f"{name}.b"] if config.norm_kind == "layer" else 0
    return centred / (centred.square().mean(-1, keepdim=True) + 1e-5).sqrt() * weights[f"{name}.w"] + b


def from_the_equations(config, weights, tokens):
    """Logits, head by head and position by position, as the papers write them."""
    activation = {
        "relu": lambda x: x.clamp(min=0),
        "gelu": lambda x: x * (1 + torch.erf(x / math.sqrt(2))) / 2,
        "tanh": lambda x: 1 - 2 / (torch.exp(2 * x) + 1),
        "silu": lambda x: x / (1 + torch.exp(-x)),
        "square": lambda x: x * x,
    }[config.activation]
    n = tokens.shape[1]
    x = weights["embed.W_E"][tokens] * config.embedding_scale
    if config.position_embedding == "learned":
        x = x + weights["pos_embed.W_pos"][:n]
    if config.position_embedding == "sinusoidal":
        for position in range(n):
            for i in range(config.d_model):
                angle = position / 10_000 ** ((i - i % 2) / config.d_model)
                x[:, position, i] += math.cos(angle) if i % 2 else math.sin(angle)
    for layer in range(config.n_layers):
        w = {name.removeprefix(f"blocks.{layer}."): value for name, value in weights.items()}

        def norm(x, place, name, w=w):
            return normalised(config, x, w, name) if config.normalization == place else x

        inputs = norm(x, "pre", "ln1")
        attended = torch.zeros_like(x) + w.get("attn.b_O", 0)
        for head in range(config.n_heads):
            q, k, v = (
                inputs @ w[f"attn.W_{part}"][head] + (w[f"attn.b_{part}"][head] if config.attention_bias else 0)
                for part in "QKV"
            )
            for position in range(n):
                readable = range(position + 1) if config.attention_direction == "causal" else range(n)
                scores = torch.stack([(q[:, position] * k[:, s]).sum(-1) for s in readable], -1)
                share = torch.softmax(scores / math.sqrt(config.head_size), -1)
                share = config.attention_rate * share + 1 - config.attention_rate
                z = sum(share[:, [i]] * v[:, s] for i, s in enumerate(readable))
                attended[:, position] += z @ w["attn.W_O"][head]
        x = norm(x + attended, "post", "ln1")
        if not config.attn_only:
            hidden = activation(norm(x, "pre", "ln2") @ w["mlp.W_in"] + w.get("mlp.b_in", 0))
            x = norm(x + hidden @ w["mlp.W_out"] + w.get("mlp.b_out", 0), "post", "ln2")
    if config.final_norm or (config.final_norm is None and config.normalization == "pre"):
        x = normalised(config, x, weights, "ln_final")
    W_U = weights["embed.W_E"][: config.d_vocab_out].T if config.tied_unembed else weights["unembed.W_U"]
    return x @ W_U + weights.get("unembed.b_U", 0)


@settings(max_examples=40, deadline=None)
@given(configs)
def test_the_model_is_its_equations(config):
    """For every configuration the logits are those of the papers' formulas, to float64 rounding."""
    weights, tokens = random_parameters(config), tokens_for(config)
    torch.testing.assert_close(
        HookedTransformer(config, weights)(tokens), from_the_equations(config, weights, tokens), rtol=1e-10, atol=1e-10
    )


@settings(max_examples=25, deadline=None)
@given(configs, st.lists(st.integers(-4, 3), min_size=1, max_size=4))
def test_chosen_positions_give_the_same_logits_for_less_work(config, positions):
    """`positions` is `logits[:, positions]`, and the last block's hooks see only these positions."""
    model, tokens = HookedTransformer(config, random_parameters(config)), tokens_for(config)
    logits, cache = model.run_with_cache(tokens, positions=positions)
    torch.testing.assert_close(logits, model(tokens)[:, positions], rtol=1e-12, atol=1e-12)
    last = f"blocks.{config.n_layers - 1}"
    assert cache[f"{last}.hook_resid_post"].shape[1] == cache[f"{last}.attn.hook_q"].shape[1] == len(positions)
    assert cache[f"{last}.attn.hook_k"].shape[1] == cache[f"{last}.hook_resid_pre"].shape[1] == config.n_ctx


@settings(max_examples=20, deadline=None)
@given(configs)
def test_watching_does_not_change_the_model(config):
    """With a hook on every point (LayerNorm then computes in steps) and every copy switched on, logits are the same."""
    model, tokens = HookedTransformer(config, random_parameters(config)), tokens_for(config)
    quiet = model(tokens)
    names = list(model.run_with_cache(tokens)[1])
    assert set(names) == set(model.hook_dict) - set(model.idle_hooks())
    for switch in (
        model.set_use_attn_result,
        model.set_use_attn_in,
        model.set_use_split_qkv_input,
        model.set_use_hook_mlp_in,
    ):
        switch(True)
    assert not model.idle_hooks()
    watched, cache = model.run_with_cache(tokens)
    assert set(cache) == set(model.hook_dict)
    torch.testing.assert_close(watched, quiet, rtol=1e-10, atol=1e-10)


@pytest.mark.parametrize(
    "options",
    [
        {},
        {"attention_direction": "bidirectional", "attention_rate": 0.5, "activation": "gelu"},
        {"n_layers": 2, "normalization": "pre", "attention_bias": True},
        {"n_layers": 2, "normalization": "pre", "norm_kind": "rms", "final_norm": False, "embedding_scale": 3.0},
        {"n_layers": 2, "normalization": "post", "position_embedding": "sinusoidal", "tied_unembed": True},
        {"n_layers": 2, "attn_only": True, "position_embedding": "none", "unembed_bias": True},
    ],
)
def test_every_hook_point_can_change_the_logits(options):
    """Nothing is decoration: an edit at any hook point, also in place, reaches the logits and ends with its run."""
    config = TransformerConfig(**{"d_model": 8, "n_heads": 2, "d_mlp": 24, **options}).resolved(6, 5, 4)
    model, tokens = HookedTransformer(config, random_parameters(config)), tokens_for(config)
    model.set_use_attn_result(True)

    def edit(x, hook):
        x.add_(torch.linspace(-1, 1, x.numel()).view_as(x))

    with torch.no_grad():
        plain = model(tokens)
        for name in set(model.hook_dict) - set(model.idle_hooks()):
            change = (model.run_with_hooks(tokens, fwd_hooks=[(name, edit)]) - plain).abs().max()
            assert change > 1e-6, name
        assert torch.equal(model(tokens), plain)


@pytest.mark.parametrize("attention_rate", [1.0, 0.3, 0.0])
def test_causal_attention_never_reads_ahead(attention_rate):
    """Whatever the attention rate, a later token leaves earlier logits alone; bidirectional attention does not."""
    changed = {}
    for direction in ("causal", "bidirectional"):
        config = TransformerConfig(n_layers=2, attention_direction=direction, attention_rate=attention_rate)
        model = HookedTransformer(config.resolved(9, 9, 4))
        tokens = torch.tensor([[1, 2, 3, 4], [1, 2, 3, 5]])
        logits = model(tokens)
        changed[direction] = not torch.allclose(logits[0, :3], logits[1, :3], atol=1e-6)
    assert changed == {"causal": False, "bidirectional": True}


def test_the_attention_rate_shifts_every_entry_of_the_pattern():
    """Zhong et al. 2023: alpha softmax + (1 - alpha), so rows sum to alpha + n (1 - alpha); alpha = 0 is all ones."""
    for alpha in (1.0, 0.25, 0.0):
        config = TransformerConfig(attention_direction="bidirectional", attention_rate=alpha).resolved(9, 9, 2)
        _, cache = HookedTransformer(config).run_with_cache(
            torch.tensor([[3, 5]]), names_filter="blocks.0.attn.hook_pattern"
        )
        pattern = cache["pattern", 0]
        torch.testing.assert_close(pattern.sum(-1), torch.full((1, 4, 2), alpha + 2 * (1 - alpha)))
        assert alpha or torch.equal(pattern, torch.ones(1, 4, 2, 2))


# -- models that others trained


def pizza_model(data, name):
    """One of Zhong et al.'s checkpoints, whose arrays are transposed to the classic orientation here by hand."""
    old = torch.load(data(f"pizza/model_{name}.pt"), map_location="cpu", weights_only=True)
    n_layers = 1 + max(int(key.split(".")[1]) for key in old if key.startswith("blocks."))
    weights = {
        "embed.W_E": old["embed.W_E"].T,
        "pos_embed.W_pos": old["pos_embed.W_pos"],
        "unembed.W_U": old["unembed.W_U"],
    }
    for layer in range(n_layers):
        attn, mlp = f"blocks.{layer}.attn.", f"blocks.{layer}.mlp."
        weights |= {attn + part: old[attn + part].transpose(1, 2) for part in ("W_Q", "W_K", "W_V")}
        weights[attn + "W_O"] = old[attn + "W_O"].T.reshape(4, 32, 128)
        weights |= {mlp + part: old[mlp + part].T for part in ("W_in", "W_out")}
        weights |= {mlp + part: old[mlp + part] for part in ("b_in", "b_out")}
    return n_layers, weights


@pytest.mark.parametrize(
    ("name", "rate", "irrelevance"),
    [("p99zdpze5l", 0.0, 0.1717), ("q9rsl94xlv", 1.0, 0.8966), ("w386br1duh", 0.003446326807810318, 0.9139)],
)
def test_zhong_s_models_solve_addition(data, name, rate, irrelevance):
    """Pizza, clock and a four-layer model answer all 59 x 59 sums; their distance irrelevance is the known one.

    Distance irrelevance: the spread of the correct logit over sums, averaged over differences, by its total spread.
    """
    n_layers, weights = pizza_model(data, name)
    a, b = torch.arange(59).repeat_interleave(59), torch.arange(59).repeat(59)
    config = TransformerConfig(n_layers=n_layers, attention_direction="bidirectional", attention_rate=rate)
    with torch.no_grad():
        logits = HookedTransformer(config.resolved(59, 59, 2), weights)(torch.stack([a, b], 1), positions=(-1,))[:, 0]
    assert torch.equal(logits.argmax(-1), (a + b) % 59)
    by_sum_and_difference = torch.zeros(59, 59, dtype=torch.float64)
    by_sum_and_difference[(a + b) % 59, (a - b) % 59] = logits[torch.arange(59 * 59), (a + b) % 59].double()
    spread = by_sum_and_difference.std(0, correction=0).mean() / by_sum_and_difference.std(correction=0)
    assert spread.item() == pytest.approx(irrelevance, abs=5e-5)
