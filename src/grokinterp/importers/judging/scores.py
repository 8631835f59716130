"""Scores: how well one reading of weights answers a task's table, and whether they look trained to answer it so."""

import math
from dataclasses import dataclass

import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor

from grokinterp.evaluation.losses import accuracy
from grokinterp.importers._evidence import losses
from grokinterp.tasks import Task

COMPARED = 1_024
"""Rows on which gradients are compared, and readings that are not near."""

SOLVED, KNOWN, SHARE = 0.99, 0.1, 0.05
"""The weights bear a reading out where it answers 99 % of the rows, or memorised them: at least 5 % of the rows, and
twice chance, have a loss below 0.1 nats, and they are most of the rows that it answers rightly."""

LITTLE = 0.05
"""Weights that answer less than this share of the rows, or than twice chance, answer nothing yet."""

FINEST = 0.05
"""Spreads below so many nats are all alike."""

SUREST, FEWEST = 0.7, 8
"""The spread is that of the surest 70 % of the known rows (others may never have been trained on), eight at least."""


@dataclass(frozen=True)
class Score:
    """How well a reading answers: mean loss, the mean with no row counting more than a guess, and two shares.

    `spread` is the standard deviation, in nats, of how sure it is of the rows that it knows. Training makes the weights
    about as sure of one row as of another; read as another function, they are sure of some by chance.
    """

    loss: float
    capped: float
    accuracy: float
    known: float
    chance: float
    spread: float

    @classmethod
    def of(cls, logits: Float[Tensor, "row *t answer"], task: Task, rows: Int[Tensor, "row"]) -> "Score":
        """That of the logits of some rows of the table."""
        part = losses(logits, task, rows).nan_to_num(nan=math.inf)
        loss = float(part.mean())
        return cls(
            loss=loss,
            capped=float(part.clamp(max=math.log(task.n_answers)).mean()),
            accuracy=float(accuracy(logits, task.labels[rows])) if math.isfinite(loss) else 0.0,
            known=float((part < KNOWN).double().mean()),
            chance=1 / task.n_answers,
            spread=_spread(logits, task, rows, part < KNOWN),
        )

    @property
    def guess(self) -> float:
        """The loss of a guess among all answers."""
        return -math.log(self.chance)

    def in_words(self) -> str:
        """Loss and accuracy; of a part of the table how many rows it knows, whose loss the others' sum drowns."""
        known = "" if self.accuracy >= SOLVED else f" ({self.known:.0%} of the rows below {KNOWN} nats)"
        return f"loss {self.loss:.5g}, accuracy {self.accuracy:.2%}{known}"

    @property
    def is_borne_out(self) -> bool:
        is_memorised = self.known >= max(SHARE, 2 * self.chance) and self.known > 0.5 * self.accuracy
        return self.accuracy >= SOLVED or is_memorised

    @property
    def is_untrained(self) -> bool:
        """Whether it answers nothing, and is sure of nothing: as fresh weights are under any reading."""
        return self.accuracy < max(LITTLE, 2 * self.chance) and self.loss < 1.25 * self.guess


def _spread(
    logits: Float[Tensor, "row *t answer"], task: Task, rows: Int[Tensor, "row"], is_known: Bool[Tensor, "row"]
) -> float:
    """Of the surest of the known rows: the right logit less those of all wrong ones, which no loss is too small for."""
    answers, labels = logits.double().flatten(0, -2), task.labels[rows].flatten()[:, None]
    wrong = answers.scatter(1, labels, -math.inf).logsumexp(1)
    sure = (answers.gather(1, labels)[:, 0] - wrong).reshape(len(rows), -1).amin(1)
    sure = sure[is_known].sort(descending=True).values[: int(SUREST * int(is_known.sum()))]
    return float(sure.std()) if len(sure) >= FEWEST else math.inf


def draw(n: int, count: int) -> Int[Tensor, "row"]:
    """`count` of n rows, spread evenly by the golden ratio: no shuffle of anybody's has them for its first rows."""
    if n <= count:
        return torch.arange(n)
    step = round(n * (math.sqrt(5) - 1) / 2)
    while math.gcd(step, n) != 1:
        step += 1
    return torch.arange(count) * step % n
