"""Checkpoint: the weights of one run at one step."""

from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor

from grokinterp.config import ModelConfig
from grokinterp.models.parameters import check_parameters

if TYPE_CHECKING:
    from grokinterp.runs.run import Run


class Checkpoint:
    """The weights of one run after `step` updates. Each use of `parameters` reads them: nothing is kept in memory."""

    def __init__(self, run: "Run", step: int):
        self.run = run
        self.step = step

    @property
    def config(self) -> ModelConfig:
        """The model's configuration with every size filled in."""
        return self.run.model_config

    @property
    def parameters(self) -> dict[str, Tensor]:
        """Float32 tensors on the CPU under their classic names and shapes (`embed.W_E` [d_vocab d_model], ...).

        Raises `StorageError` for a damaged file and `ParameterError` for weights that are not this model's.
        """
        parameters = {name: value.to(torch.float32) for name, value in self.run._store.parameters(self.step).items()}
        check_parameters(self.config, parameters)
        return parameters

    def model(self) -> Any:
        """A hooked model with these weights, carrying the run's task (None where that is unknown)."""
        from grokinterp import models  # imports TransformerLens, three seconds that only a model costs

        task = self.run.task if self.run.has_task else None
        return models.build(self.config, parameters=self.parameters, task=task)

    def __repr__(self) -> str:
        return f"<Checkpoint at step {self.step} of {self.run.name!r}>"
