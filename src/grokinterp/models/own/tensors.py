"""Tensors of a module: its state dict as a checkpoint keeps it, and as the module takes it back."""

from collections.abc import Iterator, Mapping

import torch
from torch import Tensor, nn

from grokinterp.config.own_module import OwnModuleConfig
from grokinterp.errors import BadRequest, listed

STORED = {torch.bfloat16: torch.float32, torch.float16: torch.float32}
"""Types that a checkpoint keeps as a wider one, which has all their values."""


class AbsentTensorError(BadRequest):
    """A parameter that circuits ask for and that nobody said which it is of a module of its own."""


class NamedTensors(dict[str, Tensor]):
    """The tensors of a module of its own; one of ours that it lacks, or that was not named, is refused by its name."""

    def __missing__(self, name: str) -> Tensor:
        raise AbsentTensorError(
            f"a module of its own code has no {name}, or it was not named; say which it is, as in "
            f"gi.record(..., parameters={{'its.name': {name!r}}})"
        )


def unwrapped(module: nn.Module) -> nn.Module:
    """The module itself, where `torch.compile`, a data-parallel wrapper or one of ours stands around it."""
    while True:
        is_own = isinstance(getattr(module, "config", None), OwnModuleConfig)
        inner = module.inner if is_own else getattr(module, "_orig_mod", None)
        if inner is None and isinstance(module, nn.DataParallel | nn.parallel.DistributedDataParallel):
            inner = module.module
        if not isinstance(inner, nn.Module):
            return module
        module = inner


def tensors_of(module: nn.Module) -> dict[str, Tensor]:
    """The tensors of a module's state dict, on the CPU and detached; a copy of none.

    Raises `BadRequest` for complex numbers, which no checkpoint holds.
    """
    tensors = {name: value.detach().cpu() for name, value in module.state_dict().items() if isinstance(value, Tensor)}
    if odd := [name for name, value in tensors.items() if value.is_complex() or " " in name]:
        raise BadRequest(f"{listed(odd[:4])} cannot be kept: a checkpoint holds real numbers, by names without spaces")
    return tensors


def stored(tensors: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """The tensors in types that a file holds."""
    return {name: value.to(STORED.get(value.dtype, value.dtype)) for name, value in tensors.items()}


def described(tensors: Mapping[str, Tensor]) -> tuple[str, ...]:
    """What `OwnModuleConfig.tensors` says of them."""
    entry = OwnModuleConfig.described
    return tuple(entry(n, str(v.dtype).removeprefix("torch."), v.shape) for n, v in tensors.items())


def own_tensors(config: OwnModuleConfig, parameters: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """A checkpoint's tensors that are the module's own, each of the type that it has there."""
    dtypes = config.dtypes
    return {name: parameters[name].to(getattr(torch, dtypes[name])) for name in config.own_names}


def misfits(config: OwnModuleConfig, module: nn.Module) -> Iterator[str]:
    """How a module's tensors differ from those of the checkpoints."""
    theirs = config.parameter_shapes()
    mine = {name: tuple(value.shape) for name, value in tensors_of(module).items()}
    for name, shape in mine.items():
        if name not in config.own_names:
            yield f"{name} is new"
        elif theirs[name] != shape:
            yield f"{name} is {list(shape)} and was {list(theirs[name])}"
    yield from (f"{name} is missing" for name in config.own_names if name not in mine)
