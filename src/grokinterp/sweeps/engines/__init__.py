"""Engines: where the runs of a sweep are trained; a module each, found by its name.

A module or package NAME here is `--engine NAME`: its `opened(directory, workers, jobs, options)` gives an `Engine`
(`_base`), and its `check(directory, workers, options)` raises what is wrong before anything is written.
"""

import pkgutil


def names() -> list[str]:
    """Every engine's name, without importing one."""
    return [module.name for module in pkgutil.iter_modules(__path__) if not module.name.startswith("_")]
