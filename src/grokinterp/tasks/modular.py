"""Modular: tasks given by formulas mod p, one or several in a table."""

import re
from collections.abc import Mapping
from typing import Any

import torch

from grokinterp.errors import did_you_mean
from grokinterp.tasks._base import Task
from grokinterp.tasks._table import Table, TaskError, all_rows, check_modulus
from grokinterp.tasks.formula import Formula
from grokinterp.tasks.layout import find_layout
from grokinterp.tasks.papers import FORMULAS, PAPER_FORMULAS, modulus_in

MAX_FORMULAS = 64


class Modular(
    Task, names={name: f"{text} ({paper})" for paper, named in PAPER_FORMULAS.items() for name, text in named.items()}
):
    """`Task("a + b", p=113)`: a formula, or a paper's name for one, over all operands 0 .. p - 1 (see `Formula`).

    Three operands where a formula has `c`. Formulas joined by `;`, or a list of them, are a mixture: one
    table after the other, each with its operator token; where any has `c`, all tables are over three operands.

    `a / b` is the table of a = c * b: b from 1, p (p - 1) rows, sorted like all tables by the operands
    (a, b) (Power's code lists them by (c, b)); axis 0 of a grid is a, column b = 0 is NaN. Under a
    condition only the branch taken counts: `a / b if b % 2 else a - b` keeps its rows with b = 0.

    Parameters: `p`, at least 2 and prime where a divisor needs it; `layout`, a name of `LAYOUTS` (a mixture's
    is `a op b =` unless said). Raises `TaskError` for what cannot be read, divided or held in 5 million rows.
    """

    def tabulate(self, p: int = 113, layout: str = "a b =") -> Table:
        tokens, formulas = find_layout(layout), self._formulas(p)
        check_modulus(p)
        sizes = (p,) * max(formula.n_operands for formula in formulas)
        every = all_rows(sizes, len(formulas))
        operands, answers, operation = [], [], []
        for number, formula in enumerate(formulas):
            answer, defined = formula.evaluate(every, p)
            if not defined.any():
                raise TaskError(f"the formula {formula.text!r} always divides by 0 mod p={p}; change its divisor")
            operands.append(every[defined])
            answers.append(answer[defined])
            operation.append(torch.full_like(answers[-1], number))
        return tokens.table(
            numbers=[str(number) for number in range(p)],
            sizes=sizes,
            operands=torch.cat(operands),
            answers=torch.cat(answers),
            operation=torch.cat(operation),
            operations={formula.text: formula.symbol for formula in formulas},
        )

    @classmethod
    def defaults(cls, expression: str, preset: Mapping[str, Any] | None = None) -> dict[str, Any]:
        """As in `Task`, but a name with a modulus keeps it, and a mixture gets a layout with operators."""
        filled = super().defaults(expression, preset)
        parts = _parts(expression)
        if len(parts) > 1 and not find_layout(filled["layout"]).operator:
            filled["layout"] = "a op b ="
        named = [modulus for part in parts if part in FORMULAS and (modulus := modulus_in(part))]
        return {**filled, "p": named[0]} if named else filled

    def _formulas(self, p: int) -> list[Formula]:
        parts = _parts(self.expression)
        if len(parts) > MAX_FORMULAS:
            raise TaskError(f"a mixture holds at most {MAX_FORMULAS} formulas, not {len(parts)}; leave some out")
        formulas: dict[str, Formula] = {}
        for part in parts:
            if part in FORMULAS and modulus_in(part) not in (None, p):
                raise TaskError(f"{part!r} is mod {modulus_in(part)} by its name; for p={p} write {FORMULAS[part]!r}")
            formula = _read(part)
            if formula.text in formulas:
                raise TaskError(f"the mixture {self.expression!r} has {formula.text!r} twice; leave one out")
            formulas[formula.text] = formula
        return list(formulas.values())


Task.fallback = Modular


def _parts(expression: str) -> list[str]:
    return [part.strip() for part in expression.split(";")]


def _read(part: str) -> Formula:
    if part in Task.registry and part not in FORMULAS:
        raise TaskError(
            f"{part!r} is a table of its own and cannot be part of a mixture; mix formulas, as in 'a + b; a*b'"
        )
    try:
        return Formula.parse(FORMULAS.get(part, part))
    except TaskError as error:
        if re.fullmatch(r"\w\w+", part):
            near = did_you_mean(part, Task.registry)
            raise TaskError(
                f"no task is named {part!r}, and {error}.{near} `grokinterp tasks` lists the names"
            ) from None
        raise
