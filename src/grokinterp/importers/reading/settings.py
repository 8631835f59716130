"""The settings that a file keeps beside its weights, in the many words of those who wrote them, and in ours."""

import math
from collections.abc import Mapping
from typing import Any

from grokinterp.errors import listed
from grokinterp.importers._base import ImportFileError
from grokinterp.importers._contents import one_line

_NAMES: dict[str, tuple[str, ...]] = {
    "activation": ("act_type", "act_fn", "activation", "activation_function", "nonlinearity"),
    "n_heads": ("n_heads", "num_heads", "n_head", "nhead", "heads"),
    "n_layers": ("n_layers", "num_layers", "n_layer", "nlayers"),
    "d_model": ("d_model", "n_embd", "embed_dim", "hidden_dim", "dim"),
    "head_size": ("d_head", "head_dim", "dim_head"),
    "mlp_size": ("d_mlp", "d_ff", "dim_feedforward"),
    "normalization": ("use_ln", "use_layernorm", "use_layer_norm", "layer_norm", "layernorm", "normalization", "norm"),
    "norm_kind": ("normalization_type", "norm_type"),
    "final_norm": ("final_norm", "use_final_norm", "final_ln"),
    "norm_first": ("norm_first", "pre_norm", "prenorm"),
    "attention_rate": ("attn_coeff", "attention_rate"),
    "attention_direction": ("attention_dir", "attention_direction", "causal", "is_causal"),
    "position_embedding": ("positional_embedding_type", "position_embedding", "pos_embedding", "pos_encoding"),
    "embedding_scale": ("embedding_scale", "embed_scale", "scale_embedding"),
    "tied_unembed": ("tie_weights", "tied", "tie_word_embeddings", "weight_tying"),
    "gated": ("gated_mlp", "swiglu", "use_swiglu", "glu"),
    "rotary": ("rotary", "use_rotary", "rope", "use_rope"),
    "parallel": ("parallel_residual", "use_parallel_residual", "parallel_attn", "parallel_block", "parallel_attn_mlp"),
    "normalised": ("qk_norm", "use_qk_norm", "normalize_qk", "cosine_attention", "cosine_attn"),
    "residual": ("residual", "use_residual", "residuals", "skip_connection", "use_skip"),
}
"""What a setting means -> the names under which it is kept."""

MODULUS = ("p", "P", "prime", "modulus", "mod")
"""Under which names files keep the modulus of their task."""

_MEANINGS = {"normalization": ("normalization", "norm_kind", "norm_first"), "norm_kind": ("norm_kind", "normalization")}
"""Field of ours -> what settings can mean that tell it, where its own name is not the only one."""

_ACTIVATIONS = {
    **dict.fromkeys(("relu",), "relu"),
    **dict.fromkeys(("gelu", "gelu_new", "gelu_fast", "gelu_tanh", "gelu_pytorch_tanh", "gelu_python"), "gelu"),
    **dict.fromkeys(("silu", "swish"), "silu"),
    **dict.fromkeys(("square", "squared", "quad", "quadratic", "x^2", "x2"), "square"),
    **dict.fromkeys(("relu_squared", "relu2", "relu^2", "squared_relu", "relusquared"), "relu_squared"),
    **dict.fromkeys(("leaky_relu", "leakyrelu"), "leaky_relu"),
    **dict.fromkeys(("quick_gelu", "quickgelu"), "quick_gelu"),
    **dict.fromkeys(("hardswish", "hard_swish", "hswish"), "hardswish"),
    **{name: name for name in ("tanh", "elu", "softplus", "mish", "sigmoid")},
}

_NORMS = {
    **dict.fromkeys(("none", "identity", ""), None),
    **dict.fromkeys(("ln", "layernorm", "layer_norm", "layer", "lnpre"), "layer"),
    **dict.fromkeys(("rms", "rmsnorm", "rms_norm", "rmspre"), "rms"),
}


def settings_among(content: Mapping[str, Any]) -> dict[str, Any]:
    """The settings that stand beside the weights of a file themselves, by their names, among all that stands there."""
    measures = {*_NAMES["embedding_scale"], *_NAMES["attention_rate"]}  # another number is something recorded
    return {
        name: value
        for name in (*(name for names in _NAMES.values() for name in names), *MODULUS)
        if isinstance(value := content.get(name), (bool, int, str, *([float] if name in measures else [])))
    }


