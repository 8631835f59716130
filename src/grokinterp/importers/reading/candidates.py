"""Candidates: every model of this project that a file's weights could be, where they leave it open."""

import dataclasses
import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import permutations, product
from typing import Any

import torch
from torch import Tensor

from grokinterp.config import EmbeddingMLPConfig, ModelConfig
from grokinterp.errors import listed
from grokinterp.importers._base import ImportFileError
from grokinterp.importers._parameters import (
    HEADS_STATED,
    check_heads,
    from_native,
    tied,
    transformer_config,
    with_unit_norms,
    without_norm_biases,
)
from grokinterp.importers.reading.names import (
    is_transformer,
    mlp_layers,
    refuse_foreign,
    weights_among,
)
from grokinterp.importers.reading.placing import native_names
from grokinterp.models.functional import sinusoids
from grokinterp.tasks import Task

ACTIVATIONS = (
    *("relu", "gelu", "silu", "square", "tanh"),
    *("relu_squared", "leaky_relu", "elu", "quick_gelu", "softplus", "mish", "sigmoid", "abs", "hardswish"),
)
"""The likeliest first."""

HEADS = (4, 8, 2, 1, 16, 3, 6, 5, 10, 12)
"""Numbers of heads that are tried where the width divides by them, the likeliest first."""

NORMS = ("normalization", "norm_kind", "final_norm")
ORDER = "special_tokens"
"""The open field that says which rows of the embedding are which of the tokens that are no numbers."""

FUSED = "fused_attention"
"""The open field that says in which order a fused matrix holds queries, keys and values."""

ATTENTION_SCALE = "attention_scale"
"""The field that is 1 where scores of attention are not divided by the root of the heads' width."""


@dataclass(frozen=True)
class Candidate:
    """One reading: a config, the file's weights as its parameters, and the value of every field that was open.

    `left_out` are classic parameters of the file that it does not have, `added` those that it has and the file lacks.
    """

    config: ModelConfig
    parameters: Mapping[str, Tensor]
    open: Mapping[str, Any]
    left_out: tuple[str, ...] = ()
    added: tuple[str, ...] = ()

    @property
    def has_attention(self) -> bool:
        return any(".attn." in name for name in self.parameters)

    @property
    def is_finite(self) -> bool:
        return all(bool(value.isfinite().all()) for value in self.parameters.values())


def without_attention_scale(candidate: Candidate) -> Candidate:
    """The same with scores that are not divided: our models divide them, so that queries are multiplied instead."""
    return replace(candidate, parameters=_multiplied_queries(candidate.parameters))


def _multiplied_queries(parameters: Mapping[str, Tensor]) -> dict[str, Tensor]:
    is_query = {name: name.endswith((".attn.W_Q", ".attn.b_Q")) for name in parameters}
    return {n: v * v.shape[-1] ** 0.5 if is_query[n] else v for n, v in parameters.items()}


def candidates(parameters: Mapping[str, Tensor], known: Mapping[str, Any], task: Task, where: str) -> list[Candidate]:
    """Every candidate, the likeliest first, with the `known` fields of the config.

    Raises `ImportFileError`, listing what found no place, where there is none.
    """
    weights = weights_among(parameters)
    refuse_foreign(weights, where)
    transformer = is_transformer(weights)
    found = list((_transformers if transformer else _mlps)(weights, known, task, where))
    return _some(found, known, where)


def of_classic(
    parameters: Mapping[str, Tensor], known: Mapping[str, Any], task: Task | None, fixed: Mapping[str, Any], where: str
) -> list[Candidate]:
    """Every candidate of classic parameters, whose heads are told by their shapes; `fixed` fields are of the file."""
    refuse_foreign(parameters, where)
    return _some(list(_of_heads([(tied(parameters), {})], known, task, fixed)), known, where)


def _some(found: list[Candidate], known: Mapping[str, Any], where: str) -> list[Candidate]:
    if not found:
        stated = listed(f"{name}={value!r}" for name, value in known.items())
        raise ImportFileError(f"{where} has no reading with {stated}; leave one of them out")
    return found


def _choices(name: str, known: Mapping[str, Any], values: Sequence[Any]) -> Sequence[Any]:
    return (known[name],) if name in known else values


# -- transformers


