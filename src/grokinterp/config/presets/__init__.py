"""The papers' recipes by name: task layout, split, model, initialisation, optimiser and schedule together.

One file a paper or a system: every `RunConfig` of its `PRESETS` is called as its field `preset` says. Files stand in
the list by their `ORDER`, those without one last.
"""

import importlib
import pkgutil

from grokinterp.config import RunConfig
from grokinterp.errors import ConfigError, did_you_mean, listed

_FILES = [importlib.import_module(f"{__name__}.{file.name}") for file in pkgutil.iter_modules(__path__)]

PRESETS: dict[str, RunConfig] = {
    config.preset: config
    for file in sorted(_FILES, key=lambda file: getattr(file, "ORDER", float("inf")))
    for config in file.PRESETS
}


DEFAULT = "nanda"
"""The preset of everything that has no recipe of its own."""


def recipe(expression: str) -> str:
    """The preset that a task is trained with unless told otherwise: the first made for its name, else the default.

    A formula has none of its own: any recipe is for any formula.
    """
    own = (name for name, config in PRESETS.items() if config.task.expression == expression)
    return next(own, DEFAULT) if expression.isidentifier() else DEFAULT


def preset(name: str) -> RunConfig:
    """The named preset. Raises `ConfigError`, listing the presets, for an unknown name."""
    if not isinstance(name, str) or name not in PRESETS:
        raise ConfigError(f"no preset {name!r}.{did_you_mean(name, PRESETS)} The presets: {listed(PRESETS)}")
    return PRESETS[name]
