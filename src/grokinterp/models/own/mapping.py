"""Mapping: which parameter of a module is which of ours, and how its axes stand, as an einops pattern says."""

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, TypeAlias

import torch
from einops import EinopsError, rearrange
from torch import Tensor

from grokinterp.config.validation import shown
from grokinterp.errors import BadRequest, did_you_mean, listed

Convert: TypeAlias = Callable[[Mapping[str, Tensor]], dict[str, Tensor]]
"""A module's tensors, by its own names, as a checkpoint's."""

_SHORT = re.compile(r"(?:attn|mlp|ln1|ln2)\.")


@dataclass(frozen=True)
class Place:
    """Where a parameter belongs: `mlp.W_in: m d -> d m`, the pattern left out where the axes stand as ours.

    A part of a block without a number is the first block's. An axis that is made of two is written with its size, as
    in `attn.W_Q: (h e) d -> h d e, h=4`.
    """

    name: str
    classic: str
    pattern: str
    sizes: Mapping[str, int]

    @classmethod
    def of(cls, name: str, text: Any) -> "Place":
        """Raises `BadRequest` for text that says no place."""
        if not isinstance(text, str):
            raise BadRequest(f"parameters[{name!r}]={shown(text)} must be text, as in 'mlp.W_in: m d -> d m'")
        classic, _, rest = text.partition(":")
        pattern, *sizes = (part.strip() for part in rest.split(","))
        pairs = [part.partition("=") for part in sizes]
        if not classic.strip() or not all(sign and size.strip().isdigit() for _, sign, size in pairs):
            raise BadRequest(f"parameters[{name!r}]={shown(text)} must be as in 'attn.W_Q: (h e) d -> h d e, h=4'")
        classic = classic.strip()
        classic = f"blocks.0.{classic}" if _SHORT.match(classic) else classic
        return cls(name, classic, pattern, {axis.strip(): int(size) for axis, _, size in pairs})

    def turned(self, value: Tensor) -> Tensor:
        """The parameter with its axes as ours stand. Raises `BadRequest` for a pattern that does not fit it."""
        try:
            return rearrange(value, self.pattern, **self.sizes) if self.pattern else value
        except EinopsError as error:
            reason = str(error).splitlines()[-1].strip()
            raise BadRequest(
                f"parameters[{self.name!r}]: {self.pattern!r} does not fit its shape {list(value.shape)} ({reason})"
            ) from None


def places(parameters: Mapping[str, str], names: list[str]) -> list[Place]:
    """The places of a mapping. Raises `BadRequest` for a name that the module lacks, and for one place twice."""
    if not isinstance(parameters, Mapping) or not all(
        isinstance(each, str) for pair in parameters.items() for each in pair
    ):
        raise BadRequest(f"parameters={shown(parameters)} must say what is which, as in {{'table': 'embed.W_E'}}")
    if unknown := [name for name in parameters if name not in names]:
        raise BadRequest(
            f"the module has no parameter {unknown[0]!r}.{did_you_mean(unknown[0], names)} It has: {listed(names)}"
        )
    every = [Place.of(name, text) for name, text in parameters.items()]
    classic = [place.classic for place in every]
    if twice := [name for i, name in enumerate(classic) if name in classic[:i]]:
        raise BadRequest(f"two parameters are said to be {twice[0]!r}; give each a place of its own")
    return every


def inverse(convert: Convert, tensors: Mapping[str, Tensor], checkpoint: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """The module's tensors from a checkpoint that `convert` made of it; those that it leaves out stay as they are.

    Numbers in the place of weights are followed through `convert`, which moves entries and changes none.
    """
    numbers, start = {}, 2.0**20  # whole numbers that no constant of a conversion is
    for name, value in tensors.items():
        numbers[name] = torch.arange(value.numel(), dtype=torch.float64).reshape(value.shape) + start
        start += value.numel()
    flat = torch.zeros(int(start), dtype=torch.float64)
    is_known = torch.zeros(int(start), dtype=torch.bool)
    for name, places_of_entries in convert(numbers).items():
        where = places_of_entries.flatten().long()
        known = where >= 2**20
        flat[where[known]] = checkpoint[name].double().flatten()[known]
        is_known[where[known]] = True
    restored = {}
    for name, value in tensors.items():
        where = numbers[name].long()
        restored[name] = torch.where(is_known[where], flat[where].to(value.dtype), value.cpu())
    return restored
