"""Files with losses and no weights: Nanda et al. 2023's curve files. Each curve becomes a Run without checkpoints.

Kinds: a dictionary of `train_losses` and `test_losses`; a list of losses; an array [step, token] of losses per token;
and scans, which are a list of settings (fractions, or widths) with a list of curves, train and test in turn.
"""

from typing import Any

import numpy as np
import torch
from torch import Tensor

from grokinterp.config import RunConfig
from grokinterp.config.presets import preset
from grokinterp.errors import listed
from grokinterp.importers._base import Importer, ImportFileError, Payload
from grokinterp.importers._evidence import curve_table
from grokinterp.importers.reading.wrappings import unwrap
from grokinterp.runs.population.collection import Runs
from grokinterp.runs.provenance import Provenance
from grokinterp.runs.run import Run
from grokinterp.runs.store import MemoryStore
from grokinterp.tasks import Task, build


def recognise(payload: Payload) -> bool:
    content = payload.content
    if isinstance(content, dict) and ("model" in content or unwrap(content) is not None) and not _all_curves(content):
        return False
    return _scan(content) is not None or _curves(content) is not None


def read(payload: Payload) -> Run | Runs:
    if stated := payload.stated.fields:
        words = listed(f"{name}={value!r}" for name, value in stated.items())
        raise ImportFileError(f"{payload.path} holds losses only, and no model to have {words}; leave that out")
    scan = _scan(payload.content)
    if scan is None:
        curves = _curves(payload.content)
        assert curves is not None
        return _run(payload, payload.name, curves, None)
    settings, curves_of = scan
    runs = {}
    for index, setting in enumerate(settings):
        is_frac = 0 < setting < 1
        name = f"frac_{setting:g}" if is_frac else f"d_model_{setting:g}"
        train, test = curves_of[2 * index : 2 * index + 2]
        base = preset("nanda").replace(steps=len(train))
        config = base.replace(frac=setting) if is_frac else base.replace(d_model=int(setting))
        runs[name] = _run(payload, name, {"train_loss": train, "test_loss": test}, config)
    return Runs(runs)


def _run(payload: Payload, name: str, curves: dict[str, Any], config: RunConfig | None) -> Run:
    notes = ["curves only: the file has no weights"]
    task: Task | None = payload.task
    if config is not None:
        notes.append("task and other settings are those of Nanda et al. 2023's mainline; seed and split unknown")
        task = task or build(config.task)
    metrics = curve_table(curves, notes)
    provenance = Provenance.of_file(CURVES.name, payload.path, notes)
    return Run(MemoryStore({}, metrics), name, config, task, payload.path, provenance)


def _curves(content: Any) -> dict[str, Any] | None:
    """Curve name -> losses, or None where the content is nothing of the kind."""
    if isinstance(content, dict):
        found: dict[str, Any] = {}
        for name, curve in content.items():
            ours = _NAMES.get(str(name).lower()[:40])
            if ours and _is_curve(curve):
                found.setdefault(ours, curve)
        return found or None
    if _is_curve(content):
        return {"train_loss": content}
    if isinstance(content, np.ndarray) and content.ndim == 2:
        return {
            "train_loss": content.mean(1),
            **{f"train_loss_token_{i}": column for i, column in enumerate(content.T)},
        }
    return None


_NAMES = {
    f"{theirs}{sep}{name}": f"{ours}_{measure}"
    for ours, parts in (("train", ("train", "training")), ("test", ("test", "val", "valid", "validation", "eval")))
    for theirs in parts
    for measure, names in (
        ("loss", ("loss", "losses")),
        ("accuracy", ("acc", "accs", "accuracy", "accuracies")),
    )
    for name in names
    for sep in ("_", "")
}
"""Names under which files keep curves -> ours."""


def _all_curves(content: dict[Any, Any]) -> bool:
    return bool(content) and all(_is_curve(value) for value in content.values())


def _scan(content: Any) -> tuple[list[float], list[Any]] | None:
    """The settings and curves of a scan: k numbers and 2 k curves, in either order, in a list or a dictionary."""
    values = list(content.values()) if isinstance(content, dict) else content
    if not isinstance(values, (list, tuple)) or len(values) != 2:
        return None
    for settings, curves in (values, values[::-1]):
        if (
            _is_curve(settings)
            and isinstance(curves, (list, tuple))
            and len(curves) == 2 * len(settings)
            and all(_is_curve(curve) for curve in curves)
        ):
            return [float(setting) for setting in settings], list(curves)
    return None


def _is_curve(value: Any) -> bool:
    """A list of numbers, or of one-element tensors or arrays; or an array or a tensor [step]."""
    if isinstance(value, Tensor):
        return value.ndim == 1 and len(value) > 0 and not value.is_complex() and value.dtype != torch.bool
    if isinstance(value, np.ndarray):
        return value.ndim == 1 and len(value) > 0 and value.dtype.kind in "fiu"
    if not isinstance(value, (list, tuple)) or not value:
        return False
    return all(isinstance(item, (int, float)) or getattr(item, "shape", None) in ((), (1,)) for item in value)


CURVES = Importer("curves", "losses without weights (.pth)", recognise, read)
