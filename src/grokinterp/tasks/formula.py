"""Formula: an operation mod p, read from text by a whitelist and evaluated on whole tables; never run as code."""

import ast
import re
from dataclasses import dataclass

import torch
from jaxtyping import Bool, Int
from torch import Tensor

from grokinterp.tasks._evaluation import LANGUAGE, OPERANDS, Evaluation, refuse, spelling
from grokinterp.tasks._table import TaskError, check_modulus

# Bounds that no formula of a paper comes near, so that no input can exhaust the stack or the clock.
MAX_LENGTH, MAX_DEPTH = 500, 80

_SYMBOLS = {ast.Add: "+", ast.Sub: "-", ast.Mult: "*", ast.Div: "/"}


@dataclass(frozen=True)
class Formula:
    """`Formula.parse("a^2 + 2*a*b")`: operands a, b, c (or x, y, z) and whole numbers under + - * / ^ and conditions.

    `^` and `**` are powers (binding tightest, from the right) with a constant exponent; a product needs its `*`.
    Everything is mod p, division too: `a / b` is the c with c * b = a, and is undefined where b is 0. In
    `X if COND else Y` only the branch taken counts. Conditions are about the operands as plain integers
    0 .. p - 1, with + - * ^, `%` by a constant, comparisons, and, or, not: `b % 2 == 1`, `a < b`.
    """

    text: str
    """The formula in its one spelling: operands a b c, power as `^`."""

    tree: ast.expr

    @classmethod
    def parse(cls, written: str) -> "Formula":
        """Raises `TaskError`, one line showing the formula and what is wrong with it."""
        text = " ".join(written.split())
        if not text:
            raise TaskError(f"the formula is empty; {LANGUAGE}")
        if len(text) > MAX_LENGTH:
            refuse(text, f"is longer than {MAX_LENGTH} characters; write a shorter one")
        modulus = re.search(r"\s*\bmod(?:ulo)?\b\s*(\d*)$", text)
        if modulus and " if " not in text:
            p = modulus[1] or "113"
            refuse(text, f"says its modulus; write {text[: modulus.start()]!r} and give p={p} (--p {p})")
        if strange := re.search(r"[^\w+\-*/^%()<>=! ]", text, re.ASCII):
            refuse(text, f"cannot hold {strange[0]!r}; {LANGUAGE}")
        if joined := re.search(r"\b\d+[A-Za-z_]\w*", text):
            refuse(text, f"has {joined[0]!r}, a number that runs into a letter; write a product as 2*a")
        tree = _renamed(_parsed(text))
        if other := [node for node in ast.walk(tree) if isinstance(node, ast.Constant) and type(node.value) is not int]:
            refuse(text, f"has {ast.unparse(other[0])!r}, which is not a whole number; {LANGUAGE}")
        if not any(isinstance(node, ast.Name) for node in ast.walk(tree)):
            refuse(text, "has no operand; use at least one of a, b, c, as in a + b")
        formula = cls(spelling(tree), tree)
        # The walk that evaluates is also the only whitelist: a table without rows takes it through every node.
        formula.evaluate(torch.zeros(0, 3, dtype=torch.int64), 2)
        return formula

    @property
    def n_operands(self) -> int:
        """3 where `c` occurs, else 2."""
        return 3 if any(isinstance(node, ast.Name) and node.id == "c" for node in ast.walk(self.tree)) else 2

    @property
    def symbol(self) -> str:
        """The formula's operator token, without spaces: `+` for `a + b`, `a*b+b` for longer ones."""
        match self.tree:
            case ast.BinOp(ast.Name("a"), op, ast.Name("b")) if type(op) in _SYMBOLS:
                return _SYMBOLS[type(op)]
        return re.sub(r" ?([-+*/%<>=!]+) ?", r"\1", self.text).replace(" ", "_")

    def evaluate(self, operands: Int[Tensor, "ab operand"], p: int) -> tuple[Int[Tensor, "ab"], Bool[Tensor, "ab"]]:
        """The answers mod p, and which rows have one: not those where a divisor is 0.

        `operands` are numbers 0 .. p - 1. Raises `TaskError` where a divisor can be a number other than 0
        without inverse mod p (p is not prime), and where the table lacks an operand.
        """
        check_modulus(p)
        if operands.shape[1] < self.n_operands:
            refuse(self.text, f"needs {self.n_operands} operands; the table has {operands.shape[1]}")
        return Evaluation(self.text, operands.T, p).residue(self.tree)


def _parsed(text: str) -> ast.expr:
    # In Python's grammar ^ is XOR and binds last: as ** it has the power's precedence and associativity.
    python = text.replace("^", "**")
    try:
        tree = ast.parse(python, mode="eval").body
    except SyntaxError as error:
        read = python[: max((error.offset or 1) - 1, 0)].strip()
        read = read.replace("**", "^") if "^" in text else read
        if _unbalanced(text):
            where = "has a parenthesis too many or too few"
        elif "expected 'else'" in error.msg:
            where = "has an 'if' without its 'else'"
        else:
            where = f"breaks off after {read[-30:]!r}" if read else "does not begin with an operand or a number"
        refuse(text, f"{where}; {LANGUAGE}")
    except (RecursionError, MemoryError, ValueError):
        refuse(text, "is nested too deeply; write a shorter one")
    level, depth = [tree], 0
    while level:
        level, depth = [child for node in level for child in ast.iter_child_nodes(node)], depth + 1
    if depth > MAX_DEPTH:
        refuse(text, f"is nested deeper than {MAX_DEPTH} levels; write a shorter one")
    return tree


def _unbalanced(text: str) -> bool:
    depth = 0
    for character in text:
        depth += (character == "(") - (character == ")")
        if depth < 0:
            return True
    return depth > 0


def _renamed(tree: ast.expr) -> ast.expr:
    for node in ast.walk(tree):
        if isinstance(node, ast.Name) and node.id in OPERANDS:
            node.id = "abc"[OPERANDS[node.id]]
    return tree
