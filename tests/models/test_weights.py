"""A model's weights and tokens: the names they go by, copies, accessors, and what the task adds."""

import copy
from types import SimpleNamespace

import pytest
import torch

from grokinterp.config import TransformerConfig
from grokinterp.config.presets import PRESETS
from grokinterp.errors import BadRequest
from grokinterp.models import build
from grokinterp.models.initialisation import initialise
from grokinterp.models.parameters import ParameterError, parameter_shapes
from grokinterp.models.transformer import HookedTransformer


@pytest.fixture(scope="module")
def model():
    return HookedTransformer(TransformerConfig(n_layers=2, d_model=16, n_heads=2).resolved(8, 7, 3))


TOKENS = torch.tensor([[0, 1, 7], [2, 3, 7]])


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
    with pytest.raises(BadRequest, match="no task to name its tokens"):
        model.to_tokens("1 2 =")
