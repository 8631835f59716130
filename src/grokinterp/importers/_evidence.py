"""What a file does not say, found out from what it recorded and from what its weights answer."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
import torch
from jaxtyping import Float, Int
from torch import Tensor
from torch.nn import functional as F

from grokinterp.config import ModelConfig
from grokinterp.evaluation.evaluator import evaluator
from grokinterp.evaluation.losses import accuracy
from grokinterp.tasks import Task
from grokinterp.tasks._splits import draw_order


@torch.no_grad()
def answer_logits(config: ModelConfig, parameters: Mapping[str, Tensor], task: Task) -> Float[Tensor, "ab *t answer"]:
    """Logits of every row of the table at the scored positions, over all output columns."""
    return evaluator(config, task)(parameters, for_gradient=False)


def losses(
    logits: Float[Tensor, "row *t answer"], task: Task, rows: Int[Tensor, "row"] | None = None
) -> Float[Tensor, "row"]:
    """Cross-entropy of every row (or of some) in nats, on float64 logits over all the columns given."""
    labels = task.labels if rows is None else task.labels[rows]
    loss = F.cross_entropy(logits.double().flatten(0, -2), labels.flatten(), reduction="none")
    return loss.reshape(len(logits), -1).mean(1)


def measured(config: ModelConfig, parameters: Mapping[str, Tensor], task: Task) -> dict[str, float]:
    """Loss and accuracy over the answers, on the table and, where the split is known, on train and test."""
    logits = answer_logits(config, parameters, task)[..., : task.n_answers]
    loss = losses(logits, task)
    values = {"loss": float(loss.mean()), "accuracy": float(accuracy(logits, task.labels))}
    if task.is_train is not None:
        for part, rows in (("train", task.is_train), ("test", ~task.is_train)):
            if not rows.any():  # what an endless task is trained on is not in its table
                continue
            values[f"{part}_loss"] = float(loss[rows].mean())
            values[f"{part}_accuracy"] = float(accuracy(logits[rows], task.labels[rows]))
    return values


@dataclass(frozen=True)
class SplitMatch:
    """A split that explains recorded losses: its seed and fraction, and how far off it is in natural logarithms."""

    task: Task
    seed: int
    frac: float
    distance: float


NEAR, APART = 0.25, 4.0
"""A split is found where both its losses are within a factor exp(0.25) of the recorded ones, and the next best is at
least four times as far off (and never within 1 %).

Why so: the recorded losses are of one update before the saved weights, some 1e-3 off as a rule and some tens of percent
on the slope of a slingshot. A wrong seed counts test rows as trained on, so that its train loss is off by about the
ratio of test to train loss, ten and more in every such file."""


def find_split(
    row_losses: Float[Tensor, "ab"],
    task: Task,
    recorded: tuple[float, float],
    seeds: Sequence[int],
    fracs: Sequence[float],
    near: float = NEAR,
) -> SplitMatch | None:
    """The split of Nanda's kind whose mean train and test loss are those recorded; None where none or several match."""
    n, scored = len(row_losses), []
    for seed in seeds:
        shuffled = row_losses[draw_order(n, "nanda", seed, torch.Generator())]
        for frac in fracs:
            means = (shuffled[: int(frac * n)].mean(), shuffled[int(frac * n) :].mean())
            distance = max(log_ratio(float(mean), loss) for mean, loss in zip(means, recorded, strict=True))
            scored.append((distance, seed, frac))
    (distance, seed, frac), (second, _, _) = sorted(scored)[:2]
    if distance > near or second < APART * max(distance, near / 100):
        return None
    return SplitMatch(task.split(frac=frac, seed=seed, split="nanda"), seed, frac, distance)


def log_ratio(a: float, b: float) -> float:
    """How far apart two losses are, in natural logarithms; infinite where one is not positive."""
    return abs(math.log(a / b)) if a > 0 and b > 0 else math.inf


def curve_table(curves: Mapping[str, Any], notes: list[str], recorded: list[int] | None = None) -> pd.DataFrame:
    """Recorded lists as one table by step: value i of a list as long as the longest belongs to step i.

    Where the file lists its steps (`recorded`, ascending), value i of lists of that length belongs to the i-th of them.
    A list n times shorter was recorded every n steps: a power of ten where the lengths leave several n open. One that
    fits no n is left out, which `notes` is told. Values may be numbers or one-element tensors.
    """
    values = {name: np.array([float(value) for value in curve]) for name, curve in curves.items() if len(curve)}
    length = max((len(curve) for curve in values.values()), default=0)
    if recorded is not None and len(recorded) == length and sorted(set(recorded)) == recorded:
        fitting = {name: curve for name, curve in values.items() if len(curve) == length}
        notes += [f"{name} left out: it has not one value for each recorded step" for name in values.keys() - fitting]
        return pd.DataFrame({"step": recorded, **fitting})
    columns = {"step": np.arange(length)}
    for name, curve in values.items():
        # Those n of which `length` steps have as many multiples as the list has values.
        strides = range(
            -(-length // len(curve)), (length - 1) // (len(curve) - 1) + 1 if len(curve) > 1 else length + 1
        )
        if not strides:
            notes.append(f"{name} left out: its {len(curve)} values do not fall on every so many of {length} steps")
            continue
        every = next((n for n in strides if n in (1, 10, 100, 1000)), strides[0])
        columns[name] = np.full(length, np.nan)
        columns[name][::every] = curve
    return pd.DataFrame(columns)
