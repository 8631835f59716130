"""Saying in one line what is in a file of an unknown kind."""

import zipfile
from pathlib import Path
from typing import Any

import numpy as np
from torch import Tensor

SHOWN = 12
LENGTH = 60
"""Characters shown of a key, or of any other text that a file holds."""


def describe(value: Any) -> str:
    """One line on what a value is: its type, and the keys, lengths and shapes in it."""
    if isinstance(value, dict):
        first = [item for item, _ in zip(value.items(), range(SHOWN), strict=False)]
        inside = [f"{cut(key)}: {_briefly(item)}" for key, item in first]
        return f"{_briefly(value)} ({', '.join(inside)}{', ...' if len(value) > SHOWN else ''})"
    if isinstance(value, (list, tuple)) and value:
        return f"{_briefly(value)}, the first {_briefly(value[0])}"
    return _briefly(value)


def _briefly(value: Any) -> str:
    if isinstance(value, Tensor):
        return f"a tensor {list(value.shape)}"
    if isinstance(value, np.ndarray):
        return f"an array {list(value.shape)}"
    if isinstance(value, (dict, list, tuple, set, frozenset)):
        return f"a {type(value).__name__} of {len(value)}"
    if isinstance(value, int) and value.bit_length() > 128:
        return f"{type(value).__name__} of {value.bit_length()} bits"
    if isinstance(value, (str, bytes)):
        return f"{type(value).__name__} {cut(repr(value[: 2 * LENGTH]))}"
    return f"{type(value).__name__} {cut(repr(value))}"


def cut(text: Any, length: int = LENGTH) -> str:
    """Text that a file holds as a terminal may show it: control characters escaped, long text cut."""
    if isinstance(text, int) and text.bit_length() > 128:
        return f"a whole number of {text.bit_length()} bits"
    if not isinstance(text, (str, int, float, bool, type(None))):
        text = type(text).__name__ if isinstance(text, (dict, list, tuple, Tensor, np.ndarray)) else str(text)
    shown = "".join(c if c.isprintable() else c.encode("unicode_escape").decode() for c in str(text)[: length + 1])
    return f"{shown[:length]}..." if len(shown) > length else shown


def one_line(text: Any) -> str:
    """The text with its line breaks taken out and control characters escaped, cut at 160 characters."""
    return cut(" ".join(str(text)[:1000].split()), 160)


SAVE_STATE = "torch.save(model.state_dict(), 'x.pt')"
_CURVES = "torch.save({'train_losses': [...], 'test_losses': [...]}, 'curves.pth')"


def foreign_kind(path: Path) -> str | None:
    """What a file is that is none of PyTorch's, with the remedy that works; None for one that may be."""
    with open(path, "rb") as file:
        start = file.read(4096)
    if not start:
        return "empty; fetch or save it again"
    if start.startswith(b"version https://git-lfs"):
        return "a Git LFS pointer and not the file itself; fetch that with `git lfs pull`"
    if start.startswith(b"\x93NUMPY"):
        return f"one NumPy array; of losses, save them as curves: {_CURVES}"
    if start.startswith(b"\x89HDF\r\n\x1a\n"):
        return "an HDF5 file; open it with h5py and save its arrays as tensors: torch.save({name: tensor, ...}, 'x.pt')"
    if path.suffix == ".onnx":
        return f"an ONNX graph; save the weights where the model was trained: {SAVE_STATE}"
    if start.startswith(b"\x1f\x8b") or start[257:262] == b"ustar":
        return "an archive; unpack it, and give the file or the directory that is in it"
    if start.startswith(b"PK"):
        try:
            with zipfile.ZipFile(path) as archive:
                names = archive.namelist()
        except (zipfile.BadZipFile, NotImplementedError, ValueError):
            return None  # damaged: whoever reads it says how
        if names and all(name.endswith(".npy") for name in names):
            shown = ", ".join(cut(name.removesuffix(".npy")) for name in names[:8])
            return (
                f"a NumPy archive of the arrays {shown}; save them as tensors: torch.save("
                f"{{k: torch.tensor(v) for k, v in numpy.load({path.name!r}).items()}}, "
                f"{path.stem + '.pt'!r})"
            )
        if not any(name.endswith(("data.pkl", "constants.pkl", "version")) for name in names):
            return f"a zip archive of {', '.join(map(cut, names[:8])) or 'nothing'}; unpack it, and give what is in it"
        return None
    return _kind_of_text(start, path)


def _kind_of_text(start: bytes, path: Path) -> str | None:
    try:
        text = start.decode()
    except UnicodeDecodeError as error:
        if error.start < len(start) - 4:  # a letter may be cut in two at the end
            return None
        text = start[: error.start].decode()
    if not all(c.isprintable() or c.isspace() for c in text):
        return None
    if text.lstrip()[:1] == "<":
        return "a web page (HTML or XML) and not the file itself; fetch that by its raw address"
    if text.lstrip()[:1] in ("{", "[") or path.suffix == ".json":
        return f"JSON text; settings go beside their model_x.pt as config_x.json, losses are read of {_CURVES}"
    lines = text.splitlines()
    if path.suffix in (".csv", ".tsv") or (len(lines) > 1 and lines[0].count(",") == lines[1].count(",") > 0):
        return f"a table of text (CSV); read it with pandas and save its losses as curves: {_CURVES}"
    return None
