"""Engines: where the runs of a sweep are trained; a module each, found by its name.

A module `NAME.py` here is `--engine NAME`: its `opened(directory, workers, jobs)` gives an `Engine` (`_base`).
"""

import pkgutil


def names() -> list[str]:
    """Every engine's name, without importing one."""
    return [module.name for module in pkgutil.iter_modules(__path__) if not module.name.startswith("_")]
