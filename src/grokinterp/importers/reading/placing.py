"""Placing: the parts of a transformer of ordinary modules under one set of names, told by words and shapes."""

import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass

import torch
from torch import Tensor

from grokinterp.importers._base import ImportFileError
from grokinterp.importers._contents import cut
from grokinterp.importers.reading.joining import joined_heads, without_head_dimension
from grokinterp.importers.reading.names import BLOCK_ROLES, refuse_names, role_of
from grokinterp.importers.reading.parts import Part, parts_of
from grokinterp.tasks import Task

_FINAL = re.compile(r"final|(?:ln|norm)_?(?:f|out)(?=[._]|$)|(?:^|[._])(?:f|out|last)_(?:ln|norm)")
_OF_ATTENTION = re.compile(r"attn|attention|input_")
_OF_MLP = re.compile(r"mlp|ffn?(?=[._]|$)|ffn?_|feed_?forward|post_")

ON_TOP = ("embed", "pos_embed", "unembed")
"""What no block has."""


@dataclass(frozen=True)
class Native:
    """Parameters under the names of TransformerLens' native models; no `unembed.weight` where it is tied.

    `n_heads` is told where their shapes do, `is_fused` where queries, keys and values were one matrix.
    """

    parameters: dict[str, Tensor]
    n_heads: int | None
    is_fused: bool

    def head_by_head(self, n_heads: int) -> dict[str, Tensor]:
        """With the rows of a fused matrix read as query, key and value of the first head, then of the second."""
        parameters = dict(self.parameters)
        for name in [name for name in parameters if ".attn.q." in name]:
            names = [name.replace(".attn.q.", f".attn.{x}.") for x in "qkv"]
            whole = torch.cat([parameters[each] for each in names])
            apart = whole.unflatten(0, (n_heads, 3, -1)).transpose(0, 1).flatten(1, 2)
            parameters |= dict(zip(names, apart, strict=True))
        return parameters


def native_names(parameters: Mapping[str, Tensor], task: Task, where: str) -> Native:
    """The parameters, each in its place. Raises `ImportFileError`, listing what found none."""
    joined, n_heads = joined_heads(parameters)
    parts = parts_of(joined)
    roles = {part.name: role_of(part.names[0]) for part in parts}
    width = next((p.weight.shape[-1] for p in parts if roles[p.name] == "embed" and p.weight is not None), 0)
    stems = _stems([part.names[0] for part in parts if roles[part.name] in ("attn.qkv", "attn.q")])
    placed, unplaced = _placed(parts, roles, stems, width, task)
    for i in range(len(stems)):
        _refuse_one_norm(f"blocks.{i}", placed, where)
    missing = [name for name in ("embed", "blocks.0.attn.o") if name not in placed]
    if unplaced or missing:
        names = [name for part in unplaced for name in part.names]
        refuse_names(where, "transformer", names or [f"(nothing is the {n}.weight)" for n in missing], joined)
    native, heads = _oriented_parts(placed, len(stems), width)
    _refuse_grouped(native, where)
    heads = (heads | {n_heads}) - {None}
    is_fused = any(name.endswith(".attn.qkv") for name in placed)
    return Native(native, heads.pop() if len(heads) == 1 else None, is_fused)


def _placed(
    parts: list[Part], roles: Mapping[str, str | None], stems: list[str], width: int, task: Task
) -> tuple[dict[str, Part], list[Part]]:
    """The parts by their place, and those that have none; `roles` are by the parts' names, `stems` those of blocks."""
    roles = dict(roles)
    blocks: dict[int | None, list[Part]] = {}
    for part in parts:
        inside = _block_of(part, roles[part.name], stems)
        if inside is not None and stems[inside] and roles[part.name] in ON_TOP:
            roles[part.name] = None  # a block's output is none of the model
        blocks.setdefault(None if roles[part.name] in ON_TOP else inside, []).append(part)
    placed: dict[str, Part] = {}
    unplaced: list[Part] = []
    for i, members in blocks.items():
        places = _on_top(members, roles) if i is None else _of_block(f"blocks.{i}", members, roles, bool(stems[i]))
        for name, part in places:
            if name is None or name in placed:
                unplaced.append(part)
            else:
                placed[name] = part
    # A block's parts may stand beside it where there is but one; its last norm and its answers then look like them.
    for part in list(unplaced):
        for name in _leftover_places(part, roles[part.name], len(stems), width, task):
            if name not in placed:
                placed[name] = part
                unplaced.remove(part)
                break
    return placed, unplaced


