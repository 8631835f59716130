"""Reading a PyTorch file without running any code in it.

A pickle is a program: it names functions and calls them. This reader knows a short list of names, each standing for
a harmless function of its own below, and refuses a file that names anything else. Objects of TransformerLens'
packages, such as the removed `HookedTransformerConfig`, become plain dictionaries of their fields.
"""

import collections
import io
import pickle
import pickletools
import re
import struct
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any, BinaryIO, cast

import torch
from torch import Tensor

from grokinterp.errors import BadRequest
from grokinterp.importers._contents import cut, describe, one_line
from grokinterp.importers._standins import (
    VALUES,
    WORDS,
    Array,
    Call,
    DType,
    Fields,
    PathText,
    Plain,
    ValueType,
    byte_array,
    default_dict,
    encode,
    scalar,
    tensor,
    tensor_of_dtype,
)
from grokinterp.runs.files import cannot_read

UNFOLDED = 64
"""How many times larger than the file its content may be: torch.save does not compress at all."""

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
            content = _read_zip(path, file) if zipfile.is_zipfile(file) else _read_legacy(path, file)
            return Plain(path.stat().st_size)(content)
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
            raise UnsafeFileError(
                f"{path} is a zip archive but not of torch.save; it holds {', '.join(map(cut, names[:8]))}"
            )
        folder = pickles[0].removesuffix("data.pkl")
        if f"{folder}constants.pkl" in names:
            raise UnsafeFileError(
                f"{path} is a TorchScript program, which is never run here; save its weights with "
                f"torch.save(module.state_dict(), ...)"
            )
        size = path.stat().st_size
        # A member of a few bytes may say that it unfolds into gigabytes.
        whole_size = sum(archive.getinfo(name).file_size for name in names)
        if whole_size > UNFOLDED * size + 2**20:
            raise UnsafeFileError(
                f"{path} has {size:,} bytes and would unfold into {whole_size:,}; fetch or save it again"
            )
        if f"{folder}byteorder" in names and archive.read(f"{folder}byteorder") == b"big":
            raise UnsafeFileError(f"{path} was saved on a big-endian machine; load and save it there with safetensors")
        mapped = size > MAPPED_ABOVE
        whole = torch.UntypedStorage.from_file(str(path), shared=False, nbytes=path.stat().st_size) if mapped else None

        def storage(key: str, dtype: torch.dtype, count: int) -> Tensor:
            entry = archive.getinfo(f"{folder}data/{key}")
            if count == 0:
                return torch.empty(0, dtype=dtype)
            if not 0 < count * dtype.itemsize <= entry.file_size:
                raise pickle.UnpicklingError(f"a storage of {count} numbers in {entry.file_size} bytes")
            if whole is None or entry.compress_type != zipfile.ZIP_STORED:
                return torch.frombuffer(bytearray(archive.read(entry)), dtype=dtype, count=count)
            start = _data_offset(file, entry)
            part = cast(torch.UntypedStorage, whole[start : start + count * dtype.itemsize])
            return torch.empty(0, dtype=torch.uint8).set_(part).view(dtype)

        content = archive.read(pickles[0])
        _refuse_large_memo(content)
        return _Reader(io.BytesIO(content), path, storage).load()


LEGACY_PICKLES = 4
"""A magic number, a protocol, a system's sizes and the content, one pickle each."""


def _refuse_large_memo(content: bytes, n_pickles: int = 1) -> None:
    """Refuse a pickle that keeps something under a number larger than itself: as many places would be made for it."""
    large = any(int.from_bytes(found[1], "little") > len(content) for found in _LONG_PUT.finditer(content))
    if not large and not _TEXT_PUT.search(content):
        return
    stream = io.BytesIO(content)
    for number in range(n_pickles):
        if number and stream.tell() == len(content):
            return  # no PyTorch file: its reader says so
        for opcode, argument, _ in pickletools.genops(stream):
            numbers = _NUMBERS.match(content, stream.tell())
            if numbers:  # recorded losses are a hundred thousand opcodes, of which none keeps anything
                stream.seek(numbers.end())
            if opcode.name in ("PUT", "LONG_BINPUT") and isinstance(argument, int) and argument > len(content):
                raise pickle.UnpicklingError(f"a memo of {argument} places")


