"""TransformerLens' own tools take our model and give what algebra says; its native model computes the same."""

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from transformer_lens import ActivationCache, patching
from transformer_lens.model_protocol import TransformerLensModelWithWeights
from transformer_lens.tools.analysis import direct_logit_attribution

from grokinterp.config import TransformerConfig
from grokinterp.errors import BadRequest
from grokinterp.models.parameters import parameter_shapes
from grokinterp.models.transformer import HookedTransformer


def random_model(seed=0, **options):
    """A small float64 model with nothing at its initial constant: biases and LayerNorm are random too."""
    sizes = {"d_model": 12, "n_heads": 3, "d_mlp": 20, "n_layers": 2}
    config = TransformerConfig(**{**sizes, **options}).resolved(n_vocab=8, n_answers=7, n_positions=4)
    generator = torch.Generator().manual_seed(seed)
    shapes = parameter_shapes(config).items()
    weights = {name: torch.randn(shape, generator=generator, dtype=torch.float64) * 0.5 for name, shape in shapes}
    return HookedTransformer(config, weights)


TOKENS = torch.tensor([[0, 1, 2, 7], [3, 3, 4, 7], [5, 6, 0, 7], [2, 4, 1, 7], [6, 0, 5, 7]])
NORMS = pytest.mark.parametrize("normalization", ["none", "pre"])


def close(actual, expected):
    torch.testing.assert_close(actual, expected, rtol=1e-9, atol=1e-9)


# -- the native model


@settings(max_examples=15, deadline=None)
@given(
    st.fixed_dictionaries(
        {
            "n_layers": st.integers(1, 2),
            "d_model": st.sampled_from([12, 10]),
            "attn_only": st.booleans(),
            "activation": st.sampled_from(["relu", "gelu", "silu"]),
            "attention_direction": st.sampled_from(["causal", "bidirectional"]),
            "position_embedding": st.sampled_from(["learned", "sinusoidal", "none"]),
            "normalization": st.sampled_from(["none", "pre"]),
            "attention_bias": st.booleans(),
            "mlp_bias": st.booleans(),
            "tied_unembed": st.booleans(),
            "output": st.sampled_from(["vocabulary", "answers"]),
        }
    ),
    st.sampled_from([torch.float32, torch.float64]),
)
def test_the_native_bridge_computes_the_same(options, dtype):
    """Logits agree to 1e-5 (float32) for every configuration both have, and torch's generator is left as it was."""
    model = random_model(**options).to(dtype)
    state = torch.get_rng_state()
    bridge = model.to_bridge()
    assert torch.equal(torch.get_rng_state(), state)
    expected = model(TOKENS).detach()
    torch.testing.assert_close(bridge(TOKENS), expected, rtol=1e-5, atol=1e-5 * float(expected.abs().max()))


def test_the_native_bridge_s_activations_bear_the_same_names():
    """What both call `blocks.0.attn.hook_pattern` is the same numbers, LayerNorm's included."""
    model = random_model(normalization="pre", attention_bias=True)
    ours, theirs = model.run_with_cache(TOKENS)[1], model.to_bridge().run_with_cache(TOKENS)[1]
    # Their native attention hands its pattern to hook_attn_scores too; ours has the scores there, as the name says.
    shared = {name for name in set(ours) & set(theirs) if not name.endswith("hook_attn_scores")}
    assert {
        "hook_embed",
        "blocks.1.attn.hook_pattern",
        "blocks.0.ln2.hook_normalized",
        "blocks.1.mlp.hook_post",
    } <= shared
    for name in shared:
        torch.testing.assert_close(ours[name], theirs[name], rtol=1e-6, atol=1e-6)


def test_the_bridge_is_a_copy():
    """Training the bridge does not move the model it came from."""
    model = random_model(tied_unembed=True)
    before = model(TOKENS)
    with torch.no_grad():
        for parameter in model.to_bridge().parameters():
            parameter.zero_()
    assert torch.equal(model(TOKENS), before)


@pytest.mark.parametrize(
    ("options", "named"),
    [
        ({"attention_rate": 0.5}, "attention_rate=0.5"),
        ({"activation": "tanh"}, "activation='tanh'"),
        ({"activation": "square"}, "activation='square'"),
        ({"normalization": "post"}, "normalization='post'"),
        ({"normalization": "pre", "norm_kind": "rms"}, "norm_kind='rms'"),
        ({"normalization": "pre", "final_norm": False}, "final_norm=False"),
        ({"embedding_scale": 2.0}, "embedding_scale=2.0"),
        ({"unembed_bias": True}, "unembed_bias=True"),
    ],
)
def test_what_the_native_model_lacks_is_refused_by_name(options, named):
    """One line that names the option, instead of a bridge with other logits."""
    with pytest.raises(BadRequest, match=f"native model has no {named}"):
        random_model(**options).to_bridge()