def _transformers(
    weights: Mapping[str, Tensor], known: Mapping[str, Any], task: Task, where: str
) -> Iterator[Candidate]:
    native = native_names(weights, task, where)
    if native.n_heads is not None:
        known = {"n_heads": native.n_heads, **known}
    width = native.parameters["blocks.0.attn.q.weight"].shape[0]
    heads = [known["n_heads"]] if "n_heads" in known else [n for n in HEADS if width % n == 0]
    if "n_heads" not in known and "head_size" in known:
        size = known["head_size"]
        heads = [width // size] if size > 0 and width % size == 0 else []
        if not heads:
            raise ImportFileError(f"{where} has attention of width {width} and heads of {size}; {HEADS_STATED}")
    check_heads(heads[0], width, where)
    orders = _choices(FUSED, known, ("q, k, v", "head by head") if native.is_fused else ("q, k, v",))
    by_heads = []
    for order, n_heads in product(orders, heads):
        parameters = native.parameters if order == "q, k, v" else native.head_by_head(n_heads)
        is_open = {"n_heads": n_heads} if len(heads) > 1 else {}
        is_open |= {FUSED: order} if len(orders) > 1 else {}
        by_heads.append((tied(from_native(parameters, n_heads)), is_open))
    yield from _of_heads(by_heads, known, task, {})


def _of_heads(
    by_heads: Sequence[tuple[dict[str, Tensor], dict[str, Any]]],
    known: Mapping[str, Any],
    task: Task | None,
    fixed: Mapping[str, Any],
) -> Iterator[Candidate]:
    first = by_heads[0][0]
    n_layers = len({name.split(".")[1] for name in first if name.startswith("blocks.")})
    read_at_last = n_layers == 1 and task is not None and task.positions == (-1,)
    d_model = first["embed.W_E"].shape[1]
    activations: Sequence[str] = ACTIVATIONS if any(".mlp." in name for name in first) else ("relu",)
    # At the last position of one layer, every key is in the past: both directions are one function.
    directions: Sequence[str] = ("causal",) if read_at_last else ("causal", "bidirectional")
    positions = _positions(first, d_model)
    open_fields = {
        "activation": _choices("activation", {**known, **fixed}, activations),
        "attention_direction": _choices("attention_direction", {**known, **fixed}, directions),
        "embedding_scale": _choices("embedding_scale", known, (1.0, math.sqrt(d_model))),
        "position_embedding": _choices("position_embedding", known, positions),
        ORDER: _choices(ORDER, known, _orders(task)),
    }
    norms = [norm for norm in _norms(first) if all(norm[name] == known.get(name, norm[name]) for name in NORMS)]
    if "has_norms" in known:
        norms = [
            norm for norm in norms if known["has_norms"] == (norm["normalization"] != "none" or norm["final_norm"])
        ]
    rate = {"attention_rate": known["attention_rate"]} if "attention_rate" in known else {}
    for norm in norms:
        for values in product(*open_fields.values()):
            chosen = dict(zip(open_fields, values, strict=True))
            for classic, heads in by_heads:
                placed = _reordered(_placed(classic, chosen["position_embedding"]), chosen[ORDER], task)
                parameters = _with_norms(placed, norm)
                parameters = _multiplied_queries(parameters) if known.get(ATTENTION_SCALE) == 1 else parameters
                fields = {**fixed, **{n: v for n, v in chosen.items() if n != ORDER}, **rate, **norm}
                if fields["final_norm"] == (fields["normalization"] == "pre"):
                    fields["final_norm"] = None
                config = transformer_config(parameters, **fields)
                if task is not None:
                    config = config.resolved(task.n_vocab, task.n_answers, task.inputs.shape[1])
                several = {name: value for name, value in chosen.items() if len(open_fields[name]) > 1}
                is_open = {name: norm[name] for name in NORMS if len({each[name] for each in norms}) > 1}
                left_out = tuple(f"{n} {list(classic[n].shape)}" for n in classic if n not in parameters)
                added = tuple(n for n in parameters if n not in classic)
                yield Candidate(config, parameters, {**several, **is_open, **heads}, left_out, added)


def _positions(classic: Mapping[str, Tensor], d_model: int) -> Sequence[str]:
    table = classic.get("pos_embed.W_pos")
    if table is None:
        return ("none", "sinusoidal")
    fixed = sinusoids(len(table), d_model).to(table)
    return ("sinusoidal",) if torch.allclose(table, fixed, atol=1e-4) else ("learned",)


def _placed(classic: dict[str, Tensor], positions: str) -> dict[str, Tensor]:
    """The parameters without a table of positions that are computed."""
    return {n: v for n, v in classic.items() if n != "pos_embed.W_pos" or positions == "learned"}


def _specials(task: Task | None) -> list[int]:
    """The tokens that stand in every row: an operation's sign, an equals sign. Rows of numbers have none."""
    if task is None or task.inputs.is_floating_point():
        return []
    same = (task.inputs == task.inputs[0]).all(0)
    return sorted(set(task.inputs[0, same].tolist()))


def _orders(task: Task | None) -> list[str]:
    """The orders in which code may have numbered up to three such tokens, ours first."""
    specials = _specials(task)
    if task is None or not 2 <= len(specials) <= 3:
        return [""]
    return [" ".join(task.tokens[i] for i in order) for order in permutations(specials)]


def _reordered(classic: dict[str, Tensor], order: str, task: Task | None) -> dict[str, Tensor]:
    """The parameters with the rows of these tokens where our task has them."""
    if task is None:
        return classic
    specials, theirs = _specials(task), [task.tokens.index(token) for token in order.split()]
    if not order or theirs == specials or max(specials) >= len(classic["embed.W_E"]):
        return classic
    # The file's i-th special row is of the token theirs[i]: that token's row of ours is taken from there.
    rows = torch.arange(len(classic["embed.W_E"]))
    rows[torch.tensor(theirs)] = torch.tensor(specials)
    columns = {"unembed.W_U", "unembed.b_U"}
    moved = {"embed.W_E": classic["embed.W_E"][rows]}
    moved |= {n: classic[n][..., rows] for n in columns & classic.keys() if classic[n].shape[-1] == len(rows)}
    return {**classic, **moved}


def _norms(classic: Mapping[str, Tensor]) -> list[dict[str, Any]]:
    """The places and kinds of norms that parameters leave open; of a model without any, norms folded into them too."""
    in_blocks = any(re_ln in name for name in classic for re_ln in (".ln1.", ".ln2."))
    final = "ln_final.w" in classic
    has_bias = len(without_norm_biases(classic)) < len(classic)
    if not in_blocks and not final:
        places: list[tuple[str, str, bool]] = [("none", "layer", False)]
        places += [("pre", kind, True) for kind in ("layer", "rms")]
        places += [("post", "layer", False)]
    else:
        blocks = ("none",) if not in_blocks else ("pre", "post") if final else ("post", "pre")
        kinds = ("layer",) if has_bias else ("rms", "layer")
        places = [(block, kind, final) for block in blocks for kind in kinds]
    return [dict(zip(NORMS, place, strict=True)) for place in places]


def _with_norms(classic: dict[str, Tensor], norm: Mapping[str, Any]) -> dict[str, Tensor]:
    """The parameters with what a norm's place and kind have and the file lacks: w = 1, b = 0."""
    if norm["normalization"] == "none" and not norm["final_norm"]:
        return classic
    whole = with_unit_norms(classic, blocks=norm["normalization"] != "none", final=norm["final_norm"])
    return whole if norm["norm_kind"] == "layer" else without_norm_biases(whole)


# -- embedding MLPs


def _mlps(weights: Mapping[str, Tensor], known: Mapping[str, Any], task: Task, where: str) -> Iterator[Candidate]:
    classic, widths, ways = mlp_layers(weights, task, where)
    open_fields = {
        "activation": _choices("activation", known, ACTIVATIONS),
        "combine": _choices("combine", known, ways),
    }
    if open_fields["combine"][0] not in ways:
        raise ImportFileError(f"{where} has a first layer that fits combine={listed(ways)}; state one of these")
    base = EmbeddingMLPConfig(
        d_embed=classic["embed.W_E"].shape[1],
        shared_embedding="embed_b.W_E" not in classic,
        hidden_sizes=tuple(widths[:-1]),
        mlp_bias="blocks.0.mlp.b_in" in classic,
        unembed_bias="unembed.b_U" in classic,
        d_vocab=classic["embed.W_E"].shape[0],
        d_vocab_out=widths[-1],
        n_ctx=task.inputs.shape[1],
    )
    for values in product(*open_fields.values()):
        chosen = dict(zip(open_fields, values, strict=True))
        several = {name: value for name, value in chosen.items() if len(open_fields[name]) > 1}
        yield Candidate(dataclasses.replace(base, **chosen), classic, several)
