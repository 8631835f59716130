"""Families: cyclic, dihedral, symmetric and alternating groups, with the representations that books give for them."""

import itertools
import math

import torch
from jaxtyping import Float, Int
from torch import Tensor

from grokinterp.irreps.group import Group, GroupError, check_order, product_table
from grokinterp.irreps.representation import Irrep, distinct, extended, letters, split
from grokinterp.irreps.young import Partition, conjugate, exchanged, orthogonal_form, partitions


class Cyclic(Group):
    """C_n: addition mod n. Irreps `trivial`, `sign` for even n, and the rotations `freq_k`."""

    def __init__(self, n: int):
        check_size(n, 2, n, "C")
        every = torch.arange(n)
        super().__init__(f"C{n}", [str(i) for i in range(n)], (every[:, None] + every) % n)

    def representations(self) -> list[Irrep]:
        n = len(self)
        every = torch.arange(n)
        signs = [Irrep("sign", (1.0 - 2 * (every % 2)).double()[:, None, None])] if n % 2 == 0 else []
        waves = [Irrep(f"freq_{k}", rotations(k * every, n)) for k in range(1, (n + 1) // 2)]
        return [trivial(n), *signs, *waves]


class Dihedral(Group):
    """D_n, of order 2n: rotations r^i, then reflections r^i s, where s r = r^-1 s.

    Irreps `trivial`, `sign` (-1 on reflections), for even n `sign_r` and `sign_rs` (-1 on r), and `freq_k` of dimension
    2 (Chughtai et al. 2023, whose n is odd).
    """

    def __init__(self, n: int):
        check_size(n, 3, 2 * n, "D")
        self.n = n
        turn, flip = torch.arange(n).repeat(2), torch.arange(2).repeat_interleave(n)
        turns = (turn[:, None] + (1 - 2 * flip[:, None]) * turn) % n
        names = [f"r{i}" for i in range(n)] + [f"r{i}s" for i in range(n)]
        super().__init__(f"D{n}", names, turns + n * ((flip[:, None] + flip) % 2))

    def representations(self) -> list[Irrep]:
        n, turn = self.n, torch.arange(self.n)
        line = lambda on_turns, on_s: torch.cat([on_turns, on_s * on_turns]).double()[:, None, None]
        ones, signs = torch.ones(n), 1.0 - 2 * (turn % 2)
        irreps = [trivial(2 * n), Irrep("sign", line(ones, -1))]
        if n % 2 == 0:
            irreps += [Irrep("sign_r", line(signs, 1)), Irrep("sign_rs", line(signs, -1))]
        mirror = torch.tensor([[1.0, 0], [0, -1]], dtype=torch.float64)
        for k in range(1, (n + 1) // 2):
            turned = rotations(k * turn, n)
            irreps.append(Irrep(f"freq_{k}", torch.cat([turned, turned @ mirror])))
        return irreps


class Symmetric(Group):
    """S_n: the permutations of 0 .. n - 1 in lexicographic order, `01234` the identity.

    x y is x first, then y, (x y)[i] = y[x[i]], as in Power et al. 2022 and sympy. Irreps in Young's orthogonal form,
    called by their partition but for `trivial`, `sign`, `standard` and `standard*sign` (Chughtai et al. 2023).
    """

    def __init__(self, n: int):
        check_size(n, 2, _factorial(n), "S")
        self.n = n
        self.permutations = list(itertools.permutations(range(n)))
        swaps = [exchanged(tuple(range(n)), i) for i in range(n - 1)]
        super().__init__(f"S{n}", spelled(self.permutations), multiplied(self.permutations, swaps))
        self.swaps = [self.permutations.index(swap) for swap in swaps]

    def representations(self) -> list[Irrep]:
        return [
            Irrep(_called(shape), extended(self.table, 0, dict(zip(self.swaps, orthogonal_form(shape), strict=True))))
            for shape in partitions(self.n)
        ]


class Alternating(Group):
    """A_n: the even permutations, multiplied as in `Symmetric`.

    Irreps are those of S_n restricted: one of each pair of partitions that are each other's transpose, and the parts
    of those that are their own (`(3,1,1)_a` and `_b`; as one where they are conjugate complex).
    """

    def __init__(self, n: int):
        check_size(n, 3, _factorial(n) // 2, "A")
        self.n = n
        self.permutations = [p for p in itertools.permutations(range(n)) if _is_even(p)]
        start = tuple(range(n))
        cycles = [exchanged(exchanged(start, 0), i) for i in range(1, n - 1)]
        super().__init__(f"A{n}", spelled(self.permutations), multiplied(self.permutations, cycles))

    def representations(self) -> list[Irrep]:
        whole = Symmetric(self.n)
        index = {permutation: i for i, permutation in enumerate(whole.permutations)}
        even = torch.tensor([index[permutation] for permutation in self.permutations])
        irreps = []
        for shape in partitions(self.n):
            images = dict(zip(whole.swaps, orthogonal_form(shape), strict=True))
            if shape > conjugate(shape):
                irreps.append(Irrep(_called(shape), extended(whole.table, 0, images)[even]))
            elif shape == conjugate(shape):
                irreps += suffixed(_called(shape), split(extended(whole.table, 0, images)[even]))
        return irreps


class Product(Group):
    """G x H: pairs, multiplied one by one; `x|y` names a pair. Irreps are tensor products, split where they must be."""

    def __init__(self, left: Group, right: Group):
        check_order(len(left) * len(right), f"{left.name} x {right.name}")
        self.left, self.right = left, right
        table = left.table[:, None, :, None] * len(right) + right.table[None, :, None, :]
        names = [f"{x}|{y}" for x in left.elements for y in right.elements]
        size = len(names)
        super().__init__(f"{left.name}x{right.name}", names, table.reshape(size, size))

    def representations(self) -> list[Irrep]:
        irreps = []
        for first in self.left.irreps:
            for second in self.right.irreps:
                name = "trivial" if {first.name, second.name} == {"trivial"} else f"{first.name}|{second.name}"
                both = torch.einsum("gij,hkl->ghikjl", first.matrices, second.matrices)
                d = first.dimension * second.dimension
                irreps += suffixed(name, split(both.reshape(len(self), d, d)))
        return irreps


def trivial(n: int) -> Irrep:
    """The irrep that takes everything to 1."""
    return Irrep("trivial", torch.ones(n, 1, 1, dtype=torch.float64))


def rotations(steps: Int[Tensor, "n"], n: int) -> Float[Tensor, "n 2 2"]:
    """The rotations of the plane by 2 pi steps / n."""
    angle = 2 * math.pi / n * (steps % n).double()
    cos, sin = angle.cos(), angle.sin()
    return torch.stack([torch.stack([cos, -sin], 1), torch.stack([sin, cos], 1)], 1)


def suffixed(name: str, parts: list[Float[Tensor, "g _ _"]]) -> list[Irrep]:
    """The parts of a representation: `name` alone, or `name_a`, `name_b`."""
    parts = distinct(parts)
    several = len(parts) > 1
    return [Irrep(f"{name}_{letters(i)}" if several else name, part) for i, part in enumerate(parts)]


def multiplied(permutations: list[tuple[int, ...]], generators: list[tuple[int, ...]]) -> Int[Tensor, "g g"]:
    """The table of a group of permutations, which the generators generate; x y is x first, then y."""
    index = {permutation: i for i, permutation in enumerate(permutations)}
    right = [torch.tensor([index[tuple(s[i] for i in x)] for x in permutations]) for s in generators]
    return product_table(right, index[tuple(range(len(permutations[0])))])


def spelled(permutations: list[tuple[int, ...]]) -> list[str]:
    """`01234`, as Power et al. 2022 write it; `0.1. ... .11` for more than ten points."""
    return [("" if len(p) <= 10 else ".").join(map(str, p)) for p in permutations]


def check_size(n: int, least: int, order: int, letter: str) -> None:
    """Refuse a group that is too small to be one of its family, or too large for a table."""
    if n < least:
        raise GroupError(f"n={n} makes no group {letter}_n to learn; n is at least {least}")
    check_order(order, f"{letter}{n}")


def _factorial(n: int) -> int:
    return math.factorial(min(max(n, 0), 20))  # no table holds more, and a huge n would take for ever


def _is_even(permutation: tuple[int, ...]) -> bool:
    return sum(a > b for a, b in itertools.combinations(permutation, 2)) % 2 == 0


def _called(shape: Partition) -> str:
    n = sum(shape)
    special = {(n,): "trivial", (1,) * n: "sign", (n - 1, 1): "standard", (2, *(1,) * (n - 2)): "standard*sign"}
    special |= {(2, 1): "standard", (2,): "trivial", (1, 1): "sign"}
    return special.get(shape, f"({','.join(map(str, shape))})")
