"""Slope: the gradient of the line through two points of a grid."""

import dataclasses
import math

import torch
from jaxtyping import Float
from torch import Tensor

from grokinterp.tasks._base import Task
from grokinterp.tasks._table import MAX_ROWS, Table, TaskError, all_rows
from grokinterp.tasks.layout import find_layout


class Slope(Task, names={"slope": "the gradient of the line through two points of an n x n grid, as a class"}):
    """A row is two different points P, Q of an n x n grid; the answer the class of the gradient of the line.

    Token t is the point (t // n, t % n). Classes are the reduced gradients dy/dx that occur, in ascending order, and
    vertical last. (Q, P) has the slope of (P, Q): a memory for unordered pairs scores well on the test rows, and only
    `test_accuracy_unswapped` leaves it out. P = Q has no line and no row (our choice).

    There are more classes than tokens, so a model has output="answers". Raises `TaskError` for an n without two
    points or with a table of more than 5 million rows, and for a layout that has answers among its tokens.
    """

    def tabulate(self, n: int = 10, layout: str = "a b =") -> Table:
        largest = math.isqrt(math.isqrt(MAX_ROWS))
        if not 2 <= n <= largest:
            raise TaskError(f"n={n} must be from 2 to {largest}, as in n=10; the table has n^4 - n^2 rows")
        if find_layout(layout).specials:
            raise TaskError(f"layout={layout!r} has answers among its tokens, and slopes are none; use layout='a b ='")
        points = all_rows((n, n))
        pairs = all_rows((n * n, n * n))
        pairs = pairs[pairs[:, 0] != pairs[:, 1]]
        dx, dy = (points[pairs[:, 1]] - points[pairs[:, 0]]).T
        # A quotient is rounded from the exact ratio, so that equal gradients are equal numbers.
        gradient = torch.where(dx == 0, torch.inf, dy.double() / dx)
        classes, answers = gradient.unique(return_inverse=True)
        table = find_layout(layout).table(
            numbers=[f"({x},{y})" for x, y in points.tolist()],
            sizes=(n * n, n * n),
            operands=pairs,
            answers=answers,
            operations={"slope": "/"},
        )
        return dataclasses.replace(table, n_answers=len(classes))

    @property
    def coordinates(self) -> Float[Tensor, "token xy"]:
        """[point, 2]: where each point's token stands on the grid."""
        n = self.parameters["n"]
        return all_rows((n, n)).to(torch.get_default_dtype())
