"""Scores: loss and accuracy of the model during training, on either side of the split."""

import torch
from torch import Tensor

from grokinterp.config import ScheduleConfig
from grokinterp.evaluation.evaluator import Evaluator
from grokinterp.evaluation.losses import accuracy, corrupted_scores, loss, objective
from grokinterp.evaluation.snapshot import TOKENS_SCORED_AT_ONCE, rows_at_once
from grokinterp.tasks import Task
from grokinterp.training.batches import Batches


class Scores:
    """Loss and accuracy over the answers, on the rows trained on and on the others.

    Of an endless task, train loss and accuracy are those of the fresh batch of the step. Of rows taught a wrong answer
    there are curves of their own: `train_accuracy_corrupted` counts what they were taught, `train_accuracy_corrected`
    the right answer in spite of it. Where something else than `train_loss` is lowered, `objective` is that.
    """

    def __init__(self, task: Task, device: torch.device, batches: Batches, schedule: ScheduleConfig | None = None):
        assert task.is_train is not None
        self.batches = batches if task.is_endless else None
        self.rows_at_once = rows_at_once(task.inputs, TOKENS_SCORED_AT_ONCE)
        self.n_answers = task.n_answers
        self.labels, self.train_labels = task.labels.to(device), task.train_labels.to(device)
        self.train, self.test = task.is_train.to(device), ~task.is_train.to(device)
        self.groups = {"test_accuracy": self.test}
        if task.is_commutative:
            self.groups["test_accuracy_unswapped"] = task.is_unswapped_test.to(device)
        self.objective = None if schedule is None or schedule.lowers_train_loss else objective(schedule)
        self.corrupted = task.is_corrupted.to(device) if task.is_corrupted.any() else None
        if len(task.operations) > 1:
            for i, operation in enumerate(task.operations):
                self.groups[f"test_accuracy[{operation}]"] = self.test & (task.operation == i).to(device)

    @torch.no_grad()
    def __call__(self, evaluate: Evaluator, parameters: dict[str, Tensor], step: int) -> dict[str, float]:
        rows = torch.arange(len(self.labels), device=self.labels.device)
        parts = [evaluate(parameters, part, for_gradient=False) for part in rows.split(self.rows_at_once)]
        columns = torch.cat(parts)
        logits = columns[..., : self.n_answers]
        trained, train_labels = columns[self.train], self.train_labels[self.train]
        if self.batches is not None:
            inputs, train_labels = self.batches.draw(step)
            trained = evaluate(parameters, inputs, for_gradient=False)
        lowered = {} if self.objective is None else {"objective": self.objective(trained, train_labels)}
        trained = trained[..., : self.n_answers]
        values = {
            "train_loss": loss(trained, train_labels),
            "test_loss": loss(logits[self.test], self.labels[self.test]),
            "train_accuracy": accuracy(trained, train_labels),
            **{name: accuracy(logits[group], self.labels[group]) for name, group in self.groups.items()},
            **self._of_corrupted(logits),
            **lowered,
            "weight_norm_squared": sum(p.detach().double().pow(2).sum() for p in parameters.values()),
        }
        # One transfer for all of them.
        return dict(zip(values, torch.stack(list(values.values())).tolist(), strict=True))  # type: ignore[arg-type]

    def _of_corrupted(self, logits: Tensor) -> dict[str, Tensor]:
        if self.corrupted is None:
            return {}
        return corrupted_scores(logits, self.labels, self.train_labels, self.train, self.corrupted)