# -- ActivationCache


def test_the_model_has_the_surface_that_the_tools_are_typed_for():
    """TransformerLens checks it with a runtime protocol."""
    assert isinstance(random_model(), TransformerLensModelWithWeights)


@NORMS
@pytest.mark.parametrize("attn_only", [False, True])
def test_the_residual_stream_is_the_sum_of_its_parts(normalization, attn_only):
    """Embeddings, attention and MLP outputs sum to the stream; so do heads, neurons and biases, one by one."""
    model = random_model(normalization=normalization, attn_only=attn_only, attention_bias=True)
    _, cache = model.run_with_cache(TOKENS)
    assert isinstance(cache, ActivationCache)
    final = cache["resid_post", 1]
    parts, labels = cache.decompose_resid(return_labels=True)
    assert labels[:3] == ["embed", "pos_embed", "0_attn_out"] and len(labels) == (4 if attn_only else 6)
    close(parts.sum(0), final)
    close(cache.decompose_resid(layer=1).sum(0), cache["resid_pre", 1])
    close(cache.get_full_resid_decomposition(expand_neurons=not attn_only).sum(0), final)
    close(cache.accumulated_resid(incl_mid=not attn_only)[-1], final)
    heads = cache.stack_head_results(layer=1)
    close(heads.sum(0) + model.accumulated_bias(1, include_mlp_biases=False), cache["attn_out", 0])


def test_head_results_are_the_same_hooked_or_recomputed():
    """`set_use_attn_result(True)` caches what `ActivationCache` otherwise works out from z and W_O."""
    model = random_model()
    recomputed = model.run_with_cache(TOKENS)[1].stack_head_results()
    model.set_use_attn_result(True)
    _, cache = model.run_with_cache(TOKENS)
    assert cache["result", 1].shape == (5, 4, 3, 12)
    close(cache.stack_head_results(), recomputed)


@NORMS
def test_logit_attributions_add_up_to_the_logit(normalization):
    """The parts' attributions to a token sum to its logit, less LayerNorm's own constant b @ W_U."""
    model = random_model(normalization=normalization)
    logits, cache = model.run_with_cache(TOKENS)
    answers = torch.tensor([1, 6, 0, 3, 2])
    attributions = cache.logit_attrs(cache.decompose_resid(), answers)
    constant = model.ln_final.b @ model.W_U[:, answers] if normalization == "pre" else 0
    last = logits[torch.arange(5), -1, answers]
    close(attributions.sum(0)[:, -1] + constant, last)
    differences = cache.logit_attrs(cache.decompose_resid(), answers, incorrect_tokens=answers.flip(0))
    constants = (
        model.ln_final.b @ (model.W_U[:, answers] - model.W_U[:, answers.flip(0)]) if normalization == "pre" else 0
    )
    close(differences.sum(0)[:, -1] + constants, last - logits[torch.arange(5), -1, answers.flip(0)])


@pytest.mark.parametrize("normalization", ["none", "pre", "post"])
def test_the_logit_lens_ends_at_the_logits(normalization):
    """The last entry of the accumulated stream, normalised and unembedded, is the model's answer; the first is not."""
    model = random_model(normalization=normalization)
    logits, cache = model.run_with_cache(TOKENS)
    lens = cache.logit_lens()
    assert lens.labels[0] == "0_pre" and lens.labels[-1] == "final_post"
    close(lens.values[-1], logits[:, -1].detach())
    assert not torch.allclose(lens.values[0], logits[:, -1])


def test_direct_logit_attribution_adds_up_to_the_logit():
    """TransformerLens' own tool, run from tokens: a token's logit at the last position, part by part."""
    model = random_model()
    result = direct_logit_attribution(model, TOKENS, 1)
    assert result.labels == ["embed", "pos_embed", "0_attn_out", "0_mlp_out", "1_attn_out", "1_mlp_out"]
    close(result.attribution.sum(0), model(TOKENS)[:, -1, 1])


def test_attribution_through_a_post_norm_is_refused():
    """There the outputs do not sum to the stream, so attributing a logit to them would add up to something else."""
    _, cache = random_model(normalization="post").run_with_cache(TOKENS)
    with pytest.raises(
        BadRequest, match=r"outputs do not sum to the stream; use cache\['resid_post', -1\] @ model\.W_U"
    ):
        cache.logit_attrs(cache.decompose_resid(), torch.tensor([1, 2, 3, 4, 5]))


