"""What a run is, as data: its task, split, model, optimiser and schedule. Importing it needs no torch."""

from grokinterp.config.architecture import (
    MODEL_CONFIGS,
    DenseMLPConfig,
    EmbeddingMLPConfig,
    ModelConfig,
    NALUConfig,
    TransformerConfig,
    VisionConfig,
)
from grokinterp.config.run import (
    FORMAT_VERSION,
    SECTIONS,
    OptimiserConfig,
    RunConfig,
    ScheduleConfig,
    SplitConfig,
    SplitMethod,
    TaskConfig,
)

__all__ = [
    "FORMAT_VERSION",
    "MODEL_CONFIGS",
    "SECTIONS",
    "DenseMLPConfig",
    "EmbeddingMLPConfig",
    "ModelConfig",
    "NALUConfig",
    "OptimiserConfig",
    "RunConfig",
    "ScheduleConfig",
    "SplitConfig",
    "SplitMethod",
    "TaskConfig",
    "TransformerConfig",
    "VisionConfig",
]
