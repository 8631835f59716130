"""Layout: how a question becomes tokens, and where its answer is read."""

from collections.abc import Mapping
from dataclasses import dataclass

import torch
from jaxtyping import Int
from torch import Tensor

from grokinterp.errors import did_you_mean, listed
from grokinterp.tasks._table import Table, TaskError


@dataclass(frozen=True)
class Layout:
    """The tokens of a row, as its name shows them for two operands; a third follows in the same way (`a b c =`).

    Number tokens come first in every vocabulary, so that answer column n is the number n; then, for
    `offset`, the numbers of the second operand (and third) as tokens of their own; then `=`, one operator
    for each operation, and `<|eos|>`, as far as the layout has them.
    """

    name: str
    operator: bool = False
    equals: bool = False
    offset: bool = False
    specials: bool = False

    def table(
        self,
        numbers: list[str],
        sizes: tuple[int, ...],
        operands: Int[Tensor, "ab operand"],
        answers: Int[Tensor, "ab"],
        operation: Int[Tensor, "ab"] | None = None,
        operations: Mapping[str, str] | None = None,
    ) -> Table:
        """Write rows as tokens.

        `numbers` are the tokens of all operands and answers; `operations` maps each formula to its operator token, and
        `operation` says which of them a row belongs to. Without them there is one, called as the task is, token `op`.
        Raises `TaskError` for several operations in a layout that cannot tell them apart.
        """
        symbols = ["op"] if operations is None else list(operations.values())
        operation = torch.zeros_like(answers) if operation is None else operation
        if len(symbols) > 1 and not self.operator:
            with_operator = listed(repr(name) for name, layout in LAYOUTS.items() if layout.operator)
            raise TaskError(
                f"layout={self.name!r} has no operator token to tell {len(symbols)} operations apart; "
                f"use one of {with_operator}"
            )
        tokens = list(numbers)
        if self.offset:
            tokens += [number + "'" * place for place in range(1, len(sizes)) for number in numbers]
        equals, first_operator = len(tokens), len(tokens) + self.equals
        tokens += ["="] * self.equals + symbols * self.operator + ["<|eos|>"] * self.specials
        end = torch.full_like(answers, len(tokens) - 1)

        columns = [end] if self.specials else []
        for place, column in enumerate(operands.T):
            if place and self.operator:
                columns.append(first_operator + operation)
            columns.append(column + place * len(numbers) * self.offset)
        if self.equals:
            columns.append(torch.full_like(answers, equals))
        if self.specials:
            columns.append(answers)
        return Table(
            operands=operands,
            sizes=sizes,
            inputs=torch.stack(columns, 1),
            labels=torch.stack([answers, end], 1) if self.specials else answers,
            positions=(-2, -1) if self.specials else (-1,),
            n_answers=len(tokens) if self.specials else len(numbers),
            tokens=tokens,
            operation=operation,
            operations=tuple(operations or ()),
            specials=(len(tokens) - len(numbers)) * self.specials,
        )


LAYOUTS: dict[str, Layout] = {
    layout.name: layout
    for layout in (
        # Nanda et al. 2023.
        Layout("a b =", equals=True),
        # Zhong et al. 2023 (pizza), and their runs with `diff_vocab` and `eqn_sign`.
        Layout("a b"),
        Layout("a b+p", offset=True),
        Layout("a b+p =", equals=True, offset=True),
        # Furuta et al. 2024, read at the second operand.
        Layout("a op b", operator=True),
        # Power et al. 2022 without the closing tokens; danielmamay's vocabulary: numbers, `=`, operator.
        Layout("a op b =", operator=True, equals=True),
        # Power et al. 2022: <|eos|> a op b = c, and c and <|eos|> are predicted; columns are the whole vocabulary.
        Layout("power", operator=True, equals=True, specials=True),
    )
}
"""The papers' layouts, by name."""


def find_layout(name: str) -> Layout:
    """The named layout. Raises `TaskError`, listing the layouts, for an unknown name."""
    spelled = " ".join(name.split())
    if spelled not in LAYOUTS:
        near = did_you_mean(spelled, LAYOUTS)
        raise TaskError(f"no layout {name!r}.{near} The layouts: {listed(repr(known) for known in LAYOUTS)}")
    return LAYOUTS[spelled]
