"""Reading a PyTorch file without running any code in it.

A pickle is a program: it names functions and calls them. This reader knows a short list of names, each standing for
a harmless function of its own below, and refuses a file that names anything else. Objects of TransformerLens'
packages, such as the removed `HookedTransformerConfig`, become plain dictionaries of their fields.
"""

import codecs
import collections
import io
import pickle
import re
import struct
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any, BinaryIO, cast

import numpy as np
import torch
from torch import Tensor

from grokinterp.errors import BadRequest
from grokinterp.importers._contents import describe, one_line
from grokinterp.runs.files import cannot_read

MAPPED_ABOVE = 2**26
"""Files above 64 MB are mapped, not copied, into memory: one with 250 checkpoints is then read as far as it is used."""


class UnsafeFileError(BadRequest):
    """A file that would run code, or is damaged; nothing of it was run."""


def read_torch_file(path: Path) -> Any:
    """The content of a file written by `torch.save`: tensors on the CPU, dictionaries, lists, numbers, strings, arrays.

    Raises `UnsafeFileError` for a file that names anything beyond that, and for a truncated one.
    """
    try:
        with open(path, "rb") as file:
            return _plain(_read_zip(path, file) if zipfile.is_zipfile(file) else _read_legacy(path, file))
    except OSError as error:
        raise cannot_read(path, error) from None
    except BadRequest:
        raise
    except Exception as error:  # a damaged pickle fails in as many ways as there are operations in it
        raise UnsafeFileError(
            f"{path} is truncated or damaged ({type(error).__name__}: {one_line(error)}); fetch or save it again"
        ) from None


# -- the archive


def _read_zip(path: Path, file: BinaryIO) -> Any:
    with zipfile.ZipFile(file) as archive:
        names = archive.namelist()
        pickles = [name for name in names if name.count("/") == 1 and name.endswith("/data.pkl")]
        if len(pickles) != 1:
            raise UnsafeFileError(f"{path} is a zip archive but not of torch.save; it holds {', '.join(names[:8])}")
        folder = pickles[0].removesuffix("data.pkl")
        if f"{folder}constants.pkl" in names:
            raise UnsafeFileError(
                f"{path} is a TorchScript program, which is never run here; save its weights with "
                f"torch.save(module.state_dict(), ...)"
            )
        if f"{folder}byteorder" in names and archive.read(f"{folder}byteorder") == b"big":
            raise UnsafeFileError(f"{path} was saved on a big-endian machine; load and save it there with safetensors")
        mapped = path.stat().st_size > MAPPED_ABOVE
        whole = torch.UntypedStorage.from_file(str(path), shared=False, nbytes=path.stat().st_size) if mapped else None

        def storage(key: str, dtype: torch.dtype, count: int) -> Tensor:
            entry = archive.getinfo(f"{folder}data/{key}")
            if count == 0:
                return torch.empty(0, dtype=dtype)
            if whole is None or entry.compress_type != zipfile.ZIP_STORED:
                return torch.frombuffer(bytearray(archive.read(entry)), dtype=dtype, count=count)
            start = _data_offset(file, entry)
            part = cast(torch.UntypedStorage, whole[start : start + count * dtype.itemsize])
            return torch.empty(0, dtype=torch.uint8).set_(part).view(dtype)

        return _Reader(io.BytesIO(archive.read(pickles[0])), path, storage).load()


def _data_offset(file: BinaryIO, entry: zipfile.ZipInfo) -> int:
    # The local header, 30 bytes and two variable fields, may differ from the directory's copy at the end.
    file.seek(entry.header_offset + 26)
    name, extra = struct.unpack("<HH", file.read(4))
    return entry.header_offset + 30 + name + extra


def _read_legacy(path: Path, file: BinaryIO) -> Any:
    """A file of PyTorch before 1.6, or no PyTorch file at all."""
    file.seek(0)
    # Every pickle in the file is walked first, so that what it would run is named even where it is no PyTorch file.
    blank = lambda key, dtype, count: torch.empty(count, dtype=dtype)
    stream = [_Reader(file, path, blank).load()]
    if stream[0] != torch.serialization.MAGIC_NUMBER:
        raise UnsafeFileError(f"{path} is a pickle but not a PyTorch file; it holds {describe(_plain(stream[0]))}")
    for _ in range(3):
        stream.append(_Reader(file, path, blank).load())
    return torch.load(path, map_location="cpu", weights_only=True)


# -- the pickle


class _Reader(pickle.Unpickler):
    """An unpickler whose only functions are those of `_KNOWN`; its tensors come from `storage(key, dtype, count)`."""

    def __init__(self, file: Any, path: Path, storage: Callable[[str, torch.dtype, int], Tensor]):
        super().__init__(file, encoding="utf-8")
        self.path = path
        self.storage = storage
        self.storages: dict[str, Tensor] = {}

    def find_class(self, module: str, name: str) -> Any:
        module = "builtins" if module == "__builtin__" else module  # Python 2's name, in pickles up to protocol 2
        if (module, name) in _KNOWN:
            return _KNOWN[module, name]
        if module in ("torch", "torch.storage") and name in _STORAGES:
            return _STORAGES[name]
        if module == "torch" and isinstance(getattr(torch, name, None), torch.dtype):
            return getattr(torch, name)
        if module.split(".")[0] in ("transformer_lens", "easy_transformer"):
            return type(name.rsplit(".", 1)[-1], (_Fields,), {})
        raise UnsafeFileError(
            f"{self.path} names {module}.{name}, which is not known to be harmless, so nothing of it was run; "
            f"load it only if you trust it, and save its tensors with safetensors"
        )

    def persistent_load(self, pid: Any) -> Tensor:
        kind, dtype, key, _, count, *_ = pid
        if kind != "storage" or not isinstance(dtype, torch.dtype):
            raise pickle.UnpicklingError(f"unknown persistent object {kind!r}")
        if key not in self.storages:
            self.storages[key] = self.storage(str(key), dtype, int(count))
        return self.storages[key]