def test_accumulated_bias_is_what_zero_inputs_leave():
    """With every weight but the biases zero, the stream before each sublayer is the accumulated bias."""
    model = random_model(attention_bias=True)
    with torch.no_grad():
        for name, parameter in model.named_parameters():
            if ".b_" not in name:
                parameter.zero_()
    _, cache = model.run_with_cache(TOKENS)
    for layer in (0, 1):
        close(cache["resid_pre", layer][0, 0], model.accumulated_bias(layer))
        close(cache["resid_mid", layer][0, 0], model.accumulated_bias(layer, mlp_input=True))
    close(cache["resid_post", 1][0, 0], model.accumulated_bias(2))


# -- activation patching


CORRUPTED = TOKENS.clone()
CORRUPTED[:, 0] = (CORRUPTED[:, 0] + 1) % 7


def logit_of_token_one(logits):
    return logits[:, -1, 1].mean()


@pytest.fixture
def patched():
    """A model, its clean cache, and the metric on the clean and on the corrupted run; the first token differs."""

    def prepare(**options):
        model = random_model(**options)
        clean_logits, cache = model.run_with_cache(TOKENS)
        corrupted = logit_of_token_one(model(CORRUPTED)).detach().item()
        return model, cache, logit_of_token_one(clean_logits).detach().item(), corrupted

    return prepare


def test_patching_the_residual_stream_restores_the_metric_where_the_runs_differ(patched):
    """Before layer 0 the runs differ at position 0 alone: patching it restores the clean metric, elsewhere nothing."""
    model, cache, clean, corrupted = patched()
    result = patching.get_act_patch_resid_pre(model, CORRUPTED, cache, logit_of_token_one)
    assert result.shape == (2, 4) and abs(clean - corrupted) > 0.01
    assert result[0].tolist() == pytest.approx([clean, corrupted, corrupted, corrupted], abs=1e-5)
    # The answer is read at the last position: all of the difference has gone through positions 0 and 3 by layer 1.
    assert result[1, 3].item() != pytest.approx(corrupted, abs=1e-5)
    with torch.no_grad():
        everything = model.run_with_hooks(
            CORRUPTED, fwd_hooks=[("blocks.1.hook_resid_post", lambda x, hook: cache["resid_post", 1])]
        )
    assert logit_of_token_one(everything).item() == pytest.approx(clean, abs=1e-9)
    assert not model.list_hooks()


def test_patching_heads_of_a_linear_readout_adds_up(patched):
    """One layer, attention only: logits are linear in the heads, so the heads' effects sum to the whole difference."""
    model, cache, clean, corrupted = patched(n_layers=1, attn_only=True)
    with torch.no_grad():
        heads = patching.get_act_patch_attn_head_out_all_pos(model, CORRUPTED, cache, logit_of_token_one)
        by_position = patching.get_act_patch_attn_head_out_by_pos(model, CORRUPTED, cache, logit_of_token_one)
    assert heads.shape == (1, 3) and by_position.shape == (1, 4, 3)
    assert (heads - corrupted).sum().item() == pytest.approx(clean - corrupted, abs=1e-5)
    # The metric reads the last position, so only there do heads matter.
    assert by_position[0, -1].tolist() == pytest.approx(heads[0].tolist(), abs=1e-6)
    assert by_position[0, :-1].flatten().tolist() == pytest.approx([corrupted] * 9, abs=1e-5)


def test_every_head_patching_helper_runs(patched):
    """Outputs, queries, keys, values and patterns; with the clean cache of the same run nothing changes."""
    model, _, _, corrupted = patched()
    _, own = model.run_with_cache(CORRUPTED)
    with torch.no_grad():
        result = patching.get_act_patch_attn_head_all_pos_every(model, CORRUPTED, own, logit_of_token_one)
    assert result.shape == (5, 2, 3)
    assert result.flatten().tolist() == pytest.approx([corrupted] * 30, abs=1e-5)


def test_direct_path_patching_moves_one_edge_only(patched):
    """Head (0, 1)'s write into head (1, 2)'s values, attention only: its effect is pattern * write @ OV @ W_U."""
    model, cache, _, corrupted = patched(attn_only=True)
    _, corrupted_cache = model.run_with_cache(CORRUPTED)
    with torch.no_grad():
        result = patching.get_act_patch_direct_path(
            model, CORRUPTED, cache, corrupted_cache, logit_of_token_one, 0, 1, component="v", verbose=False
        )
    write = (cache["z", 0] - corrupted_cache["z", 0])[:, :, 1] @ model.W_O[0, 1]
    read = corrupted_cache["pattern", 1][:, 2, -1, :, None] * (write @ model.W_V[1, 2] @ model.W_O[1, 2])
    expected = (read.sum(1) @ model.W_U)[:, 1].mean().item()
    assert abs(expected) > 1e-3
    assert result[1, 2].item() - corrupted == pytest.approx(expected, abs=1e-5)
    assert not model.cfg.use_split_qkv_input
