"""RandomTable: answers without a rule."""

import torch

from grokinterp.tasks._base import Task
from grokinterp.tasks._table import Table, all_rows, check_modulus
from grokinterp.tasks.layout import find_layout

_DESCRIPTION = "a random table: nothing generalises, only memorising works"


class RandomTable(
    Task,
    names={"random": _DESCRIPTION, "rand": f"{_DESCRIPTION} (the name in Nanda et al. 2023 and Furuta et al. 2024)"},
):
    """Every pair of 0 .. p - 1 has an answer drawn once, uniformly from 0 .. p - 1, with `table_seed`."""

    def tabulate(self, p: int = 113, layout: str = "a b =", table_seed: int = 0) -> Table:
        check_modulus(p)
        operands = all_rows((p, p))
        return find_layout(layout).table(
            numbers=[str(number) for number in range(p)],
            sizes=(p, p),
            operands=operands,
            answers=torch.randint(p, (p * p,), generator=torch.Generator().manual_seed(table_seed)),
            operations={"random": "?"},
        )
