"""The embedding MLP against its equations, and against the Linear models that Zhong et al. trained."""

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from transformer_lens import ActivationCache

from grokinterp.config import EmbeddingMLPConfig
from grokinterp.config.presets import PRESETS
from grokinterp.errors import BadRequest
from grokinterp.models import build
from grokinterp.models.hooked import UnknownHookError
from grokinterp.models.mlp import EmbeddingMLP
from grokinterp.models.parameters import parameter_shapes

options = st.fixed_dictionaries(
    {
        "d_embed": st.integers(1, 5),
        "shared_embedding": st.booleans(),
        "combine": st.sampled_from(["concatenate", "add", "project_then_add"]),
        "hidden_sizes": st.lists(st.integers(1, 6), min_size=1, max_size=3).map(tuple),
        "activation": st.sampled_from(["relu", "gelu", "tanh"]),
        "mlp_bias": st.booleans(),
        "unembed_bias": st.booleans(),
        "output": st.sampled_from(["vocabulary", "answers"]),
        "n_ctx": st.integers(1, 3),
    }
)


def random_parameters(config):
    generator = torch.Generator().manual_seed(0)
    shapes = parameter_shapes(config).items()
    return {name: torch.randn(shape, generator=generator, dtype=torch.float64) for name, shape in shapes}


def from_the_equations(config, weights, tokens):
    """Logits [batch, 1, d_vocab_out], as `clock_pizza` types A to X and Chughtai et al. define them."""
    activation = {"relu": torch.relu, "gelu": torch.nn.functional.gelu, "tanh": torch.tanh}[config.activation]
    tables = [weights["embed.W_E"]] * 3
    if not config.shared_embedding:
        tables = [weights.get(f"embed{operand}.W_E") for operand in ("", "_b", "_c")]
    embedded = [table[column] for table, column in zip(tables, tokens.T, strict=False)]

    def affine(x, layer):
        return x @ weights[f"blocks.{layer}.mlp.W_in"] + weights.get(f"blocks.{layer}.mlp.b_in", 0)

    if config.combine == "concatenate":
        pre = affine(torch.cat(embedded, -1), 0)
    elif config.combine == "add":
        pre = affine(sum(embedded), 0)
    else:
        pre = sum(affine(x, 0) for x in embedded)
    for layer in range(1, len(config.hidden_sizes)):
        pre = affine(activation(pre), layer)
    return (activation(pre) @ weights["unembed.W_U"] + weights.get("unembed.b_U", 0))[:, None]


@settings(max_examples=60, deadline=None)
@given(options)
def test_the_model_is_its_equations_in_value_and_gradient(options):
    """For every configuration; also type C, whose bias counts once for each operand."""
    config = EmbeddingMLPConfig(**options).resolved(n_vocab=7, n_answers=5, n_positions=2)
    weights = random_parameters(config)
    tokens = torch.randint(7, (6, config.n_ctx), generator=torch.Generator().manual_seed(1))
    model = EmbeddingMLP(config, weights)
    leaves = {name: value.clone().requires_grad_() for name, value in weights.items()}
    expected = from_the_equations(config, leaves, tokens)
    logits = model(tokens)
    torch.testing.assert_close(logits, expected, rtol=1e-10, atol=1e-10)
    logits.square().sum().backward()
    expected.square().sum().backward()
    for name, parameter in model.named_parameters():
        torch.testing.assert_close(parameter.grad, leaves[name].grad, rtol=1e-9, atol=1e-9)


@pytest.mark.parametrize(("name", "letter", "irrelevance"), [("p71frej8t7", "b", 0.2302), ("7r4zst7evs", "d", 0.9631)])
def test_zhong_s_linear_models_solve_addition(data, name, letter, irrelevance):
    """Types B (beta) and D (delta) answer all 59 x 59 sums, with the distance irrelevance of their notebook."""
    old = torch.load(data(f"pizza/model_{name}.pt"), map_location="cpu", weights_only=True)
    weights = {"embed.W_E": old["embed.weight"], "unembed.W_U": old["unembed.weight"].T}
    for layer in range(2 if letter == "b" else 1):
        weights[f"blocks.{layer}.mlp.W_in"] = old[f"l{layer + 1}.weight"].T
        weights[f"blocks.{layer}.mlp.b_in"] = old[f"l{layer + 1}.bias"]
    model = build(PRESETS[f"pizza_linear_{letter}"].model.resolved(59, 59, 2), weights)
    a, b = torch.arange(59).repeat_interleave(59), torch.arange(59).repeat(59)
    with torch.no_grad():
        logits = model(torch.stack([a, b], 1))
    assert logits.shape == (59 * 59, 1, 59)
    assert torch.equal(logits[:, -1].argmax(-1), (a + b) % 59)
    by_sum_and_difference = torch.zeros(59, 59, dtype=torch.float64)
    by_sum_and_difference[(a + b) % 59, (a - b) % 59] = logits[torch.arange(59 * 59), -1, (a + b) % 59].double()
    spread = by_sum_and_difference.std(0, correction=0).mean() / by_sum_and_difference.std(correction=0)
    assert spread.item() == pytest.approx(irrelevance, abs=5e-5)


