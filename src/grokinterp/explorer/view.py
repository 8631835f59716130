"""View: one checkpoint evaluated once, and its table scored before and after parts are taken out."""

import threading
from collections import OrderedDict
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor
from torch.nn import functional as F

from grokinterp import fourier
from grokinterp.interventions import Ablator
from grokinterp.measuring import snapshot_of
from grokinterp.periodicity import coefficients
from grokinterp.processor import processor_settings
from grokinterp.runs import Run
from grokinterp.tasks import Task
from grokinterp.waves import Wave

KEPT = 8
"""How many ablations of a checkpoint are kept: pages and tabs ask for the same one again."""


@dataclass(frozen=True, eq=False)
class Scores:
    """What a set of logits says of every row of the table.

    Attributes:
        logits: [ab, answer].
        loss: [ab], cross-entropy in nats on float64 logits; rows trained on by the labels trained on.
        margin: [ab], the right answer's logit less the largest other.
        predicted: [ab], the answer with the largest logit.
        is_right: [ab], whether that is the answer (in a row trained on, the one trained on).
    """

    task: Task
    logits: Float[Tensor, "ab answer"]
    loss: Float[Tensor, "ab"]
    margin: Float[Tensor, "ab"]
    predicted: Int[Tensor, "ab"]
    is_right: Bool[Tensor, "ab"]

    @classmethod
    def of(cls, logits: Float[Tensor, "ab answer"], task: Task) -> "Scores":
        """Score logits on the whole table."""
        labels = scored_labels(task)
        loss = F.cross_entropy(logits.double(), labels, reduction="none")
        best, predicted = logits.max(1)
        right = logits.gather(1, labels[:, None])[:, 0]
        is_right = predicted == labels
        margin = right - best
        # The runner-up matters only where the right answer is the best: mostly all rows, or next to none.
        rows = is_right.nonzero()[:, 0]
        if len(rows):
            others = logits[rows].scatter(1, labels[rows, None], -torch.inf)
            margin[rows] = right[rows] - others.amax(1)
        return cls(task, logits, loss, margin, predicted, is_right)

    def means(self) -> dict[str, float]:
        """Loss (nats) and accuracy by side of the split; of all rows where the split is not known."""
        sides = {"all": torch.ones_like(self.is_right)}
        if self.task.is_train is not None:
            sides = {"train": self.task.is_train, "test": ~self.task.is_train}
        found = {f"{side}_loss": self.loss[rows].mean().item() for side, rows in sides.items()}
        return found | {f"{side}_accuracy": self.is_right[rows].double().mean().item() for side, rows in sides.items()}

    @cached_property
    def spectrum(self) -> Float[Tensor, "k"]:
        """[k]: the coefficient of cos(w_k(a + b - c)) over the root of the rows (`Periodicity`).

        Where the answers ride on no such wave: the root mean square over rows of the logits' part of frequency k.
        """
        wave = Wave.of(self.task)
        if wave is not None:
            return coefficients(wave.fold(self.logits), wave) / len(wave.rows) ** 0.5
        squares = fourier.transform(self.logits, 1).double().square().mean(0)
        return fourier.fold(squares)[1:].sqrt()


def scored_labels(task: Task) -> Int[Tensor, "ab"]:
    """The answers, but in rows trained on the labels of training, which may be wrong on purpose."""
    if task.is_train is None:
        return task.answer_labels
    trained_on = task.train_labels if task.train_labels.ndim == 1 else task.train_labels[:, 0]
    return torch.where(task.is_train, trained_on, task.answer_labels)


class View:
    """One checkpoint: its snapshot, and what ablations leave of it."""

    def __init__(self, run: Run, step: int):
        self.run, self.step = run, step
        self.task = run.task
        self.snapshot = snapshot_of(run, step)
        self._ablator = Ablator(self.snapshot)
        self._kept: OrderedDict[tuple[Any, ...], Scores] = OrderedDict()
        # Hooks of two requests on one model would add up.
        self._lock = threading.Lock()

    @cached_property
    def before(self) -> Scores:
        """The checkpoint as it is."""
        with processor_settings():
            return Scores.of(self.snapshot.logits, self.task)

    def after(self, request: dict[str, Any]) -> Scores:
        """The checkpoint without what `request`, the arguments of `gi.ablate`, takes out.

        Raises `AblationError` for what the model does not have.
        """
        if not any(request.get(name) for name in ("heads", "neurons", "frequencies", "components")):
            return self.before
        key = tuple(sorted((name, value) for name, value in request.items()))
        with self._lock, processor_settings():
            if key not in self._kept:
                self._kept[key] = Scores.of(self._ablator.logits(**request), self.task)
                if len(self._kept) > KEPT:
                    self._kept.popitem(last=False)
            self._kept.move_to_end(key)
            return self._kept[key]

    def patterns(self, row: int) -> list[Float[Tensor, "head source"]]:
        """Each layer's attention from the read-out position in one row of the table; none without attention."""
        names = [name for name in self.snapshot.names if name.endswith("hook_pattern")]
        return [self.snapshot[name][row] for name in names]
