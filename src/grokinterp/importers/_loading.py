"""load: whatever is at a path, as a Run or Runs."""

from dataclasses import replace
from os import PathLike
from pathlib import Path
from typing import Any

from grokinterp.config.own_module import OwnModuleConfig
from grokinterp.config.stated import Stated
from grokinterp.config.validation import check_path, shown
from grokinterp.errors import BadRequest, did_you_mean, listed
from grokinterp.importers import curves, nanda, one_hot, pizza, state_dict, transformer_lens
from grokinterp.importers._base import Importer, ImportFileError, Payload
from grokinterp.importers._contents import SAVE_STATE, describe, foreign_kind, one_line
from grokinterp.importers._unpickle import read_torch_file
from grokinterp.importers.reading.wrappings import is_optimiser, unwrap, with_metadata
from grokinterp.runs.directory import CHECKPOINTS, is_run, open_run
from grokinterp.runs.files import open_tensors
from grokinterp.runs.packing import is_packed, open_packed
from grokinterp.runs.population.collection import Runs
from grokinterp.runs.population.wanted import missing_of
from grokinterp.runs.replacing import recover
from grokinterp.runs.run import Run
from grokinterp.tasks import Task

IMPORTERS: tuple[Importer, ...] = (
    nanda.NANDA,
    transformer_lens.TRANSFORMER_LENS,
    pizza.PIZZA,
    curves.CURVES,
    one_hot.ONE_HOT,
    state_dict.STATE_DICT,
)
"""Every third-party format, in the order in which they are tried."""

FORMATS: dict[str, str] = {
    "auto": "recognised by content",
    "run": "a run directory, or a packed run (.safetensors)",
    **{importer.name: importer.description for importer in IMPORTERS},
}
"""Values of `format` -> what they mean."""

SUFFIXES = (".pt", ".pth", ".safetensors")
TOLD = (
    *SUFFIXES,
    ".ckpt",
    ".bin",
    ".pkl",
    ".pickle",
    ".npz",
    ".npy",
    ".h5",
    ".hdf5",
    ".onnx",
    ".csv",
    ".zip",
    ".gz",
    ".tar",
)
"""Files of a directory that are read, or told to be skipped, with what would work."""
DEPTH = 3


def load(
    path: str | Path,
    *,
    format: str = "auto",
    task: Task | str | None = None,
    p: int | None = None,
    layout: str | None = None,
    module: Any = None,
    **stated: Any,
) -> Run | Runs:
    """The run at `path`: a run directory, a packed run, or a third-party `.pt`, `.pth` or `.safetensors` file.

    A directory of several gives `Runs`, by name. `format` (one of `FORMATS`) is only needed where the content does not
    tell; `task` where a file does not tell its task, or tells a wrong one: a `Task`, or its formula with `p` and
    `layout`. `stated` says what weights leave open, in the words of `train`: `activation`, `n_heads`, `normalization`,
    `norm_kind`, `final_norm`, `embedding_scale`, `position_embedding`, `attention_direction`, `attention_rate`,
    `combine`; what is left out is taken from the file or judged by the weights, and told in `run.assumptions`.
    `module` makes the network of a run that `gi.record` wrote of a module of your own: its class, or a function.
    A `config_*.json` beside a file is found. Nothing in a file is executed. Raises `BadRequest`, with what was found,
    for anything that is no run.
    """
    if not isinstance(path, str | PathLike) or not str(path):
        raise ImportFileError(f"one path is asked, as in gi.load('runs/add'), not {shown(path)}")
    check_path("path", path)
    path = Path(path)
    loaded = _load(path, format, _task(task, p, layout), Stated.of(stated))
    if module is not None:
        loaded = _made_by(loaded, module)
    given = {"format": None if format == "auto" else format, "task": task, "p": p, "layout": layout, **stated}
    given = {name: value for name, value in given.items() if value is not None}
    for run in (loaded.values() if isinstance(loaded, Runs) else [loaded]) if given else ():
        run.provenance = replace(run.provenance, opened_with=given)
    return loaded


def _made_by(loaded: Run | Runs, module: Any) -> Run | Runs:
    """The run, once it is known that what is made is its module; of several, those of modules."""
    from grokinterp.models.own.module import made, maker  # imports TransformerLens

    make = maker(module)
    if isinstance(loaded, Runs):
        own = {name: isinstance(run.config.model, OwnModuleConfig) for name, run in loaded.items() if run.has_config}
        return Runs(
            {n: _one_made_by(run, make, made) if own.get(n) else run for n, run in loaded.items()}, loaded.skipped
        )
    return _one_made_by(loaded, make, made)


def _one_made_by(run: Run, make: Any, made: Any) -> Run:
    bound = run.made_by(make)
    made(bound.config.model)
    return bound


def _task(task: Task | str | None, p: int | None, layout: str | None) -> Task | str | None:
    parameters = {name: value for name, value in (("p", p), ("layout", layout)) if value is not None}
    if isinstance(task, str):
        return Task(task, **parameters) if parameters else task
    if task is not None and not isinstance(task, Task):
        raise ImportFileError(f"task={shown(task)} must be a formula or a name, as in task='a + b', or a gi.Task")
    if parameters:
        raise ImportFileError(f"{next(iter(parameters))} says more about a task in text; give it as in task='a + b'")
    return task


