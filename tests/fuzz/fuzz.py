"""Gives every parser of files damaged and dressed-up files, and watches what comes out.

`python tests/fuzz/fuzz.py --seconds 600` spends that long on each parser; `--only NAME` tries one. A file is changed
where it has a structure: an entry of a zip, an opcode of a pickle, a value of a JSON tree, a line, a header, a byte.
Whatever the bytes, a parser gives a run that can be looked at, or one `BadRequest` of one printable line. Anything
else is a finding, and so is more than 20 seconds of processor time, or memory that grows by more than 256 MB and 64
times the file. The file of a finding is kept in `tests/fuzz/seeds/<parser>/` and tried first from then on.
"""

import argparse
import hashlib
import io
import json
import os
import pickletools
import random
import resource
import shutil
import signal
import struct
import sys
import tempfile
import time
import warnings
import zipfile
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

os.environ.setdefault("OMP_NUM_THREADS", "1")

import torch

import grokinterp as gi
from grokinterp.importers import describe
from grokinterp.runs.packing import pack
from grokinterp.runs.run import Runs
from grokinterp.runs.writer import RunWriter
from grokinterp.tasks.formula import Formula

SEEDS = Path(__file__).with_name("seeds")
SECONDS, BYTES, TIMES = 20, 256 * 2**20, 64
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
    "\ud800",
    [],
    {},
    [[]],
    [0] * 3000,
)

Draw = random.Random
Mutation = Callable[[bytes, Draw], bytes]


class Slow(BaseException):
    """The parser took longer than it may; no parser catches this."""


# -- changes


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
    """One value of the tree is another one, is gone, or lies deeper."""
    try:
        tree = {"root": json.loads(content)}
    except ValueError:
        return of_bytes(content, draw)
    places: list[tuple[Any, Any]] = []

    def walk(node: Any) -> None:
        for key in node if isinstance(node, dict) else range(len(node)):
            places.append((node, key))
            if isinstance(node[key], dict | list):
                walk(node[key])

    walk(tree)
    node, key = draw.choice(places)
    match draw.randrange(5):
        case 0:
            del node[key]
        case 1 if isinstance(node, dict):
            node[draw.choice(("x", "", "__class__", "\x1b]0;"))] = draw.choice(VALUES)
        case 2:
            node[key] = [node[key]]
        case _:
            node[key] = draw.choice(VALUES)
    return json.dumps(tree.get("root")).encode("utf-8", "surrogatepass")


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
)


def of_text(content: bytes, draw: Draw) -> bytes:
    """A word of the language is put in, or a piece of the text is taken out."""
    text = content.decode("utf-8", "replace")
    at = draw.randrange(len(text) + 1)
    cut = draw.choice((0, 0, 1, 3))
    return (text[:at] + draw.choice(WORDS) * draw.choice((1, 1, 1, 40)) + text[at + cut :]).encode()


# -- parsers


@dataclass(frozen=True)
class Parser:
    """`read` is given the path of a changed file and of the run it belongs to; `file` is where in a run that is."""

    file: str
    mutations: tuple[Mutation, ...]
    read: Callable[[Path], object]


def look(found: Any) -> None:
    """What `info` asks of a run, or of each of several."""
    describe(found)
    for run in found.values() if isinstance(found, Runs) else [found]:
        assert repr(run) and len(run.metrics) >= 0
        for step in run.steps[:3]:
            assert run[step].parameters


def load(path: Path) -> None:
    look(gi.load(path))


def load_directory(path: Path) -> None:
    """A file in a run: the run is opened, and what is there is looked at."""
    look(gi.load(path.parent.parent if path.parent.name == "checkpoints" else path.parent))


def measure(path: Path) -> None:
    gi.measure(path.parents[1], ["embedding"], progress=False)


def reopen(path: Path) -> None:
    RunWriter.reopen(path.parent)


def parse(path: Path) -> None:
    Formula.parse(path.read_bytes().decode("utf-8", "replace"))


PARSERS = {
    "torch": Parser("weights.pt", (of_zip, of_zip, of_bytes), load),
    "torch-legacy": Parser("legacy.pt", (of_pickle, of_bytes), load),
    "curves": Parser("curves.pt", (of_zip, of_bytes), load),
    "safetensors": Parser("weights.safetensors", (of_safetensors, of_bytes), load),
    "packed": Parser("packed.safetensors", (of_safetensors, of_safetensors, of_bytes), load),
    "settings": Parser("config_weights.json", (of_json, of_bytes), lambda path: load(path.with_name("weights.pt"))),
    "config": Parser("run/config.json", (of_json, of_json, of_bytes), load_directory),
    "split": Parser("run/split.npz", (of_zip, of_bytes), load_directory),
    "metrics-lines": Parser("begun/metrics.jsonl", (of_lines, of_bytes), load_directory),
    "metrics": Parser("run/metrics.parquet", (of_bytes,), load_directory),
    "checkpoint": Parser("run/checkpoints/step_00000010.safetensors", (of_safetensors, of_bytes), load_directory),
    "optimiser": Parser("begun/optimiser.safetensors", (of_safetensors, of_bytes), reopen),
    "formula": Parser("formula.txt", (of_text, of_bytes), parse),
}


