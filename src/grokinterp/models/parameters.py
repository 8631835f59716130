"""The parameters a model has: their classic names and shapes, and whether given ones fit."""

from collections.abc import Iterator, Mapping
from typing import Any

from jaxtyping import Float
from torch import Tensor

from grokinterp.config import ModelConfig
from grokinterp.config.initial import Shapes
from grokinterp.config.validation import shown
from grokinterp.errors import BadRequest, listed, require
from grokinterp.tasks import Task


class ParameterError(BadRequest):
    """Weights that are not those of the model they are given to."""


MOST_NAMED = 6
"""Weights that a refusal names of those that do not fit."""


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
    if misfits := [*_misfits(parameter_shapes(config), parameters)]:
        raise ParameterError(
            f"the weights do not fit this {config.kind}: {'; '.join(misfits)}. Give the config they were trained with"
        )


def check_state(own: Mapping[str, Tensor], state: Any, is_strict: bool) -> None:
    """Raise `ParameterError` for what is no state dict for a module whose `own` this is; in part, unless strict."""
    if not isinstance(state, Mapping):
        raise ParameterError(f"a state dict is a dictionary of tensors, as model.state_dict() is, not {shown(state)}")
    fitting = state if is_strict else {name: value for name, value in state.items() if name in own}
    shapes = {name: tuple(value.shape) for name, value in own.items() if is_strict or name in fitting}
    if misfits := [*_misfits(shapes, fitting)]:
        more = f"; and {len(misfits) - MOST_NAMED} more" if len(misfits) > MOST_NAMED else ""
        raise ParameterError(
            f"the state does not fit the model: {'; '.join(misfits[:MOST_NAMED])}{more}. Give all that "
            "model.state_dict() has, of a model of the same config"
        )


def _misfits(shapes: Shapes, parameters: Mapping[str, Any]) -> Iterator[str]:
    """What is missing, what is left over, and what has another shape."""
    yield from (f"{name} is missing" for name in shapes if name not in parameters)
    yield from (f"{name} has no place" for name in parameters if name not in shapes)
    for name in shapes:
        if name not in parameters:
            continue
        value = parameters[name]
        if not isinstance(value, Tensor):
            yield f"{name} is no tensor but {shown(value)}"
        elif tuple(value.shape) != shapes[name]:
            yield f"{name} is {list(value.shape)} and should be {list(shapes[name])}"


def unembedding(parameters: Mapping[str, Tensor]) -> Float[Tensor, "*batch d column"]:
    """W_U, the model's own or, where it is tied, the embedding turned over."""
    return parameters["unembed.W_U"] if "unembed.W_U" in parameters else parameters["embed.W_E"].mT


def why_unreadable(config: ModelConfig, task: Task) -> str | None:
    """Why a model cannot read the rows of a task at all: it wants tokens and they are numbers, or the reverse."""
    return config.why_unreadable(task.expression, task.has_tokens, task.has_classes)
