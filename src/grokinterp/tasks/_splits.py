"""Splits: which rows of a table are trained on, drawn so that the rows keep their order."""

import random
from typing import Any

import numpy as np
import torch
from jaxtyping import Bool, Int, Shaped
from torch import Generator, Tensor

from grokinterp.tasks._table import TaskError


def draw_order(n: int, method: str, seed: int, generator: Generator) -> Int[Tensor, "n"]:
    """0 .. n - 1 in random order: `nanda` is Python's `random.shuffle` seeded with `seed`, else `torch.randperm`."""
    if method == "nanda":
        order = list(range(n))
        random.Random(seed).shuffle(order)
        return torch.tensor(order)
    return torch.randperm(n, generator=generator)


def take_units(units: Int[Tensor, "ab"], order: Int[Tensor, "unit"], count: int) -> Bool[Tensor, "ab"]:
    """The mask of whole units, taken in `order` while they fit into `count` rows.

    `units` says which unit each row belongs to. Where the next unit is too large for the rows that
    are left, a later one that fits is taken: the total falls short of `count` by less than one unit.
    """
    size = torch.bincount(units, minlength=len(order))[order]
    taken = size.cumsum(0) <= count
    room = count - int(size[taken].sum())
    for place in range(int(taken.sum()), len(order)):
        if room == 0:
            break
        if size[place] <= room:
            taken[place] = True
            room -= int(size[place])
    chosen = torch.zeros(len(order), dtype=torch.bool)
    chosen[order[taken]] = True
    return chosen[units]


def smallest(operands: Int[Tensor, "ab operand"], count: int) -> Bool[Tensor, "ab"]:
    """The rows whose operands are all below a bound: the largest bound with no more than `count` rows."""
    largest = operands.amax(1)
    below = torch.bincount(largest).cumsum(0)
    return largest < int((below <= count).sum())


def checked_rows(train_indices: Any, n: int) -> Int[Tensor, "train"]:
    """Row numbers given by hand. Raises `TaskError` unless they are distinct and between 0 and n - 1."""
    if train_indices is None:
        raise TaskError("split='indices' needs train_indices, the numbers of the rows to train on")
    rows = np.asarray(train_indices).flatten()
    whole = len(rows) > 0 and rows.dtype.kind in "iu"
    if not whole or rows.min() < 0 or rows.max() >= n or len(np.unique(rows)) != len(rows):
        raise TaskError(f"train_indices must be distinct row numbers from 0 to {n - 1}; a mask goes to with_split")
    return torch.as_tensor(rows.astype(np.int64))


def mislabel(
    labels: Shaped[Tensor, "ab *t"], train: Int[Tensor, "train"], count: int, generator: Generator
) -> Shaped[Tensor, "ab *t"]:
    """A copy of `labels` where `count` of the `train` rows have another of the answers that occur, drawn uniformly.

    Of labels [ab, t] only the answer itself, the first, is changed. Raises `TaskError` where there are
    not enough training rows, or is no other answer.
    """
    labels = labels.clone()
    if not count:
        return labels
    answers = labels if labels.ndim == 1 else labels[:, 0]
    occurring = answers.unique()
    if count > len(train):
        raise TaskError(f"mislabelled={count} is more than the {len(train)} training rows; lower it or raise frac")
    if len(occurring) < 2:
        raise TaskError("mislabelled rows need a task with at least two different answers; leave mislabelled at 0")
    rows = train[torch.randperm(len(train), generator=generator)[:count]]
    rank = torch.searchsorted(occurring, answers[rows])
    shift = torch.randint(1, len(occurring), (count,), generator=generator)
    answers[rows] = occurring[(rank + shift) % len(occurring)]  # a view: this writes into the copy
    return labels
