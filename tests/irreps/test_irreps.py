"""Groups and their irreducible representations against character tables, Schur's relations and Plancherel."""

import math

import pytest
import torch

from grokinterp.irreps import (
    Alternating,
    Cyclic,
    Dihedral,
    Generated,
    Group,
    GroupError,
    Irrep,
    Product,
    Symmetric,
    Tabulated,
    spectrum,
)
from grokinterp.irreps.group import MAX_ORDER
from grokinterp.irreps.representation import letters, named

QUATERNIONS = Generated("(0 1 2 3)(4 5 6 7), (0 4 2 6)(1 7 3 5)")
GROUPS = [
    *(Cyclic(7), Cyclic(12), Dihedral(5), Dihedral(6), Symmetric(2), Symmetric(4), Symmetric(5)),
    *(Alternating(3), Alternating(4), Alternating(5), Product(Symmetric(3), Cyclic(3)), Product(Cyclic(3), Cyclic(3))),
    *(QUATERNIONS, Product(QUATERNIONS, Cyclic(3)), Generated("(0 1 2 3 4), (1 2 4 3)")),
]


@pytest.mark.parametrize("group", GROUPS, ids=lambda group: group.name)
def test_irreps_are_orthogonal_homomorphisms_and_all(group):
    """rho(x y) = rho(x) rho(y) for all pairs, Schur's orthogonality, and as many functions as elements."""
    for rho in group.irreps:
        products = torch.einsum("xij,yjk->xyik", rho.matrices, rho.matrices)
        torch.testing.assert_close(products, rho.matrices[group.table], atol=1e-9, rtol=0)
    characters = spectrum.characters(group)
    types = torch.tensor([float(rho.type) for rho in group.irreps], dtype=torch.float64)
    torch.testing.assert_close(characters @ characters.T / len(group), types.diag(), atol=1e-9, rtol=0)
    assert sum(rho.dimension**2 / rho.type for rho in group.irreps) == len(group)
    torch.testing.assert_close(group.basis @ group.basis.T, torch.eye(len(group)).double(), atol=1e-9, rtol=0)
    assert group.irreps[0].name == "trivial" and (group.irreps[0].matrices == 1).all()
    assert len({rho.name for rho in group.irreps}) == len(group.irreps)


@pytest.mark.parametrize("group", GROUPS[:-4], ids=lambda group: group.name)
def test_the_numerical_way_finds_the_same_characters(group):
    """From the bare table, eigenspaces of a convolution give the irreps that the books' formulas give."""
    rounded = lambda found: sorted(tuple((rho.character + 0.0).round(decimals=6).tolist()) for rho in found)
    assert rounded(Tabulated(group.table).irreps) == [pytest.approx(row, abs=1e-5) for row in rounded(group.irreps)]


def test_characters_of_s5():
    """Its character table (James and Liebeck 2001, chapter 19), at one permutation of every cycle type."""
    group = Symmetric(5)
    at = [group.elements.index(p) for p in ("01234", "10234", "12034", "12304", "12340", "10324", "12043")]
    table = {rho.name: [round(x, 9) for x in rho.character[at].tolist()] for rho in group.irreps}
    assert table == {
        "trivial": [1, 1, 1, 1, 1, 1, 1],
        "sign": [1, -1, 1, -1, 1, 1, -1],
        "standard": [4, 2, 1, 0, -1, 0, -1],
        "standard*sign": [4, -2, 1, 0, -1, 0, 1],
        "(3,2)": [5, 1, -1, -1, 0, 1, 1],
        "(2,2,1)": [5, -1, -1, 1, 0, 1, -1],
        "(3,1,1)": [6, 0, 0, 0, 1, -2, 0],
    }


def test_characters_of_a5_have_the_golden_ratio():
    """The two of dimension 3 are (1 +- sqrt 5) / 2 on five-cycles, and what S_5 has there splits in two."""
    group = Alternating(5)
    fives = [i for i in range(60) if len({group.generated([i]).sum().item()} & {5})]
    threes = [rho for rho in group.irreps if rho.dimension == 3]
    golden = (1 + math.sqrt(5)) / 2
    assert [rho.dimension for rho in group.irreps] == [1, 4, 5, 3, 3]
    for rho in threes:
        assert sorted({round(x, 6) for x in rho.character[fives].tolist()}) == [round(1 - golden, 6), round(golden, 6)]