class _Call:
    """A function that a pickle may call but not alter: the function itself would take attributes from the file."""

    __slots__ = ("function",)

    def __init__(self, function: Callable[..., Any]):
        object.__setattr__(self, "function", function)

    def __call__(self, *values: Any) -> Any:
        return self.function(*values)

    def __setattr__(self, name: str, value: Any) -> None:
        raise pickle.UnpicklingError(f"an attempt to change {name} of a function")


class _Fields(dict[str, Any]):
    """Stands for an object of a known package: its fields, and nothing that it could do."""

    def __init__(self, *values: Any):
        super().__init__()
        if values:
            self["values"] = values

    def __setstate__(self, state: Any) -> None:
        self.update(state if isinstance(state, dict) else {"state": state})


class _Array:
    """Stands for a numpy array until its bytes are known."""

    def __init__(self) -> None:
        self.value: Any = None

    def __setstate__(self, state: Any) -> None:
        _, shape, dtype, fortran, content = state
        if isinstance(content, list):
            raise pickle.UnpicklingError("an array of Python objects")
        array = np.frombuffer(_bytes(content), dtype=dtype.value).copy()
        self.value = array.reshape(shape, order="F" if fortran else "C")


class _DType:
    """Stands for a numpy dtype of numbers; anything richer is refused."""

    def __init__(self, code: str):
        if not re.fullmatch(r"[biufc]\d{1,2}", code):
            raise pickle.UnpicklingError(f"an array of dtype {code}")
        self.value = np.dtype(code)

    def __setstate__(self, state: Any) -> None:
        self.value = self.value.newbyteorder(state[1])


def _scalar(dtype: _DType, content: Any) -> Any:
    return np.frombuffer(_bytes(content), dtype=dtype.value)[0].item()


def _bytes(content: Any) -> bytes:
    return content.encode("latin1") if isinstance(content, str) else bytes(content)


def _encode(text: str, encoding: str = "latin1") -> bytes:
    # Pickle's spelling of bytes in protocol 2. Other codecs would be looked up, and so imported, by name.
    if encoding != "latin1":
        raise pickle.UnpicklingError(f"text in the codec {encoding}")
    return codecs.latin_1_encode(text)[0]


def _tensor(storage: Tensor, offset: int, size: tuple[int, ...], stride: tuple[int, ...], *_: Any) -> Tensor:
    return storage.as_strided(size, stride, offset)


def _tensor_of_dtype(storage: Tensor, offset: int, size: Any, stride: Any, *rest: Any) -> Tensor:
    dtype = rest[2]
    return storage.view(dtype).as_strided(size, stride, offset)


_STORAGES: dict[str, torch.dtype] = {
    "FloatStorage": torch.float32,
    "DoubleStorage": torch.float64,
    "HalfStorage": torch.float16,
    "BFloat16Storage": torch.bfloat16,
    "LongStorage": torch.int64,
    "IntStorage": torch.int32,
    "ShortStorage": torch.int16,
    "CharStorage": torch.int8,
    "ByteStorage": torch.uint8,
    "BoolStorage": torch.bool,
    "UntypedStorage": torch.uint8,
}

_KNOWN: dict[tuple[str, str], Any] = {
    # Types of C, which cannot be altered.
    ("collections", "OrderedDict"): collections.OrderedDict,
    ("builtins", "set"): set,
    ("builtins", "frozenset"): frozenset,
    ("torch", "Size"): tuple,
    ("builtins", "bytearray"): _Call(lambda *content: bytes(*content)),
    ("_codecs", "encode"): _Call(_encode),
    ("torch._utils", "_rebuild_tensor"): _Call(_tensor),
    ("torch._utils", "_rebuild_tensor_v2"): _Call(_tensor),
    ("torch._utils", "_rebuild_tensor_v3"): _Call(_tensor_of_dtype),
    ("torch._utils", "_rebuild_parameter"): _Call(lambda data, *_: data),
    ("torch", "device"): _Call(lambda *parts: ":".join(map(str, parts))),
    ("numpy", "ndarray"): _Call(lambda *_: _Array()),
    ("numpy", "dtype"): _Call(lambda code, *_: _DType(code)),
    **{
        (f"numpy.{core}.multiarray", name): _Call(function)
        for core in ("core", "_core")
        for name, function in (("_reconstruct", lambda *_: _Array()), ("scalar", _scalar))
    },
}
"""Every name that a file may use -> what is called in its place."""


def _plain(value: Any) -> Any:
    """The value with its stand-ins replaced by dictionaries, arrays and text."""
    if isinstance(value, _Array):
        return value.value
    if isinstance(value, dict):
        return {_plain(k): _plain(v) for k, v in value.items()}
    if isinstance(value, (list, tuple)):
        # Long lists of losses are left as they are: nothing in them stands for anything else.
        simple = all(type(item) in (float, int) for item in value)
        return value if simple else type(value)(_plain(item) for item in value)
    return value
