"""Frames: pictures that move, at 8 bits a point and packed, since their colours are all that is read off them."""

import base64
import zlib
from typing import Any

import numpy as np
from jaxtyping import Float

LEVELS = 254
"""Steps from the lowest to the highest value; 255 stands for a point that is missing."""


def texture(z: Float[np.ndarray, "row column"], low: float, high: float) -> dict[str, Any]:
    """A picture as a JSON value that the page unpacks: within (high - low) / 508 of `z`, NaN where `z` is not finite.

    Rows are stored as differences from the row before, mod 256, which packs smooth pictures better.
    """
    scale = LEVELS / (high - low) if high > low else 0.0
    finite = np.isfinite(z)
    levels = np.clip(np.rint((np.where(finite, z, low) - low) * scale), 0, LEVELS)
    levels = np.where(finite, levels, 255).astype(np.uint8)
    packed = zlib.compress(np.diff(levels, axis=0, prepend=np.zeros((1, levels.shape[1]), np.uint8)).tobytes(), 9)
    return {
        "texture": base64.b64encode(packed).decode(),
        "shape": list(levels.shape),
        "low": float(low),
        "high": float(high),
    }


def untexture(value: dict[str, Any]) -> Float[np.ndarray, "row column"]:
    """What the page draws of a texture."""
    flat = np.frombuffer(zlib.decompress(base64.b64decode(value["texture"])), np.uint8)
    levels = np.cumsum(flat.reshape(value["shape"]), axis=0, dtype=np.uint8)
    z = value["low"] + levels * ((value["high"] - value["low"]) / LEVELS)
    return np.where(levels == 255, np.nan, z)