def test_summed_embeddings_cannot_tell_the_operands_apart():
    """Types A, B and C see E_a + E_b only, so f(a, b) = f(b, a); D and X can differ (`clock_pizza` 1f)."""
    tokens = torch.tensor([[1, 4], [4, 1]])
    for letter, commutes in {"a": True, "b": True, "c": True, "d": False, "x": False}.items():
        logits = build(PRESETS[f"pizza_linear_{letter}"].model.resolved(59, 59, 2))(tokens)
        assert torch.allclose(logits[0], logits[1], atol=1e-6) == commutes, letter


def test_the_hooks_hold_what_they_are_named_after():
    """Shapes, operand order of the concatenation, and an edit that reaches the logits."""
    model = build(PRESETS["chughtai"].model.resolved(12, 12, 2))
    tokens = torch.tensor([[3, 5], [0, 11], [7, 7]])
    logits, cache = model.run_with_cache(tokens)
    assert isinstance(cache, ActivationCache)
    shapes = {name: tuple(value.shape) for name, value in cache.items()}
    assert shapes == {
        "hook_embed": (3, 2, 256),
        "hook_combined": (3, 1, 512),
        "blocks.0.mlp.hook_pre": (3, 1, 128),
        "blocks.0.mlp.hook_post": (3, 1, 128),
    }
    assert torch.equal(cache["hook_combined"][0, 0], torch.cat([model.embed.W_E[3], model.embed_b.W_E[5]]))
    torch.testing.assert_close(cache["post", 0] @ model.W_U + model.b_U, logits)
    with torch.no_grad():
        silenced = model.run_with_hooks(tokens, fwd_hooks=[("blocks.0.mlp.hook_post", lambda x, hook: x * 0)])
    assert not silenced.any() and logits.any()
    plain = model.run_with_cache(tokens, return_cache_object=False)[1]
    assert type(plain) is dict and set(plain) == set(shapes)


def test_an_mlp_has_no_attention_to_ask_for():
    """The same refusal as a transformer's, naming what there is."""
    model = build(EmbeddingMLPConfig().resolved(5, 5, 2))
    with pytest.raises(
        UnknownHookError, match=r"no hook point 'blocks.0.attn.hook_pattern'.* This EmbeddingMLP has hook_embed"
    ):
        model.run_with_cache(torch.zeros(1, 2, dtype=torch.int64), names_filter="blocks.0.attn.hook_pattern")


def test_the_operands_must_be_as_many_as_the_model_combines():
    """A layout with '=' has a token more; it is refused, not read as an operand."""
    model = build(EmbeddingMLPConfig().resolved(5, 5, 2))
    with pytest.raises(BadRequest, match="reads 2 operands and was given 3 tokens"):
        model(torch.zeros(1, 3, dtype=torch.int64))


@pytest.mark.parametrize("preset", [name for name, run in PRESETS.items() if run.model.kind == "embedding_mlp"])
def test_the_state_dict_is_the_parameters_and_nothing_else(preset):
    """Names and shapes of `parameter_shapes`; `build` takes them back."""
    config = PRESETS[preset].model.resolved(12, 11, 2)
    model = build(config, seed=1)
    assert {name: tuple(value.shape) for name, value in model.state_dict().items()} == parameter_shapes(config)
    tokens = torch.tensor([[1, 2]])
    assert torch.equal(build(config, model.state_dict())(tokens), model(tokens))
    assert (model.W_E.shape[1], model.cfg.d_mlp, model.cfg.device) == (config.d_embed, config.hidden_sizes[0], "cpu")
