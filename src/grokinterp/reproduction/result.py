"""Result: what the last run of a claim measured, with everything needed to run it again."""

import hashlib
import json
import os
import platform
import shutil
import subprocess
import time
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from datetime import UTC, datetime
from itertools import chain
from pathlib import Path
from typing import Any, cast, get_type_hints

import torch

from grokinterp.config.validation import has_type, shown
from grokinterp.errors import BadRequest
from grokinterp.reproduction.bench import Bench
from grokinterp.reproduction.claim import Claim, Outcome, Values, entries, plain
from grokinterp.reproduction.nulls import MEMORISER, UNTRAINED
from grokinterp.reproduction.paths import repository
from grokinterp.reproduction.target import Value
from grokinterp.runs.files import cannot_read, make_directory, read_json, write_atomic
from grokinterp.runs.format import library_versions
from grokinterp.runs.run import Run
from grokinterp.runs.summary import Summary

ON_DISK = {"outcome": "verdict"}
"""What a field is called in a file, where that is not its name: as in the first results, which stay as they are."""


@dataclass(frozen=True)
class Result:
    """What is stored of a claim, `<results>/<id>.json`.

    Attributes:
        values: what was measured, by name, as the claim's function returned it.
        outcome: by the targets that stood when it was measured.
        seeds: of the runs. runs: their configurations, versions and days. files: name and SHA-256 of each.
        measuring_seconds: wall time of the measuring. training_seconds: of the runs' training, also where an earlier
            claim had them trained; None where one of them does not tell.
        machine: cores and processors of the measuring, without a name. versions: libraries of the measuring.
        date: UTC. command: which reruns it.
        commit: of the clone that measured it, with `+` where files were changed since; "before" and the commit that
            stored it, of those that are older than this field; None where that is not known.
        targets: as they stood then, in words. fixed_in: the commit that they were last touched in, at or before
            `commit`; "after" where they were not committed when it ran, None where that is not known.
        nulls: by the name of a null (`reproduction.nulls`) what the claim's function returned of it, empty where it
            could not be measured at all. Without those that are not defined for the claim.
    """

    claim: str
    outcome: Outcome
    values: Values
    seeds: list[int]
    measuring_seconds: float
    training_seconds: float | None
    machine: dict[str, Any]
    versions: dict[str, str]
    runs: list[dict[str, Any]]
    files: list[dict[str, str]]
    date: str
    command: str
    commit: str | None = None
    targets: dict[str, str] = field(default_factory=dict)
    fixed_in: str | None = None
    nulls: dict[str, Values] = field(default_factory=dict)


def attempt(claim: Claim, bench: Bench, nulls: Mapping[str, Values] | None = None) -> Result:
    """Measure a claim now, training what is missing. Raises `BadRequest` where a file is absent."""
    files = bench.files(claim)
    runs = bench.runs(claim)
    start = time.monotonic()
    values = plain(claim.measure(*runs, *files))
    seconds = [_training_seconds(run) for run in runs]
    known = [each for each in seconds if each is not None]
    return Result(
        claim=claim.id,
        outcome=claim.judge(values, nulls),
        values=values,
        seeds=sorted({run.config.seed for run in runs}),
        measuring_seconds=round(time.monotonic() - start, 1),
        training_seconds=round(sum(known), 1) if runs and len(known) == len(runs) else None,
        machine=machine(),
        versions=library_versions(),
        runs=[_described(run) for run in runs],
        files=[{"name": name, "sha256": _digest(path)} for name, path in zip(claim.files, files, strict=True)],
        date=datetime.now(UTC).date().isoformat(),
        command=f"grokinterp reproduce {claim.id}",
        commit=commit(),
        targets=claim.wordings,
        fixed_in=fixed_in(claim),
        nulls=dict(nulls or {}),
    )