def known_settings(settings: Mapping[str, Any], where: str, stated: Mapping[str, Any]) -> dict[str, tuple[Any, str]]:
    """Our name of each setting -> its value, and the words of the file for it; of what is `stated` nothing.

    Raises `ImportFileError`, naming the setting, for one that this project's models do not compute.
    """
    known: dict[str, tuple[Any, str]] = {}
    settled = {*stated, *(["has_norms"] if "normalization" in stated else [])}
    for meaning, names in _NAMES.items():
        name = next((name for name in names if settings.get(name) is not None), None)
        if name is None or meaning in stated:
            continue
        value, words = settings[name], f"{name}={one_line(repr(settings[name]))}"
        known |= {ours: (each, words) for ours, each in _fields(meaning, value, words, where).items()}
    return {name: each for name, each in known.items() if name not in settled}


def words_against(settings: Mapping[str, Any], field: str, value: Any) -> str | None:
    """The file's words for a field of ours, where they say something else than a value; None where they do not."""
    for meaning in _MEANINGS.get(field, (field,)):
        for name in _NAMES.get(meaning, ()):
            if settings.get(name) is None:
                continue
            words = f"{name}={one_line(repr(settings[name]))}"
            try:
                told = _fields(meaning, settings[name], words, "the file").get(field, value)
            except ImportFileError:
                return words
            if told != value:
                return words
    return None


def _fields(meaning: str, value: Any, words: str, where: str) -> dict[str, Any]:
    match meaning:
        case "activation":
            name = str(value).lower().removeprefix("nn.").removeprefix("torch.nn.").strip("()")
            if name not in _ACTIVATIONS:
                raise _not_computed(where, words, f"its activations are {listed(dict.fromkeys(_ACTIVATIONS.values()))}")
            return {"activation": _ACTIVATIONS[name]}
        case "normalization":
            if str(value).lower() in ("false", "none"):
                return {"normalization": "none"}
            if value in ("pre", "post"):
                return {"normalization": value}
            return _norm_kind(value) if isinstance(value, str) else {"has_norms": bool(value)}
        case "norm_kind":
            return _norm_kind(value)
        case "norm_first":
            return {"normalization": "pre" if value else "post"}
        case "embedding_scale":
            return {} if isinstance(value, bool) or not isinstance(value, (int, float)) else {meaning: float(value)}
        case "attention_rate":
            if not isinstance(value, (int, float)) or value != 1:
                raise _not_computed(where, words, "state it as attention_rate=... if it is Zhong et al. 2023's")
            return {}
        case "attention_direction":
            word = {"true": "causal", "false": "bidirectional"}.get(str(value).lower(), str(value).lower())
            return {meaning: word} if word in ("causal", "bidirectional") else {}
        case "position_embedding":
            word = str(value).lower()
            if word.startswith(("rot", "rope", "alibi", "relative")):
                raise _not_computed(where, words, "analyse it in the code that trained it")
            kinds = {"standard": "learned", "learned": "learned", "sinusoidal": "sinusoidal", "none": "none"}
            return {meaning: kinds[word]} if word in kinds else {}
        case "gated" | "rotary" | "parallel" | "normalised" | "residual":
            if bool(value) != (meaning == "residual"):
                raise _not_computed(where, words, "analyse it in the code that trained it")
            return {}
        case "final_norm" | "tied_unembed":
            return {meaning: bool(value)}
    return {meaning: int(value)} if isinstance(value, (int, float)) and math.isfinite(value) else {}


def _norm_kind(value: Any) -> dict[str, Any]:
    kind = _NORMS.get(str(value).lower(), "unknown")
    if kind == "unknown":
        return {}
    return {"normalization": "none"} if kind is None else {"norm_kind": kind, "has_norms": True}


def _not_computed(where: str, words: str, remedy: str) -> ImportFileError:
    return ImportFileError(f"{where} has the setting {words}, which is not computed here; {remedy}")


def check_sizes(known: Mapping[str, tuple[Any, str]], config: Any, where: str) -> None:
    """Refuse settings whose sizes are not those of the weights: they belong to another model."""
    for name in ("n_layers", "d_model", "n_heads", "head_size", "mlp_size"):
        if name in known and hasattr(config, name) and known[name][0] != getattr(config, name):
            if name == "mlp_size" and config.attn_only:
                continue
            raise ImportFileError(
                f"{where} has the setting {known[name][1]} and weights of {name}={getattr(config, name)}; "
                f"it is not their config, so save them apart from it"
            )
