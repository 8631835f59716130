"""The parameters a model has: their classic names and shapes, and whether given ones fit."""

from collections.abc import Mapping

from jaxtyping import Float
from torch import Tensor

from grokinterp.config import ModelConfig
from grokinterp.config.initial import Shapes
from grokinterp.errors import BadRequest, listed, require
from grokinterp.tasks import Task


class ParameterError(BadRequest):
    """Weights that are not those of the model they are given to."""


def parameter_shapes(config: ModelConfig) -> Shapes:
    """Name -> shape of every trainable parameter, in the order in which `initialise` draws them.

    The family says which: `config.parameter_shapes`. Raises `ConfigError` where sizes are still open:
    `config.resolved(...)` fills them in from a task.
    """
    unfilled = [name for name in config.open_sizes if getattr(config, name) is None]
    require(
        not unfilled,
        f"{listed(unfilled)} of the model not given; give a task, or call config.resolved(n_vocab, n_answers, n_ctx)",
    )
    return config.parameter_shapes()


def check_parameters(config: ModelConfig, parameters: Mapping[str, Tensor]) -> None:
    """Raise `ParameterError`, with what is missing, left over or of another shape, unless all parameters fit."""
    shapes = parameter_shapes(config)
    misfits = [f"{name} is missing" for name in shapes if name not in parameters]
    misfits += [f"{name} has no place" for name in parameters if name not in shapes]
    misfits += [
        f"{name} is {list(parameters[name].shape)} and should be {list(shape)}"
        for name, shape in shapes.items()
        if name in parameters and tuple(parameters[name].shape) != shape
    ]
    if misfits:
        raise ParameterError(
            f"the weights do not fit this {config.kind}: {'; '.join(misfits)}. Give the config they were trained with"
        )


def unembedding(parameters: Mapping[str, Tensor]) -> Float[Tensor, "*batch d column"]:
    """W_U, the model's own or, where it is tied, the embedding turned over."""
    return parameters["unembed.W_U"] if "unembed.W_U" in parameters else parameters["embed.W_E"].mT


def why_unreadable(config: ModelConfig, task: Task) -> str | None:
    """Why a model cannot read the rows of a task at all: it wants tokens and they are numbers, or the reverse."""
    return config.why_unreadable(task.expression, task.has_tokens, task.has_classes)
