"""Parameters of an ordinary `nn.Module`, found their places in this project's models by name patterns and shapes."""

import re
from collections.abc import Mapping
from typing import NoReturn

import torch
from torch import Tensor

from grokinterp.errors import listed
from grokinterp.importers._base import ImportFileError
from grokinterp.importers._contents import cut
from grokinterp.tasks import Task


def _word(names: str) -> str:
    return rf"(?:^|[._])(?:{names})(?=[._]|$)"


_IN_MLP, _IN_ATTENTION = r"(?:mlp|ffn|ff|feed_?forward)\w*[._]", r"(?:attn|attention)\w*[._]"

ROLES: tuple[tuple[str, str], ...] = (
    ("ln", r"norm|(?:^|[._])ln"),
    ("pos_embed", r"(?:^|[._])(?:pos|wpe)|" + _word("pe")),
    ("attn.qkv", r"in_proj|c_attn|qkv"),
    ("attn.q", _word("w?_?q|query|to_q|q_?proj|q_lin")),
    ("attn.k", _word("w?_?k|key|to_k|k_?proj|k_lin")),
    ("attn.v", _word("w?_?v|value|to_v|v_?proj|v_lin")),
    (
        "attn.o",
        rf"{_IN_ATTENTION}(?:\w*out|o|o_proj|c_proj|proj|dense)(?=[._]|$)|{_word('out_proj|o_proj|to_out|w_?o')}",
    ),
    ("mlp.in", rf"{_IN_MLP}(?:0|net\.0|\w*in|\w*1|c_fc|up\w*)(?=[._]|$)|{_word('linear1|fc1|fc_in|c_fc|w_in')}"),
    ("mlp.out", rf"{_IN_MLP}(?:\d|net\.\d|\w*out|\w*2|c_proj|down\w*)(?=[._]|$)|{_word('linear2|fc2|fc_out|w_out')}"),
    ("unembed", r"unemb|deemb|" + _word(r"\w*head|output\w*|out|classifier|readout")),
    ("embed", r"emb|" + _word(r"wte|tok\w*")),
)
"""What a name of a transformer's parameter means -> the pattern that says so; the first that matches counts."""

_MASK = re.compile(r"mask|tril|(?:^|\.)IGNORE$", re.IGNORECASE)
"""Buffers of constants, which are no weights."""

_FOREIGN: tuple[tuple[str, str], ...] = (
    ("a gated MLP (SwiGLU)", rf"gate|{_IN_MLP}(?:w3|fc3|linear3|v)(?=[._]|$)"),
    ("rotary positions", r"rotary|rope|inv_freq|freqs_cis"),
    ("normalised queries and keys", r"(?:^|[._])(?:q|k|qk)_?norm|norm_?(?:q|k)(?=[._]|$)"),
    ("relative positions", r"relative|rel_pos|alibi"),
    ("a recurrent network", r"(?:weight|bias)_(?:ih|hh)_l\d"),
)
"""Parts that this project's models do not compute -> names that tell them."""


