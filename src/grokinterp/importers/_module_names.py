"""Parameters of an ordinary `nn.Module`, found their places in this project's models by name patterns and shapes."""

import re
from collections.abc import Iterator, Mapping
from typing import NoReturn, TypeAlias

from torch import Tensor

from grokinterp.config import EmbeddingMLPConfig, ModelConfig, TransformerConfig
from grokinterp.errors import listed
from grokinterp.importers._base import ImportFileError
from grokinterp.importers._parameters import from_native, transformer_config
from grokinterp.tasks import Task

Match: TypeAlias = tuple[ModelConfig, dict[str, Tensor]]


def _word(names: str) -> str:
    return rf"(?:^|[._])(?:{names})(?=[._]|$)"


_IN_MLP, _IN_ATTENTION = r"(?:mlp|ffn|ff|feed_?forward)\w*[._]", r"(?:attn|attention)\w*[._]"

ROLES: tuple[tuple[str, str], ...] = (
    ("ln", r"norm|(?:^|[._])ln"),
    ("pos_embed", r"(?:^|[._])(?:pos|wpe)"),
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


_MASK = re.compile(r"mask|tril", re.IGNORECASE)
"""Buffers of constants, which are no weights."""


def matches(
    parameters: Mapping[str, Tensor], task: Task, where: str
) -> Iterator[tuple[ModelConfig, dict[str, Tensor]]]:
    """Every model of this project that the parameters could be, the likeliest first, with its classic parameters.

    They differ in what weights do not show: the activation, the number of heads, the direction of attention, how
    embeddings are combined. Raises `ImportFileError`, listing what found no place, where there is none.
    """
    weights = {name: value for name, value in parameters.items() if not _MASK.search(name)}
    is_transformer = any(_role(name) in ("attn.qkv", "attn.q") for name in weights)
    yield from (_transformers if is_transformer else _mlps)(weights, task, where)


def mapping(parameters: Mapping[str, Tensor], classic: Mapping[str, Tensor]) -> dict[str, str]:
    """Name in the file -> classic name(s), told by the memory that they share; a mask is told to be left out."""
    starts = {name: _start(value) for name, value in classic.items()}
    return {
        name: listed(other for other, start in starts.items() if start == _start(value)) or "left out: a mask"
        for name, value in parameters.items()
    }


def _start(value: Tensor) -> int:
    return value.untyped_storage().data_ptr()


def _refuse(where: str, kind: str, unmatched: list[str], parameters: Mapping[str, Tensor]) -> NoReturn:
    shapes = [f"{name} {list(parameters[name].shape)}" if name in parameters else name for name in unmatched]
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


def _native_names(parameters: Mapping[str, Tensor], task: Task, where: str) -> dict[str, Tensor]:
    """The parameters under the names of TransformerLens' native models."""
    roles = {name: _role(name) for name in parameters}
    stems = list(dict.fromkeys(_block_stem(name) for name, role in roles.items() if role and role.startswith("attn.")))
    norms: dict[str, list[str]] = {stem: [] for stem in stems}
    norms_of_a_block = 2 if "mlp.in" in roles.values() else 1
    native: dict[str, Tensor] = {}
    unmatched = []
    for name, value in parameters.items():
        role, kind = roles[name], "bias" if name.endswith("bias") else "weight"
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
            found = {f"{block}.attn.{x}.{kind}": part for x, part in zip("qkv", value.chunk(3), strict=True)}
        elif role in ("pos_embed", "embed", "unembed"):
            found = {f"{role}.{kind}": value.reshape(value.shape[-2:]) if role == "pos_embed" else value}
        elif role and block:
            found = {f"{block}.{role}.{kind}": value}
        if not found or found.keys() & native.keys():
            unmatched.append(name)
        native |= found
    missing = [name for name in ("embed.weight", "blocks.0.attn.o.weight", "unembed.weight") if name not in native]
    if unmatched or missing:
        _refuse(where, "transformer", unmatched or [f"(nothing is the {name})" for name in missing], parameters)
    return native


def _transformers(
    parameters: Mapping[str, Tensor], task: Task, where: str
) -> Iterator[tuple[ModelConfig, dict[str, Tensor]]]:
    native = _native_names(parameters, task, where)
    width = native["blocks.0.attn.q.weight"].shape[0]
    normalization = "none"
    if any(".ln" in name for name in native):
        normalization = "pre" if "ln_final.weight" in native else "post"
    for n_heads in (heads for heads in (4, 8, 2, 1, 16) if width % heads == 0):
        classic = from_native(native, n_heads)
        for direction in ("causal", "bidirectional"):
            for activation in ("relu", "gelu", "tanh"):
                config: TransformerConfig = transformer_config(
                    classic, activation=activation, attention_direction=direction, normalization=normalization
                )
                yield config.resolved(task.n_vocab, task.n_answers, task.inputs.shape[1]), classic


# -- embedding MLPs


def _mlps(parameters: Mapping[str, Tensor], task: Task, where: str) -> Iterator[Match]:
    is_table = re.compile(r"(?<!un)(?<!de)emb|wte|tok|(?:^|[._])w_?e(?:[._]|$)", re.IGNORECASE)
    tables = [name for name, value in parameters.items() if value.ndim == 2 and is_table.search(name)]
    layers = [name for name, value in parameters.items() if value.ndim == 2 and name not in tables]
    biases = {_stem(name): name for name, value in parameters.items() if value.ndim == 1}
    unmatched = [name for stem, name in biases.items() if stem not in {_stem(layer) for layer in layers}]
    unmatched += [name for name, value in parameters.items() if value.ndim not in (1, 2)]
    if not tables or len(layers) < 2 or unmatched:
        if not tables:
            unmatched = ["(nothing is an embedding)", *unmatched]
        _refuse(where, "embedding MLP", unmatched or layers, parameters)

    n_operands, d_embed = task.inputs.shape[1], parameters[tables[0]].shape[1]
    classic = {f"{place}.W_E": parameters[name] for place, name in zip(_table_names(len(tables)), tables, strict=True)}
    width, widths = 0, []
    for index, name in enumerate(layers):
        # nn.Linear keeps [out, in]; a bare matrix, as in x @ W, is [in, out].
        weight = parameters[name].mT if name.endswith("weight") else parameters[name]
        if index and weight.shape[0] != width:
            _refuse(where, "embedding MLP", [name], parameters)
        width = weight.shape[1]
        last = index == len(layers) - 1
        place = "unembed.{}_U" if last else f"blocks.{index}.mlp.{{}}_in"
        classic[place.format("W")] = weight
        if _stem(name) in biases:
            classic[place.format("b")] = parameters[biases[_stem(name)]]
        widths.append(width)

    d_in = classic["blocks.0.mlp.W_in"].shape[0]
    ways = {n_operands * d_embed: ("concatenate",), d_embed: ("add", "project_then_add")}.get(d_in)
    if ways is None or len(tables) not in (1, n_operands):
        _refuse(where, "embedding MLP", [*tables, layers[0]], parameters)
    for combine in ways:
        for activation in ("relu", "gelu", "tanh"):
            yield (
                EmbeddingMLPConfig(
                    d_embed=d_embed,
                    shared_embedding=len(tables) == 1,
                    combine=combine,
                    hidden_sizes=tuple(widths[:-1]),
                    activation=activation,
                    mlp_bias="blocks.0.mlp.b_in" in classic,
                    unembed_bias="unembed.b_U" in classic,
                    d_vocab=parameters[tables[0]].shape[0],
                    d_vocab_out=widths[-1],
                    n_ctx=n_operands,
                ),
                classic,
            )


def _table_names(count: int) -> list[str]:
    return ["embed", *(f"embed_{chr(ord('a') + i)}" for i in range(1, count))]


def _stem(name: str) -> str:
    return re.sub(r"(?:^|[._])(?:weight|bias)$|^[Wwb](?=_?\d|_)", "", name)
