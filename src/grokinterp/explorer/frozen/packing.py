"""Packing: arrays as text that a page holds, and weights rounded to so many bits of each tensor's range."""

import base64
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from jaxtyping import Bool, Int
from torch import Tensor

BITS = (20, 24, 32)
"""How finely weights are rounded: the coarsest with which the numbers hold."""


def text_of_bytes(content: bytes) -> str:
    """Base64."""
    return base64.b64encode(content).decode()


def text_of_numbers(numbers: Int[Tensor, "*any"]) -> str:
    """Whole numbers from 0 to 65,535, two bytes each, the lower first."""
    return text_of_bytes(numbers.numpy().astype("<u2").tobytes())


def text_of_bits(bits: Bool[Tensor, "n"]) -> str:
    """One bit each."""
    return text_of_bytes(np.packbits(bits.numpy()).tobytes())


@dataclass(frozen=True)
class Rounded:
    """Weights rounded to whole numbers of `bits` bits: lowest + step * number, for each tensor."""

    bits: int
    ranges: list[tuple[float, float]]
    packed: bytes
    parameters: Mapping[str, Tensor]

    @classmethod
    def of(cls, parameters: Mapping[str, Tensor], bits: int) -> "Rounded":
        """The weights rounded; `parameters` are what a page makes of them again."""
        ranges, columns, rounded = [], [], {}
        for name, weight in parameters.items():
            values = weight.double().numpy()
            lowest = float(values.min())
            step = (float(values.max()) - lowest) / (2**bits - 1)
            numbers = np.round((values - lowest) / step) if step else np.zeros_like(values)
            ranges.append((lowest, step))
            columns.append(numbers.ravel())
            rounded[name] = torch.from_numpy((lowest + step * numbers).astype(np.float32)).reshape(weight.shape)
        # The highest byte first, so that the bits that are kept stand together.
        whole = np.concatenate(columns).astype(">u4")
        each = np.unpackbits(whole.view(np.uint8).reshape(-1, 4), axis=1)[:, 32 - bits :]
        return cls(bits, ranges, np.packbits(each).tobytes(), rounded)

    def as_data(self, step: int) -> dict[str, Any]:
        """As the page reads it."""
        return {"step": step, "bits": self.bits, "ranges": self.ranges, "weights": text_of_bytes(self.packed)}
