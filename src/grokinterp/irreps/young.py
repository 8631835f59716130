"""Young's orthogonal form: the irreducible representations of the symmetric groups, from standard tableaux."""

import math
from collections.abc import Iterator
from functools import cache

import torch
from jaxtyping import Float
from torch import Tensor

Partition = tuple[int, ...]
Tableau = tuple[int, ...]
"""The row of each number 0 .. n - 1, which determines a standard tableau."""


def partitions(n: int, largest: int | None = None) -> Iterator[Partition]:
    """The partitions of n in falling lexicographic order: (3), (2, 1), (1, 1, 1)."""
    if n == 0:
        yield ()
    for first in range(min(n, largest or n), 0, -1):
        for rest in partitions(n - first, first):
            yield (first, *rest)


def conjugate(partition: Partition) -> Partition:
    """The lengths of the columns."""
    return tuple(sum(row > i for row in partition) for i in range(partition[0]))


@cache
def standard_tableaux(shape: Partition) -> tuple[Tableau, ...]:
    """Every way to write 0 .. n - 1 into the rows so that rows and columns rise."""
    if sum(shape) == 0:
        return ((),)
    tableaux = []
    for row, length in enumerate(shape):
        below = shape[row + 1] if row + 1 < len(shape) else 0
        if length > below:  # the largest number stands in a corner
            rest = (*shape[:row], length - 1, *shape[row + 1 :])
            tableaux += [(*tableau, row) for tableau in standard_tableaux(rest)]
    return tuple(tableaux)


def orthogonal_form(shape: Partition) -> list[Float[Tensor, "d d"]]:
    """The matrices of the transpositions (i i+1), i = 0 .. n - 2: symmetric and orthogonal, float64.

    On tableau T, (i i+1) is 1 / r, r being the content (column less row) of i + 1 less that of i, and sqrt(1 - 1 / r^2)
    between T and T with the two exchanged (Young's orthogonal form; Sagan 2001; the form of Stander et al. 2023).
    """
    tableaux = standard_tableaux(shape)
    place = {tableau: i for i, tableau in enumerate(tableaux)}
    matrices = []
    for i in range(sum(shape) - 1):
        matrix = torch.zeros(len(tableaux), len(tableaux), dtype=torch.float64)
        for index, tableau in enumerate(tableaux):
            distance = _content(tableau, i + 1) - _content(tableau, i)
            matrix[index, index] = 1 / distance
            if abs(distance) > 1:
                matrix[index, place[exchanged(tableau, i)]] = math.sqrt(1 - 1 / distance**2)
        matrices.append(matrix)
    return matrices


def exchanged(entries: tuple[int, ...], i: int) -> tuple[int, ...]:
    """A permutation or tableau with its entries at i and i + 1 exchanged."""
    return (*entries[:i], entries[i + 1], entries[i], *entries[i + 2 :])


def _content(tableau: Tableau, number: int) -> int:
    row = tableau[number]
    return tableau[:number].count(row) - row
