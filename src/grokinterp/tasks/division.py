"""Division: quotients of whole numbers, without a modulus."""

from typing import Literal

from grokinterp.tasks._base import Task
from grokinterp.tasks._table import Table, TaskError, all_rows
from grokinterp.tasks.layout import find_layout


class Division(Task, names={"division": "a / b without a modulus, a and b from 1 to n (form='classes', 'numbers')"}):
    """A row is a pair of whole numbers from 1 to n; all pairs have one. Both forms are our choice.

    The modular one is the formula `a / b` (`modular_division`).

    `form="classes"`: numbers are tokens, the answer the integer quotient, one of 0 .. n. In half of the rows it is 0.
    `form="numbers"`: the row is (a, b) as two numbers, and the answer the number a / b.

    The split `extrapolate` trains on small operands and tests on larger ones: of n = 40, frac=0.25 trains on those up
    to 20. `layout` is that of the tokens. Raises `TaskError` for an n without a pair of different numbers or above the
    limit of tables, and for a layout with answers among its tokens.
    """

    def tabulate(self, n: int = 40, form: Literal["classes", "numbers"] = "classes", layout: str = "a b =") -> Table:
        if n < 2:
            raise TaskError(f"n={n} leaves nothing to divide; it must be at least 2, as in n=40")
        operands = all_rows((n + 1, n + 1))
        # Zero has neither a row nor a column: the grid is NaN there.
        operands = operands[(operands > 0).all(1)]
        a, b = operands.T
        numbers = [str(number) for number in range(n + 1)]
        if form == "numbers":
            return Table(
                operands=operands,
                sizes=(n + 1, n + 1),
                inputs=operands.float(),
                labels=(a.double() / b).float(),
                positions=(-1,),
                n_answers=1,
                tokens=["a/b"],
                operations=("a / b",),
            )
        tokens = find_layout(layout)
        if tokens.specials:
            raise TaskError(f"layout={layout!r} predicts a closing token, and quotients have none; use 'a b ='")
        return tokens.table(
            numbers=numbers,
            sizes=(n + 1, n + 1),
            operands=operands,
            answers=a // b,
            operations={"a // b": "/"},
        )
