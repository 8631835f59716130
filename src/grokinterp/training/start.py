"""Start: what a run begins with, or goes on from: its device, its initial parameters, its directory."""

from pathlib import Path
from typing import Any, TypeAlias

import torch
from torch import Tensor

from grokinterp.config import RunConfig
from grokinterp.errors import ConfigError
from grokinterp.models.initialisation import initialise
from grokinterp.runs.directory import has_nothing_to_lose, is_run, open_run
from grokinterp.runs.replacing import recover
from grokinterp.runs.run import Run
from grokinterp.runs.writer import RunWriter
from grokinterp.tasks import Task

State: TypeAlias = tuple[dict[str, Tensor], dict[str, Any]]
"""What a run that was interrupted goes on from: tensors and counts, as `RunWriter.read_optimiser_state` gives them."""


def find_device(name: str) -> torch.device:
    """The device of this name, `auto` the fastest there is. Raises `ConfigError` for one that is not here."""
    if name not in ("auto", "cpu", "cuda"):
        raise ConfigError(f"device={name!r} is unknown; choose one of auto, cpu, cuda")
    if name == "cuda" and not torch.cuda.is_available():
        raise ConfigError("device='cuda': torch sees no GPU here; use device='cpu', or install a CUDA build of torch")
    return torch.device("cuda" if name != "cpu" and torch.cuda.is_available() else "cpu")


def initial_parameters(config: RunConfig) -> dict[str, Tensor]:
    """The parameters before the first update: drawn from the seed, and those of a pretrained run that are asked for.

    Raises `ConfigError` for a pretrained run that does not fit, and where nothing is left to train.
    """
    parameters = initialise(config.model, config.seed)
    schedule = config.schedule
    if schedule.pretrained:
        from grokinterp.importers import load

        source = load(schedule.pretrained)
        if not isinstance(source, Run):
            raise ConfigError(f"pretrained={schedule.pretrained!r} is a directory of runs; name one of them")
        loaded = source.final.parameters
        for name in [name for name in parameters if part_of(name) in schedule.pretrained_parts]:
            if name not in loaded or loaded[name].shape != parameters[name].shape:
                shape = tuple(loaded[name].shape) if name in loaded else "missing"
                raise ConfigError(
                    f"{name} is {shape} in {schedule.pretrained!r} and {tuple(parameters[name].shape)} here; "
                    f"train it with the same p, layout and sizes"
                )
            parameters[name] = loaded[name].clone()
    if all(part_of(name) in schedule.frozen_parts for name in parameters):
        raise ConfigError("frozen_parts names every part of the model; leave at least one to train")
    return parameters


def part_of(parameter: str) -> str:
    """`embed`, `unembed` or `transformer`: the part of the model that a parameter belongs to (Furuta et al. 2024)."""
    root = parameter.split(".")[0]
    if root in ("embed", "pos_embed") or root.startswith("embed_"):  # a table for each operand: embed_b, embed_c, ...
        return "embed"
    return "unembed" if root == "unembed" else "transformer"


def open_directory(
    path: Path, config: RunConfig, task: Task, resume: bool, overwrite: bool
) -> tuple[RunWriter, State | None]:
    """The writer of a new run, or of one that goes on, and the state that it goes on from."""
    recover(path.resolve())
    if resume and has_nothing_to_lose(path):
        return RunWriter.create(path, config, task, overwrite=True), None
    if not (resume and is_run(path)):
        return RunWriter.create(path, config, task, overwrite=overwrite), None
    stored = open_run(path).config
    if stored != config and config.optimiser.lr_schedule != "constant":
        raise ConfigError("a cosine schedule depends on the number of steps: resume with the options of the start")
    writer = RunWriter.reopen(path, config)
    return writer, writer.read_optimiser_state()
