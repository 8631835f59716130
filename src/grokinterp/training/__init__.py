"""Training: from a task and a recipe to a run on disk."""

from grokinterp.training.trainer import train

__all__ = ["train"]
