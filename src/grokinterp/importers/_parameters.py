"""Weights of other code bases, under TransformerLens' classic names and shapes, and the model they are of."""

import re
from collections.abc import Iterable, Mapping
from typing import Any, TypeGuard

import torch
from torch import Tensor

from grokinterp.config import TransformerConfig
from grokinterp.errors import listed
from grokinterp.importers._base import ImportFileError
from grokinterp.importers._contents import cut

_BLOCK = re.compile(r"blocks\.(\d+)\.")

# -- recognising a style by its names


def is_early(parameters: Any) -> bool:
    """Nanda's code of 2022 and all that copied it: weights [out, in], `W_O` [d_model, head * d_head]."""
    return _has_tensors(parameters, ("embed.W_E", "unembed.W_U")) and any(
        str(name).endswith("attn.W_O") and isinstance(value, Tensor) and value.ndim == 2
        for name, value in parameters.items()
    )


def is_classic(parameters: Any) -> bool:
    """`HookedTransformer`, TransformerLens 1 to 3: weights [in, out], `W_O` [head, d_head, d_model]."""
    return _has_tensors(parameters, ("embed.W_E", "blocks.0.attn.W_O")) and parameters["blocks.0.attn.W_O"].ndim == 3


def is_native(parameters: Any) -> TypeGuard[Mapping[str, Any]]:
    """`TransformerBridge.boot_native`, TransformerLens 4: `nn.Linear` weights [out, in], heads joined."""
    return _has_tensors(parameters, ("embed.weight", "blocks.0.attn.q.weight"))


def has_native_names(parameters: Mapping[str, Any]) -> bool:
    """Whether every parameter has a name of those, and none a module's own."""
    parts = r"q|k|v|o|in|out|ln1|ln2|ln_final|embed|pos_embed|unembed"
    name = re.compile(rf"(?:blocks\.\d+\.(?:attn\.|mlp\.)?)?(?:{parts})\.(?:_original_component\.)?(?:weight|bias)")
    return all(name.fullmatch(each) for each in parameters)


def _has_tensors(parameters: Any, names: Iterable[str]) -> bool:
    return isinstance(parameters, dict) and all(isinstance(parameters.get(name), Tensor) for name in names)


# -- into classic names and shapes


