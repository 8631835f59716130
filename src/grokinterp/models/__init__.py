"""Hooked models, one module a family. They import TransformerLens (some seconds), so nothing here does until asked."""

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from torch import Tensor

from grokinterp.config.architecture import DenseMLPConfig, ModelConfig, NALUConfig, TransformerConfig, VisionConfig

if TYPE_CHECKING:
    from grokinterp.models.hooked import HookedModule


def build(
    config: ModelConfig,
    parameters: Mapping[str, Tensor] | None = None,
    seed: int = 0,
    task: Any = None,
) -> "HookedModule[Any]":
    """The hooked model of a config: given weights by classic name (`shapes.parameter_shapes`), or fresh ones.

    Sizes that the config leaves open are taken from the task. Raises `ConfigError` where they stay open,
    `ParameterError` where the weights do not fit.
    """
    if isinstance(config, TransformerConfig):
        from grokinterp.models.transformer import HookedTransformer

        return HookedTransformer(config, parameters, seed, task)
    if isinstance(config, DenseMLPConfig):
        from grokinterp.models.dense_mlp import DenseMLP

        return DenseMLP(config, parameters, seed, task)
    if isinstance(config, VisionConfig):
        from grokinterp.models.vision import VisionTransformer

        return VisionTransformer(config, parameters, seed, task)
    if isinstance(config, NALUConfig):
        from grokinterp.models.nalu import NALU

        return NALU(config, parameters, seed, task)
    from grokinterp.models.embedding_mlp import EmbeddingMLP

    return EmbeddingMLP(config, parameters, seed, task)
