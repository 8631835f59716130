"""Hooked models, one module a family, imported when first used: they import TransformerLens, which takes seconds."""

import pkgutil
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from torch import Tensor

from grokinterp.config import ModelConfig

if TYPE_CHECKING:
    from grokinterp.models.hooked import HookedModule


def build(
    config: ModelConfig,
    parameters: Mapping[str, Tensor] | None = None,
    seed: int = 0,
    task: Any = None,
) -> "HookedModule[Any]":
    """The hooked model of a config: given weights by classic name (`parameters.parameter_shapes`), or fresh ones.

    Sizes that the config leaves open are taken from the task. Raises `ConfigError` where they stay open,
    `ParameterError` where the weights do not fit.
    """
    return pkgutil.resolve_name(config.module)(config, parameters, seed, task)
