"""Ensemble: trainings that differ in their seed only, updated together by one batched product in the place of each.

A small model's step is mostly the calls that it makes. Along a leading dimension for the members these are made once,
and the sums of each member are those of its own step, in another order: equal to float rounding, not bit for bit.
"""

import contextlib
from collections.abc import Iterator, Sequence
from functools import partial
from pathlib import Path
from typing import NamedTuple, TypeAlias

import torch
from jaxtyping import Int, Shaped
from torch import Tensor
from tqdm import tqdm

from grokinterp.config import RunConfig
from grokinterp.evaluation import fused
from grokinterp.evaluation.processor import processor_settings
from grokinterp.runs.lock import held
from grokinterp.tasks import Task
from grokinterp.training.listeners import Listeners
from grokinterp.training.loggers import Loggers
from grokinterp.training.loop import Trainer, stop_requested
from grokinterp.training.optimiser import Optimiser
from grokinterp.training.start import initial_parameters, open_directory

Ended: TypeAlias = tuple[Path, Exception | None]
"""The directory of a run that has ended, and the error that ended it before its last step."""


class Member(NamedTuple):
    """A run that is to be trained with others: what `plan` gives of it, and where it goes."""

    config: RunConfig
    task: Task
    directory: Path


def why_alone(config: RunConfig, task: Task) -> str | None:
    """What of this configuration an ensemble cannot do; None where there is nothing."""
    settings = config.optimiser
    if task.is_endless:
        return "its data is drawn anew at each step"
    if reason := config.model.why_not_fused(task.positions):
        return f"its model is not one that the fast path takes, since {reason}"
    if settings.optimiser == "muon":
        return "optimiser='muon' works on whole matrices"
    # Of these the update of one weight depends on all weights of its run, or on a stream of random numbers.
    names = ("fixed_norm", "norm_multiple", "perpendicular_gradient", "update_noise", "weight_noise")
    given = [f"{name}={getattr(settings, name)}" for name in names if getattr(settings, name)]
    given += ["decay_kind='jiggle'"] if settings.decay_kind == "jiggle" else []
    return f"{given[0]} is not done weight by weight" if given else None


class Ensemble:
    """Trainings at one step, whose weights it holds along a leading dimension until `release`.

    Meanwhile a member's `parameters` are its part of them, so that what is measured and written of it is of now.
    Members have the same configuration but for the seed, as many training rows, and the same inputs.
    """

    def __init__(self, members: Sequence[Trainer]):
        first = members[0]
        self.members = members
        self.model, self.objective = first.config.model, first.objective
        self.rows = fused.Rows.of(first.task.inputs)
        self._own = [member.parameters for member in members]
        self.parameters = {
            name: torch.stack([own[name].detach() for own in self._own]).requires_grad_(tensor.requires_grad)
            for name, tensor in first.parameters.items()
        }
        trained = {name: tensor for name, tensor in self.parameters.items() if tensor.requires_grad}
        self.optimiser = Optimiser(first.config.optimiser, trained, first.config.schedule.steps)
        self.optimiser.load_state(_stacked([member.optimiser.state() for member in members]))
        for i, member in enumerate(members):
            member.parameters = {name: tensor.detach()[i] for name, tensor in self.parameters.items()}
            member.optimiser_state = partial(self._state_of, i)
        # Where every step takes all rows, they are looked up once.
        self._every_row = self._draw(first.step) if first.config.schedule.batch_size is None else None

    def step(self) -> None:
        """Update every member once."""
        step = self.members[0].step
        rows, labels = self._every_row or self._draw(step)
        logits = fused.logits(self.model, self.parameters, rows)
        # The mean over all rows is the mean of the members' means, of which each is to have its own gradient.
        mean = self.objective(logits.flatten(0, 1), labels.flatten())
        (len(self.members) * mean).backward()
        self.optimiser.step(step)
        for member in self.members:
            member.step += 1

    def _draw(self, step: int) -> tuple[fused.Rows, Shaped[Tensor, "member n"]]:
        batches = [member.batches.draw(step) for member in self.members]
        rows: Int[Tensor, "member n"] = torch.stack([rows for rows, _ in batches])
        return self.rows[rows], torch.stack([labels for _, labels in batches])

    def _state_of(self, i: int) -> dict[str, Tensor]:
        state = {name: tensor if _is_shared(name) else tensor[i] for name, tensor in self.optimiser.state().items()}
        return {**state, "generator": self.members[i].optimiser.generator.get_state()}

    @torch.no_grad()
    def release(self) -> None:
        """Give every member its weights, and its optimiser the state that goes with them; each can go on alone."""
        for i, (member, own) in enumerate(zip(self.members, self._own, strict=True)):
            for name, tensor in own.items():
                tensor.copy_(self.parameters[name][i])
            member.parameters = own
            member.optimiser.load_state(self._state_of(i))
            member.optimiser_state = member.optimiser.state


def _stacked(states: Sequence[dict[str, Tensor]]) -> dict[str, Tensor]:
    first = states[0]
    return {name: first[name] if _is_shared(name) else torch.stack([each[name] for each in states]) for name in first}


def _is_shared(name: str) -> bool:
    """Whether members at one step have this part of their optimisers' states in common, or make no use of it."""
    return name == "generator" or name.startswith("moment.step.")


def train_together(members: Sequence[Member]) -> Iterator[Ended]:
    """Train runs that differ in their seed, or go on with them from the step at which all of them are.

    Each is written as `train(..., resume=True, threads=1)` writes it, and yielded as it ends; one that diverges, stops
    early or cannot be written leaves the others as they are. Asked to stop, all write what they need to go on, and
    `KeyboardInterrupt` is raised.
    """
    with contextlib.ExitStack() as locks, processor_settings(1), torch.enable_grad(), stop_requested() as stop:
        going: list[tuple[Trainer, Listeners]] = []
        for member in members:
            try:
                locks.enter_context(held(member.directory, "train"))
                going.append(_opened(member))
            except Exception as error:
                yield member.directory, error
        if not going:
            return
        bar = tqdm(disable=True)
        ensemble = Ensemble([trainer for trainer, _ in going])
        while going:
            ended: dict[Trainer, Exception | None] = {}
            for trainer, listeners in going:
                try:
                    if trainer.record(listeners, bar):
                        ended[trainer] = None
                except Exception as error:
                    ended[trainer] = error
            if ended:
                ensemble.release()
                for trainer, error in ended.items():
                    yield trainer.writer.path, error or _finish(trainer)
                going = [pair for pair in going if pair[0] not in ended]
                if going:
                    ensemble = Ensemble([trainer for trainer, _ in going])
            if going and stop.is_set():
                for trainer, _ in going:
                    trainer.save_state()
                raise KeyboardInterrupt(f"stopped at step {going[0][0].step}; resume=True (--resume) continues")
            if going:
                ensemble.step()


def _opened(member: Member) -> tuple[Trainer, Listeners]:
    config, task, directory = member
    writer, state = open_directory(directory, config, task, resume=True, overwrite=False)
    trainer = Trainer(config, task, initial_parameters(config), torch.device("cpu"), writer, state)
    return trainer, Listeners(writer.path, None, None, Loggers((), writer.path, config, trainer.step))


def _finish(trainer: Trainer) -> Exception | None:
    try:
        trainer.save_state()
        trainer.writer.finish()
    except Exception as error:
        return error
    return None
