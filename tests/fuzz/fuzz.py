"""Gives every parser of files damaged and dressed-up files, and watches what comes out.

`python tests/fuzz/fuzz.py --seconds 600` spends that long on each parser; `--only NAME` tries one. A file is changed
where it has a structure: an entry of a zip, an opcode of a pickle, a value of a JSON tree, a line, a header, a byte.
Whatever the bytes, a parser gives a run that can be looked at, or one `BadRequest` of one printable line. Anything
else is a finding, and so is more than 20 seconds of processor time, or memory that grows by more than 256 MB and 64
times the file. The file of a finding is kept in `tests/fuzz/seeds/<parser>/` and tried first from then on.
"""

import argparse
import hashlib
import json
import os
import random
import resource
import shutil
import signal
import sys
import tempfile
import time
import tomllib
import warnings
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

os.environ.setdefault("OMP_NUM_THREADS", "1")

import numpy as np
import safetensors.torch
import torch
from changes import (
    Mutation,
    of_bytes,
    of_content,
    of_description,
    of_json,
    of_lines,
    of_pickle,
    of_safetensors,
    of_text,
    of_toml,
    of_trace,
    of_zip,
)

import grokinterp as gi
from grokinterp.cli.train_command import parameter
from grokinterp.explorer.session import Session
from grokinterp.explorer.state import State
from grokinterp.explorer.web.respond import respond
from grokinterp.importers import describe
from grokinterp.measuring.readings import keep_readings, readings_of
from grokinterp.reproduction import find_claim, stored
from grokinterp.reproduction.table import source_page
from grokinterp.runs import lock
from grokinterp.runs.packing import pack
from grokinterp.runs.population.collection import Runs
from grokinterp.runs.summary import Summary
from grokinterp.runs.writer import RunWriter
from grokinterp.sweeps.spec import Keep, Spec, Variant
from grokinterp.tasks.formula import Formula

ROOT = Path(__file__).parents[2]
SEEDS = Path(__file__).with_name("seeds")
SECONDS, BYTES, TIMES = 20, 256 * 2**20, 64


class Slow(BaseException):
    """The parser took longer than it may; no parser catches this."""


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


def load_with_task(path: Path) -> None:
    look(gi.load(path, task="a + b", p=5))


def measure(path: Path) -> None:
    """A file that a run keeps of what was read before: whatever is in it, the run is measured."""
    gi.measure(path.parents[1], ["loss"], progress=False)


def reopen(path: Path) -> None:
    RunWriter.reopen(path.parent).read_optimiser_state()


def parse(path: Path) -> None:
    Formula.parse(path.read_bytes().decode("utf-8", "replace"))


def read_readings(path: Path) -> None:
    """What is kept of checkpoints that are gone."""
    found = readings_of(gi.load(path.parent))
    assert found is None or found.sizes["step"]


def tabulate(path: Path) -> None:
    """A result of a claim: the table that it stands in is written."""
    for name, result in stored(path.parent).items():
        source_page("A paper", [find_claim(CLAIM)], {CLAIM: result})
        assert name


def holder(path: Path) -> None:
    """A lock that somebody left: whom it names is told."""
    str(lock._read(path))


def open_address(path: Path) -> None:
    """An address that somebody sends: the explorer's page is opened there."""
    session = Session.of(gi.load(path.with_name("run")))
    address = path.read_bytes().decode("utf-8", "replace")
    assert respond(session, {"used": [], "hold": {"url": address}, "history": None, "message": ""})


def summarise(path: Path) -> None:
    """What is kept of a run for tables of many: damaged, it says nothing."""
    repr(Summary.read(path.parent))


def sweep(path: Path) -> None:
    """A sweep that somebody gives: what it varies, and its text again."""
    spec = Spec.read(path)
    assert Spec.from_dict(tomllib.loads(spec.to_toml())).to_toml() == spec.to_toml()  # as text: NaN equals itself


def set_parameter(path: Path) -> None:
    """What stands behind `--set`."""
    parameter(path.read_bytes().decode("utf-8", "replace"))


CLAIM = "nanda-saved-losses"
"""Any claim of several targets; the changed result is taken for its own."""

WEIGHTS = (of_content, of_content, of_zip, of_bytes)

