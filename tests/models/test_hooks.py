"""Hooks: nothing is left behind, and a name that would do nothing is refused."""

import pytest
import torch

from grokinterp.config import TransformerConfig
from grokinterp.models.hooked import UnknownHookError
from grokinterp.models.transformer import HookedTransformer


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


@pytest.mark.parametrize("normalization", ["pre", "post"])
def test_every_hook_is_called_where_it_is_the_only_one(normalization):
    """What is computed in one step where nobody looks is computed part by part where anybody does."""
    config = TransformerConfig(n_layers=1, d_model=16, n_heads=2, normalization=normalization).resolved(8, 7, 3)
    model = HookedTransformer(config)
    plain = model(TOKENS)
    for name in model.run_with_cache(TOKENS)[1]:
        seen = []
        out = model.run_with_hooks(TOKENS, fwd_hooks=[(name, lambda x, hook, seen=seen: seen.append(hook.name))])
        assert seen == [name]
        torch.testing.assert_close(out, plain)
