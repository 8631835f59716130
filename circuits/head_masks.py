"""What a model still does with any set of its attention heads taken out, not only one at a time."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from itertools import product
from typing import ClassVar

import numpy as np
import xarray as xr

from grokinterp.evaluation.losses import accuracy, cross_entropy
from grokinterp.evaluation.snapshot import Snapshot
from grokinterp.interventions import Ablator
from grokinterp.readout import Circuit, Variable, readout

MOST_HEADS = 8
"""Heads of a model up to which all 2^heads sets are tried."""

MEASURES = ("train_loss", "test_loss", "train_accuracy", "test_accuracy")


def masks(heads: int) -> Iterator[list[int]]:
    """Every set of `heads` heads, that of mask m holding the heads whose bit of m is 1: [], [0], [1], [0, 1], ..."""
    return ([i for i, out in enumerate(reversed(bits)) if out] for bits in product((0, 1), repeat=heads))


@dataclass(frozen=True)
class HeadMasks(Circuit):
    """Losses and accuracies with every set of heads taken out (`grokinterp.ablate`), by the number of its mask.

    Bit i of `mask` stands for head i, counted through the layers: 5 takes out heads 0 and 2. Training rows are scored
    by the labels trained on; where the split is not known, all rows count as training rows.
    """

    name: ClassVar[str] = "head_masks"
    descriptions: ClassVar[Mapping[str, str]] = {
        f"{name}_without_heads": f"{name.replace('_', ' ')} with every set of heads at zero, by the number of its mask"
        for name in MEASURES
    }
    only_on_request: ClassVar[bool] = True
    how: str = "zero"
    seed: int = 0

    def why_not(self, snapshot: Snapshot) -> str | None:
        config = snapshot.config
        if not config.has_token_attention:
            return f"this {config.kind} has no attention heads over tokens (blocks.0.attn.hook_z)"
        heads = sum(config.layer_heads)
        return f"{heads} heads have {2**heads:,} sets; up to {MOST_HEADS} are tried" if heads > MOST_HEADS else None

    def read(self, snapshot: Snapshot, requested: frozenset[str] = frozenset()) -> xr.Dataset:
        del requested
        config, ablator = snapshot.config, Ablator(snapshot)
        heads = [(layer, head) for layer, n in enumerate(config.layer_heads) for head in range(n)]
        by_mask = np.array(
            [self._measured(snapshot, ablator, [heads[i] for i in mask] if mask else []) for mask in masks(len(heads))]
        )
        return readout(
            {
                f"{name}_without_heads": Variable(
                    ("mask",), values, "nats" if name.endswith("loss") else "share", f"{name} without a set of heads"
                )
                for name, values in zip(MEASURES, by_mask.T, strict=True)
            }
        )

    def _measured(self, snapshot: Snapshot, ablator: Ablator, heads: list[tuple[int, int]]) -> list[float]:
        task = snapshot.task
        logits = ablator.logits(heads=heads, how=self.how, seed=self.seed) if heads else snapshot.logits
        train = slice(None) if task.is_train is None else task.is_train
        sides = [(train, task.train_answer_labels)]
        if task.is_train is not None and not task.is_train.all():
            sides.append((~task.is_train, snapshot.labels))
        loss, right = ([f(logits[rows], of[rows]).item() for rows, of in sides] for f in (cross_entropy, accuracy))
        return [*loss, *[np.nan] * (2 - len(sides)), *right, *[np.nan] * (2 - len(sides))]
