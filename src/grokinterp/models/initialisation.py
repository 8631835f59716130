"""The initial values of a model's parameters, by the papers' names.

Pure torch: the fast path trains from these dictionaries without TransformerLens.
"""

import math
from collections.abc import Callable
from typing import Literal, TypeAlias

import torch
from torch import Tensor

from grokinterp.config.architecture import ModelConfig
from grokinterp.errors import ConfigError
from grokinterp.models.parameters import Shapes, parameter_shapes

Draw: TypeAlias = tuple[Literal["normal", "uniform", "constant", "waves"], float]
"""A standard deviation, a bound (values in -bound .. bound), a value, or the size of `plane_waves`."""

Scheme: TypeAlias = Callable[[str, Shapes], Draw]
"""How the parameter of a name is drawn, given the shapes of all."""


def initialise(config: ModelConfig, seed: int) -> dict[str, Tensor]:
    """Fresh parameters, float32 on the CPU, drawn as `config.initialisation` says and times `config.init_scale`.

    One `torch.Generator` seeded with `seed` draws them in the order of `parameter_shapes`, one call for each
    (`randn` for a normal, `rand` for a uniform; constants draw nothing), so that a seed always means the same weights.
    `nanda` and `pizza` draw as Nanda's code does, keys before queries and most matrices [out in]: a seed gives the very
    weights that `torch.manual_seed(seed)` gave there. LayerNorm starts at w = 1, b = 0. Raises `ConfigError` where a
    value is not finite.
    """
    generator = torch.Generator().manual_seed(seed)
    shapes = parameter_shapes(config)
    scheme = _SCHEMES[config.initialisation]
    parameters: dict[str, Tensor] = {}
    as_nanda = config.initialisation in ("nanda", "pizza")
    for name in _keys_before_queries(shapes) if as_nanda else shapes:
        shape = shapes[name]
        distribution, size = _layer_norm(name) or scheme(name, shapes)
        if distribution == "normal":
            draw = _out_in if as_nanda else _as_it_is
            value = draw(name, shape, generator) * size
        elif distribution == "uniform":
            value = (torch.rand(shape, generator=generator, dtype=torch.float32) * 2 - 1) * size
        elif distribution == "waves":
            value = plane_waves(shape, generator) * size
        else:
            value = torch.full(shape, size, dtype=torch.float32)
        parameters[name] = value * config.init_scale
        if not parameters[name].isfinite().all():
            raise ConfigError(f"init_scale={config.init_scale} makes {name} infinite; 1.0 leaves the weights as drawn")
    return {name: parameters[name] for name in shapes}


def _as_it_is(name: str, shape: tuple[int, ...], generator: torch.Generator) -> Tensor:
    return torch.randn(shape, generator=generator, dtype=torch.float32)


def _out_in(name: str, shape: tuple[int, ...], generator: torch.Generator) -> Tensor:
    """A matrix drawn in the orientation of Nanda's code and turned to the classic one; W_O there joins the heads."""
    if _leaf(name) in ("W_pos", "W_U"):
        return _as_it_is(name, shape, generator)
    rows = math.prod(shape[:-1]) if _leaf(name) == "W_O" else shape[-2]
    heads = shape[:-2] if _leaf(name) != "W_O" else ()
    drawn = torch.randn((*heads, shape[-1], rows), generator=generator, dtype=torch.float32)
    return drawn.mT.contiguous().reshape(shape)


def _keys_before_queries(shapes: Shapes) -> list[str]:
    other = {"W_Q": "W_K", "W_K": "W_Q"}
    swapped = {name: name.replace(_leaf(name), other[_leaf(name)]) for name in shapes if _leaf(name) in other}
    return [swapped.get(name, name) for name in shapes]


def _layer_norm(name: str) -> Draw | None:
    constants: dict[str, Draw] = {".w": ("constant", 1.0), ".b": ("constant", 0.0)}
    return constants.get(name[-2:])


def _leaf(name: str) -> str:
    return name.rsplit(".", 1)[-1]


def _is_bias(name: str) -> bool:
    return _leaf(name).startswith("b_")


def _fan_in(name: str, shapes: Shapes) -> int:
    """How many inputs feed each output of a weight, or of the weight that a bias belongs to."""
    weight = name.replace(".b_", ".W_")
    # A tied unembedding reads d_model inputs, the columns of W_E.
    shape = shapes.get(weight) or shapes["embed.W_E"][::-1]
    return math.prod(shape[:-1]) if _leaf(weight) == "W_O" else shape[-2]


def _normal_with(deviations: Callable[[Shapes], dict[str, float]]) -> Scheme:
    """Normal weights with one deviation a name (`"W"` for those not named), zero biases."""

    def scheme(name: str, shapes: Shapes) -> Draw:
        of = deviations(shapes)
        return ("constant", 0.0) if _is_bias(name) else ("normal", of.get(_leaf(name), of["W"]))

    return scheme


def _d_model(shapes: Shapes) -> int:
    return shapes["embed.W_E"][1]


def _columns(shapes: Shapes) -> int:
    return shapes["unembed.W_U"][1] if "unembed.W_U" in shapes else shapes["embed.W_E"][0]


def _nanda(shapes: Shapes) -> dict[str, float]:
    """Nanda et al. 2023, their code: everything over sqrt(d_model), W_out too; W_U over sqrt(its columns)."""
    return {"W": _d_model(shapes) ** -0.5, "W_U": _columns(shapes) ** -0.5}


def _pizza(shapes: Shapes) -> dict[str, float]:
    """Zhong et al. 2023, their `train-main.py`: as Nanda's, but W_in over sqrt(d_mlp)."""
    d_mlp = shapes.get("blocks.0.mlp.W_in", (0, 1))[1]
    return {**_nanda(shapes), "W_in": d_mlp**-0.5}