def weights_among(parameters: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """The parameters without masks and counters, which are no weights."""
    return {n: v for n, v in parameters.items() if not _MASK.search(n) and v.ndim and v.dtype != torch.bool}


def is_transformer(weights: Mapping[str, Tensor]) -> bool:
    """Whether any name is one of attention."""
    return any(_role(name) in ("attn.qkv", "attn.q") for name in weights)


def is_one_hot_mlp(weights: Mapping[str, Tensor]) -> bool:
    """Whether these are two matrices between p one-hot numbers and neurons, without an embedding (He et al. 2026)."""
    matrices = {name.rpartition(".")[2].lower(): value for name, value in weights.items() if value.ndim == 2}
    if not {"w_in", "w_out"} <= matrices.keys() or any("emb" in name.lower() for name in weights):
        return False
    return len(matrices) <= 3 and matrices["w_in"].shape == matrices["w_out"].shape[::-1]


def refuse_foreign(weights: Mapping[str, Tensor], where: str) -> None:
    """Refuse, by its name, a part that this project's models do not compute."""
    for part, pattern in _FOREIGN:
        names = [name for name in weights if re.search(pattern, name.lower())]
        if names:
            raise ImportFileError(
                f"{where} has {part} ({cut(listed(names[:4]))}), which this project's models do not compute; "
                f"analyse it in the code that trained it"
            )


def mapping(parameters: Mapping[str, Tensor], classic: Mapping[str, Tensor]) -> dict[str, str]:
    """Name in the file -> classic name(s), told by the memory that they share; the others are told to be left out."""
    starts = {name: _start(value) for name, value in classic.items()}
    return {
        name: listed(other for other, start in starts.items() if start == _start(value)) or _why_left_out(name, value)
        for name, value in parameters.items()
    }


def _why_left_out(name: str, value: Tensor) -> str:
    if _MASK.search(name) or value.dtype == torch.bool:
        return "left out: a mask"
    return "left out: a counter" if value.ndim == 0 else "left out: it is computed"


def _start(value: Tensor) -> int:
    return value.untyped_storage().data_ptr()


def refuse_names(where: str, kind: str, unmatched: list[str], parameters: Mapping[str, Tensor]) -> NoReturn:
    """Raise `ImportFileError` with what found no place."""
    shapes = [f"{cut(name)} {list(parameters[name].shape)}" if name in parameters else name for name in unmatched[:12]]
    raise ImportFileError(
        f"{where} cannot be mapped to our {kind}: no place for {listed(shapes)}; save it under the classic names "
        f"(embed.W_E, blocks.0.mlp.W_in, unembed.W_U, ...) instead"
    )


# -- transformers


def _role(name: str) -> str | None:
    return next((role for role, pattern in ROLES if re.search(pattern, name.lower())), None)


def _block_stem(name: str) -> str:
    """`layers.0.` of `layers.0.mlp.2.weight`: the name up to the first part that is a number; nothing without one."""
    found = re.match(r"(?:.*?\.)??\d+\.", name)
    return found[0] if found else ""


def native_names(parameters: Mapping[str, Tensor], task: Task, where: str) -> dict[str, Tensor]:
    """The parameters under the names of TransformerLens' native models; no `unembed.weight` where it is tied."""
    roles = {name: _role(name) for name in parameters}
    stems = list(dict.fromkeys(_block_stem(name) for name, role in roles.items() if role and role.startswith("attn.")))
    norms: dict[str, list[str]] = {stem: [] for stem in stems}
    norms_of_a_block = 2 if "mlp.in" in roles.values() else 1
    native: dict[str, Tensor] = {}
    unmatched = []
    for name, value in parameters.items():
        role, kind = roles[name], "bias" if name.endswith(("bias", "beta")) else "weight"
        stem = next((stem for stem in stems if name.startswith(stem)), None)
        # A model of one block may well keep its parts at the top.
        block = f"blocks.{stems.index(stem)}" if stem is not None else "blocks.0" if len(stems) == 1 else None
        if role is None and value.ndim == 2 and value.shape[0] >= task.n_answers:
            role = "unembed"  # the last module of an nn.Sequential has a number for a name
        found: dict[str, Tensor] = {}
        if role == "ln":
            seen = norms.get(stem or "", [])
            norm = name.rpartition(".")[0]
            if norm not in seen and len(seen) < norms_of_a_block:
                seen.append(norm)
            inside = stem is not None and norm in seen
            found = {f"{block}.ln{seen.index(norm) + 1}.{kind}" if inside else f"ln_final.{kind}": value}
        elif role == "attn.qkv" and block:
            if value.ndim == 2 and value.shape[1] == 3 * value.shape[0]:
                value = value.mT  # GPT-2's Conv1D keeps [in, out]
            found = {f"{block}.attn.{x}.{kind}": part for x, part in zip("qkv", value.chunk(3), strict=True)}
        elif role in ("pos_embed", "embed", "unembed"):
            found = {f"{role}.{kind}": value.reshape(-1, value.shape[-1]) if role == "pos_embed" else value}
        elif role and block:
            found = {f"{block}.{role}.{kind}": value}
        if not found or found.keys() & native.keys():
            unmatched.append(name)
        native |= found
    missing = [name for name in ("embed.weight", "blocks.0.attn.o.weight") if name not in native]
    if unmatched or missing:
        refuse_names(where, "transformer", unmatched or [f"(nothing is the {name})" for name in missing], parameters)
    return native


# -- embedding MLPs


def mlp_layers(
    parameters: Mapping[str, Tensor], task: Task, where: str
) -> tuple[dict[str, Tensor], list[int], tuple[str, ...]]:
    """Classic parameters of an embedding MLP, its layers' widths, and the ways to combine embeddings that fit."""
    is_table = re.compile(r"(?<!un)(?<!de)emb|wte|tok|(?:^|[._])w_?e(?:[._]|$)", re.IGNORECASE)
    tables = [name for name, value in parameters.items() if value.ndim == 2 and is_table.search(name)]
    layers = [name for name, value in parameters.items() if value.ndim == 2 and name not in tables]
    biases = {_stem(name): name for name, value in parameters.items() if value.ndim == 1}
    unmatched = [name for stem, name in biases.items() if stem not in {_stem(layer) for layer in layers}]
    unmatched += [name for name, value in parameters.items() if value.ndim not in (1, 2)]
    if not tables or len(layers) < 2 or unmatched:
        if not tables:
            unmatched = ["(nothing is an embedding)", *unmatched]
        refuse_names(where, "embedding MLP", unmatched or layers, parameters)

    n_tokens, d_embed = task.inputs.shape[1], parameters[tables[0]].shape[1]
    n_operands = n_tokens if task.is_sample else task.operands.shape[1]
    classic = {f"{place}.W_E": parameters[name] for place, name in zip(_table_names(len(tables)), tables, strict=True)}
    width, widths = 0, []
    for index, name in enumerate(layers):
        # nn.Linear keeps [out, in]; a bare matrix, as in x @ W, is [in, out].
        weight = parameters[name].mT if name.endswith("weight") else parameters[name]
        if index and weight.shape[0] != width:
            refuse_names(where, "embedding MLP", [name], parameters)
        width = weight.shape[1]
        place = "unembed.{}_U" if index == len(layers) - 1 else f"blocks.{index}.mlp.{{}}_in"
        classic[place.format("W")] = weight
        if _stem(name) in biases:
            classic[place.format("b")] = parameters[biases[_stem(name)]]
        widths.append(width)

    d_in = classic["blocks.0.mlp.W_in"].shape[0]
    if d_in == n_operands * d_embed and n_tokens != n_operands:
        raise ImportFileError(
            f"{where} reads {n_operands} embeddings of width {d_embed} and a row of this layout has {n_tokens} tokens; "
            f"give the layout 'a b' (--layout \"a b\")"
        )
    ways = {n_tokens * d_embed: ("concatenate",), d_embed: ("add", "project_then_add")}.get(d_in)
    if ways is None or len(tables) not in (1, n_tokens):
        refuse_names(where, "embedding MLP", [*tables, layers[0]], parameters)
    return classic, widths, ways


def _table_names(count: int) -> list[str]:
    return ["embed", *(f"embed_{chr(ord('a') + i)}" for i in range(1, count))]


def _stem(name: str) -> str:
    return re.sub(r"(?:^|[._])(?:weight|bias)$|^[Wwb](?=_?\d|_)", "", name)
