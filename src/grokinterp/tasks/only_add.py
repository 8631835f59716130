"""OnlyAdd: addition of two numbers without a modulus."""

from grokinterp.tasks._base import Task
from grokinterp.tasks._table import Table, all_rows, check_modulus
from grokinterp.tasks.layout import find_layout


class OnlyAdd(Task, names={"only_add": "a + b without a modulus: 2p - 1 answers (Furuta et al. 2024)"}):
    """The sums 0 .. 2p - 2 of two numbers 0 .. p - 1. All 2p - 1 numbers are tokens, also those that are no operand."""

    def tabulate(self, p: int = 113, layout: str = "a b =") -> Table:
        check_modulus(p)
        operands = all_rows((p, p))
        return find_layout(layout).table(
            numbers=[str(number) for number in range(2 * p - 1)],
            sizes=(p, p),
            operands=operands,
            answers=operands.sum(1),
            operations={"only_add": "+"},
        )
