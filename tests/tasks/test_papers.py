"""The papers' operations: their names give the tables of their definitions."""

import math

import pytest
import torch

from grokinterp.tasks import Task

FURUTA = {
    "add": lambda x, y: x + y,
    "subtract": lambda x, y: x - y,
    "multiply": lambda x, y: x * y,
    "x2_y2": lambda x, y: x * x + y * y,
    "x2_m_y2": lambda x, y: x * x - y * y,
    "x2_y": lambda x, y: x * x + y,
    "x2_m_y": lambda x, y: x * x - y,
    "x2_xy_y2": lambda x, y: x * x + x * y + y * y,
    "x2_xy_y2_x": lambda x, y: x * x + x * y + y * y + x,
    "x2_2xy_y2": lambda x, y: x * x + 2 * x * y + y * y,
    "x2_m_2xy_y2": lambda x, y: x * x - 2 * x * y + y * y,
    "x2_2xy_y2_x_y": lambda x, y: x * x + 2 * x * y + y * y + x + y,
    "x_x_y": lambda x, y: x + x + y,
    "x_x_m_y": lambda x, y: x + x - y,
    "2x_3y": lambda x, y: 2 * x + 3 * y,
    "2x_m_3y": lambda x, y: 2 * x - 3 * y,
    "xy_y": lambda x, y: x * y + y,
    "xy_m_y": lambda x, y: x * y - y,
    "xy_x_y": lambda x, y: x * y + x + y,
    "xy_x_m_y": lambda x, y: x * y + x - y,
    "x3_2y": lambda x, y: x * x * x + 2 * y,
    "x3_m_2y": lambda x, y: x * x * x - 2 * y,
    "x3_xy": lambda x, y: x * x * x + x * y,
    "x3_xy2_y": lambda x, y: x * x * x + x * y * y + y,
    "_x_y__3": lambda x, y: (x + y) ** 3,
    "_x_y__4": lambda x, y: (x + y) ** 4,
    "_x_m_y__3": lambda x, y: (x - y) ** 3,
    "_x_m_y__4": lambda x, y: (x - y) ** 4,
}
POWER = {
    "+": lambda x, y: x + y,
    "-": lambda x, y: x - y,
    "*": lambda x, y: x * y,
    "**2+": lambda x, y: x * x + y,
    "**3+": lambda x, y: x * x * x + y,
    "+*": lambda x, y: x * y if x % 2 else x + y,
    "+-": lambda x, y: x - y if x % 2 else x + y,
    "mix1": lambda x, y: x * pow(y, -1, 97) if y % 2 else x - y,
}
for short, key in {
    "quad1": "x**2+y**2_mod_97",
    "quad2": "x**2+y**2+x*y_mod_97",
    "quad3": "x**2+y**2+x*y+x_mod_97",
    "cube1": "x**3+x*y_mod_97",
    "cube2": "x**3+x*y**2+y_mod_97",
}.items():
    # The name of the released code is the formula itself, in Python.
    POWER[short] = POWER[key] = eval(f"lambda x, y: {key.removesuffix('_mod_97')}")


@pytest.mark.parametrize(("name", "rule"), [*FURUTA.items(), *POWER.items()], ids=[*FURUTA, *POWER])
def test_papers_operations(name: str, rule) -> None:
    """A paper's name gives the operation of its definition on all 97 x 97 rows, sorted by (a, b)."""
    task = Task(name, p=97)
    pairs = [(x, y) for x in range(97) for y in range(97)]
    assert task.operands.tolist() == [list(pair) for pair in pairs]
    assert task.labels.tolist() == [rule(x, y) % 97 for x, y in pairs]


@pytest.mark.parametrize("name", ["modular_division", "/", "a / b", "x/y"])
def test_division_is_the_table_of_a_product(name: str) -> None:
    """a / b: one row for each (c, b) with b not 0, where a = c * b; 97 * 96 rows, sorted by (a, b)."""
    task = Task(name, p=97)
    expected = sorted((c * b % 97, b, c) for c in range(97) for b in range(1, 97))
    assert len(task.labels) == 97 * 96
    assert torch.cat([task.operands, task.labels[:, None]], 1).tolist() == [list(row) for row in expected]


def test_multiply_non_zero_leaves_out_pairs_with_zero() -> None:
    """Furuta's multiply_non_zero is the product over 1 .. p - 1."""
    task = Task("multiply_non_zero", p=97)
    assert task.operands.tolist() == [[a, b] for a in range(1, 97) for b in range(1, 97)]
    assert torch.equal(task.labels, task.operands.prod(1) % 97)


def test_mix1_under_its_long_name() -> None:
    """Power's own key for mix1 is the same table."""
    assert torch.equal(
        Task("(x._value//y)if(y._value%2==1)else(x-y)_mod_97").labels,
        Task("mix1", p=97).labels,
    )


@pytest.mark.parametrize(
    ("name", "sign"), [("add_z", (1, 1, 1)), ("subtract_z", (1, -1, -1)), ("x2_y2_z2", None), ("x2_y2_z", None)]
)
def test_three_operands(name: str, sign: tuple[int, ...] | None) -> None:
    """A formula in c has p^3 rows, sorted by (a, b, c)."""
    task = Task(name, p=5)
    a, b, c = task.operands.T
    assert task.operands.tolist() == [[i, j, k] for i in range(5) for j in range(5) for k in range(5)]
    truth = {"x2_y2_z2": a * a + b * b + c * c, "x2_y2_z": a * a + b * b + c}.get(name)
    if sign is not None:
        truth = (task.operands * torch.tensor(sign)).sum(1)
    assert torch.equal(task.labels, truth % 5)
    assert task.inputs.shape == (125, 4) and task.grid_shape == (5, 5, 5)


@pytest.mark.parametrize("name", sorted(FURUTA))
def test_class_counts_mod_97(name: str) -> None:
    """k-th powers of Z_97 number (96 / gcd(k, 96)) + 1; the other operations reach every residue."""
    powers = {"x2_2xy_y2": 2, "x2_m_2xy_y2": 2, "_x_y__3": 3, "_x_m_y__3": 3, "_x_y__4": 4, "_x_m_y__4": 4}
    # (a + b)^2 + a + b is a quadratic in a + b: a square, shifted.
    classes = 96 // math.gcd({**powers, "x2_2xy_y2_x_y": 2}.get(name, 1), 96) + 1
    assert Task(name, p=97).chance == 1 / classes


@pytest.mark.parametrize("name", [*FURUTA, *POWER, "modular_division", "only_add"])
def test_commutative(name: str) -> None:
    """Commutative is: every swapped pair is in the table and has the same answer."""
    task = Task(name, p=97)
    answer = {tuple(row): label for row, label in zip(task.operands.tolist(), task.labels.tolist(), strict=True)}
    assert task.is_commutative == all(answer.get((b, a)) == label for (a, b), label in answer.items())
