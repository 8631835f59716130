"""Readings: what a report draws, read off a run once, by `fourier` and `circuits`."""

from dataclasses import dataclass

import numpy as np
import pandas as pd
import torch
from jaxtyping import Float

from grokinterp import circuits, fourier
from grokinterp.runs import Run
from grokinterp.tasks import Task

MEMORISED_ACCURACY = 0.9999
GROKKED_ACCURACY = 0.99
FRAMES = 60
"""How many checkpoints a slider moves through at most; the file grows with it."""

PAIRS = 6


@dataclass(frozen=True)
class Absent:
    """What a report cannot show, and why, as one sentence for its reader."""

    reason: str


@dataclass(frozen=True)
class Curve:
    """What was recorded of one quantity: `steps` and `values`, both [step], without the rows that lack it."""

    steps: Float[np.ndarray, "step"]
    values: Float[np.ndarray, "step"]

    @classmethod
    def of(cls, metrics: pd.DataFrame, column: str) -> "Curve":
        """Empty where the table has no such column."""
        if column not in metrics:
            return cls(np.empty(0), np.empty(0))
        table = metrics[["step", column]].to_numpy(dtype=np.float64)
        table = table[~np.isnan(table[:, 1])]
        return cls(table[:, 0], table[:, 1])

    def __len__(self) -> int:
        return len(self.steps)

    def first_step(self, threshold: float) -> int | None:
        """The first recorded step with a value at or above `threshold`; None where there is none."""
        reached = self.steps[self.values >= threshold]
        return int(reached.min()) if len(reached) else None


@dataclass(frozen=True)
class Landmarks:
    """The first recorded steps at which all training rows, and 99 % of the test rows, were answered."""

    memorised_step: int | None
    grokked_step: int | None

    @classmethod
    def of(cls, metrics: pd.DataFrame) -> "Landmarks":
        return cls(
            Curve.of(metrics, "train_accuracy").first_step(MEMORISED_ACCURACY),
            Curve.of(metrics, "test_accuracy").first_step(GROKKED_ACCURACY),
        )


@dataclass(frozen=True)
class Table:
    """The task's answers on the grid of its first two operands, and which of them were trained on.

    Attributes:
        answers: [a, b], NaN where the table has no row.
        trained: [a, b], 1 for training rows, 0 for test rows, NaN for none; None without a split.
        shown: what was fixed to get two axes, as ` at c = 0`; empty for two operands.
    """

    answers: Float[np.ndarray, "a b"]
    trained: Float[np.ndarray, "a b"] | None
    shown: str

    @classmethod
    def of(cls, task: Task) -> "Table | Absent":
        if len(task.sizes) < 2:
            return Absent("The task has fewer than two operands, so its table is no picture.")
        mixed = len(task.operations) > 1
        index = (0,) * mixed + (slice(None), slice(None)) + (0,) * (len(task.sizes) - 2)
        fixed = [f"for {task.operations[0]}"] * mixed + [f"{name} = 0" for name in "cdefgh"[: len(task.sizes) - 2]]
        trained = None if task.is_train is None else _grid(task, task.is_train, index)
        return cls(_grid(task, task.answer_labels, index), trained, ", ".join(fixed))


def _grid(task: Task, rows: torch.Tensor, index: tuple[int | slice, ...]) -> Float[np.ndarray, "a b"]:
    return task.to_grid(rows)[index].to(torch.float32).numpy()


@dataclass(frozen=True)
class Embedding:
    """The embedding's spectrum at every checkpoint and its principal components at some of them.

    Attributes:
        p: the modulus. order: additive or multiplicative, whichever is sparser at the end, and its tokens.
        steps: of all checkpoints. norms: [step, basis], the norm of every Fourier row (units of the weights).
        frame_steps: of the checkpoints that sliders show, the final one last.
        frame_norms, scores: [frame, basis], [frame, token, component]; components are of the final embedding.
        circles: what pairs of components hold at the end. variance_share: [pair].
    """

    p: int
    order: "circuits.embedding.TokenOrder"
    steps: list[int]
    norms: Float[np.ndarray, "step basis"]
    frame_steps: list[int]
    scores: Float[np.ndarray, "frame token component"]
    circles: list["circuits.embedding.Circle"]
    variance_share: list[float]

    @property
    def n(self) -> int:
        """The size of the cyclic group: p, or p - 1 for the multiplicative one."""
        return len(self.order.tokens)

    @property
    def frame_norms(self) -> Float[np.ndarray, "frame basis"]:
        return self.norms[[self.steps.index(step) for step in self.frame_steps]]

    @property
    def frequency_norms(self) -> Float[np.ndarray, "step k"]:
        """[step, k]: the norm of the cosine and sine rows together."""
        return fourier.fold(torch.from_numpy(self.norms).square()).sqrt()[:, 1:].numpy()

    @classmethod
    def of(cls, run: Run) -> "Embedding | Absent":
        if not run.steps:
            return Absent("The file holds curves but no weights, so there is no embedding to read.")
        if not (run.has_task and run.has_config):
            return Absent("The task or the model is not known, so its embedding cannot be told from other weights.")
        p = run.task.parameters.get("p")
        if p is None:
            return Absent("The task has no modulus p, so its embedding is not a function on Z/p.")
        if "embed.W_E" not in run.final.parameters:
            return Absent("The model has no embedding named embed.W_E.")
        rows = [run.task.tokens.index(str(number)) for number in range(p)]
        final = run.final.parameters["embed.W_E"].double()[rows]
        if not final.isfinite().all():
            return Absent("The final embedding has entries that are not finite numbers.")
        order = circuits.embedding.sparser_order(final)
        tokens = torch.tensor(rows)[order.tokens]
        components = circuits.embedding.pca(final[order.tokens], 20)
        pairs = circuits.embedding.pair_by_frequency(components.scores)[:PAIRS]
        shown = [component for pair in pairs for component in pair]
        frames = _thinned(run.steps, FRAMES)
        norms, scores = [], []
        for checkpoint in run:
            W_E = checkpoint.parameters["embed.W_E"][tokens]
            norms.append(fourier.norms(W_E).numpy())
            if checkpoint.step in frames:
                scores.append(components.project(W_E)[:, shown].numpy())
        share = components.variance_share[shown].reshape(-1, 2).sum(dim=1)
        return cls(
            p=p,
            order=order,
            steps=list(run.steps),
            norms=np.stack(norms),
            frame_steps=frames,
            scores=np.stack(scores),
            circles=circuits.embedding.circles(components.scores, pairs),
            variance_share=share.tolist(),
        )


def _thinned(steps: list[int], at_most: int) -> list[int]:
    """Evenly chosen steps, the first and the last among them."""
    if len(steps) <= at_most:
        return list(steps)
    return [steps[round(i)] for i in np.linspace(0, len(steps) - 1, at_most)]


def weight_norms(run: Run) -> Curve:
    """Sum of squared weights over steps, from the metrics or else the checkpoints; empty where neither tells."""
    recorded = Curve.of(run.metrics, "weight_norm_squared")
    if len(recorded) or not (run.steps and run.has_config):
        return recorded
    squares = [sum(float(w.double().square().sum()) for w in checkpoint.parameters.values()) for checkpoint in run]
    return Curve(np.array(run.steps, dtype=np.float64), np.array(squares))
