"""Group: a finite group as its multiplication table."""

from functools import cached_property

import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor

from grokinterp.errors import BadRequest
from grokinterp.irreps.representation import Irrep, named, of_regular

MAX_ORDER = 2_236
"""Elements, so that the table of all products stays below five million rows."""


class GroupError(BadRequest):
    """A group that cannot be built; its one line names the remedy."""


class Group:
    """A finite group: element i times element j is element `table[i, j]`.

    A family of groups is a subclass that builds the table and, where it knows better than the numerical default, says
    `representations`.

    Attributes:
        name: as in `S5`.
        elements: one name an element, without spaces.
        table: int64 [g, g], the products.
    """

    def __init__(self, name: str, elements: list[str], table: Int[Tensor, "g g"]):
        self.name = name
        self.elements = elements
        self.table = table

    def __len__(self) -> int:
        return len(self.table)

    def __repr__(self) -> str:
        return f"<Group {self.name}: {len(self)} elements>"

    def representations(self) -> list[Irrep]:
        """The irreducible representations over the real numbers, up to equivalence; by default found numerically."""
        return named(of_regular(self.table, self.inverse, self.identity, self.generators))

    @cached_property
    def irreps(self) -> list[Irrep]:
        """All irreducible real representations, the trivial one first, verified.

        Raises `ValueError` where one is not an orthogonal homomorphism, or they are not all.
        """
        irreps = self.representations()
        for irrep in irreps:
            irrep.verify(self.table, self.generators)
        size = sum(irrep.span for irrep in irreps)
        if size != len(self):
            raise ValueError(f"the irreps of {self.name} span {size} functions, not all {len(self)}")
        return sorted(irreps, key=lambda irrep: irrep.name != "trivial")

    @cached_property
    def identity(self) -> int:
        return int((self.table == torch.arange(len(self))).all(1).nonzero()[0])

    @cached_property
    def inverse(self) -> Int[Tensor, "g"]:
        """[g]: the inverse of every element."""
        return (self.table == self.identity).long().argmax(1)

    @cached_property
    def quotients(self) -> Int[Tensor, "g g"]:
        """[x, z]: x z^-1."""
        return self.table[:, self.inverse]

    @cached_property
    def generators(self) -> list[int]:
        """Few elements that generate the group: each is the first that those before it do not reach."""
        chosen: list[int] = []
        reached = self.generated(chosen)
        while not reached.all():
            chosen.append(int((~reached).nonzero()[0]))
            reached = self.generated(chosen)
        return chosen

    def generated(self, generators: list[int]) -> Bool[Tensor, "g"]:
        """[g]: the elements of the subgroup that these generate."""
        reached = torch.zeros(len(self), dtype=torch.bool)
        reached[self.identity] = True
        new = torch.tensor([self.identity])
        while len(new) and generators:
            products = self.table[new][:, generators].flatten().unique()
            new = products[~reached[products]]
            reached[new] = True
        return reached

    @cached_property
    def basis(self) -> Float[Tensor, "basis g"]:
        """[g, g], float64: an orthonormal basis of the functions on the group, irrep after irrep."""
        return torch.cat([irrep.functions for irrep in self.irreps], 1).T.contiguous()

    @cached_property
    def basis_irrep(self) -> Int[Tensor, "basis"]:
        """[g]: which of `irreps` each row of `basis` belongs to."""
        spans = torch.tensor([irrep.span for irrep in self.irreps])
        return torch.arange(len(spans)).repeat_interleave(spans)

    @cached_property
    def conjugates(self) -> Int[Tensor, "x y"]:
        """[x, y]: x y x^-1."""
        return self.table[self.table, self.inverse[:, None]]


def check_order(order: int, name: str) -> None:
    """Refuse a group with nothing to learn, or whose table of products nothing holds."""
    if not 2 <= order <= MAX_ORDER:
        size = f"{order:,}" if order < 10**18 else "very many"
        raise GroupError(f"{name} has {size} elements; the table of a group can have 2 to {MAX_ORDER:,}")


def product_table(right: list[Int[Tensor, "g"]], identity: int) -> Int[Tensor, "g g"]:
    """The table of a group from what right multiplication by each of its generators does to every element.

    x (h s) = (x h) s, so that each column follows from one found before: no product is computed twice.
    """
    n = len(right[0]) if right else 1
    table = torch.full((n, n), -1)
    table[:, identity] = torch.arange(n)
    queue = [identity]
    for h in queue:
        for step in right:
            product = int(step[h])
            if table[0, product] < 0:
                table[:, product] = step[table[:, h]]
                queue.append(product)
    return table


class Tabulated(Group):
    """A group given by its Cayley table, entry [i][j] being the number of i times j.

    Raises `GroupError` for a table that is not that of a group.
    """

    def __init__(self, table: Int[Tensor, "g g"], name: str = "G"):
        super().__init__(name, [str(i) for i in range(len(table))], table)
        n = len(table)
        every = torch.arange(n)
        if n < 2 or table.min() < 0 or table.max() >= n:
            raise GroupError(f"a Cayley table of {n} elements has the numbers 0 to {n - 1}, and at least two of them")
        if not ((table.sort(0).values == every[:, None]).all() and (table.sort(1).values == every).all()):
            raise GroupError("in a group's table every row and column has each element once; this one has not")
        left, right = (table == every).all(1), (table.T == every).all(1)
        if not (left & right).any():
            raise GroupError("the table has no identity: a row and a column that read 0, 1, 2, ... in order")
        for s in self.generators:  # Light's test: associative for generators is associative
            if not torch.equal(table[table[:, s]], table[every[:, None], table[s]]):
                raise GroupError(f"the table is not associative: (x {s}) y is not x ({s} y) for all x and y")