def from_early(parameters: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """Classic parameters of Nanda's early code; `attn_blocks.i` is a block without an MLP. The mask is dropped."""
    classic = {}
    for name, value in parameters.items():
        name = re.sub(r"^attn_blocks\.", "blocks.", name)
        leaf = name.rsplit(".", 1)[-1]
        if leaf == "mask":
            continue
        if leaf in ("W_E", "W_in", "W_out"):
            value = value.mT
        elif leaf in ("W_Q", "W_K", "W_V"):
            value = value.transpose(1, 2)
        elif leaf == "W_O":
            heads = parameters[_of_block(parameters, name, "W_V")].shape[0]
            value = value.mT.reshape(heads, -1, value.shape[0])
        classic[name] = value
    return classic


def to_early(parameters: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """The inverse of `from_early`, without the mask."""
    early = {}
    for name, value in parameters.items():
        leaf = name.rsplit(".", 1)[-1]
        if leaf in ("W_E", "W_in", "W_out"):
            value = value.mT
        elif leaf in ("W_Q", "W_K", "W_V"):
            value = value.transpose(1, 2)
        elif leaf == "W_O":
            value = value.flatten(0, 1).mT
        early[name] = value.contiguous()
    return early


def _of_block(parameters: Mapping[str, Tensor], name: str, leaf: str) -> str:
    wanted = re.sub(r"W_O$", leaf, name)
    return wanted if wanted in parameters else f"attn_{wanted}"


def from_classic(parameters: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """`HookedTransformer`'s own, without the buffers `mask` and `IGNORE`."""
    return {name: value for name, value in parameters.items() if name.rsplit(".", 1)[-1] not in ("mask", "IGNORE")}


HEADS_STATED = "state how many heads it has, as in n_heads=4 (--n-heads 4)"


def check_heads(n_heads: int, width: int, where: str) -> None:
    """Refuse a number of heads that the width of the attention cannot be shared out among."""
    if n_heads < 1 or width % n_heads:
        raise ImportFileError(f"{where} has attention of width {width}, which are not {n_heads} heads; {HEADS_STATED}")


def from_native(parameters: Mapping[str, Tensor], n_heads: int) -> dict[str, Tensor]:
    """Classic parameters of `TransformerBridge.boot_native(...).state_dict()`.

    Raises `ImportFileError` where the heads do not share out the width of the attention.
    """
    classic = {}
    for name, value in parameters.items():
        name = name.replace("._original_component", "")
        stem, _, kind = name.rpartition(".")
        *block, part = stem.split(".")
        prefix = ".".join(block) + "." if block else ""
        if part in ("embed", "pos_embed"):
            classic[name.replace("weight", "W_E" if part == "embed" else "W_pos")] = value
        elif part == "unembed":
            classic[f"{stem}.{'W_U' if kind == 'weight' else 'b_U'}"] = value.mT if kind == "weight" else value
        elif part in ("q", "k", "v"):
            check_heads(n_heads, len(value), name)
            split = value.reshape(n_heads, -1, *value.shape[1:])
            classic[f"{prefix}{'W' if kind == 'weight' else 'b'}_{part.upper()}"] = (
                split.mT if kind == "weight" else split
            )
        elif part == "o":
            if kind == "weight":
                classic[f"{prefix}W_O"] = value.mT.reshape(n_heads, -1, value.shape[0])
            else:
                classic[f"{prefix}b_O"] = value
        elif part in ("in", "out"):
            classic[f"{prefix}{'W' if kind == 'weight' else 'b'}_{part}"] = value.mT if kind == "weight" else value
        elif part in ("ln1", "ln2", "ln_final"):
            classic[f"{stem}.{'w' if kind == 'weight' else 'b'}"] = value
        else:
            raise ImportFileError(f"the parameter {name} has no place in a transformer of this project")
    return classic


def without_idle_biases(checkpoints: list[dict[str, Tensor]]) -> list[dict[str, Tensor]]:
    """The checkpoints without those groups of biases that are exactly zero in all of them.

    A bias frozen at zero is no bias. The groups are those that a config switches together: `b_Q b_K b_V b_O`,
    `b_in b_out`, `b_U`.
    """
    groups = (("b_Q", "b_K", "b_V", "b_O"), ("b_in", "b_out"), ("b_U",))
    idle: set[str] = set()
    for group in groups:
        members = [name for name in checkpoints[0] if name.rsplit(".", 1)[-1] in group]
        if not any(bool(parameters[name].any()) for parameters in checkpoints for name in members):
            idle.update(members)
    return [{name: value for name, value in parameters.items() if name not in idle} for parameters in checkpoints]


def tied(parameters: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """The parameters without an unembedding that is the embedding's transpose: it is tied, and saved twice."""
    W_U, W_E = parameters.get("unembed.W_U"), parameters["embed.W_E"]
    is_tied = W_U is not None and W_U.shape == W_E.mT.shape and torch.equal(W_U, W_E.mT)
    return {name: value for name, value in parameters.items() if not is_tied or name != "unembed.W_U"}


def with_unit_norms(parameters: Mapping[str, Tensor], blocks: bool = True, final: bool = True) -> dict[str, Tensor]:
    """The parameters with w = 1 and b = 0 wherever a LayerNorm has none: its own were folded into the weights."""
    d_model = parameters["embed.W_E"].shape[1]
    stems = sorted({found[0] for name in parameters if (found := _BLOCK.match(name))}) if blocks else []
    places = [f"{stem}ln{i}" for stem in stems for i in (1, 2) if i == 1 or f"{stem}mlp.W_in" in parameters]
    norms = {f"{place}.{leaf}" for place in (*places, *(["ln_final"] if final else [])) for leaf in "wb"}
    return {**{name: torch.full((d_model,), float(name.endswith("w"))) for name in sorted(norms)}, **parameters}


def without_norm_biases(parameters: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """The parameters without the biases of norms, which an RMSNorm does not have."""
    return {name: value for name, value in parameters.items() if not re.search(r"(^|\.)ln(\d|_final)\.b$", name)}


def has_norm_weights(parameters: Mapping[str, Tensor]) -> bool:
    return any(re.search(r"(^|\.)ln(\d|_final)\.", name) for name in parameters)


def norms_of(parameters: Mapping[str, Tensor]) -> dict[str, tuple[str, str]]:
    """What the weights of code that folds no norms tell of them."""
    if has_norm_weights(parameters):
        return {}
    return {"normalization": ("none", "it has no weights of norms, which this code saves")}


# -- the model they are of


def transformer_config(parameters: Mapping[str, Tensor], **known: Any) -> TransformerConfig:
    """The configuration of classic parameters by their shapes; `known` says the rest (activation, direction, ...)."""
    blocks = sorted({int(found[1]) for name in parameters if (found := _BLOCK.match(name))})
    n_heads, d_model, d_head = parameters["blocks.0.attn.W_Q"].shape
    attn_only = "blocks.0.mlp.W_in" not in parameters
    d_vocab = parameters["embed.W_E"].shape[0]
    is_tied = "unembed.W_U" not in parameters
    columns = d_vocab if is_tied else parameters["unembed.W_U"].shape[1]
    has_positions = "pos_embed.W_pos" in parameters
    sizes: dict[str, Any] = {
        "n_layers": len(blocks),
        "d_model": d_model,
        "n_heads": n_heads,
        "d_head": None if d_head == d_model // n_heads else d_head,
        "attn_only": attn_only,
        "d_mlp": None if attn_only or _d_mlp(parameters) == 4 * d_model else _d_mlp(parameters),
        "position_embedding": "learned" if has_positions else "none",
        "normalization": "pre" if any(".ln" in name for name in parameters) else "none",
        "attention_bias": "blocks.0.attn.b_Q" in parameters,
        "mlp_bias": "blocks.0.mlp.b_in" in parameters,
        "unembed_bias": "unembed.b_U" in parameters,
        "tied_unembed": is_tied,
        "output": "vocabulary" if columns == d_vocab else "answers",
        "d_vocab": d_vocab,
        "d_vocab_out": columns,
    }
    if has_positions:
        sizes["n_ctx"] = parameters["pos_embed.W_pos"].shape[0]
    return TransformerConfig(**{**sizes, **known})


def _d_mlp(parameters: Mapping[str, Tensor]) -> int:
    return parameters["blocks.0.mlp.W_in"].shape[1]


def float_tensors(parameters: Mapping[str, Any], where: str) -> dict[str, Tensor]:
    """The entries, all of which must be tensors of numbers. Raises `ImportFileError`, naming those that are not."""
    strange = [cut(name) for name, value in parameters.items() if not (isinstance(value, Tensor) and type(name) is str)]
    if strange:
        raise ImportFileError(f"{where} has entries that are not tensors: {listed(strange[:8])}; give its state_dict()")
    strange = [cut(name) for name, value in parameters.items() if value.is_complex() or value.is_sparse]
    if strange:
        raise ImportFileError(f"{where} has tensors that are not of plain numbers: {listed(strange[:8])}; save floats")
    return {name: value if value.dtype == torch.bool else value.to(torch.float32) for name, value in parameters.items()}
