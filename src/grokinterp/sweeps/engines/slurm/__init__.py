"""Slurm engine: the runs of a sweep as job arrays of a cluster, submitted by submitit."""

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from grokinterp.sweeps.engines.slurm.engine import SlurmEngine, at_once, check, opened, script

__all__ = ["SlurmEngine", "at_once", "check", "opened", "script"]


def __getattr__(name: str) -> Any:
    # When asked for: a job imports its `batch` alone, without torch.
    if name in __all__:
        from grokinterp.sweeps.engines.slurm import engine

        return getattr(engine, name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
