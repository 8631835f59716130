"""Changes to a file where it has a structure: an entry of a zip, an opcode of a pickle, a value of a tree, a byte."""

import hashlib
import io
import json
import pickletools
import random
import struct
import tomllib
import warnings
import zipfile
from collections.abc import Callable
from typing import Any

import numpy as np
import safetensors.numpy
import tomli_w
import torch

NUMBERS = (
    0,
    1,
    -1,
    2,
    255,
    256,
    2**31 - 1,
    2**31,
    2**32,
    2**63 - 1,
    2**63,
    10**30,
    10**400,
    0.5,
    1e308,
    float("nan"),
    float("inf"),
)
VALUES = (
    *NUMBERS,
    None,
    True,
    "",
    "\x1b[31m",
    "x" * 5000,
    "../../etc/passwd",
    "a\nb",
    "a | b",
    "\ud800",
    [],
    {},
    [[]],
    [0] * 3000,
)

Draw = random.Random
Mutation = Callable[[bytes, Draw], bytes]


def of_bytes(content: bytes, draw: Draw) -> bytes:
    """Bits, numbers, holes and repetitions, without knowing what they mean."""
    changed = bytearray(content)
    for _ in range(draw.choice((1, 1, 2, 8))):
        at = draw.randrange(len(changed) + 1)
        length = draw.choice((1, 2, 4, 8, 64, 1024))
        match draw.randrange(5):
            case 0 if at < len(changed):
                changed[at] ^= 1 << draw.randrange(8)
            case 1:
                changed[at : at + length] = draw.choice((b"\0", b"\xff")) * length
            case 2:
                del changed[at : at + length]
            case 3:
                changed[at:at] = changed[at : at + length]
            case _:
                changed = changed[: draw.randrange(len(changed) + 1)]
    return bytes(changed)


def of_pickle(content: bytes, draw: Draw) -> bytes:
    """One opcode is dropped, doubled, exchanged with another, or changed inside."""
    try:
        starts = [at for _, _, at in pickletools.genops(content)]
    except Exception:
        return of_bytes(content, draw)
    ends = [*starts[1:], len(content)]
    codes = [content[a:b] for a, b in zip(starts, ends, strict=True)]
    at, other = draw.randrange(len(codes)), draw.randrange(len(codes))
    match draw.randrange(4):
        case 0:
            codes[at] = b""
        case 1:
            codes[at] *= draw.choice((2, 50))
        case 2:
            codes[at], codes[other] = codes[other], codes[at]
        case _:
            codes[at] = codes[at][:1] + of_bytes(codes[at][1:], draw)
    return b"".join(codes)


def of_json(content: bytes, draw: Draw) -> bytes:
    """One value of the tree is another one, is gone, or lies deeper; or the text is nested beyond all measure."""
    try:
        tree = {"root": json.loads(content)}
    except ValueError:
        return of_bytes(content, draw)
    change_tree(tree, draw, VALUES)
    text = json.dumps(tree.get("root"))
    if draw.random() < 0.02:
        text = text.replace("0", "[" * 100_000, 1)
    return text.encode("utf-8", "surrogatepass")


def of_toml(content: bytes, draw: Draw) -> bytes:
    """One value of a TOML file is another one, is gone, or lies deeper; or a word is put in."""
    try:
        tree = {"root": tomllib.loads(content.decode())}
        change_tree(tree, draw, VALUES)
        return tomli_w.dumps(tree["root"]).encode()
    except (ValueError, TypeError, AttributeError, KeyError):
        return of_text(content, draw)


def of_content(content: bytes, draw: Draw) -> bytes:
    """What `torch.save` was given is changed as a tree: a tensor is another, of another shape or type, or none."""
    tree = {"root": torch.load(io.BytesIO(content), weights_only=True)}
    tensors = (
        torch.tensor(1.0),
        torch.zeros(0, 3),
        torch.full((3, 4), torch.nan),
        torch.ones(2, 2, 2, 2, dtype=torch.complex64),
        torch.tensor([True, False]),
        torch.arange(10) - 5,
        torch.zeros(1).expand(100_000, 8),
    )
    change_tree(tree, draw, (*VALUES, *tensors))
    with io.BytesIO() as buffer:
        torch.save(tree.get("root"), buffer)
        return buffer.getvalue()


