"""The operations of the papers that are formulas, under the names their code gives them."""

import re

PAPER_FORMULAS: dict[str, dict[str, str]] = {
    "Furuta et al. 2024": {
        "add": "a + b",
        "subtract": "a - b",
        "multiply": "a * b",
        # Dividing by the product leaves out the rows where it is 0, and nothing else changes.
        "multiply_non_zero": "(a * b)^2 / (a * b)",
        # `division` in their registry, without a formula in their code; here that is division without a modulus.
        "modular_division": "a / b",
        "x2_y2": "a^2 + b^2",
        "x2_m_y2": "a^2 - b^2",
        "x2_y": "a^2 + b",
        "x2_m_y": "a^2 - b",
        "x2_xy_y2": "a^2 + a*b + b^2",
        "x2_xy_y2_x": "a^2 + a*b + b^2 + a",
        "x2_2xy_y2": "(a + b)^2",
        "x2_m_2xy_y2": "(a - b)^2",
        "x2_2xy_y2_x_y": "(a + b)^2 + a + b",
        "x_x_y": "2*a + b",
        "x_x_m_y": "2*a - b",
        "2x_3y": "2*a + 3*b",
        "2x_m_3y": "2*a - 3*b",
        "xy_y": "a*b + b",
        "xy_m_y": "a*b - b",
        "xy_x_y": "a*b + a + b",
        # What the name says. Their code computes xy + x + y here: the minus sign is missing.
        "xy_x_m_y": "a*b + a - b",
        "x3_2y": "a^3 + 2*b",
        "x3_m_2y": "a^3 - 2*b",
        "x3_xy": "a^3 + a*b",
        "x3_xy2_y": "a^3 + a*b^2 + b",
        "_x_y__3": "(a + b)^3",
        "_x_y__4": "(a + b)^4",
        "_x_m_y__3": "(a - b)^3",
        "_x_m_y__4": "(a - b)^4",
        "add_z": "a + b + c",
        "subtract_z": "a - b - c",
        "multiply_z": "a * b * c",
        "x2_y2_z": "a^2 + b^2 + c",
        "x2_y2_z2": "a^2 + b^2 + c^2",
    },
    "Power et al. 2022": {
        "+": "a + b",
        "-": "a - b",
        "*": "a * b",
        "/": "a / b",
        "**2+": "a^2 + b",
        "**3+": "a^3 + b",
        "x**2+y**2_mod_97": "a^2 + b^2",
        "x**2+y**2+x*y_mod_97": "a^2 + a*b + b^2",
        "x**2+y**2+x*y+x_mod_97": "a^2 + a*b + b^2 + a",
        "x**3+x*y_mod_97": "a^3 + a*b",
        "x**3+x*y**2+y_mod_97": "a^3 + a*b^2 + b",
        "(x._value//y)if(y._value%2==1)else(x-y)_mod_97": "a / b if b % 2 == 1 else a - b",
        "quad1": "a^2 + b^2",
        "quad2": "a^2 + a*b + b^2",
        "quad3": "a^2 + a*b + b^2 + a",
        "cube1": "a^3 + a*b",
        "cube2": "a^3 + a*b^2 + b",
        # Parity of the second operand; of the first in the two after it.
        "mix1": "a / b if b % 2 == 1 else a - b",
        "+*": "a + b if a % 2 == 0 else a * b",
        "+-": "a + b if a % 2 == 0 else a - b",
    },
    "Nanda et al. 2023": {"x2xyy2": "a^2 + a*b + b^2"},
}

FORMULAS: dict[str, str] = {name: text for named in PAPER_FORMULAS.values() for name, text in named.items()}
"""Name -> formula."""


def modulus_in(name: str) -> int | None:
    """The modulus that is part of a name (Power's `x**3+x*y_mod_97`), if it has one."""
    ending = re.search(r"_mod_(\d+)$", name)
    return int(ending[1]) if ending else None
