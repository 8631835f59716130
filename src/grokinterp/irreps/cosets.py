"""Subgroups, their cosets, and how far a function on a group is constant on them (Stander et al. 2023)."""

from dataclasses import dataclass
from functools import cached_property, lru_cache

import numpy as np
import torch
from jaxtyping import Float, Int
from torch import Tensor

from grokinterp.irreps.group import Group, GroupError
from grokinterp.irreps.representation import letters

MOST_SUBGROUPS = 600
"""A_6 has 501. Each is tried on every neuron of every checkpoint."""


@dataclass(frozen=True, eq=False)
class Subgroup:
    """`members` of a group; `kind` is the same for subgroups that are conjugate, as in `4a`: order 4, first class."""

    kind: str
    members: Int[Tensor, "h"]
    left_cosets: Int[Tensor, "coset h"]
    right_cosets: Int[Tensor, "coset h"]

    def __len__(self) -> int:
        return len(self.members)

    def cosets(self, side: str) -> Int[Tensor, "coset h"]:
        """The sets g H (`left`) or H g (`right`), one a row."""
        return self.left_cosets if side == "left" else self.right_cosets

    def labels(self, side: str) -> Int[Tensor, "g"]:
        """[g]: the number of the coset that each element is in."""
        cosets = self.cosets(side)
        labels = torch.empty(cosets.numel(), dtype=torch.int64)
        labels[cosets] = torch.arange(len(cosets))[:, None]
        return labels


class Subgroups:
    """All subgroups of a group but itself and the trivial one, the largest first, those that are conjugate together.

    Raises `GroupError` where there are more than `most`.
    """

    def __init__(self, group: Group, most: int = MOST_SUBGROUPS):
        self.group = group
        classes = sorted(_classes(group, most), key=lambda members: -members.shape[1])
        orders = [members.shape[1] for members in classes]
        self.kinds: list[str] = []
        self.all: list[Subgroup] = []
        for i, (order, members) in enumerate(zip(orders, classes, strict=True)):
            if not 1 < order < len(group):
                continue
            several = orders.count(order) > 1
            kind = f"{order}{letters(i - orders.index(order))}" if several else str(order)
            self.kinds.append(kind)
            self.all += [self._of(kind, row) for row in members]

    def _of(self, kind: str, members: Int[Tensor, "h"]) -> Subgroup:
        table = self.group.table
        cosets = [products.sort(1).values.unique(dim=0) for products in (table[:, members], table[members].T)]
        return Subgroup(kind, members, *cosets)

    @cached_property
    def orders(self) -> Int[Tensor, "subgroup"]:
        return torch.tensor([len(subgroup) for subgroup in self.all])


@lru_cache(maxsize=8)
def subgroups(group: Group, most: int = MOST_SUBGROUPS) -> Subgroups:
    """`Subgroups(group, most)`, kept: a run's checkpoints ask for the same ones."""
    return Subgroups(group, most)


def concentrations(f: Float[Tensor, "g m"], subgroups: Subgroups, side: str) -> Float[Tensor, "subgroup m"]:
    """Coset concentration C_H = sum over cosets of var(f on the coset) / var(f), for every subgroup; float64.

    Variances divide by one less than the number of values, and the cosets' are summed, not averaged: a random function
    has about as much as there are cosets, one that is constant on them has 0 (Stander et al. 2023). NaN of a constant.
    """
    f = f.double()
    variance = f.var(0)
    # Rounding, not a function: what a constant leaves in float32.
    variance = torch.where(variance > 1e-12 * f.square().mean(0), variance, torch.nan)
    concentration = [f[subgroup.cosets(side)].var(1).sum(0) / variance for subgroup in subgroups.all]
    return torch.stack(concentration) if concentration else f.new_zeros(0, f.shape[1])


def within_shares(
    concentration: Float[Tensor, "*neuron"], order: Int[Tensor, "*#neuron"], group: Group
) -> Float[Tensor, "*neuron"]:
    """The share of f's variance inside the cosets of a subgroup of this order, between 0 and 1: C_H (h - 1) / (g - 1).

    Of a random function it is about (g - g / h) / (g - 1).
    """
    return concentration * (order - 1) / (len(group) - 1)


def _classes(group: Group, most: int) -> list[Int[Tensor, "conjugate h"]]:
    """The classes of conjugate subgroups, each as the sorted members of all its subgroups.

    By cyclic extension: from one subgroup H of each class, those that it generates with one more cyclic group of prime
    power order (Neubueser 1960). Of the cyclic groups that H's normaliser exchanges one is enough.
    """
    table, conjugates = group.table.numpy(), group.conjugates.numpy()
    cyclic, representatives = _cyclic_groups(table, group.identity)
    known: set[bytes] = set()
    classes: list[Tensor] = []
    start: list[int] = []
    queue = [(start, np.array([group.identity]))]
    for generators, members in queue:
        if members.tobytes() in known:
            continue
        rows = np.sort(conjugates[:, members], axis=1)
        normaliser = (rows == members).all(1)
        rows = np.unique(rows, axis=0)
        known.update(row.tobytes() for row in rows)
        if len(known) > most:
            raise GroupError(
                f"{group.name} has more than {most:,} subgroups; raise most_subgroups, or take a smaller one"
            )
        classes.append(torch.from_numpy(rows))
        todo = np.ones(len(representatives), dtype=bool)
        todo[cyclic[members][cyclic[members] >= 0]] = False
        for i, element in enumerate(representatives):
            if todo[i]:
                todo[cyclic[conjugates[normaliser, element]]] = False
                more = [*generators, element]
                queue.append((more, _extended(table, members, more)))
    return classes


def _extended(
    table: Int[np.ndarray, "g g"], members: Int[np.ndarray, "h"], generators: list[int]
) -> Int[np.ndarray, "k"]:
    """The sorted members of the subgroup that these generate, given those of one within it: coset by coset."""
    inside = np.zeros(len(table), dtype=bool)
    inside[members] = True
    queue = [int(members[0])]
    for representative in queue:
        for product in table[representative, generators].tolist():
            if not inside[product]:
                inside[table[members, product]] = True
                queue.append(product)
    return np.flatnonzero(inside)


def _cyclic_groups(table: Int[np.ndarray, "g g"], identity: int) -> tuple[Int[np.ndarray, "g"], list[int]]:
    """Which cyclic group of prime power order each element generates (-1: none), and a generator of each."""
    numbers: dict[bytes, int] = {}
    generators: list[int] = []
    of = np.full(len(table), -1)
    for element in range(len(table)):
        powers = [element]
        while powers[-1] != identity:
            powers.append(int(table[powers[-1], element]))
        if _is_prime_power(len(powers)):
            key = np.sort(powers).tobytes()
            if key not in numbers:
                numbers[key] = len(generators)
                generators.append(element)
            of[element] = numbers[key]
    return of, generators


def _is_prime_power(n: int) -> bool:
    divisor = next((d for d in range(2, n + 1) if n % d == 0), None)
    while divisor and n % divisor == 0:
        n //= divisor
    return divisor is not None and n == 1