def change_tree(tree: dict[str, Any], draw: Draw, values: tuple[Any, ...]) -> None:
    """One value of a tree of dictionaries, lists and tensors is changed in place."""
    places: list[tuple[Any, Any]] = []

    def walk(node: Any) -> None:
        for key in node if isinstance(node, dict) else range(len(node)):
            places.append((node, key))
            if isinstance(node[key], dict | list):
                walk(node[key])

    walk(tree)
    node, key = draw.choice(places)
    match draw.randrange(7):
        case 0:
            del node[key]
        case 1 if isinstance(node, dict):
            node[draw.choice(("x", "", "__class__", "\x1b]0;"))] = draw.choice(values)
        case 2:
            node[key] = [node[key]]
        case 3 if isinstance(node, dict):
            node[key if isinstance(key, int) else f"{key}.{draw.choice('xW0')}"] = node.pop(key)
        case 4 if isinstance(node[key], torch.Tensor) and node[key].ndim:
            tensor, axis = node[key], draw.randrange(node[key].ndim)
            node[key] = draw.choice(
                (
                    tensor.mT.contiguous() if tensor.ndim > 1 else tensor.half(),
                    tensor[:1],
                    tensor.narrow(axis, 0, 0),
                    tensor.repeat_interleave(2, axis),
                    tensor.flatten(),
                    tensor * torch.inf,
                )
            )
        case _:
            node[key] = draw.choice(values)


def of_lines(content: bytes, draw: Draw) -> bytes:
    """A line of JSON is changed, dropped, doubled or moved."""
    lines = content.splitlines(keepends=True) or [b""]
    at, other = draw.randrange(len(lines)), draw.randrange(len(lines))
    match draw.randrange(4):
        case 0:
            lines[at] = of_json(lines[at], draw) + b"\n"
        case 1:
            lines[at] *= draw.choice((0, 2))
        case 2:
            lines[at], lines[other] = lines[other], lines[at]
        case _:
            lines[at] = of_bytes(lines[at], draw)
    return b"".join(lines)


def of_safetensors(content: bytes, draw: Draw) -> bytes:
    """The header is JSON: its names, types, shapes, offsets and metadata change as JSON does."""
    length = struct.unpack("<Q", content[:8])[0]
    header = of_json(content[8 : 8 + length], draw)
    return struct.pack("<Q", len(header)) + header + content[8 + length :]


def of_trace(content: bytes, draw: Draw) -> bytes:
    """A kept trace is changed inside and given the right checksum again."""
    inside = draw.choice((of_safetensors, of_description, of_bytes))(content[:-32], draw)
    return inside + hashlib.sha256(inside).digest()


def of_description(content: bytes, draw: Draw) -> bytes:
    """What a kept trace says of its arrays is changed as JSON."""
    arrays = safetensors.numpy.load(content)
    arrays["description"] = np.frombuffer(of_json(arrays["description"].tobytes(), draw), np.uint8)
    return safetensors.numpy.save(arrays)


def of_zip(content: bytes, draw: Draw) -> bytes:
    """One entry is changed as what it holds, renamed, dropped, doubled, or blown up with zeros."""
    with zipfile.ZipFile(io.BytesIO(content)) as archive:
        entries = [(entry.filename, archive.read(entry)) for entry in archive.infolist()]
    at = draw.randrange(len(entries))
    name, inside = entries[at]
    compression = zipfile.ZIP_STORED
    match draw.randrange(6):
        case 0:
            entries[at] = (draw.choice(("../x", "/x", "", "x" * 60000, name.upper())), inside)
        case 1:
            del entries[at]
        case 2:
            entries.append(entries[at])
        case 3:
            compression, entries[at] = zipfile.ZIP_DEFLATED, (name, inside + bytes(64 * 2**20))
        case _:
            entries[at] = (name, (of_pickle if name.endswith(".pkl") else of_bytes)(inside, draw))
    with warnings.catch_warnings(), io.BytesIO() as buffer:
        warnings.simplefilter("ignore")  # of two entries of one name
        with zipfile.ZipFile(buffer, "w", compression) as archive:
            for name, inside in entries:
                archive.writestr(name, inside)
        return buffer.getvalue()


WORDS = (
    "a",
    "b",
    "+",
    "-",
    "*",
    "/",
    "^",
    "**",
    "(",
    ")",
    "mod",
    "if",
    "else",
    "==",
    "%",
    "1",
    "99999",
    "2 ^",
    " ",
    "\n",
    "_",
    "é",
    "=",
    ",",
    "~",
    ".",
    "&",
    "&how=",
)


def of_text(content: bytes, draw: Draw) -> bytes:
    """A word of the language is put in, or a piece of the text is taken out."""
    text = content.decode("utf-8", "replace")
    at = draw.randrange(len(text) + 1)
    cut = draw.choice((0, 0, 1, 3))
    return (text[:at] + draw.choice(WORDS) * draw.choice((1, 1, 1, 40)) + text[at + cut :]).encode()
