"""Activation: the nonlinearities that neurons can have, by name and in words (`models.functional` computes them)."""

from typing import Literal, TypeAlias

# fmt: off
Activation: TypeAlias = Literal[
    "relu", "gelu", "tanh", "silu", "square",
    "relu_squared", "leaky_relu", "elu", "quick_gelu", "softplus", "mish", "sigmoid", "hardswish",
    "abs", "identity", "cube", "fourth", "eighth", "exp", "log1p_exp_2x",
]
# fmt: on
"""Those of the second row are other people's, with torch's defaults (a slope of .01, an alpha of 1); those of the third
are what He et al. 2602.16849 put in the place of a trained network's own."""

ACTIVATIONS_IN_WORDS: dict[Activation, str] = {
    "relu": "ReLU",
    "gelu": "GELU",
    "tanh": "tanh",
    "silu": "SiLU",
    "square": "squaring",
    "relu_squared": "squared ReLU",
    "leaky_relu": "leaky ReLU",
    "elu": "ELU",
    "quick_gelu": "quick GELU",
    "softplus": "softplus",
    "mish": "Mish",
    "sigmoid": "sigmoid",
    "hardswish": "hard swish",
    "abs": "|x|",
    "identity": "linear",
    "cube": "cubing",
    "fourth": "x^4",
    "eighth": "x^8",
    "exp": "exponential",
    "log1p_exp_2x": "log(1 + e^2x)",
}
