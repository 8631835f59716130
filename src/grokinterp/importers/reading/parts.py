"""Part: a module's weight and bias, told from the names of a file's parameters."""

import re
from collections.abc import Mapping
from dataclasses import dataclass, field

from torch import Tensor

_BIASES = ("bias", "beta", "b", "shift", "offset")
_WEIGHTS = ("weight", "kernel", "scale", "gamma", "g", "w", "embedding")
_BARE_BIAS = re.compile(r"b(?:_\w+|[\dA-Z]\w*|[qkvo])|\w+_bias")


@dataclass
class Part:
    """A module's weight and bias, or two bare parameters that belong together; `name` is what both begin with."""

    name: str
    tensors: dict[str, Tensor] = field(default_factory=dict)
    names: list[str] = field(default_factory=list)

    @property
    def weight(self) -> Tensor | None:
        return self.tensors.get("weight")

    @property
    def is_matrix(self) -> bool:
        return self.weight is not None and self.weight.ndim >= 2

    @property
    def is_norm(self) -> bool:
        """Whether it can be nothing else: a vector, which no matrix has for its bias."""
        return self.weight is not None and self.weight.ndim == 1

    @property
    def is_kept_in_out(self) -> bool:
        """Whether it is called as what is multiplied from the right: JAX's kernel, or a bare matrix."""
        return not any(name.endswith("weight") for name in self.names)


def parts_of(parameters: Mapping[str, Tensor]) -> list[Part]:
    """The parameters, a weight and its bias together, in the order of the file."""
    parts: dict[str, Part] = {}
    for name, value in parameters.items():
        before, _, leaf = name.rpartition(".")
        kind = "bias" if leaf in _BIASES or _BARE_BIAS.fullmatch(leaf) else "weight"
        key = before
        if leaf not in (*_BIASES, *_WEIGHTS):
            key = f"{before}.{re.sub(r'_(?:weight|bias)$|^(?:[Ww]_?|b_?)(?=[A-Z0-9qkvo]|in|out)', '', leaf)}"
        part = parts.setdefault(key, Part(key))
        if kind in part.tensors:  # two that only look as if they belonged together
            part = parts.setdefault(name, Part(name))
        part.tensors[kind] = value
        part.names.append(name)
    return list(parts.values())
