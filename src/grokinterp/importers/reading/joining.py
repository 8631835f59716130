"""Joining: what of one projection a module keeps apart, head by head, brought to one matrix [out, in]."""

import re
from collections.abc import Mapping

import torch
from torch import Tensor

HEAD = re.compile(r"(?P<before>.*?)(?:\w*_)?heads?\.(?P<number>\d+)\.(?P<after>.+)")
"""`blocks.0.sa.heads.3.key.weight`: one head of several, each with matrices of its own."""

_PROJECTION = re.compile(r"(?:^|[._])(?:w|to)?_?(?:q|k|v|query|key|value)s?(?:_?proj)?[._](?:weight|bias|kernel)$")


def joined_heads(state: Mapping[str, Tensor]) -> tuple[dict[str, Tensor], int | None]:
    """The state dict with the queries, keys and values of separate heads under one name each, and how many they are.

    What else every head has of its own is left out: it is a mask. None where no heads are kept apart.
    """
    parts: dict[str, dict[int, Tensor]] = {}
    joined: dict[str, Tensor | None] = {}
    for name, value in state.items():
        head = HEAD.fullmatch(name)
        if head is None:
            joined[name] = value
        elif _PROJECTION.search(whole := head["before"] + head["after"]):
            joined.setdefault(whole, None)  # in the place of the first head: norms are told by their order
            parts.setdefault(whole, {})[int(head["number"])] = value
    counts = {len(heads) for heads in parts.values()}
    shapes = [{heads[i].shape for i in heads} for heads in parts.values()]
    whole = all(sorted(heads) == list(range(len(heads))) for heads in parts.values())
    if len(counts) != 1 or not whole or any(len(each) != 1 for each in shapes):
        return dict(state), None
    for name, heads in parts.items():
        # nn.Linear keeps [out, in], so that heads are rows; JAX's kernel is [in, out].
        joined[name] = torch.cat([heads[i] for i in range(len(heads))], -1 if name.endswith("kernel") else 0)
    return {name: value for name, value in joined.items() if value is not None}, counts.pop()


def without_head_dimension(value: Tensor, width: int, is_output: bool) -> tuple[Tensor, int | None]:
    """A projection [out, in] of one that has a dimension for its heads, as einsum takes them, and how many they are.

    `width` is that of the stream, told by its size among [head, in, out], [in, head, out] and [head, out, in]; of an
    output projection, which comes from the heads, likewise.
    """
    if value.ndim != 3:
        return value, None
    axes = [axis for axis in range(3) if value.shape[axis] == width]
    if len(axes) != 1:
        return value, None
    stream = axes[0]
    others = [axis for axis in range(3) if axis != stream]
    by_head = value.permute(*others, stream)  # [head, d_head, stream]
    flat = by_head.reshape(-1, width)
    return (flat.mT if is_output else flat), by_head.shape[0]