_NUMBERS = re.compile(rb"(?:G.{8}|J.{4}|M..|K.)+", re.DOTALL)
"""Opcodes of floats and small integers, each with its bytes."""

_LONG_PUT, _TEXT_PUT = re.compile(rb"(?=r(....))", re.DOTALL), re.compile(rb"p\d{6,}\n")


def _data_offset(file: BinaryIO, entry: zipfile.ZipInfo) -> int:
    # The local header, 30 bytes and two variable fields, may differ from the directory's copy at the end.
    file.seek(entry.header_offset + 26)
    name, extra = struct.unpack("<HH", file.read(4))
    return entry.header_offset + 30 + name + extra


def _read_legacy(path: Path, file: BinaryIO) -> Any:
    """A file of PyTorch before 1.6, or no PyTorch file at all."""
    file.seek(0)
    size = path.stat().st_size

    # Every pickle in the file is walked first, so that what it would run is named even where it is no PyTorch file.
    def blank(key: str, dtype: torch.dtype, count: int) -> Tensor:
        if not 0 <= count * dtype.itemsize <= size:
            raise pickle.UnpicklingError(f"a storage of {count} numbers in a file of {size} bytes")
        return torch.empty(count, dtype=dtype)

    if size > MAPPED_ABOVE * 16:
        raise UnsafeFileError(f"{path} is no file of torch.save since PyTorch 1.6; load it there and save it again")
    # From memory: a file object would be asked for, and make room for, as many bytes as an opcode says it has.
    content = io.BytesIO(file.read())
    _refuse_large_memo(content.getvalue(), LEGACY_PICKLES)
    stream = [_Reader(content, path, blank).load()]
    if stream[0] != torch.serialization.MAGIC_NUMBER:
        raise UnsafeFileError(
            f"{path} is a pickle but not a PyTorch file; where you trust it, open it with pickle.load and save its "
            "weights as tensors, torch.save({name: tensor, ...}, 'x.pt'); it holds "
            f"{describe(Plain(size)(stream[0]))}"
        )
    for _ in range(LEGACY_PICKLES - 1):
        stream.append(_Reader(content, path, blank).load())
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
            return type(name.rsplit(".", 1)[-1], (Fields,), {})
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
    ("builtins", "bytearray"): Call(byte_array),
    ("collections", "defaultdict"): Call(default_dict),
    **{("builtins", name): ValueType() for name in ("list", "dict", "int", "float", "str", "bool")},
    ("argparse", "Namespace"): Fields,
    ("types", "SimpleNamespace"): Fields,
    **VALUES,
    **WORDS,
    **{
        (module, name): Call(PathText)
        for module in ("pathlib", "pathlib._local")
        for name in ("Path", "PurePath", "PosixPath", "PurePosixPath", "WindowsPath", "PureWindowsPath")
    },
    ("_codecs", "encode"): Call(encode),
    ("torch._utils", "_rebuild_tensor"): Call(tensor),
    ("torch._utils", "_rebuild_tensor_v2"): Call(tensor),
    ("torch._utils", "_rebuild_tensor_v3"): Call(tensor_of_dtype),
    ("torch._utils", "_rebuild_parameter"): Call(lambda data, *_: data),
    ("torch", "device"): Call(lambda *parts: ":".join(map(str, parts))),
    ("numpy", "ndarray"): Call(lambda *_: Array()),
    ("numpy", "dtype"): Call(lambda code, *_: DType(code)),
    **{
        (f"numpy.{core}.multiarray", name): Call(function)
        for core in ("core", "_core")
        for name, function in (("_reconstruct", lambda *_: Array()), ("scalar", scalar))
    },
}
"""Every name that a file may use -> what is called in its place."""
