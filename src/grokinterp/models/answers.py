"""Answers: what a model is called on, and the loss of its logits on what its task says is right."""

from typing import Any

import torch
from jaxtyping import Float, Shaped
from torch import Tensor
from torch.nn import functional as F

from grokinterp.config import ModelConfig
from grokinterp.config.validation import shown
from grokinterp.errors import BadRequest
from grokinterp.tasks import Task, as_tensor


def read_rows(model: Any, given: Any) -> Shaped[Tensor, "batch width"]:
    """Rows for a model to be called on: tokens or numbers as a tensor, an array, lists, or a line of text; one or more.

    Raises `BadRequest` for what its family does not read.
    """
    config, weights = model.config, next(model.parameters())
    if config.reads == "tokens":
        rows = given if isinstance(given, Tensor) else model.to_tokens(given)
        check_whole(rows)
    else:
        rows = as_tensor(given, "the rows", "one for each row of task.inputs")
        if rows.is_complex():
            raise BadRequest("the model reads real numbers; give rows such as task.inputs")
    rows = rows[None] if rows.ndim == 1 else rows
    if rows.ndim != 2:
        raise BadRequest(
            f"the model reads rows [batch, position] and was given {list(rows.shape)}; give rows such as task.inputs"
        )
    return rows.to(weights.device)


def check_whole(tokens: Tensor) -> None:
    """Refuse tokens that are no whole numbers."""
    if tokens.is_floating_point() or tokens.is_complex() or tokens.dtype == torch.bool:
        kind = str(tokens.dtype).removeprefix("torch.")
        raise BadRequest(f"tokens are whole numbers and these are {kind}; give task.inputs, or call .long() on yours")


def answer_loss(
    config: ModelConfig,
    task: Task | None,
    logits: Float[Tensor, "batch position column"],
    rows: Shaped[Tensor, "batch width"],
    per_token: bool,
) -> Float[Tensor, "*batch_t"]:
    """The mean cross-entropy in nats of the task's answers at the scored positions, on float64; squares for numbers.

    Per token it is [batch, t], a loss for each scored position of each row. Over the answers' columns only, as all
    metrics are. Raises `BadRequest` for a model without a task, and for rows that are none of the task's.
    """
    if task is None:
        raise BadRequest(
            "this model has no task, so no answer is right; build it with a task, or give return_type='logits'"
        )
    labels = answers(task, rows).to(logits.device)
    scored = logits[:, list(config.read_positions(task.positions))].double()
    labels = labels[:, None] if labels.ndim == 1 else labels
    if labels.is_floating_point():
        losses = (scored[..., 0] - labels).square()
    else:
        losses = F.cross_entropy(scored[..., : task.n_answers].transpose(1, 2), labels, reduction="none")
    return losses if per_token else losses.mean()


def answers(task: Task, rows: Shaped[Tensor, "batch width"]) -> Shaped[Tensor, "batch *t"]:
    """The right answers of rows of a task's table, or of any rows where the answers are the tokens that come next."""
    table = task.inputs
    rows = rows.to(table.device)
    if rows.shape[1:] != table.shape[1:]:
        raise BadRequest(
            f"rows of {task.expression!r} have {table.shape[1]} entries, not {rows.shape[1]}; give task.inputs"
        )
    if rows.shape == table.shape and torch.equal(rows, table.to(rows.dtype)):
        return task.labels
    if next_tokens(task):
        return rows[:, [position + 1 for position in task.positions]]
    _, kinds = torch.cat([table, rows.to(table.dtype)]).unique(dim=0, return_inverse=True)
    row_of_kind = torch.full((int(kinds.max()) + 1,), -1)
    row_of_kind[kinds[: len(table)]] = torch.arange(len(table))
    numbers = row_of_kind[kinds[len(table) :]]
    if (numbers < 0).any():
        first = int((numbers < 0).nonzero()[0])
        raise BadRequest(
            f"row {first}, {shown(rows[first].tolist())}, is none of the {len(table)} of {task.expression!r}, so its "
            "answer is not known; give rows of task.inputs"
        )
    return task.labels[numbers]


def next_tokens(task: Task) -> bool:
    """Whether each answer is the token that comes next, as in a language model."""
    width, labels = task.inputs.shape[1], task.labels
    if not task.has_tokens or labels.ndim != 2 or not all(0 <= p < width - 1 for p in task.positions):
        return False
    return torch.equal(task.inputs[:, [position + 1 for position in task.positions]], labels)
