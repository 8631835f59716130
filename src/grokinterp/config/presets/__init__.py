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


def preset(name: str) -> RunConfig:
    """The named preset. Raises `ConfigError`, listing the presets, for an unknown name."""
    if name not in PRESETS:
        raise ConfigError(f"no preset {name!r}.{did_you_mean(name, PRESETS)} The presets: {listed(PRESETS)}")
    return PRESETS[name]
