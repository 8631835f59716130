"""The evaluation without gradient is the hooked model, and computes what is read of it only."""

import pytest
import torch

from grokinterp.config import TransformerConfig
from grokinterp.errors import BadRequest
from grokinterp.evaluation.fused import Rows
from grokinterp.evaluation.lazy import LazyActivations
from grokinterp.models import build
from grokinterp.models.initialisation import initialise

INPUTS = torch.randint(0, 6, (7, 3), generator=torch.Generator().manual_seed(0))


@pytest.mark.parametrize("same_last_token", [True, False])
@pytest.mark.parametrize("changes", [{}, {"attention_direction": "bidirectional", "attention_rate": 0.3}])
def test_activations_carry_the_hooks_values(changes, same_last_token):
    """Each activation equals what the hook of its name sees at the last position, patterns at every one."""
    config = TransformerConfig(d_model=8, n_heads=2, attention_bias=True, unembed_bias=True, **changes)
    config = config.resolved(n_vocab=6, n_answers=5, n_positions=3)
    parameters = {name: value + 0.1 for name, value in initialise(config, 1).items()}
    inputs = INPUTS.clone()
    inputs[:, -1] = torch.where(torch.tensor(same_last_token), 5, inputs[:, -1])
    logits, cache = build(config, parameters).run_with_cache(inputs)
    lazy = LazyActivations(config, parameters, Rows.of(inputs))
    hooks = {"pattern": "attn.hook_pattern", "z": "attn.hook_z", "pre": "mlp.hook_pre", "post": "mlp.hook_post"}
    stream = {name: f"hook_{name}" for name in ("resid_mid", "resid_post")}
    for name, hook in {**stream, **hooks}.items():
        value = cache[f"blocks.0.{hook}"]
        value = value[:, :, -1] if name == "pattern" else value[:, -1]
        torch.testing.assert_close(getattr(lazy, name), value, atol=1e-5, rtol=1e-5, msg=name)
    torch.testing.assert_close(lazy.logits, logits[:, -1], atol=1e-5, rtol=1e-5)
    every = cache["blocks.0.attn.hook_pattern"].mean(0)
    torch.testing.assert_close(lazy.mean_pattern, every, atol=1e-6, rtol=1e-5)


def test_what_is_not_read_is_not_computed():
    """Logits need neither the heads' values nor the streams; these are there when they are asked for."""
    config = TransformerConfig(d_model=8, n_heads=2).resolved(n_vocab=6, n_answers=5, n_positions=3)
    lazy = LazyActivations(config, initialise(config, 1), Rows.of(INPUTS))
    assert lazy.logits.shape == (7, 6)
    assert not {"z", "resid_mid", "resid_post", "mean_pattern"} & set(vars(lazy))
    assert lazy.z.shape == (7, 2, 4) and lazy.resid_post.shape == (7, 8)


def test_refuses_what_it_cannot_do():
    """A model outside its reach is named with the reason, never computed wrongly."""
    config = TransformerConfig(d_model=8, n_heads=2, n_layers=2).resolved(n_vocab=6, n_answers=6, n_positions=3)
    with pytest.raises(BadRequest, match="2 layers"):
        LazyActivations(config, initialise(config, 0), Rows.of(INPUTS))
