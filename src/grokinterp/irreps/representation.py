"""Irrep: an irreducible orthogonal representation of a finite group over the real numbers, and how to find all."""

from dataclasses import dataclass
from functools import cached_property

import torch
from jaxtyping import Float, Int
from torch import Tensor

TOLERANCE = 1e-8
"""Of a homomorphism in float64, whose matrices have entries up to 1."""


@dataclass(frozen=True, eq=False)
class Irrep:
    """`matrices[g]` is orthogonal, and `matrices[g h] = matrices[g] matrices[h]`; float64.

    Irreducible over the real numbers: a rotation of the plane is, though complex numbers would split it.
    """

    name: str
    matrices: Float[Tensor, "g d d"]

    @property
    def dimension(self) -> int:
        return self.matrices.shape[1]

    @cached_property
    def character(self) -> Float[Tensor, "g"]:
        """[g]: the trace of every matrix."""
        return traces(self.matrices)

    @cached_property
    def type(self) -> int:
        """1, 2 or 4: the mean of the character squared, for an irrep of real, complex or quaternionic type."""
        return round(self.character.square().mean().item())

    @property
    def span(self) -> int:
        """How many independent functions on the group its matrix entries are: d^2 / type."""
        return self.dimension**2 // self.type

    @cached_property
    def functions(self) -> Float[Tensor, "g span"]:
        """Orthonormal functions on the group with the same span as the matrix entries.

        The entries themselves are orthogonal (Schur), but for types 2 and 4, whose entries repeat each other.
        """
        entries = self.matrices.flatten(1) * (self.dimension / len(self.matrices)) ** 0.5
        return entries if self.type == 1 else torch.linalg.svd(entries, full_matrices=False)[0][:, : self.span]

    def verify(self, table: Int[Tensor, "g g"], generators: list[int]) -> None:
        """Raise `ValueError` unless the matrices are orthogonal, multiply as the table says and are irreducible.

        It is enough that rho(g s) = rho(g) rho(s) for generators s and all g: every element is a product of them.
        """
        M = self.matrices
        error = (M @ M.mT - torch.eye(self.dimension, dtype=M.dtype)).abs().max().item()
        for s in generators:
            error = max(error, (M @ M[s] - M[table[:, s]]).abs().max().item())
        if not error < TOLERANCE:
            raise ValueError(f"{self.name} is no orthogonal representation of this group: it is off by {error:.1e}")
        if not is_irreducible(M):
            raise ValueError(f"the representation {self.name} is reducible")

    def renamed(self, name: str) -> "Irrep":
        return Irrep(name, self.matrices)


def traces(matrices: Float[Tensor, "g d d"]) -> Float[Tensor, "g"]:
    """[g]: the trace of every matrix."""
    return matrices.diagonal(dim1=1, dim2=2).sum(1)


def extended(table: Int[Tensor, "g g"], identity: int, images: dict[int, Tensor]) -> Float[Tensor, "g d d"]:
    """The representation that takes generators to these matrices: by rho(g s) = rho(g) rho(s), layer by layer."""
    d = next(iter(images.values())).shape[0]
    matrices = torch.zeros(len(table), d, d, dtype=torch.float64)
    matrices[identity] = torch.eye(d, dtype=torch.float64)
    reached = torch.zeros(len(table), dtype=torch.bool)
    reached[identity] = True
    layer = torch.tensor([identity])
    while len(layer):
        reached_now = []
        for s, image in images.items():
            products = table[layer, s]
            new = ~reached[products]
            matrices[products[new]] = matrices[layer[new]] @ image
            reached[products[new]] = True
            reached_now.append(products[new])
        layer = torch.cat(reached_now)
    return matrices


def is_irreducible(matrices: Float[Tensor, "g d d"]) -> bool:
    """Whether no subspace but 0 and the whole is kept, over the real numbers."""
    return len(_eigenspaces(_commuting(matrices))) == 1


def split(matrices: Float[Tensor, "g d d"]) -> list[Float[Tensor, "g e e"]]:
    """A representation's irreducible parts over the real numbers, one of each kind.

    A random symmetric matrix that commutes with all of them has, almost surely, irreducible eigenspaces.
    """
    parts = [basis.T @ matrices @ basis for basis in _eigenspaces(_commuting(matrices))]
    return distinct(parts)


def distinct(parts: list[Float[Tensor, "g _ _"]]) -> list[Float[Tensor, "g _ _"]]:
    """One representation of each kind, in order: equivalent ones have the same character."""
    kept: list[Tensor] = []
    characters: list[Tensor] = []
    for part in parts:
        character = traces(part)
        if not any(torch.allclose(character, other, atol=1e-6) for other in characters):
            kept.append(part)
            characters.append(character)
    return kept


def of_regular(
    table: Int[Tensor, "g g"], inverse: Int[Tensor, "g"], identity: int, generators: list[int]
) -> list[Float[Tensor, "g _ _"]]:
    """All irreducible representations of any group over the real numbers, from its action on functions.

    Right convolution with a symmetric function commutes with left translation, and for a random one its eigenspaces
    are irreducible. The seed is fixed: a group always gets the same matrices.
    """
    f = torch.randn(len(table), dtype=torch.float64, generator=torch.Generator().manual_seed(0))
    convolution = (f + f[inverse])[table[inverse]]  # [x, y]: f(x^-1 y)
    translated = {s: table[inverse[s]] for s in generators}  # (s b)(x) = b(s^-1 x)
    spaces = _eigenspaces(convolution)
    return distinct([extended(table, identity, {s: b.T @ b[t] for s, t in translated.items()}) for b in spaces])


def named(parts: list[Float[Tensor, "g _ _"]]) -> list[Irrep]:
    """Irreps called by their dimension, those of the same one `a`, `b`, ... by their characters; and `trivial`."""
    key = lambda part: (part.shape[1], [-round(x, 6) for x in traces(part).tolist()])
    ordered = sorted(parts, key=key)
    sizes = [part.shape[1] for part in ordered]
    irreps = []
    for i, (part, d) in enumerate(zip(ordered, sizes, strict=True)):
        if i == 0:
            irreps.append(Irrep("trivial", torch.ones_like(part)))
            continue
        place = i - sizes.index(d) - (d == 1)
        several = sizes.count(d) - (d == 1) > 1
        irreps.append(Irrep(f"{d}d_{letters(place)}" if several else f"{d}d", part))
    return irreps


def letters(place: int) -> str:
    """a, b, ..., z, aa, ab, ..."""
    return (letters(place // 26 - 1) if place >= 26 else "") + chr(ord("a") + place % 26)


def _commuting(matrices: Float[Tensor, "g d d"]) -> Float[Tensor, "d d"]:
    d = matrices.shape[1]
    X = torch.randn(d, d, dtype=torch.float64, generator=torch.Generator().manual_seed(0))
    return torch.einsum("gij,jk,glk->il", matrices, X + X.T, matrices) / len(matrices)


def _eigenspaces(symmetric: Float[Tensor, "d d"]) -> list[Float[Tensor, "d _"]]:
    values, vectors = torch.linalg.eigh((symmetric + symmetric.T) / 2)
    gaps = values.diff() > 1e-7 * (1 + values.abs().max())
    sizes = torch.cat([torch.tensor([-1]), gaps.nonzero().flatten(), torch.tensor([len(values) - 1])]).diff()
    return list(vectors.split(sizes.tolist(), dim=1))
