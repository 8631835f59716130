"""The transformer against its equations, written out again here, and against models that others trained."""

import copy
import math
from types import SimpleNamespace

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from grokinterp.architecture import TransformerConfig
from grokinterp.initialisation import ParameterError, initialise, parameter_shapes
from grokinterp.models import build
from grokinterp.models.hooked import UnknownHookError
from grokinterp.models.transformer import HookedTransformer
from grokinterp.presets import PRESETS
from grokinterp.refusals import BadRequest

configs = st.builds(
    TransformerConfig,
    n_layers=st.integers(1, 3),
    d_model=st.sampled_from([8, 11]),
    n_heads=st.integers(1, 3),
    d_head=st.sampled_from([None, 5]),
    d_mlp=st.sampled_from([None, 7]),
    attn_only=st.booleans(),
    activation=st.sampled_from(["relu", "gelu", "tanh"]),
    attention_direction=st.sampled_from(["causal", "bidirectional"]),
    attention_rate=st.sampled_from([1.0, 0.6, 0.0]),
    position_embedding=st.sampled_from(["learned", "sinusoidal", "none"]),
    normalization=st.sampled_from(["none", "pre", "post"]),
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


def layer_norm(x, w, b):
    centred = x - x.mean(-1, keepdim=True)
    return centred / (centred.square().mean(-1, keepdim=True) + 1e-5).sqrt() * w + b


def from_the_equations(config, weights, tokens):
    """Logits, head by head and position by position, as the papers write them."""
    activation = {
        "relu": lambda x: x.clamp(min=0),
        "gelu": lambda x: x * (1 + torch.erf(x / math.sqrt(2))) / 2,
        "tanh": lambda x: 1 - 2 / (torch.exp(2 * x) + 1),
    }[config.activation]
    n = tokens.shape[1]
    x = weights["embed.W_E"][tokens]
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
            return layer_norm(x, w[f"{name}.w"], w[f"{name}.b"]) if config.normalization == place else x

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
    if config.normalization == "pre":
        x = layer_norm(x, weights["ln_final.w"], weights["ln_final.b"])
    W_U = weights["embed.W_E"][: config.d_vocab_out].T if config.tied_unembed else weights["unembed.W_U"]
    return x @ W_U + weights.get("unembed.b_U", 0)


@settings(max_examples=60, deadline=None)
@given(configs)
def test_the_model_is_its_equations(config):
    """For every configuration the logits are those of the papers' formulas, to float64 rounding."""
    weights, tokens = random_parameters(config), tokens_for(config)
    torch.testing.assert_close(
        HookedTransformer(config, weights)(tokens), from_the_equations(config, weights, tokens), rtol=1e-10, atol=1e-10
    )


@settings(max_examples=40, deadline=None)
@given(configs, st.lists(st.integers(-4, 3), min_size=1, max_size=4))
def test_chosen_positions_give_the_same_logits_for_less_work(config, positions):
    """`positions` is `logits[:, positions]`, and the last block's hooks see only these positions."""
    model, tokens = HookedTransformer(config, random_parameters(config)), tokens_for(config)
    logits, cache = model.run_with_cache(tokens, positions=positions)
    torch.testing.assert_close(logits, model(tokens)[:, positions], rtol=1e-12, atol=1e-12)
    last = f"blocks.{config.n_layers - 1}"
    assert cache[f"{last}.hook_resid_post"].shape[1] == cache[f"{last}.attn.hook_q"].shape[1] == len(positions)
    assert cache[f"{last}.attn.hook_k"].shape[1] == cache[f"{last}.hook_resid_pre"].shape[1] == config.n_ctx


@settings(max_examples=30, deadline=None)
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


# -- hooks


@pytest.fixture(scope="module")
def model():
    return HookedTransformer(TransformerConfig(n_layers=2, d_model=16, n_heads=2).resolved(8, 7, 3))


TOKENS = torch.tensor([[0, 1, 7], [2, 3, 7]])


def test_an_embedding_hook_that_edits_in_place_leaves_the_weights_alone(model):
    """The position embedding is handed out as a copy: an edit is of this run, not of the model."""
    before = model.W_pos.detach().clone()
    with torch.no_grad():
        model.run_with_hooks(TOKENS, fwd_hooks=[("hook_pos_embed", lambda x, hook: x.mul_(0))])
    assert torch.equal(model.W_pos, before)


def test_hooks_end_with_their_block_even_after_an_error(model):
    """`hooks` nests, and nothing stays on the model whatever happened inside."""

    def fail(x, hook):
        raise RuntimeError("inside")

    plain = model(TOKENS)
    with pytest.raises(RuntimeError, match="inside"), model.hooks(fwd_hooks=[("hook_embed", lambda x, hook: x * 0)]):
        with model.hooks(fwd_hooks=[("blocks.1.hook_mlp_out", lambda x, hook: x + 1)]):
            assert not torch.allclose(model(TOKENS), plain)
        model.run_with_hooks(TOKENS, fwd_hooks=[("hook_embed", fail)])
    assert not model.list_hooks()
    assert torch.equal(model(TOKENS), plain)


ASKING = {
    "cache, one name": lambda model, name: model.run_with_cache(TOKENS, names_filter=name),
    "cache, names": lambda model, name: model.run_with_cache(TOKENS, names_filter=["hook_embed", name]),
    "cache, a set": lambda model, name: model.run_with_cache(TOKENS, names_filter={name}),
    "cache, predicate": lambda model, name: model.run_with_cache(TOKENS, names_filter=lambda n: n == name),
    "forward": lambda model, name: model.run_with_hooks(TOKENS, fwd_hooks=[(name, print)]),
    "backward": lambda model, name: model.run_with_hooks(TOKENS, bwd_hooks=[(name, print)], reset_hooks_end=False),
    "block": lambda model, name: model.hooks(fwd_hooks=[(name, print)]).__enter__(),
    "block, predicate": lambda model, name: model.hooks(fwd_hooks=[(lambda n: n == name, print)]).__enter__(),
    "add": lambda model, name: model.add_hook(name, print),
    "caching": lambda model, name: model.add_caching_hooks([name]),
}


@pytest.mark.parametrize("ask", ASKING.values(), ids=ASKING)
def test_an_unknown_hook_name_is_an_error_that_lists_the_known_ones(model, ask):
    """A typo never gives an empty cache or an ablation that does nothing."""
    with pytest.raises(
        UnknownHookError, match=r"HookedTransformer has hook_embed, hook_pos_embed, .*blocks.1.hook_resid_post"
    ):
        ask(model, "blocks.0.mlp.hook_poost")
    assert not model.list_hooks()


@pytest.mark.parametrize("ask", ASKING.values(), ids=ASKING)
def test_a_hook_that_would_not_fire_is_an_error_that_says_how_to_switch_it_on(model, ask):
    """Per-head results are computed on request only; asking for them unrequested is not answered with nothing."""
    with pytest.raises(
        UnknownHookError, match=r"'blocks.1.attn.hook_result' is not computed .*set_use_attn_result\(True\)"
    ):
        ask(model, "blocks.1.attn.hook_result")
    assert not model.list_hooks()


def test_the_nearest_name_is_offered(model):
    """By its whole path or by its last part."""
    for typo, meant in {"blocks.0.attn.hook_patern": "blocks.0.attn.hook_pattern", "hook_poost": "hook_post"}.items():
        with pytest.raises(UnknownHookError, match=f"no hook point '{typo}'. Did you mean '{meant}'?"):
            model.run_with_cache(TOKENS, names_filter=typo)


def test_a_backward_hook_sees_the_gradient(model):
    """The gradient of a sum of logits at the last residual stream is the sum of the unembedding's columns."""
    seen = []
    with model.hooks(bwd_hooks=[("blocks.1.hook_resid_post", lambda grad, hook: seen.append(grad))]):
        model(TOKENS)[:, -1].sum().backward()
    torch.testing.assert_close(seen[0][:, -1], model.W_U.sum(1).expand(2, -1))
    assert not seen[0][:, :-1].any()
    model.zero_grad()


# -- weights


@pytest.mark.parametrize("preset", [name for name, run in PRESETS.items() if run.model.kind == "transformer"])
def test_the_state_dict_is_the_parameters_and_nothing_else(preset):
    """No mask, no table of sinusoids; what `state_dict` gives, `load_state_dict` and `build` take."""
    config = PRESETS[preset].model.resolved(12, 11, 3)
    model = build(config, seed=1)
    state = model.state_dict()
    assert {name: tuple(value.shape) for name, value in state.items()} == parameter_shapes(config)
    assert all(torch.equal(state[name], value) for name, value in initialise(config, 1).items())
    loaded = build(config, seed=2)
    assert not torch.equal(loaded(TOKENS), model(TOKENS))
    loaded.load_state_dict(state)
    assert torch.equal(loaded(TOKENS), model(TOKENS))
    assert torch.equal(build(config, state)(TOKENS), model(TOKENS))


def test_given_weights_are_copied_and_checked(model):
    """Editing the model does not edit the caller's dictionary; weights of another model are refused by name."""
    weights = initialise(model.config, 0)
    copy_of_it = HookedTransformer(model.config, weights)
    with torch.no_grad():
        copy_of_it.W_E.zero_()
    assert weights["embed.W_E"].any()
    with pytest.raises(ParameterError, match=r"blocks.1.mlp.b_in is missing"):
        HookedTransformer(model.config, {name: value for name, value in weights.items() if name != "blocks.1.mlp.b_in"})


def test_stacked_accessors_are_the_blocks_weights(model):
    """[layer ...] stacks, zeros for a bias the model lacks; QK and OV are the products of their factors."""
    second = model.blocks[1]
    for name, value in {"W_Q": second.attn.W_Q, "W_O": second.attn.W_O, "W_in": second.mlp.W_in}.items():
        assert torch.equal(getattr(model, name)[1], value)
    assert torch.equal(model.b_in[1], second.mlp.b_in)
    shapes = {"W_K": (2, 2, 16, 8), "W_V": (2, 2, 16, 8), "W_out": (2, 64, 16), "b_Q": (2, 2, 8), "b_K": (2, 2, 8)}
    shapes |= {
        "b_V": (2, 2, 8),
        "b_O": (2, 16),
        "b_out": (2, 16),
        "b_U": (8,),
        "W_U": (16, 8),
        "W_E": (8, 16),
        "W_pos": (3, 16),
    }
    assert {name: tuple(getattr(model, name).shape) for name in shapes} == shapes
    assert not model.b_Q.any() and not model.b_U.any()
    torch.testing.assert_close(model.QK.AB[1, 0], second.attn.W_Q[0] @ second.attn.W_K[0].T)
    torch.testing.assert_close(model.OV.AB[1, 0], second.attn.W_V[0] @ second.attn.W_O[0])
    bare = HookedTransformer(TransformerConfig(position_embedding="none", attn_only=True).resolved(8, 7, 3))
    assert not bare.W_pos.any() and bare.W_pos.shape == (3, 128)
    assert not hasattr(bare, "W_in") and "hook_pos_embed" not in bare.hook_dict


def test_a_copy_is_independent_and_moves_with_its_dtype(model):
    """`copy.deepcopy` shares nothing, `.double()` is the same function more precisely; switches are not shared."""
    twin = copy.deepcopy(model).double()
    torch.testing.assert_close(twin(TOKENS).float(), model(TOKENS), atol=1e-5, rtol=1e-5)
    twin.set_use_attn_result(True)
    assert "blocks.0.attn.hook_result" in model.idle_hooks() and not twin.cfg.use_attn_in
    assert twin.cfg.use_attn_result and not model.cfg.use_attn_result
    assert (twin.cfg.dtype, twin.cfg.device) == (torch.float64, "cpu")


# -- tasks and tokens


def test_a_model_carries_its_task_and_takes_its_sizes():
    """Sizes that the config leaves open come from the task; tokens go by its names."""
    task = SimpleNamespace(
        n_vocab=4, n_answers=3, inputs=torch.zeros(9, 3, dtype=torch.int64), tokens=["0", "1", "2", "="]
    )
    model = build(TransformerConfig(d_model=16, output="answers"), task=task)
    assert model.task is task
    assert (model.config.d_vocab, model.config.d_vocab_out, model.config.n_ctx) == (4, 3, 3)
    assert model.to_tokens("2 1 =").tolist() == [[2, 1, 3]]
    assert model.to_tokens(["2 1 =", "0 0 ="]).tolist() == [[2, 1, 3], [0, 0, 3]]
    assert model.to_tokens([2, 1, 3]).tolist() == model.to_tokens(torch.tensor([[2, 1, 3]])).tolist() == [[2, 1, 3]]
    assert model.to_single_token("=") == 3
    with pytest.raises(BadRequest, match=r"'3' is not a token\. The tokens: 0, 1, 2, ="):
        model.to_tokens("3 1 =")


def test_what_a_model_cannot_read_is_refused(model):
    """Too many tokens, or tokens by name without a task."""
    with pytest.raises(BadRequest, match="at most 3 tokens and was given 4"):
        model(torch.zeros(1, 4, dtype=torch.int64))
    with pytest.raises(BadRequest, match="no task, so its tokens have no names"):
        model.to_tokens("1 2 =")
