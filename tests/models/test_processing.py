"""Weights rewritten into new models that say the same, as TransformerLens' own processing does."""

import pytest
import torch
from torch.testing import assert_close

from grokinterp.config import TransformerConfig
from grokinterp.models import processing
from grokinterp.models.transformer import HookedTransformer

SIZES = {"n_layers": 2, "d_model": 12, "n_heads": 3, "d_vocab": 7, "d_vocab_out": 5, "n_ctx": 4}
TOKENS = torch.arange(12).reshape(3, 4) % 7


def random_model(**fields) -> HookedTransformer:
    """A model none of whose weights is left at a constant, so that each has a part in the logits."""
    model = HookedTransformer(TransformerConfig(**{**SIZES, **fields}))
    with torch.no_grad():
        for parameter in model.parameters():
            parameter += 0.3 * torch.randn_like(parameter)
    return model.double()


MODELS = {
    "layer norm": {"normalization": "pre", "attention_bias": True, "unembed_bias": True},
    "layer norm without biases": {"normalization": "pre", "mlp_bias": False},
    "rms norm": {"normalization": "pre", "norm_kind": "rms", "attention_bias": True},
    "no final norm": {"normalization": "pre", "final_norm": False},
    "no norm": {"attention_bias": True},
    "attention only": {"normalization": "pre", "attn_only": True, "attention_bias": True},
    "tied": {"normalization": "pre", "tied_unembed": True},
}


@pytest.mark.parametrize("fields", MODELS.values(), ids=list(MODELS))
@pytest.mark.parametrize("fold", [processing.fold_layer_norm, processing.fold_value_biases])
def test_folding_leaves_every_logit_and_the_model_itself(fold, fields: dict) -> None:
    """Folding is algebra: float64 logits stay to rounding, and the model that is given keeps its weights."""
    model = random_model(**fields)
    before = {name: value.clone() for name, value in model.state_dict().items()}
    assert_close(fold(model)(TOKENS), model(TOKENS))
    assert_close(dict(model.state_dict()), before, rtol=0, atol=0)


def test_folded_norms_scale_and_shift_nothing() -> None:
    """What is folded is gone from the norms, and what reads a LayerNorm is centred, as in TransformerLens."""
    folded = processing.fold_layer_norm(random_model(**MODELS["layer norm"]))
    for name, value in folded.named_parameters():
        if name.endswith(("ln1.w", "ln2.w", "ln_final.w")):
            assert (value == 1).all()
        if name.endswith(("ln1.b", "ln2.b", "ln_final.b")):
            assert (value == 0).all()
    assert_close(folded.W_in.mean(1), torch.zeros_like(folded.W_in[:, 0]))
    assert_close(folded.W_U.mean(0), torch.zeros_like(folded.W_U[0]))


def test_folded_value_biases_are_zero() -> None:
    """All that values' biases write stands in b_O."""
    folded = processing.fold_value_biases(random_model(attention_bias=True))
    assert not folded.b_V.any()
    assert folded.b_O.any()


@pytest.mark.parametrize("fields", MODELS.values(), ids=list(MODELS))
def test_a_centred_unembedding_keeps_the_probabilities(fields: dict) -> None:
    """The logits lose their mean over the columns and nothing else."""
    model = random_model(**fields)
    logits = model(TOKENS)
    assert_close(processing.center_unembed(model)(TOKENS), logits - logits.mean(-1, keepdim=True))


def test_centred_writing_is_what_layer_norm_reads_anyway() -> None:
    """With LayerNorm before every reader the mean of the stream reaches no logit."""
    model = random_model(**MODELS["layer norm"])
    centred = processing.center_writing_weights(model)
    assert_close(centred(TOKENS), model(TOKENS))
    stream = centred(TOKENS, stop_at_layer=2)
    assert_close(stream.mean(-1), torch.zeros_like(stream[..., 0]))


def test_processing_agrees_with_transformer_lens() -> None:
    """Centred and folded weights are those that TransformerLens makes of the same state dict."""
    from transformer_lens.weight_processing import ProcessWeights

    model = random_model(**MODELS["layer norm"])
    state = {name: value.detach().clone() for name, value in model.named_parameters()}
    theirs = ProcessWeights.fold_layer_norm(dict(state), model.cfg, fold_biases=True, center_weights=True)
    theirs = ProcessWeights.center_unembed(theirs)
    ours = dict(processing.center_unembed(processing.fold_layer_norm(model)).named_parameters())
    for name in ("blocks.1.attn.W_Q", "blocks.0.attn.b_K", "blocks.1.mlp.W_in", "blocks.0.mlp.b_in", "unembed.W_U"):
        assert_close(ours[name].detach(), theirs[name], msg=name)
