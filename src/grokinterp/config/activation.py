"""Activation: the nonlinearities that neurons can have, by name and in words (`models.functional` computes them)."""

from typing import Literal, TypeAlias

Activation: TypeAlias = Literal[
    "relu", "gelu", "tanh", "silu", "square", "abs", "identity", "cube", "fourth", "eighth", "exp", "log1p_exp_2x"
]
"""Those after `square` are what He et al. 2602.16849 put in the place of a trained network's own."""

ACTIVATIONS_IN_WORDS: dict[Activation, str] = {
    "relu": "ReLU",
    "gelu": "GELU",
    "tanh": "tanh",
    "silu": "SiLU",
    "square": "squaring",
    "abs": "|x|",
    "identity": "linear",
    "cube": "cubing",
    "fourth": "x^4",
    "eighth": "x^8",
    "exp": "exponential",
    "log1p_exp_2x": "log(1 + e^2x)",
}
