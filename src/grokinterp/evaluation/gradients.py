"""Gradients of logits with respect to what the embedding gives for each operand."""

import random
from collections.abc import Callable
from dataclasses import dataclass
from functools import lru_cache
from typing import TYPE_CHECKING

import torch
from jaxtyping import Float, Int
from torch import Tensor
from torch.nn import functional as F

from grokinterp.config import ModelConfig
from grokinterp.errors import BadRequest
from grokinterp.evaluation import fused
from grokinterp.evaluation.shuffling import first_shuffled
from grokinterp.evaluation.snapshot import Snapshot
from grokinterp.tasks import Task

if TYPE_CHECKING:
    from grokinterp.models.hooked import HookedModule


class GradientError(BadRequest):
    """A task or rows of which the operands' gradients cannot be compared; its one line names the remedy."""


@dataclass(frozen=True)
class EmbeddingView:
    """A model as a function of its embedding's output, before positions are added.

    Attributes:
        embed: tokens [n, position] -> embedding outputs [n, position, d].
        logits: tokens, embedding outputs -> logits [n, column] at the read-out position; differentiable.
        chunk: how many rows to give at a time.
        device: where the model is; tokens are moved there.
    """

    embed: Callable[[Tensor], Tensor]
    logits: Callable[[Tensor, Tensor], Tensor]
    chunk: int = 1024
    device: torch.device | str = "cpu"

    @classmethod
    def of_model(cls, model: "HookedModule", position: int = -1) -> "EmbeddingView":
        """Through `hook_embed` of any hooked model, its answer read at `position`."""

        def embed(tokens: Tensor) -> Tensor:
            return model.run_with_cache(tokens, names_filter=["hook_embed"], return_cache_object=False)[1]["hook_embed"]

        def logits(tokens: Tensor, embedded: Tensor) -> Tensor:
            with model.hooks(fwd_hooks=[("hook_embed", lambda value, hook: embedded)]):
                return model(tokens)[:, position]

        return cls(embed, logits, device=next(model.parameters()).device)

    @classmethod
    def of(cls, snapshot: Snapshot) -> "EmbeddingView":
        """Of a checkpoint: the fast path where it applies, else its hooked model."""
        config, parameters = snapshot.config, snapshot.parameters
        if config.why_not_fused(snapshot.task.positions) is None:
            return cls(
                lambda tokens: parameters["embed.W_E"][tokens],
                lambda tokens, embedded: fused.logits_from_embeddings(config, parameters, embedded),
                chunk=512,
                device=parameters["embed.W_E"].device,
            )
        from grokinterp import models  # imports TransformerLens, which the fast path does not wait for

        model = models.build(config, parameters=dict(parameters), task=snapshot.task)
        return cls.of_model(model, readout_position(snapshot.task, config))

    def cosines(
        self, tokens: Int[Tensor, "n position"], columns: tuple[int, int], answers: Int[Tensor, "n"]
    ) -> Float[Tensor, "n"]:
        """Row by row, the cosine of d logit[answer] / d embedding at two columns of the tokens; 0 where one is zero."""
        cosines = []
        tokens, answers = tokens.to(self.device), answers.to(self.device)
        for rows, wanted in zip(tokens.split(self.chunk), answers.split(self.chunk), strict=True):
            embedded = self.embed(rows).detach().requires_grad_()
            with torch.enable_grad():
                chosen = self.logits(rows, embedded).gather(1, wanted[:, None]).sum()
                (gradient,) = torch.autograd.grad(chosen, embedded)
            cosines.append(F.cosine_similarity(gradient[:, columns[0]], gradient[:, columns[1]], dim=-1))
        return torch.cat(cosines)

    def cosines_of_all(
        self, tokens: Int[Tensor, "n position"], columns: tuple[int, int], n_answers: int
    ) -> Float[Tensor, "n answer"]:
        """`cosines` for every answer 0 .. n_answers - 1: one evaluation and n_answers backward passes."""
        cosines = []
        for rows in tokens.to(self.device).split(self.chunk):
            embedded = self.embed(rows).detach().requires_grad_()
            with torch.enable_grad():
                out = self.logits(rows, embedded)
                each = [torch.autograd.grad(out[:, c].sum(), embedded, retain_graph=True)[0] for c in range(n_answers)]
            a, b = (torch.stack([gradient[:, column] for gradient in each], 1) for column in columns)
            cosines.append(F.cosine_similarity(a, b, dim=-1))
        return torch.cat(cosines)


def readout_position(task: Task, config: ModelConfig) -> int:
    """Where in a model's output its answer is: the task's (first) scored position; an MLP has only one."""
    return config.read_positions(task.positions)[0]


def operand_columns(task: Task) -> tuple[int, int]:
    """The columns of `task.inputs` that hold a and b. Raises `GradientError` for other than two operands in tokens."""
    if task.operands.shape[1] != 2 or task.inputs.is_floating_point():
        raise GradientError(f"{task.expression!r} has not two operands with a token each; use a task such as a + b")
    a, b = task.operand_columns
    if a is None or b is None:
        raise GradientError(f"{task.expression!r} has no column of tokens for each operand; use a layout such as 'a b'")
    return a, b


def token_rows(task: Task, pairs: Int[Tensor, "n 2"]) -> Int[Tensor, "n position"]:
    """The tokens of the rows with these operands. Raises `GradientError` for a pair that the table does not have."""
    rows = _row_numbers(task)[pairs[:, 0], pairs[:, 1]]
    if (rows < 0).any():
        a, b = pairs[rows < 0][0].tolist()
        raise GradientError(f"the table of {task.expression!r} has no row for a={a}, b={b}; leave the pair out")
    return task.inputs[rows]


# A task is never changed once built, and every checkpoint asks.
@lru_cache(maxsize=8)
def _row_numbers(task: Task) -> Int[Tensor, "a b"]:
    numbers = torch.full(task.sizes, -1)
    numbers[task.operands[:, 0], task.operands[:, 1]] = torch.arange(len(task.operands))
    return numbers


WIDE = 4_000
"""The most triples that are kept of a shuffled order; one that is kept serves every smaller count."""


def seeded_triples(task: Task, count: int = 100) -> Int[Tensor, "n 3"]:
    """The triples (a, b, c) of Zhong et al. 2023, for any p: all in order, `random.Random(42).shuffle`, the first 100.

    For p = 59 they are (29, 1, 57), (49, 36, 24), (40, 38, 8), ... Pairs that the table does not have (a zero divisor)
    are passed over. Above 2 million triples (p > 125) they are drawn one by one, from the same seed.
    """
    p = task.sizes[0]
    triples = _shuffled(p, 2 * max(count, WIDE) + 100)
    return triples[_row_numbers(task)[triples[:, 0], triples[:, 1]] >= 0][:count]


@lru_cache(maxsize=8)
def _shuffled(p: int, count: int) -> Int[Tensor, "n 3"]:
    source = random.Random(42)
    if p**3 <= 2_000_000:
        chosen = torch.from_numpy(first_shuffled(p**3, count, seed=42))
    else:
        chosen = torch.tensor([source.randrange(p**3) for _ in range(count)])
    return torch.stack([chosen // p**2, chosen // p % p, chosen % p], dim=1)
