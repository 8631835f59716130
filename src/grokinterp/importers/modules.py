"""Modules in memory: how the tensors of any `nn.Module` become a checkpoint's, and go back."""

from collections.abc import Mapping
from copy import deepcopy
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn

from grokinterp.config import ModelConfig, RunConfig, ScheduleConfig
from grokinterp.config.own_module import OwnModuleConfig
from grokinterp.config.validation import shown
from grokinterp.errors import BadRequest, listed
from grokinterp.evaluation.table_scores import answers_of, asked, check_one_a_row
from grokinterp.importers._parameters import is_classic
from grokinterp.importers.judging.answers import Answers
from grokinterp.importers.judging.scores import draw
from grokinterp.importers.reading.candidates import Candidate, candidates, of_classic
from grokinterp.models.own.mapping import Convert, Place, inverse, places
from grokinterp.models.own.tensors import described, stored, tensors_of, unwrapped
from grokinterp.models.parameters import ParameterError, check_parameters
from grokinterp.runs.format import check_tokens
from grokinterp.runs.provenance import SEED_UNKNOWN, Assumption, Provenance
from grokinterp.runs.run import Run, check_fits
from grokinterp.runs.store import MemoryStore
from grokinterp.tasks import Task

PRESET = "recorded"
"""What stands in the configuration of a run that a loop of a user's own trained, which has no recipe that is known."""

COMPARED = 64
"""Rows on which a module's logits are compared with those of one of our models."""

CLOSE = 2e-4
"""Largest difference of logits, as a share of the largest, that is rounding: the two GELUs differ by 1e-3."""


@dataclass(frozen=True)
class Adapter:
    """A module's tensors as a checkpoint of `config` has them.

    Attributes:
        config: the model that they are read as, every size filled in.
        convert: the module's tensors by its own names -> the checkpoint's.
        mapping: which of the module's became which of the checkpoint's, where they have other names.
        assumptions: what was settled on the way, and how it is known.
    """

    config: ModelConfig
    convert: Convert
    mapping: Mapping[str, str]
    assumptions: tuple[Assumption, ...] = ()

    @classmethod
    def of(cls, module: nn.Module, task: Task, parameters: Mapping[str, str] | None = None) -> "Adapter":
        """How a module is read: as one of our models where it computes the same, else as a module of its own.

        `parameters` says which of its parameters is which of ours (`Place`). One of our models it is where all are
        said, or found by their names, and the logits are equal on random weights.
        Raises `BadRequest` for a module that answers no logits of the task, and for a mapping of all its parameters to
        a model of ours that computes something else.
        """
        if not isinstance(module, nn.Module):
            raise BadRequest(f"{shown(module)} is no nn.Module; give the network that is trained")
        module = unwrapped(module)
        if not any(True for _ in module.parameters()):
            raise BadRequest(f"{type(module).__name__} has no parameters, so there is nothing to record")
        if _is_ours(module) and not parameters:
            config: ModelConfig = module.config  # type: ignore[assignment]
            check_fits(task, config, type(module).__name__)
            names = list(config.parameter_shapes())
            return cls(config, lambda tensors: {name: tensors[name] for name in names}, {})
        output = _answers(module, {}, task, draw(len(task.inputs), 2))
        every = places(parameters or {}, [name for name, _ in module.named_parameters(remove_duplicate=False)])
        is_whole = {place.name for place in every} >= {name for name, _ in module.named_parameters()}
        ours = _ours(module, task, every) if is_whole or not every else None
        if ours is None and every and is_whole:
            raise BadRequest(
                f"no model of this project with these parameters computes what {type(module).__name__} does; map its "
                f"embedding alone (parameters={{name: 'embed.W_E'}}), and it is kept as a module of its own"
            )
        return ours or _own(module, task, every, output.ndim)

    def tensors(self, module: nn.Module) -> dict[str, Tensor]:
        """What a checkpoint keeps of the module as it is now. Raises `BadRequest` where it is another module."""
        try:
            kept = stored(self.convert(tensors_of(unwrapped(module))))
            check_parameters(self.config, kept)
        except (KeyError, ParameterError) as other:
            raise BadRequest(f"the model is not the one that is recorded ({other}); give it a run of its own") from None
        return kept

    def put_back(self, module: nn.Module, checkpoint: Mapping[str, Tensor]) -> None:
        """Give a module the weights of a checkpoint that was made of it."""
        module = unwrapped(module)
        module.load_state_dict(inverse(self.convert, tensors_of(module), checkpoint), strict=False)

    def run_config(self, task: Task, steps: int = 1) -> RunConfig:
        """The configuration of a run of it, as far as it is known."""
        return RunConfig(preset=PRESET, task=task.config(), model=self.config, schedule=ScheduleConfig(steps=steps))

    def provenance(self, module: nn.Module) -> Provenance:
        """Where its numbers come from: a loop that is not ours, whose seed and optimiser nobody said."""
        note = f"trained by a loop of its own code; the module is {type(unwrapped(module)).__name__}"
        return Provenance(
            trained_elsewhere=True, notes=(note, SEED_UNKNOWN), mapping=self.mapping, assumptions=self.assumptions
        )