def _oriented_parts(placed: Mapping[str, Part], n_blocks: int, width: int) -> tuple[dict[str, Tensor], set[int | None]]:
    """The tensors of all places as [out, in], and the numbers of heads that their shapes tell."""
    heads: set[int | None] = set()
    native: dict[str, Tensor] = {}
    for i in range(n_blocks):
        members = {name: part for name, part in placed.items() if name.startswith(f"blocks.{i}.")}
        is_in_out = _is_kept_in_out(members, width)
        for name, part in members.items():
            native |= _oriented(name, part, width, is_in_out, heads)
    for name, part in placed.items():
        if not name.startswith("blocks."):
            native |= {f"{name}.{kind}": _flat(name, value, width, part) for kind, value in part.tensors.items()}
    return native, heads


def _refuse_one_norm(block: str, placed: Mapping[str, Part], where: str) -> None:
    """Refuse a block that norms once what attention and MLP read, or only one of them: others of ours norm both."""
    if f"{block}.ln1" in placed and f"{block}.mlp.in" in placed and f"{block}.ln2" not in placed:
        raise ImportFileError(
            f"{where} has one norm in a block of attention and MLP ({cut(placed[f'{block}.ln1'].names[0])}), as where "
            f"both read it in parallel, which this project's models do not compute; analyse it in the code that "
            f"trained it"
        )


def _refuse_grouped(native: Mapping[str, Tensor], where: str) -> None:
    """Refuse attention with fewer heads of keys and values than of queries: models of ours have as many."""
    for name in [name for name in native if name.endswith(".attn.k.weight")]:
        keys, queries = native[name], native.get(name.replace(".attn.k.", ".attn.q."))
        if queries is not None and keys.ndim == queries.ndim == 2 and len(keys) < len(queries):
            raise ImportFileError(
                f"{where} has grouped or multi-query attention (keys of {len(keys)} and queries of {len(queries)} "
                f"numbers in {name.partition('.attn.')[0]}), which this project's models do not compute; analyse it "
                f"in the code that trained it"
            )


def _block_of(part: Part, role: str | None, stems: list[str]) -> int | None:
    """The block that a part belongs to: whose name it begins with, or whose number it has in a list of its own."""
    inside = next((i for i, stem in enumerate(stems) if part.names[0].startswith(stem)), None)
    number = re.match(r"[A-Za-z_]+\.(\d+)\.", part.names[0])
    if inside is None and number and (role in BLOCK_ROLES or role == "ln") and int(number[1]) < len(stems):
        return int(number[1])
    return inside


def _stems(names: list[str]) -> list[str]:
    """`layers.0.` of `layers.0.attn.q.weight`: up to the first number, or to a later one that tells them apart."""
    for count in (1, 2, 3):
        stems = [found[0] if (found := re.match(rf"(?:.*?(?<![A-Za-z0-9])\d+\.){{{count}}}", n)) else "" for n in names]
        stems = [stem or _numbered(name) for stem, name in zip(stems, names, strict=True)]
        if len(set(stems)) == len(names):
            return stems
    return list(dict.fromkeys(stems))


def _numbered(name: str) -> str:
    """`block_0.` of `block_0.attn.q.kernel`, which has no number by itself."""
    found = re.match(r"(?:.*?\.)?(?:block|layer|h)s?_?\d+\.", name)
    return found[0] if found else ""