def _load(path: Path, format: str, task: Task | str | None, stated: Stated) -> Run | Runs:
    if format not in FORMATS:
        raise ImportFileError(f"no format {format!r}.{did_you_mean(format, FORMATS)} The formats: {listed(FORMATS)}")
    if not path.exists():
        recover(path.resolve())
    if not path.exists():
        raise ImportFileError(f"{path} does not exist; give a run directory, or a .pt, .pth or .safetensors file")
    if not path.is_dir() and not path.is_file():
        raise ImportFileError(f"{path} is no regular file but a device or a pipe; copy what it gives into a file first")
    if path.is_dir() and is_run(path) and format not in ("auto", "run"):
        raise ImportFileError(f"{path} is a run directory and not of the format {format!r}; leave the format out")
    if path.is_dir():
        return _own(open_run(path, task), stated) if is_run(path) else _load_directory(path, format, task, stated)
    return _load_file(path, format, task, stated)


def _own(run: Run, stated: Stated) -> Run:
    """A run of our own, which states everything itself: what is stated besides must be the same."""
    if stated.fields:
        stated.refuse_unless(run.config.model, str(run.path))
    return run


def _load_file(path: Path, format: str, task: Task | str | None, stated: Stated) -> Run | Runs:
    content: Any
    if path.parent.name == CHECKPOINTS and is_run(path.parent.parent):
        raise ImportFileError(f"{path} is one checkpoint of a run; load {path.parent.parent} and choose its step there")
    if _is_safetensors(path):
        with open_tensors(path) as file:
            if is_packed(file) and format in ("auto", "run"):
                return _own(open_packed(path, task), stated)
            content = with_metadata({name: file.get_tensor(name) for name in file.keys()}, file.metadata() or {})
    else:
        if what := foreign_kind(path):
            raise ImportFileError(f"{path} is {what}")
        content = read_torch_file(path)
    payload = Payload(path, content, format, Task(task) if isinstance(task, str) else task, stated)
    if format == "run":
        raise ImportFileError(f"{path} is not a packed run; it holds {describe(content)}. Leave format='auto'")
    if format == "auto":
        found = next((importer for importer in IMPORTERS if importer.recognise(payload)), None)
    else:
        found = next(importer for importer in IMPORTERS if importer.name == format)
        if not found.recognise(payload):
            raise ImportFileError(
                f"{path} is not of the format {format!r} ({found.description}); it holds {describe(content)}"
            )
    if found is None:
        raise ImportFileError(f"{path} is of no known kind: it holds {describe(content)}; {_what_helps(content)}")
    try:
        return found.read(payload)
    except BadRequest:
        raise
    except Exception as error:  # a file may have the keys of a format and anything at all under them
        raise ImportFileError(
            f"{path} looks like the format {found.name!r} but cannot be read as one ({type(error).__name__}: "
            f"{one_line(error)}); it holds {describe(content)}"
        ) from error


def _what_helps(content: Any) -> str:
    """What to do about a file in which no format is recognised."""
    if unwrap(content) is not None:
        return "if it is a state dict, give the task it was trained on, as in task='a + b', p=113"
    if is_optimiser(content):
        return f"that is the state of an optimiser, which has no weights; save them beside it: {SAVE_STATE}"
    return f"there are no weights in it; save them where the model was trained: {SAVE_STATE}"


def _is_safetensors(path: Path) -> bool:
    """By content: the length of a JSON header, then the header."""
    with open(path, "rb") as file:
        start = file.read(9)
    return len(start) == 9 and start[8:] == b"{" and int.from_bytes(start[:8], "little") < path.stat().st_size


def _load_directory(path: Path, format: str, task: Task | str | None, stated: Stated) -> Runs:
    runs: dict[str, Run] = {}
    skipped: dict[str, str] = {}
    for candidate in openable_in(path):
        name = candidate.relative_to(path).as_posix()
        try:
            loaded = _load(candidate, format, task, stated)
        except BadRequest as refusal:
            skipped[name] = str(refusal)
            continue
        stem = name if candidate.is_dir() else name.removesuffix(candidate.suffix)
        key = name if stem in runs else stem
        runs |= {key: loaded} if isinstance(loaded, Run) else {f"{key}/{inner}": run for inner, run in loaded.items()}
    if not runs:
        reason = next(iter(skipped.values()), f"it has no run directory and no {listed(SUFFIXES)} file")
        raise ImportFileError(f"{path} is not a run and holds none: {reason}")
    return Runs(runs, skipped, missing_of(path, runs))


def openable_in(path: Path, depth: int = DEPTH) -> list[Path]:
    """The run directories and files of weights that a directory holds, at most so many directories down."""
    found = []
    for entry in sorted(path.iterdir()):
        if entry.name.startswith("."):
            continue  # what a killed process left of a run that it was creating
        if entry.is_dir():
            found += [entry] if is_run(entry) else openable_in(entry, depth - 1) if depth > 1 else []
        elif entry.suffix.lower() in TOLD:
            found.append(entry)
    return found
