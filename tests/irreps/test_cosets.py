"""Subgroups against their published numbers, and coset concentration of functions made by hand."""

import pytest
import torch

from grokinterp.irreps import Alternating, Cyclic, Dihedral, Generated, GroupError, Product, Symmetric
from grokinterp.irreps.cosets import Subgroups, concentrations, within_shares


@pytest.mark.parametrize(
    ("group", "number", "classes"),
    [
        # OEIS A005432 and A000638 (S_n), A029725 (A_n), and the divisors and their sum for C_n and D_n.
        (Symmetric(3), 6, 4),
        (Symmetric(4), 30, 11),
        (Symmetric(5), 156, 19),
        (Alternating(4), 10, 5),
        (Alternating(5), 59, 9),
        (Cyclic(12), 6, 6),
        (Dihedral(6), 6 - 2 + 12, 10),
        (Generated("(0 1 2 3)(4 5 6 7), (0 4 2 6)(1 7 3 5)"), 6, 6),
        (Product(Cyclic(2), Cyclic(2)), 5, 5),
    ],
    ids=lambda value: getattr(value, "name", None),
)
def test_all_subgroups_are_found(group, number, classes):
    """But for the trivial one and the whole, and up to conjugacy."""
    found = Subgroups(group)
    assert (len(found.all) + 2, len(found.kinds) + 2) == (number, classes)
    for subgroup in found.all:
        products = group.table[subgroup.members][:, subgroup.members]
        assert set(products.flatten().tolist()) == set(subgroup.members.tolist())
    assert found.orders.tolist() == sorted(found.orders.tolist(), reverse=True)


def test_cosets_are_left_and_right():
    """g H and H g, each element in one; the same for a normal subgroup, and not for a transposition's."""
    group = Symmetric(4)
    for subgroup in Subgroups(group).all:
        left, right = subgroup.labels("left"), subgroup.labels("right")
        for h in subgroup.members:
            assert (left[group.table[:, h]] == left).all() and (right[group.table[h]] == right).all()
        normal = (group.conjugates[:, subgroup.members].sort(1).values == subgroup.members).all()
        assert bool(normal) == torch.equal(subgroup.left_cosets, subgroup.right_cosets)


def test_powers_subgroup_of_s5():
    """<(0 3)(1 4), (1 2)(3 4)> has ten elements, hence twelve cosets (Power et al. 2022)."""
    group = Symmetric(5)
    generators = [group.elements.index(p) for p in ("34201", "02143")]
    members = group.generated(generators).nonzero().flatten()
    found = [subgroup for subgroup in Subgroups(group).all if torch.equal(subgroup.members, members)]
    assert len(found) == 1 and found[0].kind == "10" and len(found[0].cosets("left")) == 12


def test_concentration_is_its_definition():
    """Sum over cosets of the variance within, each of one less than the number of values, over that of all."""
    group = Symmetric(3)
    subgroups = Subgroups(group)
    f = torch.randn(6, 4, generator=torch.Generator().manual_seed(0))
    found = concentrations(f, subgroups, "right")
    for i, subgroup in enumerate(subgroups.all):
        cosets = {tuple(sorted(group.table[subgroup.members, g].tolist())) for g in range(6)}
        naive = sum(f.double()[list(coset)].var(0) for coset in cosets) / f.double().var(0)
        torch.testing.assert_close(found[i], naive)
        spread = f.double() - torch.stack(
            [f.double()[subgroup.cosets("right")[k]].mean(0) for k in subgroup.labels("right")]
        )
        share = spread.square().sum(0) / (f.double() - f.double().mean(0)).square().sum(0)
        torch.testing.assert_close(within_shares(found[i], subgroups.orders[i], group), share)


def test_concentration_of_functions_of_cosets_and_of_noise():
    """0 of the former, on one side only; of the latter about as much as there are cosets; NaN of a constant."""
    group = Symmetric(4)
    subgroups = Subgroups(group)
    i = next(i for i, subgroup in enumerate(subgroups.all) if subgroup.kind == "6")
    values = torch.randn(4, generator=torch.Generator().manual_seed(0))
    f = values[subgroups.all[i].labels("left")][:, None]
    assert concentrations(f, subgroups, "left")[i] < 1e-10 < 0.1 < concentrations(f, subgroups, "right")[i]
    noise = concentrations(torch.randn(24, 2000, generator=torch.Generator().manual_seed(1)), subgroups, "left")
    torch.testing.assert_close(noise.mean(1), 24 / subgroups.orders.double(), rtol=0.1, atol=0)
    assert concentrations(torch.full((24, 1), 0.3), subgroups, "left").isnan().all()


def test_too_many_subgroups_are_refused():
    """With what to change."""
    with pytest.raises(GroupError, match="more than 20 subgroups; raise most_subgroups"):
        Subgroups(Symmetric(4), most=20)


def test_rounding_is_no_function_and_has_no_concentration():
    """What a constant keeps of float32's rounding, beside a function of the same shape."""
    group = Symmetric(3)
    function = torch.arange(6.0).double()
    constant = 0.1 + 1e-10 * function
    found = concentrations(torch.stack([function, constant], 1), Subgroups(group), "left")
    assert found[:, 0].isfinite().all() and found[:, 1].isnan().all()
