"""What a tensor on a group holds of each irrep: the Fourier transform on groups, shares and parts."""

from collections.abc import Sequence

import torch
from jaxtyping import Float, Real
from torch import Tensor

from grokinterp.irreps.group import Group
from grokinterp.irreps.representation import Irrep


def transform(f: Real[Tensor, "g"], irrep: Irrep) -> Float[Tensor, "d d"]:
    """sum_g f(g) rho(g), float64 (Stander et al. 2023, section 2.3; Diaconis 1988)."""
    return torch.einsum("g,gij->ij", f.double(), irrep.matrices)


def inverse_transform(transforms: Sequence[Float[Tensor, "_ _"]], group: Group) -> Float[Tensor, "g"]:
    """The function whose `transform` at each of `group.irreps` these are.

    f(g) = 1/|G| sum_rho d_rho / type_rho tr(rho(g)^T f^(rho)); the type is 1 where complex numbers are not needed.
    """
    parts = [
        irrep.dimension / irrep.type * torch.einsum("gij,ij->g", irrep.matrices, hat)
        for irrep, hat in zip(group.irreps, transforms, strict=True)
    ]
    return torch.stack(parts).sum(0) / len(group)


def energies(f: Real[Tensor, "g *rest"], group: Group) -> Float[Tensor, "irrep *rest"]:
    """The squared norm of a function's part in each irrep, float64; their sum is its own (Plancherel)."""
    squares = (group.basis @ f.double().reshape(len(f), -1)).square()
    total = squares.new_zeros(len(group.irreps), squares.shape[1]).index_add(0, group.basis_irrep, squares)
    return total.reshape(-1, *f.shape[1:])


def shares(f: Real[Tensor, "g *rest"], group: Group) -> Float[Tensor, "irrep"]:
    """Each irrep's share of the squared norm of a tensor whose rows are the group's elements; NaN of zeros.

    The fraction of variance explained of Chughtai et al. 2023 for embeddings and unembeddings: |Q^T E|^2 / |E|^2, Q
    orthonormal functions that span the matrix entries. They sum to 1.
    """
    energy = energies(f.reshape(len(f), -1), group).sum(1)
    return energy / energy.sum()


def part(f: Real[Tensor, "g *rest"], group: Group, irreps: Sequence[int]) -> Float[Tensor, "g *rest"]:
    """The part of f in these of `group.irreps`, float64: its projection on the span of their matrix entries."""
    rows = group.basis[torch.isin(group.basis_irrep, torch.tensor([*irreps], dtype=torch.int64))]
    return (rows.T @ (rows @ f.double().reshape(len(f), -1))).reshape(f.shape)


def characters(group: Group) -> Float[Tensor, "irrep g"]:
    """[irrep, g]: the character of each irrep."""
    return torch.stack([irrep.character for irrep in group.irreps])


def trace_similarity(folded: Real[Tensor, "g answer"], norm: float, group: Group) -> Float[Tensor, "irrep"]:
    """The cosine of logits[x, y, z] and the trace cube tr rho(x y z^-1), for each irrep (Chughtai et al. 2023, 5.1).

    `folded` [answer, z] is the SUM of the logits, centred over z, of the rows that have each right answer, and `norm`
    their Frobenius norm over all rows. Every answer is that of |G| rows, so that the cube's norm is sqrt(|G|^3 type).
    """
    cubes = characters(group)[:, group.quotients]
    inner = torch.einsum("xz,rxz->r", folded.double(), cubes)
    types = torch.tensor([irrep.type for irrep in group.irreps], dtype=torch.float64)
    return inner / (norm * (len(group) ** 3 * types).sqrt())
