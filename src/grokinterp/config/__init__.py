"""What a run is, as data: its task, split, model, optimiser and schedule. Importing it needs no torch."""

import importlib
import pkgutil

from grokinterp.config.family import MODEL_CONFIGS, ModelConfig
from grokinterp.config.mlp import DenseMLPConfig, EmbeddingMLPConfig
from grokinterp.config.nalu import NALUConfig
from grokinterp.config.one_hot import OneHotMLPConfig
from grokinterp.config.run import (
    FORMAT_VERSION,
    SECTIONS,
    RunConfig,
    SplitConfig,
    SplitMethod,
    TaskConfig,
)
from grokinterp.config.training import OptimiserConfig, ScheduleConfig
from grokinterp.config.transformer import TransformerConfig
from grokinterp.config.vision import VisionConfig

__all__ = [
    "FORMAT_VERSION",
    "MODEL_CONFIGS",
    "SECTIONS",
    "DenseMLPConfig",
    "EmbeddingMLPConfig",
    "ModelConfig",
    "NALUConfig",
    "OneHotMLPConfig",
    "OptimiserConfig",
    "RunConfig",
    "ScheduleConfig",
    "SplitConfig",
    "SplitMethod",
    "TaskConfig",
    "TransformerConfig",
    "VisionConfig",
]

# A family of models is a file in here: importing it enters its config class in MODEL_CONFIGS.
for _file in pkgutil.iter_modules(__path__):
    if not _file.ispkg:
        importlib.import_module(f"{__name__}.{_file.name}")