def _of_block(
    block: str, parts: list[Part], roles: Mapping[str, str | None], is_apart: bool
) -> Iterator[tuple[str | None, Part]]:
    """The place of each part of one block; None for what has none.

    What has no name that tells is of its MLP, where the block `is_apart` from the rest of the model.
    """
    norms = [part for part in parts if part.is_norm or roles[part.name] == "ln"]
    of_mlp = ("mlp.in", "mlp.out", *([None] if is_apart else []))
    has_mlp = any(part.is_matrix and roles[part.name] in of_mlp for part in parts)
    inner = [part for part in norms if not _FINAL.search(part.name)]
    if len(inner) == 1 and has_mlp and not is_apart:
        inner = []  # one norm beside a single block is its last
    first, second = _of_attention_first(inner[: 1 + has_mlp])
    yield from ((f"{block}.ln{1 + i}", part) for i, part in enumerate([*first, *second]))
    yield from ((None, part) for part in norms if part not in first and part not in second)
    rest = [part for part in parts if part not in norms]
    matrices = [part for part in rest if part.is_matrix and roles[part.name] in of_mlp]
    if len(matrices) == 2 and {roles[part.name] for part in matrices} != {"mlp.in", "mlp.out"}:
        # Numbers that do not begin at 0, or where something else counts too: their order tells.
        roles = {**roles, matrices[0].name: "mlp.in", matrices[1].name: "mlp.out"}
    named = {roles[part.name]: part for part in rest if roles[part.name] in BLOCK_ROLES}
    for part in rest:
        role = roles[part.name]
        if role not in BLOCK_ROLES:
            places = ("mlp.in", "mlp.out") if part.is_matrix and is_apart else ()
            role = next((place for place in places if place not in named), None)
            named |= {role: part} if role else {}
        yield (f"{block}.{role}" if role else None), part


def _of_attention_first(norms: list[Part]) -> tuple[list[Part], list[Part]]:
    """Two norms of a block, that of its attention first: by their names, else by their order."""
    if len(norms) < 2:
        return norms, []
    first, second = norms
    swapped = _OF_MLP.search(_leaf(first)) and _OF_ATTENTION.search(_leaf(second)) and not _OF_MLP.search(_leaf(second))
    return ([second], [first]) if swapped else ([first], [second])


def _leaf(part: Part) -> str:
    return part.name.rpartition(".")[2]


def _on_top(parts: list[Part], roles: Mapping[str, str | None]) -> Iterator[tuple[str | None, Part]]:
    """The place of each part outside the blocks; None for what has none, or may have another."""
    for part in parts:
        role = roles[part.name]
        if role in ON_TOP:
            yield role, part
        else:
            yield ("ln_final" if part.is_norm or role == "ln" else None), part


def _leftover_places(part: Part, role: str | None, n_blocks: int, width: int, task: Task) -> Iterable[str]:
    if part.is_norm or role == "ln":
        return ["ln_final"]
    if role in ("embed", "pos_embed"):
        return []
    places = [f"blocks.0.{role}"] if role in BLOCK_ROLES and n_blocks == 1 else []
    if part.is_matrix and part.weight is not None and part.weight.ndim == 2:
        sizes = sorted(part.weight.shape, key=lambda size: size != width)
        places += ["unembed"] if sizes[0] == width and sizes[1] >= task.n_answers else []
    return places


def _is_kept_in_out(block: Mapping[str, Part], width: int) -> bool:
    """Whether a block's matrices are [in, out]: by one whose shape tells, else by what they are called."""
    for name, part in block.items():
        if part.weight is None or part.weight.ndim != 2 or part.weight.shape[0] == part.weight.shape[1]:
            continue
        if name.endswith(("mlp.in", "attn.qkv")):
            return part.weight.shape[0] == width
        if name.endswith("mlp.out"):
            return part.weight.shape[1] == width
    return all(any(name.endswith("kernel") for name in part.names) for part in block.values() if part.is_matrix)


def _oriented(name: str, part: Part, width: int, is_in_out: bool, heads: set[int | None]) -> dict[str, Tensor]:
    """A block's part as [out, in], queries, keys and values apart."""
    tensors: dict[str, Tensor] = {}
    for kind, value in part.tensors.items():
        if kind == "weight" and value.ndim == 2 and is_in_out:
            value = value.mT
        elif kind == "weight" and ".attn." in name:
            value, n_heads = without_head_dimension(value, width, name.endswith(".o"))
            heads |= {n_heads} - {None}
        elif kind == "bias":
            value = value.flatten()
        tensors[kind] = value
    if not name.endswith("attn.qkv"):
        return {f"{name}.{kind}": value for kind, value in tensors.items()}
    return {
        f"{name[:-3]}{x}.{kind}": value
        for kind, three in tensors.items()
        for x, value in zip("qkv", three.chunk(3), strict=True)
    }


def _flat(name: str, value: Tensor, width: int, part: Part) -> Tensor:
    if name == "pos_embed":
        return value.reshape(-1, value.shape[-1])
    if name == "unembed" and value.ndim == 2 and value.shape[0] == width:
        is_square = value.shape[1] == width
        return value.mT if not is_square or part.is_kept_in_out else value
    return value
