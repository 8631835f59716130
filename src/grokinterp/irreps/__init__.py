"""Finite groups: their tables, irreducible representations and cosets. Pure maths."""

from grokinterp.irreps.families import Alternating, Cyclic, Dihedral, Product, Symmetric
from grokinterp.irreps.group import Group, GroupError, Tabulated
from grokinterp.irreps.permutations import Generated
from grokinterp.irreps.representation import Irrep

__all__ = [
    "Alternating",
    "Cyclic",
    "Dihedral",
    "Generated",
    "Group",
    "GroupError",
    "Irrep",
    "Product",
    "Symmetric",
    "Tabulated",
]
