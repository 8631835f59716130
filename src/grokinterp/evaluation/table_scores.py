"""Scores of a model on its task's table: loss and accuracy on the rows trained on, and on the others."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import torch
from jaxtyping import Float
from torch import Tensor, nn
from torch.nn import functional as F

from grokinterp.config.validation import shown
from grokinterp.errors import BadRequest
from grokinterp.evaluation.losses import rightness
from grokinterp.evaluation.snapshot import rows_at_once
from grokinterp.tasks import Task

SOURCES = {
    "train_loss": "mean cross-entropy over the answers, rows trained on, as labelled in training; float64",
    "test_loss": "mean cross-entropy over the answers, all other rows; float64",
    "train_accuracy": "share of the rows trained on whose largest logit is the label of training",
    "test_accuracy": "share of all other rows whose largest logit is the answer",
    "test_accuracy_unswapped": "as test_accuracy, rows (b, a) left out where (a, b) is trained on",
}


TOKENS_IN_ONE_CALL = 1_000_000
"""A table with more tokens is given to a model in parts: its activations would not fit into memory."""


def losses(logits: Float[Tensor, "ab *t answer"], task: Task) -> dict[str, float]:
    """Mean cross-entropy in nats (on float64 logits) and accuracy on a task's table, by the names of `SOURCES`.

    Where answers are numbers the loss is the squared error, and a number right as `is_right` says.

    Of several scored positions the loss is their mean, and a row is right where all of them are, as in training.
    Training rows are scored by the labels trained on (mislabelled rows keep theirs). Remembered pairs cannot answer the
    rows of `test_accuracy_unswapped`: neither they nor their swaps are trained on. NaN where there are no such rows, or
    the split is not known.
    """
    if task.is_train is None:
        return dict.fromkeys(SOURCES, float("nan"))
    is_train = task.is_train.reshape(-1, *[1] * (task.labels.ndim - 1))
    labels = torch.where(is_train, task.train_labels, task.labels)
    if task.has_classes:
        by_label = F.cross_entropy(logits.double().flatten(0, -2), labels.flatten(), reduction="none")
    else:
        by_label = (logits[:, 0].double() - labels).square()
    loss = by_label.reshape(len(labels), -1).mean(1)
    right = rightness(logits, labels)
    train, test, unswapped = task.is_train, ~task.is_train, task.is_unswapped_test
    means = (loss[train], loss[test], right[train], right[test], right[unswapped])
    return {name: each.mean().item() for name, each in zip(SOURCES, means, strict=True)}


def evaluate(model: nn.Module, task: Task | None = None) -> dict[str, float]:
    """Loss (nats) and accuracy of a model as it is now, on both sides of a task's split: also inside `gi.ablate`.

    `model` is any module that maps the task's `inputs` to logits: [n, answers], or [n, positions, vocabulary], which
    is read at the task's scored positions. `task` is the model's own where left out. Gives `train_loss`, `test_loss`,
    `train_accuracy`, `test_accuracy` and `test_accuracy_unswapped`, as `losses` has them.

    Raises `BadRequest` for a task without a split, or logits that are not of its rows and answers.
    """
    if not isinstance(model, nn.Module):
        raise BadRequest(f"evaluate takes a module, as in gi.evaluate(run.final.model()), not {shown(model)}")
    task = getattr(model, "task", None) if task is None else task
    if not isinstance(task, Task):
        raise BadRequest(f"{type(model).__name__} carries no task; give one, as in gi.evaluate(model, run.task)")
    if task.is_train is None:
        raise BadRequest("the task has no split yet; use task.split(frac=0.3, seed=0) or a run's task")
    place = next((parameter.device for parameter in model.parameters()), task.inputs.device)
    batches = task.inputs.split(rows_at_once(task.inputs, TOKENS_IN_ONE_CALL))
    with asked(model):
        logits = torch.cat([answers_of(model(rows.to(place)), task).cpu() for rows in batches])
    check_one_a_row(model, logits, task.inputs)
    return losses(logits, task)


def check_one_a_row(model: nn.Module, answers: Tensor, rows: Tensor) -> None:
    """Refuse answers of which there are more or fewer than rows. Raises `BadRequest`."""
    if len(answers) != len(rows):
        raise BadRequest(f"{type(model).__name__} gives {len(answers)} answers to {len(rows)} rows; one a row is read")


@contextmanager
def asked(model: nn.Module) -> Iterator[None]:
    """A block in which anybody's module answers rows of a task: in evaluation, without gradients; it stays as it was.

    What it fails with is refused in one line. Raises `BadRequest`.
    """
    was_training = model.training
    model.eval()
    try:
        with torch.no_grad():
            yield
    except BadRequest:
        raise
    except Exception as error:
        raise BadRequest(
            f"{type(model).__name__} cannot be called on rows of task.inputs ({type(error).__name__}: {error}); wrap "
            f"it in a module that maps them to logits"
        ) from error
    finally:
        model.train(was_training)


def answers_of(output: Any, task: Task) -> Float[Tensor, "n *t answer"]:
    """What a model gives for some rows, at the positions that are scored and the columns that are answers.

    Raises `BadRequest` for what is no logits of a task's rows and answers.
    """
    if not isinstance(output, Tensor) or output.ndim not in (2, 3) or output.shape[-1] < task.n_answers:
        given = f"a tensor of shape {[*output.shape]}" if isinstance(output, Tensor) else f"a {type(output).__name__}"
        raise BadRequest(
            f"the model gives {given}; what is read are logits [rows, {task.n_answers} answers], or "
            f"[rows, positions, vocabulary] of at least {task.n_answers} columns"
        )
    if output.ndim == 3:
        # A model may compute the scored position alone.
        at = [0] if output.shape[1] == 1 else list(task.positions)
        output = output[:, at] if task.labels.ndim == 2 else output[:, at[0]]
    return output[..., : task.n_answers]
