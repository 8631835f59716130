"""Corrupted labels: are rows that were taught a wrong answer remembered, or refused? (Doshi et al. 2310.13061)"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, ClassVar, Literal, NamedTuple, TypeAlias

import xarray as xr

from grokinterp.evaluation.losses import accuracy, corrupted_scores
from grokinterp.evaluation.snapshot import Snapshot
from grokinterp.readout import Circuit, Variable, readout

PAPER = "Doshi et al. 2023"
CorruptionRegime: TypeAlias = Literal[
    "coexistence", "partial inversion", "full inversion", "memorisation", "forgetting", "none"
]


class Rule(NamedTuple):
    """The regime of a checkpoint, by accuracies; the thresholds are ours, the regimes the paper's.

    Attributes:
        solved: least test accuracy of what has understood the rule, and least accuracy on the clean training rows.
        remembered: from this share of corrupted rows on, answered as they were taught, memory coexists with the rule.
        refused: up to this share no corrupted row is remembered: full inversion.
        forgotten: largest accuracy on clean and on test rows of what has lost both.
    """

    solved: float = 0.95
    remembered: float = 0.9
    refused: float = 0.05
    forgotten: float = 0.1

    def regime(self, test: float, clean: float, corrupted: float) -> CorruptionRegime:
        """By the accuracies on test rows, clean training rows and, by the labels trained on, corrupted ones."""
        if test >= self.solved and clean >= self.solved:
            if corrupted >= self.remembered:
                return "coexistence"
            return "full inversion" if corrupted <= self.refused else "partial inversion"
        if clean >= self.solved and corrupted >= self.solved:
            return "memorisation"
        return "forgetting" if max(test, clean) <= self.forgotten else "none"


RULE = Rule()


@dataclass(frozen=True)
class CorruptedLabels(Circuit):
    """Loss and accuracy of the training rows, those with their own label and those that were taught another.

    `train_accuracy_corrupted` counts the label trained on, `train_accuracy_corrected` the right answer in spite of it.
    A memory has the first at 1, a network that has understood and refuses what does not fit the second. Were the
    hypothesis of inversion false, corrected rows would stay at chance, 1 / answers, whatever the weight decay.

    The attribute `corruption_regime` is the last checkpoint's (`Rule`): coexistence (the rule is known and the wrong
    labels too), partial inversion (some are refused), full inversion (all are), memorisation (no test row is known),
    forgetting (nothing is), or none of them.
    """

    name: ClassVar[str] = "corrupted_labels"
    descriptions: ClassVar[Mapping[str, str]] = {
        "train_accuracy_clean": "accuracy on training rows that were taught their right answer",
        "train_loss_clean": "loss on training rows that were taught their right answer",
        "train_accuracy_corrupted": "accuracy on training rows that were taught a wrong answer, by that answer",
        "train_loss_corrupted": "loss on training rows that were taught a wrong answer, by that answer",
        "train_accuracy_corrected": "accuracy on training rows that were taught a wrong answer, by the right one",
        "test_accuracy_clean": "accuracy on rows not trained on, by the right answer",
    }
    rule: Rule = RULE

    def why_not(self, snapshot: Snapshot) -> str | None:
        if not snapshot.task.is_corrupted.any():
            return "no training row was taught a wrong answer (corrupt, mislabelled)"
        return None

    def read(self, snapshot: Snapshot, requested: frozenset[str] = frozenset()) -> xr.Dataset:
        del requested
        task, logits = snapshot.task, snapshot.scored_logits
        assert task.is_train is not None
        scores = corrupted_scores(logits, task.labels, task.train_labels, task.is_train, task.is_corrupted)
        variables = {}
        for name in ("clean", "corrupted"):
            source = f"{name} training rows, by the label trained on; {PAPER}"
            variables[f"train_accuracy_{name}"] = Variable((), scores[f"train_accuracy_{name}"], "share", source)
            variables[f"train_loss_{name}"] = Variable((), scores[f"train_loss_{name}"], "nats", source)
        source = f"corrupted training rows, by the right answer; {PAPER}"
        variables["train_accuracy_corrected"] = Variable((), scores["train_accuracy_corrected"], "share", source)
        test = ~task.is_train
        known = accuracy(logits[test], task.labels[test])
        variables["test_accuracy_clean"] = Variable((), known, "share", "rows not trained on, by the right answer")
        return readout(variables)

    def summarise(self, trace: xr.Dataset) -> dict[str, Any]:
        names = ("test_accuracy_clean", "train_accuracy_clean", "train_accuracy_corrupted")
        end = trace.isel(step=-1)
        return {
            "corruption_regime": self.rule.regime(*(float(end[name]) for name in names)),
            "corruption_rule": f"solved from {self.rule.solved}, remembered from {self.rule.remembered}, refused up to "
            f"{self.rule.refused}, forgotten up to {self.rule.forgotten}",
        }