@pytest.mark.parametrize(("n", "names"), [(5, {"trivial", "sign"}), (6, {"trivial", "sign", "sign_r", "sign_rs"})])
def test_dihedral_groups_have_one_dimensional_irreps_by_parity(n, names):
    """Two for odd n, four for even n, and (n - 1) / 2 or n / 2 - 1 planes."""
    found = Dihedral(n).irreps
    assert {rho.name for rho in found if rho.dimension == 1} == names
    assert sum(rho.dimension == 2 for rho in found) == (n - 1) // 2


def test_types_of_irreps():
    """Quaternions have one of dimension 4 that H acts on; a rotation of C_n is of complex type; S_n's are all real."""
    assert sorted((rho.dimension, rho.type) for rho in QUATERNIONS.irreps) == [(1, 1)] * 4 + [(4, 4)]
    assert {rho.type for rho in Cyclic(7).irreps[1:]} == {2}
    assert {rho.type for rho in Symmetric(5).irreps} == {1}


def test_the_functions_of_a_real_irrep_are_its_matrix_entries():
    """Scaled to norm 1, entry by entry (Schur); of a rotation of complex type half as many functions."""
    standard = Symmetric(4).irreps[1]
    assert standard.functions.equal(standard.matrices.flatten(1) * (3 / 24) ** 0.5)
    rotation = Cyclic(7).irreps[1]
    assert rotation.functions.shape == (7, 2) == (7, rotation.span)


def test_isomorphic_constructions_agree():
    """All permutations of five points, generated; C_2 x C_3 has the characters' number and types of C_6."""
    torch.testing.assert_close(Generated("(0 1 2 3 4), (0 1)").table, Symmetric(5).table)
    assert Generated("(0 1 2 3 4), (0 1)").elements == Symmetric(5).elements
    kinds = lambda group: sorted((rho.dimension, rho.type) for rho in group.irreps)
    assert kinds(Product(Cyclic(2), Cyclic(3))) == kinds(Cyclic(6))
    assert kinds(Dihedral(3)) == kinds(Symmetric(3))


def test_permutations_multiply_from_the_left():
    """x y is x first, then y: (x y)[i] = y[x[i]] (Power et al. 2022, sympy)."""
    group = Symmetric(4)
    x, y = group.permutations[5], group.permutations[14]
    assert group.permutations[group.table[5, 14]] == tuple(y[x[i]] for i in range(4))
    assert (group.table[torch.arange(24), group.inverse] == group.identity).all()
    assert group.conjugates[3, 9] == group.table[group.table[3, 9], group.inverse[3]]


def test_verification_rejects_what_is_no_representation():
    """A matrix off by little, one that is not orthogonal, and a sum of two."""
    group = Symmetric(4)
    standard = group.irreps[1]
    wrong = standard.matrices.clone()
    wrong[5] = wrong[6]
    with pytest.raises(ValueError, match="is off by"):
        Irrep("wrong", wrong).verify(group.table, group.generators)
    with pytest.raises(ValueError, match="is off by"):
        Irrep("long", 2 * standard.matrices).verify(group.table, group.generators)
    double = torch.zeros(24, 6, 6, dtype=torch.float64)
    double[:, :3, :3] = double[:, 3:, 3:] = standard.matrices
    with pytest.raises(ValueError, match="reducible"):
        Irrep("double", double).verify(group.table, group.generators)

    class Some(Group):
        def representations(self):
            return group.irreps[:3]

    with pytest.raises(ValueError, match="span 14 functions, not all 24"):
        _ = Some("S4", group.elements, group.table).irreps


