"""Planted models: the networks of `grokinterp.constructions` as snapshots, and what only tests are made of."""

import math
from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import torch
from torch import Tensor

from grokinterp.config import TransformerConfig
from grokinterp.constructions import build
from grokinterp.constructions._construction import embedding_mlp as network_of
from grokinterp.evaluation.snapshot import Snapshot
from grokinterp.models.initialisation import initialise
from grokinterp.models.parameters import parameter_shapes
from grokinterp.tasks import Task
from grokinterp.tasks._table import Table


def built(kind: str, *args: Any, **parameters: Any) -> Snapshot:
    """The one checkpoint of `gi.build`."""
    run = build(kind, *args, **parameters)
    return Snapshot(0, run.model_config, run.task, run.final.parameters)


def clock(
    p: int = 11, frequencies: Sequence[int] = (2, 5), scale: float = 10.0, expression: str = "a + b", frac: float = 0.5
) -> Snapshot:
    """`clock`, or `product` where the expression has a product."""
    if "*" in expression:
        return built("product", p, frequencies, scale=scale, frac=frac)
    return built("clock", p, frequencies, scale=scale, expression=expression, frac=frac)


def transformer_clock(
    layout: str = "a b =",
    p: int = 11,
    frequencies: Sequence[int] = (2, 5),
    scale: float = 10.0,
    expression: str = "a + b",
    frac: float = 0.5,
) -> Snapshot:
    expression = "a * b" if "*" in expression else expression
    return built("transformer_clock", p, frequencies, layout=layout, scale=scale, expression=expression, frac=frac)


def pizza(p: int = 11, frequencies: Sequence[int] = (2, 5), scale: float = 10.0, frac: float = 0.5) -> Snapshot:
    return built("pizza", p, frequencies, scale=scale, frac=frac)


def trace_cube(task: Task, irrep: str, scale: float = 10.0, frac: float = 0.5) -> Snapshot:
    return built("trace_cube", task=task, irrep=irrep, scale=scale, frac=frac)


def lookup(task: Task, scale: float = 10.0) -> Snapshot:
    """A table of the training rows, of all rows without a split."""
    return built("lookup", task=task, scale=scale, frac=None)


def simple_neurons(
    frequencies: Sequence[int] = (2, 5, 7, 9),
    offsets: Sequence[float] = (0.0,),
    p: int = 23,
    expression: str = "a + b",
    behind: float = 0.0,
    phases: int = 24,
    frac: float = 0.6,
) -> Snapshot:
    """A disc for one offset, a torus for evenly spaced ones: `torus`, with other names for its parameters."""
    return built("torus", p, frequencies, phases, differences=offsets, lag=behind, expression=expression, frac=frac)


def embedding_mlp(task: Task, W_E: Tensor, W_in: Tensor, W_U: Tensor) -> Snapshot:
    """A model of concatenated embeddings and one hidden layer, of these weights."""
    config, parameters = network_of(task, W_E, W_in, W_U)
    return Snapshot(0, config, task, {name: value.float() for name, value in parameters.items()})


def answering(task: Task, logits: Tensor) -> Snapshot:
    """A neuron for each row of a table of two operands, which writes that row of `logits`; numbers are one-hot."""
    n = task.sizes[0]
    one_hot = torch.eye(n)[task.operands]
    W_in = torch.cat([one_hot[:, 0].T, one_hot[:, 1].T])
    config, parameters = network_of(task, torch.eye(n), W_in, logits)
    shifted = {**parameters, "blocks.0.mlp.b_in": -torch.ones(len(logits))}
    config = replace(config, mlp_bias=True)
    return Snapshot(0, config, task, {name: value.float() for name, value in shifted.items()})


def untrained(p: int = 11, seed: int = 0, expression: str = "a + b", frac: float = 0.5) -> Snapshot:
    """A one-layer transformer as it is drawn, `a b =` at d_model 32: what every measure reads off noise."""
    task = Task(expression, p=p).split(frac=frac, seed=0)
    config = TransformerConfig(d_model=32).resolved(task.n_vocab, task.n_answers, task.inputs.shape[1])
    return Snapshot(0, config, task, initialise(config, seed=seed))


def noise(task: Task, seed: int = 0, **options: Any) -> Snapshot:
    """A float64 transformer of d_model 12 on a task, nothing of it at its initial constant: all of it counts."""
    config = TransformerConfig(**{"d_model": 12, "n_heads": 3, "d_mlp": 20, **options})
    config = config.resolved(task.n_vocab, task.n_answers, task.inputs.shape[1])
    generator = torch.Generator().manual_seed(seed)
    shapes = parameter_shapes(config).items()
    weights = {name: torch.randn(shape, generator=generator, dtype=torch.float64) * 0.5 for name, shape in shapes}
    return Snapshot(0, config, task, weights)


def answered_inside(at: int = -2, p: int = 7) -> Task:
    """a + b in rows `a op b =`, answered at a position that is not the last."""
    return Inside("a + b", p=p, at=at)


class Inside(Task):
    """See `answered_inside`."""

    def tabulate(self, p: int = 7, at: int = -2) -> Table:
        row = Task("a + b", p=p, layout="a op b =")
        return Table(
            row.operands, row.sizes, row.inputs, row.labels, (at,), row.n_answers, row.tokens, row.operation, ("a + b",)
        )


def attention_wave(p: int = 11, frequency: int = 3, size: float = 0.1, phase: float = 0.7) -> Snapshot:
    """One head that attends from `=` to a and b by sigmoid(size * (cos(w a - phase) - cos(w b - phase))), never to `=`.

    For small sizes that is 1/2 + size / 4 * (cos(w a - phase) - cos(w b - phase)), up to the cube of size.
    """
    task = Task("a + b", p=p).split(frac=0.5, seed=0)
    config = TransformerConfig(d_model=3, n_heads=1, d_head=2, d_mlp=4, position_embedding="none")
    config = config.resolved(task.n_vocab, task.n_answers, 3)
    parameters = {name: torch.zeros_like(value) for name, value in initialise(config, seed=0).items()}
    angle = 2 * math.pi * frequency * torch.arange(p) / p
    parameters["embed.W_E"][:p, 0], parameters["embed.W_E"][:p, 1] = angle.cos(), angle.sin()
    parameters["embed.W_E"][p, 2] = 1
    # The query of `=` is (sqrt 2, sqrt 2) before the division by sqrt(d_head) = sqrt 2.
    parameters["blocks.0.attn.W_Q"][0, 2] = math.sqrt(2)
    parameters["blocks.0.attn.W_K"][0] = torch.tensor(
        [[size * math.cos(phase), 0], [0, size * math.sin(phase)], [-99, 0]]
    )
    return Snapshot(0, config, task, parameters)
