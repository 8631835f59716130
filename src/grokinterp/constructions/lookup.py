"""Lookup: a table of the training rows, which knows nothing of any other."""

from dataclasses import dataclass
from typing import ClassVar

import torch

from grokinterp.config import OneHotMLPConfig
from grokinterp.config.validation import check_types
from grokinterp.constructions._construction import Construction, Network, check_neurons, check_p
from grokinterp.errors import require
from grokinterp.tasks import Task


@dataclass(frozen=True)
class Lookup(Construction):
    """A neuron relu([a is the row's a] + [b is the row's b] - 1) for each training row, `scale` on its answer.

    All other logits are 0. The rows are those that `task` is split into, of a table of two operands with layout `a b`,
    or `frac` of those of a formula mod `p`; without a split all rows are remembered.
    """

    kind: ClassVar[str] = "lookup"
    example: ClassVar[str] = "p=23, frac=0.4"
    p: int | None = None
    task: Task | None = None
    expression: str = "a + b"
    scale: float = 10.0

    def __post_init__(self) -> None:
        check_types(self)
        require(
            (self.p is None) != (self.task is None),
            f"a lookup remembers a formula mod p or a task; give one of both, as in gi.build('lookup', {self.example})",
        )
        if self.p is not None:
            check_p(self.p, least=2)
        task = self.make_task()
        readable = task.has_tokens and task.has_classes and task.operand_columns == (0, 1) and task.inputs.shape[1] == 2
        require(readable, f"a lookup reads the tokens of two operands; give {task.expression!r} layout='a b'")
        check_neurons(len(task.labels), self.kind, "give a smaller table")

    def make_task(self) -> Task:
        return self.task or Task(self.expression, p=self.p, layout="a b")

    def make_network(self, task: Task) -> Network:
        remembered = torch.ones(len(task.labels), dtype=torch.bool) if task.is_train is None else task.is_train
        a, b = task.inputs[remembered].T
        tokens, answers = torch.eye(task.n_vocab).double(), torch.eye(task.n_answers).double()
        config = OneHotMLPConfig(combine="concatenate", d_mlp=len(a)).resolved(task.n_vocab, task.n_answers, 2)
        W_in = torch.cat([tokens[a] - 1, tokens[b]], 1).T
        W_U = self.scale * answers[task.labels[remembered]]
        return Network(config, {"blocks.0.mlp.W_in": W_in, "unembed.W_U": W_U})
