"""Names: which part of a model of ours each parameter of an ordinary `nn.Module` is, by name patterns and shapes."""

import re
from collections.abc import Mapping
from typing import NoReturn

import torch
from torch import Tensor

from grokinterp.errors import listed
from grokinterp.importers._base import ImportFileError
from grokinterp.importers._contents import cut
from grokinterp.importers.reading.joining import HEAD
from grokinterp.tasks import Task


def _word(names: str) -> str:
    return rf"(?:^|[._])(?:{names})(?=[._]|$)"


def _projection(names: str) -> str:
    return _word(rf"(?:w_?|to_|(?:lin|linear|fc)_?)?(?:{names})(?:_?(?:proj|projection|lin|linear|layer))?")


_IN_MLP, _IN_ATTENTION = r"(?:mlp|ffn|ff|feed_?forward)\w*[._]", r"(?:attn|attention|(?:^|[._])sa)\w*[._]"

_LAYER = "linear|lin|fc|ff|ffn|mlp"

ROLES: tuple[tuple[str, str], ...] = (
    ("ln", r"norm|(?:^|[._])ln"),
    ("pos_embed", r"(?:^|[._])(?:pos|wpe)|" + _word("pe")),
    ("attn.qkv", r"in_proj|c_attn|qkv|query_key_value"),
    ("attn.q", _projection("q|query|queries")),
    ("attn.k", _projection("k|key|keys")),
    ("attn.v", _projection("v|value|values")),
    (
        "attn.o",
        rf"{_IN_ATTENTION}(?:\w*out|output|o|o_proj|c_proj|proj|dense)(?=[._]|$)|{_word('out_proj|o_proj|to_out|w_?o')}",
    ),
    ("mlp.in", rf"{_IN_MLP}(?:0|net\.0|\w*in|\w*1|c_fc|up\w*)(?=[._]|$)|{_word(f'(?:{_LAYER})_?1|fc_in|c_fc|w_in')}"),
    (
        "mlp.out",
        rf"{_IN_MLP}(?:\d|net\.\d|\w*out|\w*2|c_proj|down\w*)(?=[._]|$)|{_word(f'(?:{_LAYER})_?2|fc_out|w_out')}",
    ),
    ("unembed", r"unemb|deemb|embed_out|" + _word(r"\w*head|output\w*|out|classifier|readout|w_?u")),
    ("embed", r"emb|" + _word(r"wte|tok\w*|w_?e")),
)
"""What a name of a transformer's parameter means -> the pattern that says so; the first that matches counts."""

BLOCK_ROLES = ("attn.qkv", "attn.q", "attn.k", "attn.v", "attn.o", "mlp.in", "mlp.out")

_MASK = re.compile(r"mask|tril|triu|position_?ids|(?:^|\.)IGNORE$", re.IGNORECASE)
"""Buffers of constants, which are no weights."""

_FOREIGN: tuple[tuple[str, str], ...] = (
    ("a gated MLP (SwiGLU)", rf"gate|(?:^|[._])wi_1|{_IN_MLP}(?:w3|fc3|linear3|v)(?=[._]|$)"),
    ("rotary positions", r"rotary|rope|inv_freq|freqs_cis"),
    ("normalised queries and keys", r"(?:^|[._])(?:q|k|qk)_?norm|norm_?(?:q|k)(?=[._]|$)"),
    ("a norm of its embedding", r"emb\w*[._](?:ln|layer_?norm|norm)|(?:ln|norm)_?(?:emb\w*|pre)(?=[._]|$)"),
    ("relative positions", r"relative|rel_pos|alibi"),
    ("weights in two parts (a weight or spectral norm)", r"[._]weight_(?:g|v|u|orig)$|(?:^|[._])parametrizations[._]"),
    ("low-rank additions that are not merged (LoRA)", r"(?:^|[._])lora_"),
    ("a recurrent network", r"(?:weight|bias)_(?:ih|hh)_l\d"),
    ("a batch norm", r"running_(?:mean|var)|num_batches_tracked"),
    ("a token of its class", r"(?:^|[._])(?:cls|class)_?(?:token|embedding|emb)(?=[._]|$)"),
)
"""Parts that this project's models do not compute -> names that tell them."""


