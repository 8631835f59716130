"""What one flipped pixel does to a model's answers about images."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import ClassVar

import torch
import xarray as xr
from jaxtyping import Bool, Float, Int
from torch import Tensor

from grokinterp.evaluation.evaluator import evaluator
from grokinterp.evaluation.snapshot import Snapshot, rows_at_once
from grokinterp.readout import Circuit, Variable, readout
from grokinterp.tasks.lines import Lines

SOURCE = "our definition; the notes say only that 36 % of the images keep their answer"


def flipped(image: Float[Tensor, "pixel"]) -> Float[Tensor, "flip pixel"]:
    """Every image that differs from a binary one in one pixel, in the order of the pixels."""
    return (image - torch.eye(len(image))).abs()


def kept(snapshot: Snapshot, rows: Int[Tensor, "image"]) -> Bool[Tensor, "image pixel"]:
    """[image, pixel]: whether the answer about the table's row stays, right or wrong, when that pixel is flipped."""
    evaluate, n_answers = evaluator(snapshot.config, snapshot.task), snapshot.task.n_answers

    def answers(images: Float[Tensor, "n pixel"]) -> Int[Tensor, "n"]:
        parts = [evaluate(snapshot.parameters, part, for_gradient=False) for part in images.split(rows_at_once(images))]
        return torch.cat(parts)[:, :n_answers].argmax(1)

    with torch.no_grad():
        images = snapshot.task.inputs[rows]
        return torch.stack([answers(flipped(image)) == own for image, own in zip(images, answers(images), strict=True)])


@dataclass(frozen=True)
class Flips(Circuit):
    """Robustness to one pixel: over `images` rows that were not trained on (drawn with `seed`) and all their pixels.

    An image keeps its answer under every flip, or under most (more than half); `flip_kept` is the share of all flips
    that change nothing, what one pixel at random leaves. An answer need not be right to be kept.
    """

    name: ClassVar[str] = "flips"
    descriptions: ClassVar[Mapping[str, str]] = {
        "flip_kept_every": "the share of images whose answer no flip of one pixel changes",
        "flip_kept_most": "the share of images whose answer most flips of one pixel leave",
        "flip_kept": "the share of flips of one pixel that leave the answer",
        "flip_kept_at": "the share of images whose answer a flip of this pixel leaves",
    }
    only_on_request: ClassVar[bool] = True
    images: int = 100
    seed: int = 0

    def why_not(self, snapshot: Snapshot) -> str | None:
        if not isinstance(snapshot.task, Lines):
            return f"the rows of {snapshot.task.expression!r} are no binary images; see 'lines'"
        return None

    def read(self, snapshot: Snapshot, requested: frozenset[str] = frozenset()) -> xr.Dataset:
        del requested
        is_kept = kept(snapshot, rows_held_out(snapshot, self.images, self.seed)).double()
        share, size = is_kept.mean(1), snapshot.task.sizes[1]
        variables = {
            "flip_kept_every": Variable((), (share == 1).double().mean(), "share of images", SOURCE),
            "flip_kept_most": Variable((), (share > 0.5).double().mean(), "share of images", SOURCE),
            "flip_kept": Variable((), share.mean(), "share of flips", SOURCE),
            "flip_kept_at": Variable(("y", "x"), is_kept.mean(0).reshape(size, size), "share of images", SOURCE),
        }
        return readout(variables)


def rows_held_out(snapshot: Snapshot, most: int, seed: int) -> Int[Tensor, "n"]:
    """At most so many rows that were not trained on (`Task.rows_held_out`), drawn with a seed."""
    rows = snapshot.task.rows_held_out
    return rows[torch.randperm(len(rows), generator=torch.Generator().manual_seed(seed))[:most]]
