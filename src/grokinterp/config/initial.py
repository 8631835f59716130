"""Initial values: how a parameter is drawn, by its name and the shapes of all. Pure arithmetic, without torch."""

import math
from typing import Literal, TypeAlias

Shapes: TypeAlias = dict[str, tuple[int, ...]]
"""Name -> shape of every parameter of a model."""

Distribution: TypeAlias = Literal["normal", "normal_out_in", "uniform", "constant", "waves"]
"""`normal_out_in` draws a matrix in the orientation of Nanda's code; `waves` are `plane_waves` over an image."""

Draw: TypeAlias = tuple[Distribution, float]
"""A standard deviation, a bound (values in -bound .. bound), a value, or the size of the waves."""


def leaf(name: str) -> str:
    """The last word of a parameter's name: `W_in` of `blocks.0.mlp.W_in`."""
    return name.rsplit(".", 1)[-1]


def is_bias(name: str) -> bool:
    return leaf(name).startswith("b_")


def fan_in(name: str, shapes: Shapes) -> int:
    """How many inputs feed each output of a weight, or of the weight that a bias belongs to."""
    weight = name.replace(".b_", ".W_")
    # A tied unembedding reads d_model inputs, the columns of W_E.
    shape = shapes.get(weight) or shapes["embed.W_E"][::-1]
    return math.prod(shape[:-1]) if leaf(weight) == "W_O" else shape[-2]


def over_fan_in(name: str, shapes: Shapes) -> Draw:
    """Our choice where no paper has one: weights over sqrt(inputs), positions N(0, 1), biases zero."""
    if is_bias(name):
        return "constant", 0.0
    return "normal", 1.0 if leaf(name) == "W_pos" else fan_in(name, shapes) ** -0.5


def torch_default(name: str, shapes: Shapes) -> Draw:
    """`nn.Embedding`: N(0, 1). `nn.Linear`, biases too: kaiming_uniform(a=sqrt(5)), a bound of 1 / sqrt(fan_in)."""
    if leaf(name) in ("W_E", "W_pos"):
        return "normal", 1.0
    return "uniform", fan_in(name, shapes) ** -0.5
