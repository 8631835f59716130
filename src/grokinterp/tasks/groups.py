"""Groups: tasks whose table is the multiplication of a finite group, or an operation made of it."""

import re
from typing import Literal

import torch
from jaxtyping import Int
from torch import Tensor

from grokinterp.errors import listed
from grokinterp.irreps import Alternating, Cyclic, Dihedral, Generated, Group, Product, Symmetric, Tabulated
from grokinterp.irreps.group import check_order
from grokinterp.tasks._base import Task
from grokinterp.tasks._table import Table, TaskError, all_rows
from grokinterp.tasks.layout import find_layout

OPERATIONS = {
    "xy": lambda g, x, y: g.table[x, y],
    "xyx^-1": lambda g, x, y: g.conjugates[x, y],
    "xyx": lambda g, x, y: g.table[g.table[x, y], x],
}
"""Name -> the answer to x and y (Power et al. 2022: products, conjugates and x y x)."""

Operation = Literal["xy", "xyx^-1", "xyx"]

FAMILIES = {"C": Cyclic, "D": Dihedral, "S": Symmetric, "A": Alternating}


class GroupTask(Task):
    """A table of a group. To add a group, write one class with one method:

        class Klein(GroupTask, names={"klein": "the group of four elements that are their own inverses"}):
            def tabulate(self, operation: Operation = "xy", layout: str = "a b =") -> Table:
                return self.of(Product(Cyclic(2), Cyclic(2)), operation, layout)

    Attributes:
        group: what is multiplied; operand and answer number i is its element i.
        operation_name: `xy`, `xyx^-1` or `xyx`.
    """

    group: Group

    def of(self, group: Group, operation: str, layout: str) -> Table:
        """The table of an operation on all pairs of elements."""
        self.group = group
        n = len(group)
        operands = all_rows((n, n))
        return find_layout(layout).table(
            numbers=group.elements,
            sizes=(n, n),
            operands=operands,
            answers=OPERATIONS[operation](group, *operands.T),
            operations={operation: operation},
        )


def why_no_group(task: Task) -> str | None:
    """Why a circuit of groups does not apply to a task; None where its table is a group's."""
    if isinstance(task, GroupTask):
        return None
    return f"{task.expression!r} is no task of a group, such as 's5', 'sym' or 'cyclic'"


class Cycles(GroupTask, names={"cyclic": "the cyclic group C_n: addition mod n (n=113)"}):
    def tabulate(self, n: int = 113, operation: Operation = "xy", layout: str = "a b =") -> Table:
        return self.of(Cyclic(n), operation, layout)


class Polygons(GroupTask, names={"dihedral": "the dihedral group D_n of order 2n (n=59; Chughtai et al. 2023)"}):
    def tabulate(self, n: int = 59, operation: Operation = "xy", layout: str = "a b =") -> Table:
        return self.of(Dihedral(n), operation, layout)


class AllPermutations(GroupTask, names={"sym": "the symmetric group S_n (n=5; Chughtai et al. 2023)"}):
    def tabulate(self, n: int = 5, operation: Operation = "xy", layout: str = "a b =") -> Table:
        return self.of(Symmetric(n), operation, layout)


class EvenPermutations(GroupTask, names={"alt": "the alternating group A_n (n=5; Chughtai et al. 2023)"}):
    def tabulate(self, n: int = 5, operation: Operation = "xy", layout: str = "a b =") -> Table:
        return self.of(Alternating(n), operation, layout)


class PowersPermutations(
    GroupTask,
    names={
        "s5": "x y in S_5, x applied first (Power et al. 2022)",
        "s5conj": "x y x^-1 in S_5 (Power et al. 2022)",
        "s5aba": "x y x in S_5 (Power et al. 2022)",
    },
):
    def tabulate(self, layout: str = "a b =") -> Table:
        return self.of(Symmetric(5), {"s5": "xy", "s5conj": "xyx^-1", "s5aba": "xyx"}[self.expression], layout)


class NamedGroups(GroupTask, pattern=r"[CDSA]_?\d{1,4}"):
    """`s4`, `d7`, `a5`, `c13`, in upper or lower case: a family's letter and its n. `s5` is Power's, the same table."""

    def tabulate(self, operation: Operation = "xy", layout: str = "a b =") -> Table:
        return self.of(FAMILIES[self.expression[0].upper()](int(self.expression[1:])), operation, layout)


class Products(GroupTask, names={"product": "a direct product, factors='S3 x S3' (C_n, D_n, S_n, A_n)"}):
    def tabulate(self, factors: str = "S3 x S3", operation: Operation = "xy", layout: str = "a b =") -> Table:
        names = re.split(r"\s*[x*]\s*", factors.strip())
        matches = [re.fullmatch(r"([CDSA])_?(\d{1,4})", name) for name in names]
        if not all(matches) or len(matches) > 12:
            raise TaskError(f"factors={factors!r} names no groups; write {listed(FAMILIES)} and n, as in 'S3 x C5'")
        groups = [FAMILIES[match[1]](int(match[2])) for match in matches if match]
        group = groups[0]
        for factor in groups[1:]:
            group = Product(group, factor)
        return self.of(group, operation, layout)


class GeneratedByPermutations(
    GroupTask, names={"permutations": "the group that permutations generate, generators='(0 1 2 3 4), (1 2 4 3)'"}
):
    def tabulate(
        self, generators: str = "(0 1 2 3 4), (1 2 4 3)", operation: Operation = "xy", layout: str = "a b ="
    ) -> Table:
        return self.of(Generated(generators), operation, layout)


# The quaternions 1, i, -1, -i, j, ij, -j, -ij.
QUATERNIONS = "01234567 12305674 23016745 30127456 47652103 54763210 65470321 76541032"


class CayleyTable(
    GroupTask, names={"cayley": "any group, table=[[0, 1], [1, 0]] or table='01 10' (the quaternions, of order 8)"}
):
    def tabulate(self, table: list | str = QUATERNIONS, operation: Operation = "xy", layout: str = "a b =") -> Table:
        return self.of(Tabulated(_square(table)), operation, layout)


def _square(table: list | str) -> Int[Tensor, "g g"]:
    """A Cayley table from rows of numbers; as text one digit each, or numbers with commas between."""
    if isinstance(table, str):
        table = [row.split(",") if "," in row else list(row) for row in re.split(r"[\s;]+", table.strip())]
    try:
        rows = [[int(entry) for entry in row] for row in table]
    except (TypeError, ValueError):
        rows = []
    if not rows or any(len(row) != len(rows) for row in rows):
        raise TaskError("a Cayley table is a square of whole numbers, as table=[[0, 1], [1, 0]] or table='01 10'")
    check_order(len(rows), "the group of this table")
    return torch.tensor(rows)
