"""Checkpoint: one checkpoint evaluated once, and its table scored before and after parts are taken out."""

import threading
from collections import OrderedDict
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor
from torch.nn import functional as F

from grokinterp import fourier
from grokinterp.analysis.cycles import Cycle, Wave
from grokinterp.analysis.outcome import Outcome
from grokinterp.analysis.periodicity import coefficients
from grokinterp.evaluation.processor import processor_settings, side_by_side
from grokinterp.explorer.cosets import NeuronCosets
from grokinterp.interventions import Ablator
from grokinterp.irreps.spectrum import energies
from grokinterp.measuring import snapshot_of
from grokinterp.runs.run import Run
from grokinterp.tasks import Task
from grokinterp.tasks.groups import GroupTask

ROWS = 512
"""How many rows are scored at a time."""

KEPT = 8
"""How many answers about ablations of a checkpoint are kept: pages and tabs ask for the same one again."""


@dataclass(frozen=True, eq=False)
class Scores:
    """What a set of logits says of every row of the table.

    Attributes:
        logits: [ab, answer].
        loss: [ab], cross-entropy in nats on float64 logits; rows trained on by the labels trained on.
        margin: [ab], the right answer's logit less the largest other.
        is_right: [ab], whether the largest logit is the answer's (in a row trained on, of the one trained on).
    """

    task: Task
    logits: Float[Tensor, "ab answer"]
    loss: Float[Tensor, "ab"]
    margin: Float[Tensor, "ab"]
    is_right: Bool[Tensor, "ab"]

    @classmethod
    def of(cls, logits: Float[Tensor, "ab answer"], task: Task) -> "Scores":
        """Score logits on the whole table."""
        labels = scored_labels(task)

        def score(rows: slice) -> tuple[Tensor, Tensor]:
            some, right = logits[rows], labels[rows]
            others = some.scatter(1, right[:, None], -torch.inf).amax(1)
            margin = some.gather(1, right[:, None])[:, 0] - others
            return F.cross_entropy(some.double(), right, reduction="none"), margin

        # As many rows at a time as stay in a core's cache, each core with rows of its own.
        parts = [slice(first, first + ROWS) for first in range(0, len(logits), ROWS)]
        loss, margin = map(torch.cat, zip(*side_by_side(score, parts, torch.get_num_threads()), strict=True))
        is_right = margin > 0
        # Of equal logits argmax takes the first, and it is slower than the rest of this together.
        tied = (margin == 0).nonzero()[:, 0]
        is_right[tied] = logits[tied].argmax(1) == labels[tied]
        return cls(task, logits, loss, margin, is_right)

    @cached_property
    def predicted(self) -> Int[Tensor, "ab"]:
        """[ab]: the answer with the largest logit."""
        return self.logits.argmax(1)

    @cached_property
    def means(self) -> dict[str, float]:
        """Loss (nats) and accuracy by side of the split; of all rows where the split is not known."""
        sides = {"all": torch.ones_like(self.is_right)}
        if self.task.is_train is not None:
            # What an endless task was trained on is not in its table.
            halves = {"train": self.task.is_train, "test": ~self.task.is_train}
            sides = {side: rows for side, rows in halves.items() if rows.any()}
        losses = {f"{side}_loss": self.loss[rows].mean().item() for side, rows in sides.items()}
        return losses | {f"{side}_accuracy": self.accuracy(rows) for side, rows in sides.items()}

    def accuracy(self, rows: Bool[Tensor, "ab"]) -> float:
        """The share of some rows that are right; NaN of none, and where the answer to one is no number."""
        return self.is_right[rows].double().where(self.loss[rows].isfinite(), torch.nan).mean().item()

    @cached_property
    def outcome(self) -> Outcome:
        """What the checkpoint does, by the same numbers as everywhere."""
        scores = {**self.means, "all_accuracy": self.accuracy(torch.ones_like(self.is_right))}
        if self.task.is_train is not None:
            scores["test_accuracy_unswapped"] = self.accuracy(self.task.is_unswapped_test)
        return Outcome.of(scores)

    @cached_property
    def spectrum(self) -> Float[Tensor, "k"]:
        """[k]: the coefficient of cos(w_k(a + b - c)) over the root of the rows (`Periodicity`).

        Where the answers ride on no such wave: the root mean square over rows of the logits' part of frequency k. Of a
        group, that of the part which turns with a row's answer as each irrep does, the trivial one left out.
        """
        if isinstance(self.task, GroupTask):
            group, answers = self.task.group, self.task.answer_labels
            by_answer = self.logits.new_zeros(len(group), self.logits.shape[1]).index_add(0, answers, self.logits)
            rows_each = answers.bincount(minlength=len(group)).clamp(min=1)
            return (energies(by_answer / rows_each[:, None], group)[1:].mean(1) / len(group)).sqrt()
        wave = Wave.of(self.task)
        if wave is not None:
            return coefficients(wave.fold(self.logits), wave) / len(wave.rows) ** 0.5
        squares = fourier.transform(self.logits[:, : self.task.n_values], 1).double().square().mean(0)
        return fourier.fold(squares)[1:].sqrt()


