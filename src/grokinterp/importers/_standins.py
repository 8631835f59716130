"""Stand-ins: what a pickle may name in the place of classes and functions, none of which can do anything."""

import codecs
import math
import pickle
import re
from collections.abc import Callable
from typing import Any

import numpy as np
from torch import Tensor

DEPTH = 200
"""How deep lists and dictionaries may stand in one another."""


class Call:
    """A function that a pickle may call but not alter: the function itself would take attributes from the file."""

    __slots__ = ("function",)

    def __init__(self, function: Callable[..., Any]):
        object.__setattr__(self, "function", function)

    def __call__(self, *values: Any) -> Any:
        return self.function(*values)

    def __setattr__(self, name: str, value: Any) -> None:
        raise pickle.UnpicklingError(f"an attempt to change {name} of a function")


class Fields(dict[str, Any]):
    """Stands for an object of a known package: its fields, and nothing that it could do."""

    def __init__(self, *values: Any):
        super().__init__()
        if values:
            self["values"] = values

    def __setstate__(self, state: Any) -> None:
        self.update(state if isinstance(state, dict) else {"state": state})


class Array:
    """Stands for a numpy array until its bytes are known."""

    def __init__(self) -> None:
        self.value: Any = None

    def __setstate__(self, state: Any) -> None:
        _, shape, dtype, fortran, content = state
        if isinstance(content, list):
            raise pickle.UnpicklingError("an array of Python objects")
        array = np.frombuffer(_bytes(content), dtype=dtype.value)
        self.value = array.reshape(shape, order="F" if fortran else "C").copy()


class DType:
    """Stands for a numpy dtype of numbers or text; anything richer is refused."""

    def __init__(self, code: str):
        if not re.fullmatch(r"[biufc]\d{1,2}|[US]\d{1,4}", code):
            raise pickle.UnpicklingError(f"an array of dtype {code}")
        self.value = np.dtype(code)

    def __setstate__(self, state: Any) -> None:
        self.value = self.value.newbyteorder(state[1])


def scalar(dtype: DType, content: Any) -> Any:
    return np.frombuffer(_bytes(content), dtype=dtype.value)[0].item()


def _bytes(content: Any) -> bytes:
    # bytes(4e9) would be four gigabytes of zeros.
    if not isinstance(content, (str, bytes, bytearray)):
        raise pickle.UnpicklingError(f"{type(content).__name__} in the place of bytes")
    return content.encode("latin1") if isinstance(content, str) else bytes(content)


def byte_array(*content: Any) -> bytes:
    if len(content) == 2:  # protocol 2 writes text and a codec
        return encode(*content)
    return _bytes(content[0]) if content else b""


class PathText(str):
    """Stands for a path: its text."""

    def __new__(cls, *parts: str) -> "PathText":
        return super().__new__(cls, "/".join(str(part) for part in parts))


def default_dict(*_: Any) -> dict[Any, Any]:
    return {}


class Word(str):
    """Stands for a class or a function that a setting names, or for an object of such a class: its name."""

    def __new__(cls, *_: Any, **__: Any) -> "Word":
        return super().__new__(cls, cls.__name__)

    def __setstate__(self, state: Any) -> None:
        """What its object kept is of no use here."""


ACTIVATIONS = ("ReLU", "GELU", "SiLU", "Tanh", "LeakyReLU", "ELU", "Sigmoid", "Softplus", "Mish", "ReLU6", "SELU")
WORDS: dict[tuple[str, str], Any] = {
    **{("torch.nn.modules.activation", name): type(name, (Word,), {}) for name in ACTIVATIONS},
    **{
        (module, name.lower()): type(name.lower(), (Word,), {})
        for module in ("torch.nn.functional", "torch", "torch._C._nn")
        for name in ACTIVATIONS
    },
}
"""Activations, which settings keep as classes, modules or functions."""

VALUES: dict[tuple[str, str], Any] = {
    ("collections", "deque"): Call(lambda *_: Items()),
    ("collections", "Counter"): Call(lambda counts=(), *_: dict(counts) if isinstance(counts, dict) else {}),
    **{("builtins", name): Fields for name in ("complex", "range", "xrange", "slice", "Ellipsis")},
    **{("datetime", name): Fields for name in ("datetime", "date", "time", "timedelta", "timezone")},
    ("uuid", "UUID"): Fields,
    ("decimal", "Decimal"): Fields,
    ("fractions", "Fraction"): Fields,
}
"""Values of the standard library that stand beside weights: their parts, as fields."""


class Items(list[Any]):
    """Stands for a deque: its items."""


class ValueType:
    """Stands for the type of a default dictionary's values, which is never called."""

    __slots__ = ()

    def __call__(self, *_: Any) -> Any:
        raise pickle.UnpicklingError("a call of a type")


def encode(text: str, encoding: str = "latin1") -> bytes:
    # Pickle's spelling of bytes in protocol 2. Other codecs would be looked up, and so imported, by name.
    if encoding != "latin1":
        raise pickle.UnpicklingError(f"text in the codec {encoding}")
    return codecs.latin_1_encode(text)[0]


def tensor(storage: Tensor, offset: int, size: tuple[int, ...], stride: tuple[int, ...], *_: Any) -> Tensor:
    # A stride of 0 makes a tensor of any size out of four bytes.
    if math.prod(size) > storage.numel():
        raise pickle.UnpicklingError(f"a tensor {list(size)[:8]} in a storage of {storage.numel()} numbers")
    return storage.as_strided(size, stride, offset)


def tensor_of_dtype(storage: Tensor, offset: int, size: Any, stride: Any, *rest: Any) -> Tensor:
    dtype = rest[2]
    return tensor(storage.view(dtype), offset, size, stride)


class Plain:
    """Values with their stand-ins replaced by dictionaries, arrays and text; each once, however often it is named."""

    def __init__(self, size: int):
        self.left = max(size, 2**20)
        self.done: dict[int, tuple[Any, Any]] = {}

    def __call__(self, value: Any, depth: int = 0) -> Any:
        if isinstance(value, Array):
            return value.value
        if isinstance(value, (PathText, Word)):
            return str(value)
        if isinstance(value, type) and issubclass(value, Word | Fields):
            return value.__name__
        if not isinstance(value, (dict, list, tuple)):
            return value
        if id(value) in self.done:
            return self.done[id(value)][1]
        self.left -= len(value)
        if self.left < 0 or depth > DEPTH:
            raise pickle.UnpicklingError("more lists in one another than the file has bytes")
        plain: Any
        if isinstance(value, dict):
            plain = {self(k, depth + 1): self(v, depth + 1) for k, v in value.items()}
        elif all(type(item) in (float, int) for item in value):
            plain = value  # long lists of losses are left as they are: nothing in them stands for anything else
        else:
            kind = list if isinstance(value, Items) else type(value)
            plain = kind(self(item, depth + 1) for item in value)
        # The original is kept as well, so that its id stays its own.
        self.done[id(value)] = (value, plain)
        return plain