PARSERS = {
    "torch": Parser("weights.pt", WEIGHTS, load),
    "state-dict": Parser("weights.pt", WEIGHTS, load_with_task),
    "torch-legacy": Parser("legacy.pt", (of_pickle, of_bytes), load),
    "nanda": Parser("nanda.pth", WEIGHTS, load),
    "transformer-lens": Parser("demo.pth", WEIGHTS, load),
    "pizza": Parser("model_pizza.pt", WEIGHTS, load),
    "pizza-settings": Parser(
        "config_pizza.json", (of_json, of_json, of_bytes), lambda path: load(path.with_name("model_pizza.pt"))
    ),
    "curves": Parser("curves.pt", WEIGHTS, load),
    "safetensors": Parser("weights.safetensors", (of_safetensors, of_bytes), load_with_task),
    "foreign": Parser("arrays.npz", (of_zip, of_bytes), load),
    "packed": Parser("packed.safetensors", (of_safetensors, of_safetensors, of_bytes), load),
    "config": Parser("run/config.json", (of_json, of_json, of_bytes), load_directory),
    "split": Parser("run/split.npz", (of_zip, of_bytes), load_directory),
    "metrics-lines": Parser("begun/metrics.jsonl", (of_lines, of_bytes), load_directory),
    "metrics": Parser("run/metrics.parquet", (of_bytes,), load_directory),
    "checkpoint": Parser("run/checkpoints/step_00000010.safetensors", (of_safetensors, of_bytes), load_directory),
    "optimiser": Parser("begun/optimiser.safetensors", (of_safetensors, of_bytes), reopen),
    "trace": Parser("run/traces/loss.trace", (of_trace, of_trace, of_bytes), measure),
    "readings": Parser("run/readings.trace", (of_safetensors, of_description, of_bytes), read_readings),
    "digests": Parser("run/traces/checkpoints.json", (of_json, of_bytes), measure),
    "lock": Parser("lock.json", (of_json, of_bytes), holder),
    "result": Parser(f"results/{CLAIM}.json", (of_json, of_json, of_bytes), tabulate),
    "summary": Parser("run/summary.json", (of_json, of_json, of_bytes), summarise),
    "sweep": Parser("sweep.toml", (of_toml, of_toml, of_bytes), sweep),
    "address": Parser("address.txt", (of_text, of_bytes), open_address),
    "parameter": Parser("parameter.txt", (of_text, of_json, of_bytes), set_parameter),
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
    keep_readings(folder / "run", gi.measure(run, ["loss"], progress=False).assign_coords(step=[3, 7]))
    (kept,) = (folder / "run" / "traces").glob("*.trace")
    PARSERS["trace"] = replace(PARSERS["trace"], file=f"run/traces/{kept.name}")
    (folder / "run" / "traces" / "checkpoints.json").write_text(
        json.dumps({f"step_{step:08d}.safetensors": [[1, 2, 3, 4], "0" * 64] for step in run.steps})
    )
    with lock.held(folder / "run", "train"):
        shutil.copy(folder / ".run.writer.lock", folder / "lock.json")
    (folder / "results").mkdir()
    shutil.copy(ROOT / "reproduction" / "results" / f"{CLAIM}.json", folder / "results")
    plant_weights(folder, {name: value.clone() for name, value in run.final.parameters.items()})
    curves = {"train_losses": [1.0, 0.5, 0.1], "test_losses": [2.0, 1.0, 0.2], "epochs": [0, 1, 2]}
    torch.save(curves, folder / "curves.pt")
    np.savez(folder / "arrays.npz", train_acc=np.arange(4.0), test_acc=np.arange(4.0))
    state = State(step=10, heads=((0, 1),), neurons=((0, 1), (0, 2), (0, 3)), frequencies=(1,), pair=(1, 2), how="mean")
    (folder / "address.txt").write_text(f"?{state.query}")
    Summary(step=10, scores={"train_loss": 1.0}, key_frequencies=(1, 2), circuits=("loss",)).write(folder / "run")
    fields = {"expression": "a + b", "p": 5, "steps": 10}
    variants = (Variant("slow", {"lr": 1e-4, "seed": 1}), Variant("fast", {"lr": 1e-2, "seed": 2}))
    grid = {"frac": (0.3, 0.5), "d_model": (8, 16)}
    (folder / "sweep.toml").write_text(Spec("rates", fields, grid, variants, Keep("final", ("loss",))).to_toml())
    (folder / "parameter.txt").write_text('winners={"a": [40, 1.5, null]}')
    (folder / "formula.txt").write_text("a^2 + 3*(a - b)*b if a == b else (a*b)/2")


def plant_weights(folder: Path, weights: dict[str, torch.Tensor]) -> None:
    """The same weights as each of the third-party formats has them."""
    safetensors.torch.save_file(weights, folder / "weights.safetensors")
    torch.save(weights, folder / "weights.pt")
    torch.save({"model": weights, "epoch": 10, "lr": 1e-3}, folder / "legacy.pt", _use_new_zipfile_serialization=False)
    losses = {"train_losses": [3.0, 2.0, 1.0], "test_losses": [3.0, 2.5, 2.0]}
    early = {
        "embed.W_E": weights["embed.W_E"].T.contiguous(),
        "pos_embed.W_pos": weights["pos_embed.W_pos"],
        "unembed.W_U": torch.randn(8, 6),
        **{f"blocks.0.attn.W_{letter}": torch.randn(2, 4, 8) for letter in "QKV"},
        "blocks.0.attn.W_O": torch.randn(8, 8),
        "blocks.0.attn.mask": torch.ones(3, 3).tril(),
        "blocks.0.mlp.W_in": torch.randn(32, 8),
        "blocks.0.mlp.b_in": torch.randn(32),
        "blocks.0.mlp.W_out": torch.randn(8, 32),
        "blocks.0.mlp.b_out": torch.randn(8),
    }
    config = {"p": 5, "fn_name": "add", "seed": 0, "lr": 1e-3, "act_type": "ReLU", "use_ln": False}
    torch.save({"model": early, "state_dicts": [early, early], "epochs": [0, 2], "config": config, **losses},
               folder / "nanda.pth")  # fmt: skip
    settings = {"n_layers": 1, "n_heads": 2, "d_model": 8, "d_head": 4, "act_fn": "relu", "n_ctx": 3, "d_vocab": 6,
                "normalization_type": None, "attention_dir": "causal", "seed": 0}  # fmt: skip
    torch.save({"model": weights, "config": settings, "checkpoints": [weights, weights], "checkpoint_epochs": [0, 2],
                "train_indices": torch.arange(8), "test_indices": torch.arange(8, 25), **losses},
               folder / "demo.pth")  # fmt: skip
    torch.save(early, folder / "model_pizza.pt")
    pizza = {"funcs": "lambda x: (x[0]+x[1])%5", "C": 5, "n_layers": 1, "d_model": 8, "n_heads": 2, "diff_vocab": 0,
             "eqn_sign": 1, "act_fn": "ReLU", "attn_coeff": 0.5, "frac": 0.8, "lr": 1e-3, "weight_decay": 2.0,
             "epoch": 300}  # fmt: skip
    (folder / "config_pizza.json").write_text(json.dumps(pizza))


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
    parser, draw = PARSERS[name], random.Random(f"{name} {seed}")
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
