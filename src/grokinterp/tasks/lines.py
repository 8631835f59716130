"""Lines: small binary images that hold one line; which gradient it has."""

import math

import torch
from jaxtyping import Float, Int
from torch import Tensor

from grokinterp.tasks._base import Task
from grokinterp.tasks._table import MAX_ROWS, Table, TaskError

MAX_PIXELS = 200_000_000
"""Pixels of all images together: 0.8 GB as float32."""


class Lines(Task, names={"lines": "the gradient of a line in a small binary image, clean or noisy, as a class"}):
    """A row is one image, its inputs size x size pixels, 0 or 1, line by line; the answer is the class of the gradient.

    Operands are the class, the column and the row of the image's corner of the line's bounding box (column and row
    count from the upper left, and so does the gradient dy/dx: positive goes down to the right), and the number of
    the copy. Classes are the reduced gradients with numbers up to `largest`, ascending, vertical last. A line has
    `length` pixels, one in each column (one in each row where it is steep), as near to the exact line as whole
    numbers are, halves away from its start; images of a class are translates of each other, and every place where
    the line fits has a row. All of it is our choice.

    Noise: of each image, `flips` pixels at random are inverted, then `outliers` random dark pixels lit. `copies` of a
    line differ in their noise, and are trained on together or not at all. `task.clean` has the images without noise.

    Raises `TaskError` for a line that does not fit or cannot tell its classes apart, or for more noise than pixels.

    Attributes:
        clean: float32 [ab, pixel], the images before noise.
        gradients: (dx, dy) of each class, reduced, dx >= 0.
    """

    clean: Float[Tensor, "ab pixel"]
    gradients: tuple[tuple[int, int], ...]

    def tabulate(
        self,
        size: int = 16,
        length: int = 8,
        largest: int = 3,
        flips: int = 0,
        outliers: int = 0,
        copies: int = 1,
        noise_seed: int = 0,
    ) -> Table:
        _check(size, length, largest, flips, outliers, copies)
        self.gradients = reduced_gradients(largest)
        operands, images = [], []
        for answer, gradient in enumerate(self.gradients):
            columns, rows = pixels_of_line(gradient, length).T
            if size <= max(int(columns.max()), int(rows.max())):
                raise TaskError(f"a line of length={length} does not fit into size={size}; lower it")
            for x in range(size - int(columns.max())):
                for y in range(size - int(rows.max())):
                    image = torch.zeros(size, size)
                    image[y + rows, x + columns] = 1
                    images += [image.flatten()] * copies
                    operands += [(answer, x, y, copy) for copy in range(copies)]
        if len({tuple(image.tolist()) for image in images[::copies]}) < len(images) // copies:
            raise TaskError(f"length={length} is too short to tell gradients up to largest={largest} apart; raise it")
        self.clean = torch.stack(images)
        labels = torch.tensor(operands)[:, 0]
        return Table(
            operands=torch.tensor(operands),
            sizes=(len(self.gradients), size, size, copies),
            inputs=noisy(self.clean, flips, outliers, noise_seed),
            labels=labels,
            positions=(-1,),
            n_answers=len(self.gradients),
            tokens=[f"{dy}/{dx}" if dx else "vertical" for dx, dy in self.gradients],
            operations=("dy / dx of a line in an image",),
        )

    def _units(self, swap_aware: bool) -> Int[Tensor, "ab"]:
        """[ab]: the copies of a line are one unit, so that the lines of the test rows were never seen."""
        return super()._units(swap_aware) // self.sizes[-1]


def reduced_gradients(largest: int) -> tuple[tuple[int, int], ...]:
    """(dx, dy) of every reduced gradient dy/dx with numbers up to `largest`, ascending, vertical (0, 1) last."""
    pairs = [(dx, dy) for dx in range(1, largest + 1) for dy in range(-largest, largest + 1) if math.gcd(dx, dy) == 1]
    return (*sorted(pairs, key=lambda pair: pair[1] / pair[0]), (0, 1))


def pixels_of_line(gradient: tuple[int, int], length: int) -> Int[Tensor, "pixel xy"]:
    """[length, 2]: column and row of a line's pixels, moved so that both begin at 0."""
    dx, dy = gradient
    along = torch.arange(length)
    # Whole-number arithmetic: (2 t rise + run) // (2 run) is t rise / run rounded, halves up.
    across = (2 * along * min(abs(dx), abs(dy)) + max(abs(dx), abs(dy))) // (2 * max(abs(dx), abs(dy)))
    columns, rows = (along, across) if abs(dx) >= abs(dy) else (across, along)
    return torch.stack([columns, rows if dy >= 0 else rows.max() - rows], 1)


def noisy(clean: Float[Tensor, "n pixel"], flips: int, outliers: int, seed: int) -> Float[Tensor, "n pixel"]:
    """Copies in which `flips` different pixels of each image are inverted, then `outliers` dark ones lit."""
    generator = torch.Generator().manual_seed(seed)
    images = clean.clone()
    if flips:
        chosen = torch.rand(images.shape, generator=generator).argsort(1)[:, :flips]
        images.scatter_(1, chosen, 1 - images.gather(1, chosen))
    if outliers:
        # Lit pixels come last in this order, so that the first are dark.
        order = torch.rand(images.shape, generator=generator) + images
        images.scatter_(1, order.argsort(1)[:, :outliers], 1.0)
    return images


def _check(size: int, length: int, largest: int, flips: int, outliers: int, copies: int) -> None:
    if not 4 <= size <= 64:
        raise TaskError(f"size={size} must be from 4 to 64 pixels, as in size=16")
    if not 2 <= length <= size:
        raise TaskError(f"length={length} must be from 2 to the image's {size} pixels, as in length=8")
    if not 1 <= largest < length:
        raise TaskError(
            f"largest={largest} must be from 1 to {length - 1}, less than the line's length; as in largest=3"
        )
    if copies < 1:
        raise TaskError(f"copies={copies} of each line are no table; give 1 or more")
    if flips < 0 or outliers < 0 or flips + outliers > size**2 - length:
        raise TaskError(
            f"flips={flips} and outliers={outliers} must be 0 or more and together at most {size**2 - length}, "
            f"the pixels beside a line"
        )
    rows = (2 * largest**2 + 2) * size**2 * copies
    if rows > MAX_ROWS or rows * size**2 > MAX_PIXELS:
        raise TaskError(
            f"the table could have {rows:,} images of {size**2} pixels, above the limit; lower size or copies"
        )