@pytest.mark.parametrize("group", GROUPS[::3], ids=lambda group: group.name)
def test_fourier_transform(group):
    """Plancherel, the inverse, and convolution becoming a product of matrices."""
    f, h = torch.randn(2, len(group), generator=torch.Generator().manual_seed(0), dtype=torch.float64)
    hats = [spectrum.transform(f, rho) for rho in group.irreps]
    torch.testing.assert_close(spectrum.inverse_transform(hats, group), f)
    energies = torch.stack(
        [
            rho.dimension / rho.type * hat.square().sum() / len(group)
            for rho, hat in zip(group.irreps, hats, strict=True)
        ]
    )
    torch.testing.assert_close(spectrum.energies(f, group), energies)
    torch.testing.assert_close(spectrum.shares(f[:, None], group), energies / f.square().sum())
    convolved = torch.zeros_like(f).index_add(0, group.table.flatten(), torch.outer(f, h).flatten())
    for rho, hat in zip(group.irreps, hats, strict=True):
        torch.testing.assert_close(spectrum.transform(convolved, rho), hat @ spectrum.transform(h, rho))
    whole = sum(spectrum.part(f, group, [i]) for i in range(len(group.irreps)))
    torch.testing.assert_close(whole, f)
    part = spectrum.part(f, group, [1])
    torch.testing.assert_close(spectrum.part(part, group, [1]), part)
    torch.testing.assert_close(spectrum.energies(part, group)[0], torch.tensor(0.0).double(), atol=1e-12, rtol=0)


@pytest.mark.parametrize(
    ("table", "reason"),
    [
        ([[0, 1], [1, 1]], "row and column has each element once"),
        ([[0, 1], [1, 5]], "numbers 0 to 1"),
        ([[1, 2, 0], [0, 1, 2], [2, 0, 1]], "no identity"),
        # The smallest loop that is no group.
        ([[0, 1, 2, 3, 4], [1, 0, 3, 4, 2], [2, 4, 0, 1, 3], [3, 2, 4, 0, 1], [4, 3, 1, 2, 0]], "not associative"),
    ],
)
def test_tables_that_are_no_groups_are_refused(table, reason):
    """Each with what a group's table would have."""
    with pytest.raises(GroupError, match=reason) as error:
        Tabulated(torch.tensor(table))
    assert "\n" not in str(error.value)


def test_matrices_that_are_nearly_a_representation_are_refused():
    """A thousandth too large: their products are not those of the group."""
    group = Symmetric(3)
    whole = group.irreps[-1]
    with pytest.raises(ValueError, match="is no orthogonal representation of this group: it is off by 2"):
        Irrep("scaled", 1.001 * whole.matrices).verify(group.table, [1, 2])


def test_a_dihedral_group_is_refused_by_its_order():
    """D_n has 2 n elements."""
    n = MAX_ORDER // 2 + 1
    with pytest.raises(GroupError, match=f"D{n} has {2 * n:,} elements"):
        Dihedral(n)


def test_irreps_of_one_dimension_are_lettered_beyond_z():
    assert [letters(place) for place in (0, 25, 26, 27, 51, 52)] == ["a", "z", "aa", "ab", "az", "ba"]


def test_irreps_without_a_name_are_called_by_their_dimension_and_characters():
    """A letter each where several have a dimension, the larger characters first; the first is the trivial one."""
    signs = [(1, 1, 1, 1), (1, -1, -1, 1), (1, 1, -1, -1), (1, -1, 1, -1)]
    part = lambda d, *of: torch.tensor(of, dtype=torch.float64)[:, None, None] * torch.eye(d, dtype=torch.float64)
    parts = [part(1, *each) for each in signs] + [part(3, *signs[0]), part(2, *signs[1]), part(2, *signs[2])]
    found = {rho.name: rho.matrices[:, 0, 0].tolist() for rho in named(parts[::-1])}
    assert list(found) == ["trivial", "1d_a", "1d_b", "1d_c", "2d_a", "2d_b", "3d"]
    assert [found[name] for name in ("1d_a", "1d_b", "1d_c")] == [[*signs[2]], [*signs[3]], [*signs[1]]]
    assert [found[name] for name in ("2d_a", "2d_b", "3d")] == [[*signs[2]], [*signs[1]], [*signs[0]]]
    assert [rho.name for rho in named(parts[:2])] == ["trivial", "1d"]
