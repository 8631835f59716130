"""Processing: the weights of a transformer rewritten, as TransformerLens does, into a new model that says the same.

Each function returns a new `HookedTransformer` and leaves the one it is given alone.
"""

from collections.abc import Iterable
from dataclasses import replace

import torch
from jaxtyping import Float
from torch import Tensor

from grokinterp.config.validation import shown
from grokinterp.errors import BadRequest
from grokinterp.models.blocks import Norm
from grokinterp.models.transformer import HookedTransformer

Weights = dict[str, Tensor]


def center_unembed(model: HookedTransformer) -> HookedTransformer:
    """Take the mean over the output columns out of `W_U` and `b_U`: the same probabilities, logits less their mean."""
    weights = _untied(model)
    for name in ("unembed.W_U", "unembed.b_U"):
        if name in weights:
            weights[name] = _centred(weights[name])
    return _rebuilt(model, weights)


def fold_layer_norm(model: HookedTransformer) -> HookedTransformer:
    """Fold the scale and shift of every norm into the weights that read it: the same logits, with w = 1 and b = 0.

    Weights that read a LayerNorm are centred over the stream too, since what they read has mean zero. The model gains
    the biases that the shifts become. Raises `BadRequest` for norms after the sublayers, whose output is the stream.
    """
    weights = _untied(model)
    if model.config.normalization == "post":
        raise BadRequest(
            "norms after the sublayers write the stream itself and fold into no weight; use normalization='pre'"
        )
    for layer in range(model.config.n_layers):
        block = f"blocks.{layer}."
        if f"{block}ln1.w" in weights:
            for x in "QKV":
                _fold(weights, f"{block}ln1", f"{block}attn.W_{x}", f"{block}attn.b_{x}")
            _set_to_identity(weights, f"{block}ln1")
        if f"{block}ln2.w" in weights and f"{block}mlp.W_in" in weights:
            _fold(weights, f"{block}ln2", f"{block}mlp.W_in", f"{block}mlp.b_in")
            _set_to_identity(weights, f"{block}ln2")
    if isinstance(model.ln_final, Norm):
        _fold(weights, "ln_final", "unembed.W_U", "unembed.b_U")
        _set_to_identity(weights, "ln_final")
    return _rebuilt(model, weights)


def fold_value_biases(model: HookedTransformer) -> HookedTransformer:
    """Move what the value biases write into `b_O`, since a pattern sums to 1: the same logits, with b_V = 0.

    Raises `BadRequest` for an attention rate other than 1, whose patterns do not sum to 1.
    """
    weights = _untied(model)
    if model.config.attention_rate != 1:
        raise BadRequest(
            f"with attention_rate={model.config.attention_rate} patterns do not sum to 1; leave b_V where it is"
        )
    for layer in range(model.config.n_layers):
        attention = f"blocks.{layer}.attn."
        if f"{attention}b_V" in weights:
            written = torch.einsum("he, hed -> d", weights[f"{attention}b_V"], weights[f"{attention}W_O"])
            weights[f"{attention}b_O"] = weights[f"{attention}b_O"] + written
            weights[f"{attention}b_V"] = torch.zeros_like(weights[f"{attention}b_V"])
    return _rebuilt(model, weights)


def center_writing_weights(model: HookedTransformer) -> HookedTransformer:
    """Take the mean over the stream out of all that is written to it: the same logits, since LayerNorm removes it.

    Raises `BadRequest` where something reads the stream without a LayerNorm, or positions are fixed sinusoids.
    """
    weights = _untied(model)
    config = model.config
    if config.normalization != "pre" or config.norm_kind != "layer" or not config.has_final_norm:
        raise BadRequest(
            "the mean of the stream is read where no LayerNorm removes it; use this with normalization='pre'"
        )
    if config.position_embedding == "sinusoidal":
        raise BadRequest("sinusoidal positions are no weights and cannot be centred; use position_embedding='learned'")
    for name in weights:
        if name.endswith(("W_E", "W_pos", "W_O", "b_O", "W_out", "b_out")):
            weights[name] = _centred(weights[name])
    return _rebuilt(model, weights)


def _untied(model: HookedTransformer) -> Weights:
    """The weights by name, the unembedding's own among them. Raises `BadRequest` for what is no transformer."""
    if not isinstance(model, HookedTransformer):
        raise BadRequest(f"a HookedTransformer is asked, such as run.final.model(), not {shown(model)}")
    weights = {name: value.detach() for name, value in model.named_parameters()}
    return weights if "unembed.W_U" in weights else {**weights, "unembed.W_U": model.W_U.detach()}


def _fold(weights: Weights, norm: str, weight: str, bias: str) -> None:
    W, shift = weights[weight], weights.get(f"{norm}.b")
    if shift is not None:
        added = shift @ W
        weights[bias] = weights[bias] + added if bias in weights else added
    scaled = weights[f"{norm}.w"][:, None] * W
    # RMSNorm leaves the mean where it is, and the weights read it.
    weights[weight] = scaled if shift is None else scaled - scaled.mean(-2, keepdim=True)


def _set_to_identity(weights: Weights, norm: str) -> None:
    weights[f"{norm}.w"] = torch.ones_like(weights[f"{norm}.w"])
    if f"{norm}.b" in weights:
        weights[f"{norm}.b"] = torch.zeros_like(weights[f"{norm}.b"])


def _centred(weight: Float[Tensor, "*rest last"]) -> Float[Tensor, "*rest last"]:
    return weight - weight.mean(-1, keepdim=True)


def _rebuilt(model: HookedTransformer, weights: Weights) -> HookedTransformer:
    """A new model with these weights; a bias that some of its layers have gained is zero in the others."""
    config = replace(
        model.config,
        tied_unembed=False,
        unembed_bias="unembed.b_U" in weights,
        attention_bias=_any_ends(weights, "attn.b_Q"),
        mlp_bias=_any_ends(weights, "mlp.b_in"),
    )
    like = weights["unembed.W_U"]
    shapes = config.parameter_shapes()
    complete = {name: weights[name] if name in weights else like.new_zeros(shape) for name, shape in shapes.items()}
    return HookedTransformer(config, complete, task=model.task)


def _any_ends(weights: Iterable[str], ending: str) -> bool:
    return any(name.endswith(ending) for name in weights)
