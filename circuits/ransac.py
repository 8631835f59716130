"""RANSAC, the algorithm that finds lines by design, on the images a model is given."""

import dataclasses
import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np
import torch
import xarray as xr
from jaxtyping import Float, Int
from torch import Tensor

from grokinterp.errors import BadRequest
from grokinterp.evaluation.snapshot import Snapshot
from grokinterp.readout import Circuit, Variable, readout
from grokinterp.tasks.lines import Lines

SOURCE = "Fischler and Bolles 1981; scikit-image's ransac with LineModelND"


def ransac_answers(
    images: Float[Tensor, "n pixel"],
    gradients: tuple[tuple[int, int], ...],
    residual: float = 0.75,
    trials: int = 100,
    seed: int = 0,
) -> Int[Tensor, "n"]:
    """[n]: the class whose gradient (dx, dy) is nearest, in angle, to the line that most lit pixels lie near.

    `residual` is how far from it a pixel may be, in pixels; `trials` lines through two of them are tried. -1 for an
    image with fewer than two lit pixels. Raises `BadRequest` where scikit-image is not installed.
    """
    measure = _scikit_image()
    angles = np.array([math.atan2(dy, dx) for dx, dy in gradients])
    size = math.isqrt(images.shape[1])
    answers = []
    for image in images.reshape(-1, size, size).numpy():
        points = np.argwhere(image > 0.5)[:, ::-1].astype(float)
        if len(points) < 2:
            answers.append(-1)
            continue
        line, _ = measure.ransac(
            points, measure.LineModelND, min_samples=2, residual_threshold=residual, max_trials=trials, rng=seed
        )
        if not line:
            answers.append(-1)
            continue
        # An angle and its opposite are the same line.
        away = (math.atan2(line.direction[1], line.direction[0]) - angles + math.pi / 2) % math.pi - math.pi / 2
        answers.append(int(np.abs(away).argmin()))
    return torch.tensor(answers)


def _scikit_image() -> Any:
    try:
        from skimage import measure
    except ImportError:
        raise BadRequest("RANSAC needs scikit-image; pip install 'grokinterp[systems]'") from None
    return measure


@dataclass(frozen=True)
class Ransac(Circuit):
    """The accuracy of RANSAC on the task's own images, the rows not trained on: what a model's is to be compared with.

    The same at every checkpoint, so it is computed once. On request, since it needs scikit-image.
    """

    name: ClassVar[str] = "ransac"
    descriptions: ClassVar[Mapping[str, str]] = {
        "ransac_accuracy": "accuracy of RANSAC, which fits a line to pixels, on images not trained on",
    }
    only_on_request: ClassVar[bool] = True
    residual: float = 0.75
    trials: int = 100
    seed: int = 0
    accuracy: float | None = None

    def why_not(self, snapshot: Snapshot) -> str | None:
        if not isinstance(snapshot.task, Lines):
            return f"the rows of {snapshot.task.expression!r} are no images of lines; see 'lines'"
        return None

    def fit(self, final: Snapshot) -> "Ransac":
        task = final.task
        assert isinstance(task, Lines)
        rows = task.rows_held_out
        answers = ransac_answers(task.inputs[rows], task.gradients, self.residual, self.trials, self.seed)
        return dataclasses.replace(self, accuracy=(answers == task.labels[rows]).double().mean().item())

    def read(self, snapshot: Snapshot, requested: frozenset[str] = frozenset()) -> xr.Dataset:
        del requested
        fitted = self if self.accuracy is not None else self.fit(snapshot)
        return readout({"ransac_accuracy": Variable((), fitted.accuracy, "share of rows", SOURCE)})