def weights_among(parameters: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """The parameters without masks and counters, which are no weights."""
    return {n: v for n, v in parameters.items() if v.ndim and not _is_mask(n, v)}


def _is_mask(name: str, value: Tensor) -> bool:
    is_for_scores = value.ndim == 4 and value.shape[:2] == (1, 1)  # [batch, head, query, key]
    return bool(_MASK.search(name)) or value.dtype == torch.bool or is_for_scores


def is_transformer(weights: Mapping[str, Tensor]) -> bool:
    """Whether any name is one of attention."""
    return any(role_of(name) in ("attn.qkv", "attn.q") for name in weights)


def is_one_hot_mlp(weights: Mapping[str, Tensor]) -> bool:
    """Whether these are two matrices between one-hot numbers and neurons, without an embedding (He et al. 2026).

    The numbers of both operands are added, or stand side by side: W_in then reads twice as many.
    """
    pair = _pair_of_matrices(weights)
    if pair is None or any("emb" in name.lower() for name in weights):
        return False
    W_in, W_out = (weights[name] for name in pair)
    side_by_side = (W_in.shape[0], W_in.shape[1]) == (W_out.shape[1], 2 * W_out.shape[0])
    return W_in.shape == W_out.shape[::-1] or side_by_side


def matrices_of(weights: Mapping[str, Tensor]) -> tuple[Tensor, Tensor, list[str]]:
    """W_in and W_out of a one-hot MLP, and the names of what else there is but a fixed basis of waves."""
    pair = _pair_of_matrices(weights)
    assert pair is not None, "asked of a one-hot MLP"
    others = [name for name in weights if name not in pair and not name.lower().endswith("basis")]
    return weights[pair[0]], weights[pair[1]], others


def _pair_of_matrices(weights: Mapping[str, Tensor]) -> tuple[str, str] | None:
    """The names of what may be W_in and W_out: called so, or the only two weights, the first read first."""
    matrices = [name for name, value in weights.items() if value.ndim == 2]
    called = {name.rpartition(".")[2].lower(): name for name in matrices}
    if {"w_in", "w_out"} <= called.keys() and len(matrices) <= 3:
        return called["w_in"], called["w_out"]
    is_linear = len(matrices) == 2 and all(name.endswith(".weight") for name in matrices)
    return (matrices[0], matrices[1]) if is_linear and weights.keys() <= _with_biases(matrices) else None


def _with_biases(names: list[str]) -> set[str]:
    return {*names, *(name.removesuffix("weight") + "bias" for name in names)}


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
    if _is_mask(name, value):
        return "left out: a mask"
    if HEAD.fullmatch(name):
        return "joined with the other heads"
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


def role_of(name: str) -> str | None:
    """What a parameter is by its name; None where that does not tell."""
    return next((role for role, pattern in ROLES if re.search(pattern, name.lower())), None)


# -- embedding MLPs


def mlp_layers(
    parameters: Mapping[str, Tensor], task: Task, where: str
) -> tuple[dict[str, Tensor], list[int], tuple[str, ...]]:
    """Classic parameters of an embedding MLP, its layers' widths, and the ways to combine embeddings that fit."""
    is_table = re.compile(r"(?<!un)(?<!de)emb|wte|tok|(?:^|[._])w_?e(?:[._]|$)", re.IGNORECASE)
    tables = [name for name, value in parameters.items() if value.ndim == 2 and is_table.search(name)]
    matrices = [name for name, value in parameters.items() if value.ndim == 2]
    if not tables and len(matrices) > 2 and parameters[matrices[0]].shape[0] == task.n_vocab:
        tables = matrices[:1]  # the first of an nn.Sequential has a number for a name
    layers = [name for name, value in parameters.items() if value.ndim == 2 and name not in tables]
    biases = {_stem(name): name for name, value in parameters.items() if value.ndim == 1}
    unmatched = [name for stem, name in biases.items() if stem not in {_stem(layer) for layer in layers}]
    unmatched += [name for name, value in parameters.items() if value.ndim not in (1, 2)]
    if norms := [name for name in unmatched if role_of(name) == "ln"]:
        raise ImportFileError(
            f"{where} has norms between the layers of an MLP ({cut(listed(norms[:4]))}), which this project's models "
            f"do not compute; analyse it in the code that trained it"
        )
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
