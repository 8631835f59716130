"""Transformer clock: the same clock, whose operands two heads find, in rows of any layout (Nanda et al. 2023)."""

import math
from dataclasses import dataclass
from typing import ClassVar, Literal

import torch

from grokinterp.config import TransformerConfig
from grokinterp.config.validation import check_types
from grokinterp.constructions._construction import (
    Construction,
    Network,
    check_frequencies,
    check_neurons,
    check_p,
    circle,
)
from grokinterp.constructions._shifts import check_cycle, places, shift_pairs, size_of_clock
from grokinterp.errors import require
from grokinterp.models.parameters import parameter_shapes
from grokinterp.tasks import Task


@dataclass(frozen=True)
class TransformerClock(Construction):
    """The logits of `clock` (of `product` for `a * b`), of a one-layer transformer; those of other tokens are 0.

    One head looks at a's position and one at b's, wherever they stand, and puts the number's waves where the same
    neurons read them. Of the whole attention all but exp(-200) goes there, which float32 rounds to all.
    """

    kind: ClassVar[str] = "transformer_clock"
    example: ClassVar[str] = "p=23, frequencies=[2, 5, 9]"
    p: int
    frequencies: tuple[int, ...]
    layout: str = "a b ="
    scale: float = 10.0
    expression: Literal["a + b", "a - b", "a * b"] = "a + b"

    def __post_init__(self) -> None:
        check_types(self)
        check_p(self.p)
        n = check_cycle(self.expression, self.p)
        check_frequencies(self.frequencies, n)
        check_neurons(n**2 * len(self.frequencies) + 1, self.kind, "give fewer frequencies, or a smaller p")
        require(
            not any(at is None for at in self.make_task().operand_columns),
            f"the layout {self.layout!r} has no token for each operand; as in layout='a b ='",
        )

    def make_task(self) -> Task:
        return Task(self.expression, p=self.p, layout=self.layout)

    def make_network(self, task: Task) -> Network:
        place, n, sign = places(task)
        off, width, n_ctx = place < 0, 2 * len(self.frequencies) + 1, task.inputs.shape[1]
        # The stream: a number's waves and whether it is off the cycle; positions; what the heads find; the answer's.
        number, positions = slice(0, width), slice(width, width + n_ctx)
        found = [slice(positions.stop + i * width, positions.stop + (i + 1) * width) for i in (0, 1)]
        answer = slice(found[1].stop, found[1].stop + width)
        config = TransformerConfig(
            d_model=answer.stop,
            n_heads=2,
            d_head=max(width, n_ctx),
            d_mlp=n * n * len(self.frequencies) + 1,
            mlp_bias=False,
        ).resolved(task.n_vocab, task.n_answers, n_ctx)
        weights = {name: torch.zeros(shape).double() for name, shape in parameter_shapes(config).items()}
        waves = torch.cat([*(circle(k * place, n).masked_fill(off, 0) for k in self.frequencies), off[None].double()])
        columns = [at for at in task.operand_columns if at is not None]
        for operand, column in enumerate(columns):
            weights["embed.W_E"][task.inputs[:, column], number] = waves.T[task.operands[:, operand]]
            sharp = 200 * math.sqrt(config.head_size)
            weights["blocks.0.attn.W_Q"][operand, positions, 0] = 1
            weights["blocks.0.attn.W_K"][operand, positions.start + column, 0] = sharp
            weights["blocks.0.attn.W_V"][operand, number, :width] = torch.eye(width).double()
            weights["blocks.0.attn.W_O"][operand, :width, found[operand]] = torch.eye(width).double()
        weights["pos_embed.W_pos"][:, positions] = torch.eye(n_ctx).double()
        shifts = shift_pairs(n)
        for index, k in enumerate(self.frequencies):
            neurons, pair = slice(index * n * n, (index + 1) * n * n), slice(2 * index, 2 * index + 2)
            for part, shift in zip(found, shifts, strict=True):
                weights["blocks.0.mlp.W_in"][part, neurons][pair] = circle(k * shift, n)
            written = self.scale / size_of_clock(k, n) * circle(k * (shifts[0] + sign * shifts[1]), n)
            weights["blocks.0.mlp.W_out"][neurons, answer][:, pair] = written.T
        for part in found:
            weights["blocks.0.mlp.W_in"][part, -1][-1] = 1
        weights["blocks.0.mlp.W_out"][-1, answer.stop - 1] = 1e3
        weights["unembed.W_U"][answer, : self.p] = waves
        return Network(config, weights)