def _furuta(shapes: Shapes) -> dict[str, float]:
    """Furuta et al. 2024, their code: W_E over sqrt(d_vocab), W_U and the others over sqrt(d_model)."""
    return {"W": _d_model(shapes) ** -0.5, "W_E": shapes["embed.W_E"][0] ** -0.5}


def _transformer_lens(shapes: Shapes) -> dict[str, float]:
    """HookedTransformer's default up to TransformerLens 3: N(0, 0.8 / sqrt(d_model)) throughout.

    (The native models of TransformerLens 4 divide W_O and W_out by sqrt(2 n_layers) as well.)
    """
    return {"W": 0.8 * _d_model(shapes) ** -0.5}


def _torch_default(name: str, shapes: Shapes) -> Draw:
    """`nn.Embedding`: N(0, 1). `nn.Linear`, biases too: kaiming_uniform(a=sqrt(5)), a bound of 1 / sqrt(fan_in)."""
    if _leaf(name) in ("W_E", "W_pos"):
        return "normal", 1.0
    return "uniform", _fan_in(name, shapes) ** -0.5


def _xavier(name: str, shapes: Shapes) -> Draw:
    """scienceetonnante: `xavier_normal_` for every weight, the embedding too; biases zero."""
    return ("constant", 0.0) if _is_bias(name) else ("normal", math.sqrt(2 / sum(shapes[name])))


def _scikit_learn(name: str, shapes: Shapes) -> Draw:
    """scikit-learn's `MLPClassifier` with relu: uniform up to sqrt(6 / (inputs + outputs)) of the layer, biases too."""
    return "uniform", math.sqrt(6 / sum(shapes[name.replace(".b_", ".W_")]))


def _pizza_linear(name: str, shapes: Shapes) -> Draw:
    """Zhong et al. 2023, their `train-linear.py`: torch's default for the hidden layers.

    N(0, 1) / sqrt(d_hidden / 2) for the embeddings (all five types) and N(0, 1) / sqrt(d_hidden) for the
    unembedding, d_hidden being the width of the last hidden layer. A bias of the unembedding (they have none) is zero.
    """
    d_hidden = shapes["unembed.W_U"][0]
    own: dict[str, Draw] = {
        "W_E": ("normal", (d_hidden / 2) ** -0.5),
        "W_U": ("normal", d_hidden**-0.5),
        "b_U": ("constant", 0.0),
    }
    return own.get(_leaf(name)) or _torch_default(name, shapes)


def _chughtai(name: str, shapes: Shapes) -> Draw:
    """Chughtai et al. 2023, their `OneLayerMLP`: W_x, W_y over sqrt(d_embed), W, W_U over sqrt(fan_in); no biases."""
    if _is_bias(name):
        return "constant", 0.0
    return "normal", (_d_model(shapes) if _leaf(name) == "W_E" else _fan_in(name, shapes)) ** -0.5


def _over_fan_in(name: str, shapes: Shapes) -> Draw:
    """Our choice for images: weights over sqrt(inputs), positions N(0, 1) as strong as a pixel, biases zero."""
    if _is_bias(name):
        return "constant", 0.0
    return "normal", 1.0 if _leaf(name) == "W_pos" else _fan_in(name, shapes) ** -0.5


DIRECTIONS = 8
"""Of the plane waves that positions start as."""


def plane_waves(shape: tuple[int, ...], generator: torch.Generator) -> Tensor:
    """[token, d]: sines and cosines of a square's places in 8 directions, root mean square 1; the last token N(0, 1).

    Wavelengths are from 3/4 of the square's side to twice it. Our choice: a sum of them over a line's pixels is large
    for waves whose crests run along it, wherever it lies, so that a single layer can tell its direction.
    """
    tokens, d = shape
    side = math.isqrt(tokens - 1)
    angles = math.pi * torch.arange(DIRECTIONS) / DIRECTIONS
    lengths = torch.logspace(math.log10(0.75 * side), math.log10(2 * side), math.ceil(d / 2 / DIRECTIONS))
    turns = 2 * math.pi / lengths[:, None]
    place = torch.arange(side)
    phases = (
        place[None, :, None] * (turns * angles.cos()).flatten()
        + place[:, None, None] * (turns * angles.sin()).flatten()
    )
    waves = torch.stack([phases.sin(), phases.cos()], -1).flatten(2).flatten(0, 1)[:, :d] * math.sqrt(2)
    return torch.cat([waves, torch.randn(tokens - len(waves), d, generator=generator)])


def _waves(name: str, shapes: Shapes) -> Draw:
    """Our choice where every pixel is a token, few of them lit: these start six times as strong, as plane waves."""
    if name == "pos_embed.W_pos":
        return "waves", 2.0
    distribution, size = _over_fan_in(name, shapes)
    return distribution, 6 * size if name == "embed.W_E" else size


def _nalu(name: str, shapes: Shapes) -> Draw:
    """Trask et al. 2018 give none; ours: N(0, 1), so that cells begin with weights of either sign and open gates."""
    del name, shapes
    return "normal", 1.0


_SCHEMES: dict[str, Scheme] = {
    "nanda": _normal_with(_nanda),
    "pizza": _normal_with(_pizza),
    "furuta": _normal_with(_furuta),
    "transformer_lens": _normal_with(_transformer_lens),
    # Power et al. 2022: their Linear and Embedding keep torch's own initialisation.
    "power": _torch_default,
    "xavier": _xavier,
    "scikit_learn": _scikit_learn,
    "fan_in": _over_fan_in,
    "waves": _waves,
    "nalu": _nalu,
    "pizza_linear": _pizza_linear,
    "chughtai": _chughtai,
}
