"""Evaluation: the value of a formula's syntax tree on all rows of a table. What it does not know, it refuses."""

import ast
import math
from dataclasses import dataclass, replace
from functools import lru_cache
from itertools import count
from typing import Never

import torch
from jaxtyping import Bool, Int
from torch import Tensor

from grokinterp.fourier import is_prime
from grokinterp.tasks._table import TaskError

OPERANDS = {"a": 0, "b": 1, "c": 2, "x": 0, "y": 1, "z": 2}
"""Names of the operands, with the letters of Power and Furuta as aliases, and their column in the table."""

MAX_EXPONENT = 10_000
LANGUAGE = "a formula has operands a b c, whole numbers, + - * / ^, parentheses and X if COND else Y"

_COMPARISONS = {
    ast.Eq: torch.eq,
    ast.NotEq: torch.ne,
    ast.Lt: torch.lt,
    ast.LtE: torch.le,
    ast.Gt: torch.gt,
    ast.GtE: torch.ge,
}


def refuse(text: str, why: str) -> Never:
    shown = text if len(text) <= 60 else text[:57] + "..."
    raise TaskError(f"the formula {shown!r} {why}")


def spelling(tree: ast.expr) -> str:
    return ast.unparse(tree).replace(" ** ", "^")


@dataclass(frozen=True)
class Evaluation:
    """A formula's text (for its refusals), the operands of the rows at hand, one a row, and the modulus."""

    text: str
    columns: Int[Tensor, "operand ab"]
    p: int

    def residue(self, node: ast.expr) -> tuple[Int[Tensor, "ab"], Bool[Tensor, "ab"]]:
        """The node's value mod p on every row, and where it is defined."""
        everywhere = torch.ones_like(self.columns[0], dtype=torch.bool)
        match node:
            case ast.Constant(int(number)):
                return torch.full_like(self.columns[0], number % self.p), everywhere
            case ast.Name(name):
                return self.operand(name), everywhere
            case ast.UnaryOp(ast.UAdd() | ast.USub() as sign, inner):
                value, defined = self.residue(inner)
                return (value if isinstance(sign, ast.UAdd) else -value % self.p), defined
            case ast.BinOp(base, ast.Pow(), exponent):
                value, defined = self.residue(base)
                return self.power(value, self.exponent(exponent)), defined
            case ast.BinOp(left, ast.Div(), right):
                return self.quotient(left, right)
            case ast.BinOp(left, ast.Add() | ast.Sub() | ast.Mult() as op, right):
                (x, x_defined), (y, y_defined) = self.residue(left), self.residue(right)
                value = x + y if isinstance(op, ast.Add) else x - y if isinstance(op, ast.Sub) else x * y
                return value % self.p, x_defined & y_defined
            case ast.IfExp(test, body, otherwise):
                value, defined = torch.zeros_like(self.columns[0]), everywhere
                taken = self.truth(test)
                for rows, branch in ((taken, body), (~taken, otherwise)):
                    value[rows], defined[rows] = replace(self, columns=self.columns[:, rows]).residue(branch)
                return value, defined
        self.refuse_node(node)

    def operand(self, name: str) -> Int[Tensor, "ab"]:
        if name not in OPERANDS:
            product = f"; write a product as {'*'.join(name)}" if set(name) <= set(OPERANDS) else ""
            self.refuse(f"has {name!r}, which is no operand; the operands are a, b, c (or x, y, z){product}")
        return self.columns[OPERANDS[name]]

    def power(self, base: Int[Tensor, "ab"], exponent: int) -> Int[Tensor, "ab"]:
        """base^exponent mod p by squaring; 0^0 is 1."""
        result = torch.full_like(base, 1 % self.p)
        while exponent:
            if exponent & 1:
                result = result * base % self.p
            base, exponent = base * base % self.p, exponent >> 1
        return result

    def exponent(self, node: ast.expr) -> int:
        match node:
            case ast.Constant(int(number)):
                value = number
            case ast.BinOp(ast.Constant(int(base)), ast.Pow(), tower):
                # Clipped, so that 9^9^9 costs nothing: the clipped power passes the bound where the whole one does.
                value = min(base, MAX_EXPONENT + 1) ** min(self.exponent(tower), MAX_EXPONENT.bit_length())
            case _:
                self.refuse("has an exponent that is not a whole number; write it as in a^2, and 1 / a for an inverse")
        if value > MAX_EXPONENT:
            self.refuse(f"has an exponent above {MAX_EXPONENT}; by Fermat, exponents repeat with period p - 1")
        return value

    def quotient(self, left: ast.expr, right: ast.expr) -> tuple[Int[Tensor, "ab"], Bool[Tensor, "ab"]]:
        (x, x_defined), (y, y_defined) = self.residue(left), self.residue(right)
        inverse = torch.tensor(_inverses(self.p), dtype=torch.int64)[y]
        defined = x_defined & y_defined & (y != 0)
        stuck = y[defined & (inverse == 0)]
        if len(stuck):
            value, divisor = int(stuck.min()), spelling(right)
            what = f"{value}, which" if divisor == str(value) else f"{divisor}, which can be {value} and then"
            prime = next(filter(is_prime, count(self.p)))
            self.refuse(f"divides by {what} has no inverse mod {self.p}; use a prime p, as in p={prime}")
        return x * inverse % self.p, defined

    def truth(self, node: ast.expr) -> Bool[Tensor, "ab"]:
        """Whether the condition holds on every row; a bare number holds where it is not 0."""
        match node:
            case ast.BoolOp(op, parts):
                truths = torch.stack([self.truth(part) for part in parts])
                return truths.all(0) if isinstance(op, ast.And) else truths.any(0)
            case ast.UnaryOp(ast.Not(), inner):
                return ~self.truth(inner)
            case ast.Compare(first, ops, others) if all(type(op) in _COMPARISONS for op in ops):
                numbers = [self.integer(part)[0] for part in (first, *others)]
                pairs = zip(ops, numbers, numbers[1:], strict=False)
                return torch.stack([_COMPARISONS[type(op)](x, y) for op, x, y in pairs]).all(0)
        return self.integer(node)[0] != 0

    def integer(self, node: ast.expr) -> tuple[Int[Tensor, "ab"], int]:
        """The node's value as a plain integer on every row, and a bound on its size."""
        match node:
            case ast.Constant(int(number)):
                self.check_size(abs(number))
                return torch.full_like(self.columns[0], number), abs(number)
            case ast.Name(name):
                return self.operand(name), self.p - 1
            case ast.UnaryOp(ast.USub(), inner):
                value, bound = self.integer(inner)
                return -value, bound
            case ast.BinOp(left, ast.Mod(), ast.Constant(int(modulus))) if modulus > 0:
                self.check_size(modulus)
                return self.integer(left)[0] % modulus, modulus
            case ast.BinOp(base, ast.Pow(), exponent):
                (value, bound), power = self.integer(base), self.exponent(exponent)
                self.check_size(bound**power)
                return value**power, bound**power
            case ast.BinOp(left, ast.Add() | ast.Sub() | ast.Mult() as op, right):
                (x, x_bound), (y, y_bound) = self.integer(left), self.integer(right)
                bound = x_bound * y_bound if isinstance(op, ast.Mult) else x_bound + y_bound
                self.check_size(bound)
                return (x * y if isinstance(op, ast.Mult) else x + y if isinstance(op, ast.Add) else x - y), bound
        self.refuse("has a condition of an unknown kind; conditions are like b % 2 == 1, a < b, a + b < 10 and a != 0")

    def check_size(self, bound: int) -> None:
        if bound >= 2**63:
            self.refuse("has numbers of 2^63 and more in a condition, which is about plain integers; use smaller ones")

    def refuse_node(self, node: ast.expr) -> Never:
        match node:
            case ast.BinOp(_, ast.Mod(), _):
                self.refuse(
                    "has % outside a condition; answers are mod p already, and a condition is a if b % 2 else b"
                )
            case ast.BinOp(_, ast.FloorDiv(), _):
                self.refuse("has //, which is not an operation mod p; write a / b for the modular quotient")
            case ast.Compare() | ast.BoolOp() | ast.UnaryOp(ast.Not(), _):
                self.refuse("has a comparison as a value; write it as a condition, as in 1 if a < b else 0")
            case ast.Call():
                self.refuse("has a function call; there are none, and a product is written 2*(a + b)")
        self.refuse(f"has {ast.unparse(node)[:30]!r}, which does not belong there; {LANGUAGE}")

    def refuse(self, why: str) -> Never:
        refuse(self.text, why)


@lru_cache
def _inverses(p: int) -> tuple[int, ...]:
    """The inverse of every residue mod p, 0 for those that have none."""
    return tuple(pow(number, -1, p) if math.gcd(number, p) == 1 else 0 for number in range(p))