def scored_labels(task: Task) -> Int[Tensor, "ab"]:
    """The answers, but in rows trained on the labels of training, which may be wrong on purpose."""
    if task.is_train is None:
        return task.answer_labels
    return torch.where(task.is_train, task.train_answer_labels, task.answer_labels)


class EvaluatedCheckpoint:
    """One checkpoint: its snapshot, and what ablations leave of it."""

    def __init__(self, run: Run, step: int):
        self.run, self.step = run, step
        self.task = run.task
        self.snapshot = snapshot_of(run, step)
        self._ablator = Ablator(self.snapshot)
        self._before: Scores | None = None
        self._kept: OrderedDict[tuple[Any, ...], Any] = OrderedDict()
        # Hooks of two requests on one model would add up.
        self._lock = threading.Lock()

    @property
    def before(self) -> Scores:
        """The checkpoint as it is."""
        # A lock of its own: before Python 3.12 that of a cached property is one for all checkpoints.
        with self._lock, processor_settings():
            if self._before is None:
                # The logits alone come sooner than all activations, which wait until a panel asks for them.
                self._before = Scores.of(self._ablator.logits(), self.task)
            return self._before

    @cached_property
    def cosets(self) -> NeuronCosets | None:
        """The cosets that the neurons are concentrated on; None but for groups, and for those that are a cycle."""
        is_group = isinstance(self.task, GroupTask) and Cycle.why_not(self.task) is not None
        return NeuronCosets(self.snapshot) if is_group else None

    @property
    def strongest_frequency(self) -> int:
        """The frequency with the largest wave in the logits, before anything is taken out."""
        wave, spectrum = Wave.of(self.task), self.before.spectrum
        if isinstance(self.task, GroupTask) and wave is not None:
            # Of a group the spectrum counts irreps, of which a cycle of even length has one before its frequencies.
            spectrum = coefficients(wave.fold(self.before.logits), wave)
        return int(spectrum.abs().argmax()) + 1

    @cached_property
    def usual_margin(self) -> float:
        """What 98 % of the rows' margins stay below in size, before anything is taken out."""
        sizes = self.before.margin.abs()
        # A model whose training has diverged answers with no numbers at all.
        known = sizes[sizes.isfinite()]
        return max(float(known.quantile(0.98)), 1e-6) if len(known) else 1.0

    def after(self, request: Mapping[str, Any]) -> Scores:
        """The checkpoint without what `request`, the arguments of `gi.ablate`, takes out; before, where that is empty.

        Raises `AblationError` for what the model does not have.
        """
        if not request:
            return self.before
        return self._once("scores", request, lambda: Scores.of(self._ablator.logits(**request), self.task))

    def patterns(self, row: int, request: Mapping[str, Any]) -> list[Float[Tensor, "head source"]]:
        """Each layer's attention from the read-out position in one row of the table; none without attention."""
        return [every[row] for every in self._once("patterns", request, lambda: self._ablator.patterns(**request))]

    def activations(self, layer: int, request: Mapping[str, Any]) -> Float[Tensor, "ab neuron"]:
        """The neurons of a layer over the table, without what a request takes out."""
        if not request:
            return self.snapshot[self.snapshot.layers("mlp.hook_post")[layer]]
        # These are too large to be kept.
        with self._lock, processor_settings():
            return self._ablator.activations(layer, **request)

    def _once(self, what: str, request: Mapping[str, Any], compute: Callable[[], Any]) -> Any:
        key = (what, *sorted(request.items()))
        with self._lock, processor_settings():
            if key not in self._kept:
                self._kept[key] = compute()
                if len(self._kept) > KEPT:
                    self._kept.popitem(last=False)
            self._kept.move_to_end(key)
            return self._kept[key]