def machine() -> dict[str, Any]:
    """What kind of machine this is: nothing that would tell which one."""
    accelerator = torch.cuda.get_device_name() if torch.cuda.is_available() else None
    return {"cores": os.cpu_count(), "processor": platform.machine(), "threads": torch.get_num_threads(),
            "accelerator": accelerator}  # fmt: skip


def commit() -> str | None:
    """The commit of the clone that this package is imported from, with `+` where files of it were changed since."""
    head = _git("rev-parse", "--short=12", "HEAD")
    return head and head + "+" * bool(_git("status", "--porcelain", "--", "src", "circuits"))


def fixed_in(claim: Claim) -> str | None:
    """The last commit of the file that a claim's targets stand in; "after" where it was changed since."""
    if _git("status", "--porcelain", "--", str(claim.file)):
        return "after"
    return _git("log", "-1", "--abbrev=12", "--format=%h", "--", str(claim.file)) or None


def _git(*words: str) -> str | None:
    """What git prints of the clone that this package is imported from; None where there is none, or no git."""
    root = repository()
    if root is None or shutil.which("git") is None:
        return None
    ended = subprocess.run(["git", "-C", str(root), *words], capture_output=True, text=True)
    return ended.stdout.strip() if ended.returncode == 0 else None


def store(result: Result, results: Path) -> Path:
    """Write a result in place of the one before. Raises `StorageError` where that cannot be."""
    make_directory(results)
    path = results / f"{result.claim}.json"
    stored = {ON_DISK.get(name, name): value for name, value in asdict(result).items()}
    write_atomic(path, (json.dumps(stored, indent=1) + "\n").encode())
    return path


def stored(results: Path) -> dict[str, Result]:
    """Every result in a directory, by its claim. Raises `BadRequest` for a file that is none."""
    return {path.stem: _read(path) for path in sorted(results.glob("*.json"))} if results.is_dir() else {}


def _read(path: Path) -> Result:
    try:
        fields = read_json(path)
        result = Result(**{name: fields.pop(ON_DISK[name]) for name in ON_DISK}, **fields)
        _check(result)
        return result
    except OSError as error:
        raise cannot_read(path, error) from None
    except (ValueError, TypeError, KeyError, AttributeError, OverflowError) as error:
        raise BadRequest(f"{path} is no result ({error}); remove it and run its claim again") from None


def _check(result: Result) -> None:
    """Refuse a file whose fields are not what the table writes: types, numbers that no float holds, missing names."""
    fields = [(name, getattr(result, name), hint) for name, hint in get_type_hints(Result).items()]
    measured = [("values", result.values), *((f"the null {name}", each) for name, each in result.nulls.items())]
    tables = [(name, values, Mapping) for name, values in measured]
    values = (("a value", value, Value) for _, each in measured for *_, value in entries(each))
    for name, value, hint in chain(fields, tables, values):
        if not has_type(value, hint):
            raise TypeError(f"{name} is {shown(value)}")
        if isinstance(value, int):
            float(value)
    missing = {"cores", "accelerator"} - {*result.machine} | {"torch"} - {*result.versions}
    unknown = {*result.nulls} - {UNTRAINED, MEMORISER}
    if missing or unknown:
        raise KeyError(*sorted(missing | unknown))


def _described(run: Run) -> dict[str, Any]:
    config, source = run.config, run.config.schedule.pretrained
    if source is not None:
        config = config.replace(pretrained=Path(source).name)  # where it lies is of this machine alone
    return {"identity": run.config.identity, "last_step": int(run.metrics.step.max()),
            "created": run.provenance.created, "versions": dict(run.provenance.versions),
            "config": config.to_json()}  # fmt: skip


def _training_seconds(run: Run) -> float | None:
    metrics = run.metrics
    if "time" in metrics:
        return float(cast(float, metrics["time"].max()))
    return Summary.read(run.path).of(run.steps[-1]).wall_seconds if run.path else None


def _digest(path: Path) -> str:
    with open(path, "rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