def run_in_memory(module: Any, task: Task | None = None) -> Run:
    """A module as it is now, as a run of one checkpoint, at step 0; the task is the model's own where left out."""
    own = getattr(module, "task", None)
    task = own if task is None else task
    if not isinstance(task, Task):
        raise BadRequest(f"{type(module).__name__} carries no task; give one, as in gi.measure(model, task)")
    if isinstance(own, Task):
        check_tokens(task, own, f"this {type(module).__name__}")
    adapter = Adapter.of(module, task)
    config, module = adapter.config, unwrapped(module)
    if isinstance(config, OwnModuleConfig):
        frozen = deepcopy(module)
        adapter = Adapter(config.made_by(lambda: deepcopy(frozen)), adapter.convert, adapter.mapping)
    weights = {name: value.clone() for name, value in adapter.tensors(module).items()}
    provenance, name = adapter.provenance(module), type(module).__name__
    return Run(MemoryStore({0: lambda: weights}), name, adapter.run_config(task), task, provenance=provenance)


def _is_ours(module: nn.Module) -> bool:
    """Whether it is one of our hooked models; to import their class would take three seconds where it is none."""
    return any(each.__module__ == "grokinterp.models.hooked.module" for each in type(module).__mro__)


# -- as a module of its own


def _own(module: nn.Module, task: Task, every: list[Place], axes: int) -> Adapter:
    copied = [place for place in every if place.classic != place.name or place.pattern]

    def convert(tensors: Mapping[str, Tensor]) -> dict[str, Tensor]:
        return {**tensors, **{place.classic: place.turned(tensors[place.name]) for place in copied}}

    tensors, trained = tensors_of(module), {name for name, _ in module.named_parameters()}
    if taken := [place.classic for place in copied if place.classic in tensors]:
        raise BadRequest(
            f"the module has a tensor called {taken[0]!r} already, which is not the one that is mapped to it"
        )
    config = OwnModuleConfig(
        called=f"{type(module).__module__}.{type(module).__qualname__}",
        tensors=described(convert(tensors)),
        copies=tuple(place.classic for place in copied),
        buffers=tuple(name for name in tensors if name not in trained),
        rows="tokens" if task.has_tokens else "features",
        answers_at="positions" if axes == 3 else "row",
    )
    return Adapter(config, convert, {place.name: place.classic for place in copied})


# -- as one of our models


