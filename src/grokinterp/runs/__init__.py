"""A training run as it is read and written: checkpoints over time, metrics, and the files that hold them."""

from grokinterp.runs.checkpoint import Checkpoint
from grokinterp.runs.population.collection import Runs
from grokinterp.runs.run import Run, RunError

__all__ = ["Checkpoint", "Run", "RunError", "Runs"]
