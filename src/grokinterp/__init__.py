"""A mechanistic-interpretability toolkit for grokking, built on hooks.

    import grokinterp as gi

    run = gi.train("a + b", p=113, frac=0.3, seed=0)
    model = run.final.model()  # hooked: TransformerLens' hook names, caches and patching
    logits, cache = model.run_with_cache(run.task.inputs)
    trace = gi.measure(run)  # every circuit off every checkpoint: an xarray.Dataset
    gi.draw(trace[["train_loss", "test_loss"]])  # any variables of it, as a plotly figure
    with gi.ablate(model, heads=[(0, 1)]):  # what the model answers without a part
        scores = gi.evaluate(model, run.task)
    gi.report(run, "report.html")  # the story of the run on one page; gi.explore(run) opens it in the browser

Names are imported when they are first used: `import grokinterp` takes no time.
"""

from importlib import import_module
from importlib.metadata import version
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from grokinterp import circuits, fourier
    from grokinterp.config import RunConfig
    from grokinterp.constructions import build
    from grokinterp.errors import BadRequest
    from grokinterp.evaluation.table_scores import evaluate
    from grokinterp.explorer import explore
    from grokinterp.importers import load
    from grokinterp.interventions import ablate
    from grokinterp.interventions.patching import patch
    from grokinterp.measuring import measure
    from grokinterp.measuring.exporting import export_activations
    from grokinterp.reports import report
    from grokinterp.reports.drawing import draw
    from grokinterp.runs.checkpoint import Checkpoint
    from grokinterp.runs.population.collection import Runs
    from grokinterp.runs.run import Run
    from grokinterp.sweeps import sweep
    from grokinterp.tasks import Task
    from grokinterp.training.recording import record
    from grokinterp.training.trainer import train

__version__ = version("grokinterp")

_HOME = {
    "BadRequest": "grokinterp.errors",
    "Checkpoint": "grokinterp.runs.checkpoint",
    "Run": "grokinterp.runs.run",
    "RunConfig": "grokinterp.config",
    "Runs": "grokinterp.runs.population.collection",
    "Task": "grokinterp.tasks",
    "ablate": "grokinterp.interventions",
    "build": "grokinterp.constructions",
    "draw": "grokinterp.reports.drawing",
    "evaluate": "grokinterp.evaluation.table_scores",
    "explore": "grokinterp.explorer",
    "export_activations": "grokinterp.measuring.exporting",
    "load": "grokinterp.importers",
    "measure": "grokinterp.measuring",
    "patch": "grokinterp.interventions.patching",
    "record": "grokinterp.training.recording",
    "report": "grokinterp.reports",
    "sweep": "grokinterp.sweeps",
    "train": "grokinterp.training.trainer",
}
_MODULES = ("circuits", "fourier")

__all__ = [
    "BadRequest",
    "Checkpoint",
    "Run",
    "RunConfig",
    "Runs",
    "Task",
    "ablate",
    "build",
    "circuits",
    "draw",
    "evaluate",
    "explore",
    "export_activations",
    "fourier",
    "load",
    "measure",
    "patch",
    "record",
    "report",
    "sweep",
    "train",
]


def __getattr__(name: str) -> Any:
    if name in _HOME:
        return getattr(import_module(_HOME[name]), name)
    if name in _MODULES:
        return import_module(f"{__name__}.{name}")
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}; it has {', '.join(__all__)}")


def __dir__() -> list[str]:
    return [*__all__, "__version__"]