def plant(folder: Path) -> None:
    """One good file of every format."""
    run = gi.train("a + b", p=5, d_model=8, n_heads=2, frac=0.5, steps=10, metrics_every=5, checkpoint_every=10,
                   out=folder / "run", progress=False, threads=1)  # fmt: skip
    writer = RunWriter.create(folder / "begun", run.config, run.task)
    for step in (0, 5, 10):
        writer.append_metrics({"step": step, "train_loss": 1.0, "test_loss": 2.0})
    writer.write_checkpoint(10, run.final.parameters)
    writer.write_optimiser_state(dict(run.final.parameters), {"step": 10, "grokked_step": None})
    pack(run, folder / "packed.safetensors")
    weights = {name: value.clone() for name, value in run.final.parameters.items()}
    from safetensors.torch import save_file

    save_file(weights, folder / "weights.safetensors")
    torch.save(weights, folder / "weights.pt")
    settings = {"act_fn": "relu", "attention_dir": "causal", "n_ctx": 3, "n_heads": 2, "normalization_type": None}
    (folder / "config_weights.json").write_text(json.dumps(settings))
    torch.save({"model": weights, "epoch": 10, "lr": 1e-3}, folder / "legacy.pt", _use_new_zipfile_serialization=False)
    torch.save(
        {"train_losses": [1.0, 0.5, 0.1], "test_losses": [2.0, 1.0, 0.2], "epochs": [0, 1, 2]}, folder / "curves.pt"
    )
    (folder / "formula.txt").write_text("a^2 + 3*(a - b)*b if a == b else (a*b)/2")


# -- watching


def wrong(read: Callable[[Path], object], path: Path) -> str:
    """What is wrong with how the parser takes this file; nothing, if it takes it well."""
    size = path.stat().st_size if path.exists() else 0
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    signal.setitimer(signal.ITIMER_VIRTUAL, SECONDS)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            read(path)
    except gi.BadRequest as refusal:
        text = str(refusal)
        if not text.isprintable():
            return f"a refusal that is not one printable line: {text[:200]!r}"
    except Slow:
        return f"more than {SECONDS} s of processor time"
    except Exception as error:
        return f"{type(error).__name__}: {' '.join(str(error).split())[:200]}"
    finally:
        signal.setitimer(signal.ITIMER_VIRTUAL, 0)
    grown = 1024 * (resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before)
    return f"{grown / 2**20:.0f} MB for a file of {size} bytes" if grown > BYTES + TIMES * size else ""


def tries(name: str, seed: int, folder: Path) -> Iterator[tuple[bytes, str]]:
    """Changed files without end, those kept from earlier findings first, and what was wrong with each."""
    parser, draw = PARSERS[name], Draw(f"{name} {seed}")
    kept = sorted((SEEDS / name).glob("*"))
    good = (folder / parser.file).read_bytes()
    work = folder.with_name("work")
    while True:
        if kept:
            content = kept.pop(0).read_bytes()
        else:
            content = good
            for _ in range(draw.choice((1, 1, 1, 2, 4))):
                try:
                    content = draw.choice(parser.mutations)(content, draw)
                except Exception:  # what an earlier change has broken cannot be changed by its structure
                    content = of_bytes(content, draw)
        shutil.rmtree(work, ignore_errors=True)
        shutil.copytree(folder, work)
        path = work / parser.file
        path.write_bytes(content)
        yield content, wrong(parser.read, path)


def main() -> int:
    arguments = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    arguments.add_argument("--seconds", type=float, default=600, help="for each parser")
    arguments.add_argument("--count", type=int, help="so many files for each parser, however long they take")
    arguments.add_argument("--seed", type=int, default=0)
    arguments.add_argument("--only", choices=PARSERS, action="append", help="may be given several times")
    arguments.add_argument("--keep", action="store_true", help="write the files of findings into seeds/")
    given = arguments.parse_args()

    def too_slow(number: int, frame: Any) -> None:
        raise Slow

    signal.signal(signal.SIGVTALRM, too_slow)
    total = 0
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name).resolve() / "good"
        plant(folder)
        for parser in given.only or PARSERS:
            end, findings, number = time.monotonic() + given.seconds, {}, 0
            for content, reason in tries(parser, given.seed, folder):
                number += 1
                # One file a kind of fault is enough; numbers and names in the sentence do not make a kind.
                kind = "".join(c for c in reason if not c.isdigit())[:60]
                if reason and kind not in findings:
                    findings[kind] = reason
                    print(f"{parser}: {reason}", flush=True)
                    if given.keep:
                        (SEEDS / parser).mkdir(parents=True, exist_ok=True)
                        (SEEDS / parser / hashlib.sha256(content).hexdigest()[:12]).write_bytes(content)
                if (
                    number >= max(given.count, len(list((SEEDS / parser).glob("*"))))
                    if given.count
                    else time.monotonic() > end
                ):
                    break
            total += len(findings)
            print(f"{parser}: {number} files, {len(findings)} kinds of finding", flush=True)
    return bool(total)


if __name__ == "__main__":
    sys.exit(main())
