"""The initial values of a model's parameters, drawn as its family says.

Pure torch: the fast path trains from these dictionaries without TransformerLens.
"""

import math
from collections.abc import Mapping

import torch
from torch import Tensor

from grokinterp.config import ModelConfig
from grokinterp.config.initial import Draw, leaf
from grokinterp.errors import ConfigError, require, whole
from grokinterp.models.parameters import check_parameters, parameter_shapes

MOST_PARAMETERS = 2**31
"""More than a training can hold in the memory of one machine: it takes eight times as many numbers."""


def initialise(config: ModelConfig, seed: int) -> dict[str, Tensor]:
    """Fresh parameters, float32 on the CPU, drawn as `config.draw` says and times `config.init_scale`.

    One `torch.Generator` seeded with `seed` draws them in the order of `config.drawing_order`, one call for each
    (`randn` for a normal, `rand` for a uniform; constants draw nothing), so that a seed always means the same weights.
    LayerNorm starts at w = 1, b = 0. Raises `ConfigError` where a value is not finite.
    """
    generator = torch.Generator().manual_seed(seed)
    shapes = parameter_shapes(config)
    count = sum(map(math.prod, shapes.values()))
    require(count <= MOST_PARAMETERS, f"the model would have more than {MOST_PARAMETERS:,} parameters; lower its sizes")
    parameters: dict[str, Tensor] = {}
    for name in config.drawing_order(shapes):
        parameters[name] = _drawn(name, shapes[name], generator, _layer_norm(name) or config.draw(name, shapes))
        parameters[name] *= config.init_scale
        if not parameters[name].isfinite().all():
            raise ConfigError(f"init_scale={config.init_scale} makes {name} infinite; 1.0 leaves the weights as drawn")
    return {name: parameters[name] for name in shapes}


def checked_or_fresh(config: ModelConfig, parameters: Mapping[str, Tensor] | None, seed: int) -> Mapping[str, Tensor]:
    """The given parameters once they are known to fit, or fresh ones."""
    if parameters is None:
        return initialise(config, whole(seed, "seed", "seed=0"))
    check_parameters(config, parameters)
    return parameters


def _drawn(name: str, shape: tuple[int, ...], generator: torch.Generator, draw: Draw) -> Tensor:
    distribution, size = draw
    if distribution == "normal":
        return _as_it_is(shape, generator) * size
    if distribution == "normal_out_in":
        return _out_in(name, shape, generator) * size
    if distribution == "uniform":
        return (torch.rand(shape, generator=generator, dtype=torch.float32) * 2 - 1) * size
    if distribution == "waves":
        return plane_waves(shape, generator) * size
    return torch.full(shape, size, dtype=torch.float32)


def _layer_norm(name: str) -> Draw | None:
    constants: dict[str, Draw] = {".w": ("constant", 1.0), ".b": ("constant", 0.0)}
    return constants.get(name[-2:])


def _as_it_is(shape: tuple[int, ...], generator: torch.Generator) -> Tensor:
    return torch.randn(shape, generator=generator, dtype=torch.float32)


def _out_in(name: str, shape: tuple[int, ...], generator: torch.Generator) -> Tensor:
    """A matrix drawn in the orientation of Nanda's code and turned to the classic one; W_O there joins the heads."""
    if leaf(name) in ("W_pos", "W_U"):
        return _as_it_is(shape, generator)
    rows = math.prod(shape[:-1]) if leaf(name) == "W_O" else shape[-2]
    heads = shape[:-2] if leaf(name) != "W_O" else ()
    drawn = torch.randn((*heads, shape[-1], rows), generator=generator, dtype=torch.float32)
    return drawn.mT.contiguous().reshape(shape)


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
