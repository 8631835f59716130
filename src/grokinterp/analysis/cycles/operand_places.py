"""Places: where numbers, and the rows of a table, stand on a cycle that is given by its tokens."""

import torch
from jaxtyping import Int
from torch import Tensor

from grokinterp.tasks import Task


def places_of(tokens: Int[Tensor, "place"], p: int) -> Int[Tensor, "number"]:
    """[number]: where each of p numbers stands on the cycle of these tokens; -1 where it does not."""
    place = torch.full((p,), -1)
    place[tokens] = torch.arange(len(tokens))
    return place


def rows_on(tokens: Int[Tensor, "place"], task: Task) -> Int[Tensor, "cell"]:
    """The rows of a task whose operands both stand on the cycle of these tokens, by the places of a and then of b."""
    a, b = places_of(tokens, task.sizes[0])[task.operands].T
    rows = ((a >= 0) & (b >= 0)).nonzero().flatten()
    return rows[torch.argsort((a * len(tokens) + b)[rows])]