def _ours(module: nn.Module, task: Task, every: list[Place]) -> Adapter | None:
    """The model of ours that computes the same on weights drawn at random; None where there is none.

    On the module's own weights many would: an output layer that begins at zero hides all that comes before it.
    """
    where = f"the {type(module).__name__}"
    tensors = _redrawn(module)
    rows = draw(len(task.inputs), COMPARED)
    wanted = answers_of(_answers(module, tensors, task, rows), task)
    kept = {name: value.float() for name, value in tensors.items() if value.is_floating_point()}
    renamed = _renamed(kept, every)
    try:
        readings = _readings(renamed, {}, task, where)
        # A norm without parameters is tried of files alone, into whose weights it may have been folded.
        has_norms = readings[0].config.has_norms
        possible = [each for each in readings if has_norms or not each.config.has_norms]
        answers = Answers(task)
        chosen = next((each for each in possible if _is_equal(each, answers, rows, wanted)), None)
    except BadRequest:  # no name of it is known, or its parameters have no place in our models
        return None
    if chosen is None:
        return None
    settled, names = dict(chosen.open), set(chosen.parameters)

    def convert(tensors: Mapping[str, Tensor]) -> dict[str, Tensor]:
        moved = _readings(_renamed(tensors, every), settled, task, where)[0].parameters
        return {name: value for name, value in moved.items() if name in names}

    words = listed(f"{name}={value}" for name, value in settled.items()) or "nothing was open"
    known = Assumption(
        f"read as a {chosen.config.kind}", "inferred", f"equal logits on random weights, {len(rows)} rows; {words}"
    )
    return Adapter(chosen.config, convert, {place.name: place.classic for place in every}, (known,))


def _renamed(tensors: Mapping[str, Tensor], every: list[Place]) -> dict[str, Tensor]:
    if not every:
        return {name: value for name, value in tensors.items() if value.is_floating_point()}
    return {place.classic: place.turned(tensors[place.name]) for place in every}


def _readings(tensors: dict[str, Tensor], known: Mapping[str, Any], task: Task, where: str) -> list[Candidate]:
    return (
        of_classic(tensors, known, task, {}, where) if is_classic(tensors) else candidates(tensors, known, task, where)
    )


def _is_equal(reading: Candidate, answers: Answers, rows: Tensor, wanted: Tensor) -> bool:
    try:
        check_fits(answers.task, reading.config, "the module")
        check_parameters(reading.config, reading.parameters)
        logits = answers.logits(reading, rows)[..., : answers.task.n_answers].reshape(wanted.shape)
    except (BadRequest, RuntimeError):  # of a reading that does not fit these rows
        return False
    return bool((logits - wanted).abs().max() <= CLOSE * wanted.abs().max())


def _redrawn(module: nn.Module) -> dict[str, Tensor]:
    """Its tensors with every parameter moved at random, those that share memory alike; the module stays as it is."""
    generator = torch.Generator().manual_seed(0)  # not torch's own, which the user's loop may be drawing from
    noise: dict[int, Tensor] = {}
    tensors = tensors_of(module)
    for name, parameter in module.named_parameters(remove_duplicate=False):
        if parameter.data_ptr() not in noise and parameter.is_floating_point():
            scale = parameter.shape[-1] ** -0.5 if parameter.ndim > 1 else 0.1
            drawn = torch.randn(parameter.shape, generator=generator) * scale
            noise[parameter.data_ptr()] = parameter.detach().cpu().float() + drawn
        if parameter.is_floating_point():
            tensors[name] = noise[parameter.data_ptr()].to(parameter.dtype)
    return tensors


def _answers(module: nn.Module, tensors: Mapping[str, Tensor], task: Task, rows: Tensor) -> Tensor:
    """What the module gives on some rows, with these tensors in the place of its own; it is left as it was."""
    device = next(module.parameters()).device
    there = {name: value.to(device) for name, value in tensors.items()}
    with asked(module):
        inputs = (task.inputs[rows].to(device),)
        output = torch.func.functional_call(module, there, inputs, tie_weights=False)
        answers_of(output, task)  # refused where it is none
    check_one_a_row(module, output, rows)
    return output.cpu().float()
