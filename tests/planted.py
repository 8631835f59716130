"""Planted models: small networks that compute a known circuit exactly, because it was put there by hand.

All are real models (`EmbeddingMLP`) of cosine and sine embeddings, so gradients, ablations and hooks work on them. The
algebra: for F(x, y) = relu(cos w x + cos w y), summing F(a - i, b - j) cos w(c - i - j) over all shifts i, j of a cycle
of n places gives C cos w(a + b - c), C = sum of F(x, y) cos w(x + y), because a shift of the operands only turns
the wave, and F is even. No approximation: the sum over shifts is a convolution on the cycle.
"""

import math
from collections.abc import Callable, Sequence
from typing import Any, Literal

import torch
from torch import Tensor

from grokinterp import fourier
from grokinterp.config import EmbeddingMLPConfig, TransformerConfig
from grokinterp.evaluation.snapshot import Snapshot
from grokinterp.models.initialisation import initialise
from grokinterp.models.parameters import parameter_shapes
from grokinterp.tasks import Task
from grokinterp.tasks._table import Table


def clock(
    p: int = 11, frequencies: Sequence[int] = (2, 5), scale: float = 10.0, expression: str = "a + b", frac: float = 0.5
) -> Snapshot:
    """A clock: logits are exactly scale * sum_k cos(w_k(a + b - c)), for `a - b` cos(w_k(a - b - c)).

    For `a * b` the same in discrete logs, k counting characters, w_k = 2 pi k / (p - 1); answer 0 has logit 1000 for
    each operand that is 0, where all other logits are 0, and logit 0 elsewhere. One neuron
    relu(cos w_k(a - i) + cos w_k(b - j)) for each k and pair of shifts (i, j), i-major, and one that is on for
    zeros only: dead where there are none.
    """
    task = Task(expression, p=p, layout="a b").split(frac=frac, seed=0)
    multiplicative = "*" in expression
    n = p - 1 if multiplicative else p
    place = fourier.discrete_logs(p) if multiplicative else torch.arange(p)
    sign = -1 if "-" in expression else 1
    i, j = torch.arange(n).repeat_interleave(n), torch.arange(n).repeat(n)
    F = lambda k: torch.relu(_cos(k * i, n) + _cos(k * j, n))
    return _snapshot(
        task,
        place,
        n,
        frequencies,
        shifts=(i, j),
        out=lambda k: (
            scale * _cos(k * (place[None, :] - i[:, None] - sign * j[:, None]), n) / (F(k) @ _cos(k * (i + j), n))
        ),
        combine="concatenate",
    )


def transformer_clock(
    layout: str = "a b =",
    p: int = 11,
    frequencies: Sequence[int] = (2, 5),
    scale: float = 10.0,
    expression: str = "a + b",
    frac: float = 0.5,
) -> Snapshot:
    """The logits of `clock`, of a one-layer transformer that reads any layout; those of other tokens are 0.

    One head looks at a's position and one at b's, wherever they stand, and puts the number's waves where the same
    neurons read them. Of the whole attention all but exp(-200) goes there, which float32 rounds to all.
    """
    task = Task(expression, p=p, layout=layout).split(frac=frac, seed=0)
    multiplicative = "*" in expression
    n = p - 1 if multiplicative else p
    place = fourier.discrete_logs(p) if multiplicative else torch.arange(p)
    off, sign, width = place < 0, -1 if "-" in expression else 1, 2 * len(frequencies) + 1
    n_ctx = task.inputs.shape[1]
    # The stream: a number's waves and whether it is off the cycle; positions; what the heads found; the answer's waves.
    own, positions = slice(0, width), slice(width, width + n_ctx)
    found = [slice(positions.stop + i * width, positions.stop + (i + 1) * width) for i in (0, 1)]
    answer = slice(found[1].stop, found[1].stop + width)
    config = TransformerConfig(
        d_model=answer.stop, n_heads=2, d_head=max(width, n_ctx), d_mlp=n * n * len(frequencies) + 1, mlp_bias=False
    ).resolved(task.n_vocab, task.n_answers, n_ctx)
    weights = {name: torch.zeros_like(value).double() for name, value in initialise(config, seed=0).items()}
    circle = lambda k, steps: torch.stack([_cos(k * steps, n), _sin(k * steps, n)])
    waves = torch.cat([*(circle(k, place).masked_fill(off, 0) for k in frequencies), off[None].double()])
    tokens = {operand: task.inputs[:, column] for operand, column in zip((0, 1), _columns(layout), strict=True)}
    for operand, column in tokens.items():
        weights["embed.W_E"][column, own] = waves.T[task.operands[:, operand]]
    weights["pos_embed.W_pos"][:, positions] = torch.eye(n_ctx).double()
    for head, column in enumerate(_columns(layout)):
        sharp = 200 * math.sqrt(config.head_size)
        weights["blocks.0.attn.W_Q"][head, positions, 0] = 1
        weights["blocks.0.attn.W_K"][head, positions.start + column, 0] = sharp
        weights["blocks.0.attn.W_V"][head, own, :width] = torch.eye(width).double()
        weights["blocks.0.attn.W_O"][head, :width, found[head]] = torch.eye(width).double()
    i, j = torch.arange(n).repeat_interleave(n), torch.arange(n).repeat(n)
    for index, k in enumerate(frequencies):
        neurons, pair = slice(index * n * n, (index + 1) * n * n), slice(2 * index, 2 * index + 2)
        for part, shift in zip(found, (i, j), strict=True):
            weights["blocks.0.mlp.W_in"][part, neurons][pair] = circle(k, shift)
        normal = torch.relu(_cos(k * i, n) + _cos(k * j, n)) @ _cos(k * (i + j), n)
        weights["blocks.0.mlp.W_out"][neurons, answer][:, pair] = scale / normal * circle(k, i + sign * j).T
    for part in found:
        weights["blocks.0.mlp.W_in"][part, -1][-1] = 1
    weights["blocks.0.mlp.W_out"][-1, answer.stop - 1] = 1e3
    weights["unembed.W_U"][answer, :p] = waves
    return Snapshot(0, config, task, {name: value.float() for name, value in weights.items()})


def _columns(layout: str) -> tuple[int, int]:
    """Where a and b stand in a row of a layout."""
    words = ("<|eos|> a op b" if layout == "power" else layout.replace("b+p", "b")).split()
    return words.index("a"), words.index("b")


def pizza(p: int = 11, frequencies: Sequence[int] = (2, 5), scale: float = 10.0, frac: float = 0.5) -> Snapshot:
    """A pizza: logits are exactly scale * sum_k G_k((a - b) / 2) cos(w_k(a + b - c)), halves mod p.

    G_k(d) = sum_i relu(2 cos(w_k d) cos(w_k i)) cos(2 w_k i), divided by its value at d = 0: |cos(w_k(a - b) / 2)| up
    to the coarseness of p. It reads embeddings only through their sum, so gradients at a and b are equal.
    One neuron relu(cos w_k(a - i) + cos w_k(b - i)) for each k and shift i, and a dead one.
    """
    task = Task("a + b", p=p, layout="a b").split(frac=frac, seed=0)
    i = torch.arange(p)
    normal = lambda k: 2 * torch.relu(_cos(k * i, p)) @ _cos(2 * k * i, p)
    return _snapshot(
        task,
        i,
        p,
        frequencies,
        shifts=(i, i),
        out=lambda k: scale * _cos(k * (i[None, :] - 2 * i[:, None]), p) / normal(k),
        combine="add",
    )


def trace_cube(task: Task, irrep: str, scale: float = 10.0, frac: float = 0.5) -> Snapshot:
    """Logits that are exactly scale * tr rho(x y z^-1) of an irrep of real type; for a task of a group, layout `a b`.

    One neuron relu(chi(i^-1 x) + chi(y j^-1)) for each pair of elements i, j, of weights chi(i j z^-1): what they
    add up to commutes with rho, since chi is the same on conjugates, and so is a multiple of it (Schur).
    """
    group = task.group
    g, chi = len(group), next(rho.character for rho in group.irreps if rho.name == irrep)
    left = chi[group.table[group.inverse]].T  # [x, i]: chi(i^-1 x)
    right = chi[group.quotients]  # [y, j]
    pre = torch.cat([left.repeat_interleave(g, 1), right.repeat(1, g)])
    s, t = chi[:, None], chi[None, :]
    normal = (torch.relu(s + t) * chi[group.table.T[group.inverse][:, group.inverse]]).sum() / chi[group.identity]
    out = scale / normal * chi[group.quotients[group.table]].reshape(g * g, g)
    return embedding_mlp(task.split(frac=frac, seed=0), torch.eye(g), pre, out)


def lookup(task: Task, scale: float = 10.0) -> Snapshot:
    """A table of the training rows, of all rows without a split: a neuron for each, `scale` on its answer, else 0."""
    remembered = torch.ones(len(task.labels), dtype=torch.bool) if task.is_train is None else task.is_train
    (a, b), n = task.operands[remembered].T, task.sizes[0]
    eye, one = torch.eye(n), torch.ones(n, 1)
    # relu(1 where a is the row's + 1 where b is - 1), the last from a constant in the embedding of a.
    W_in = torch.cat([eye[a], -one[a], eye[b], 0 * one[b]], 1).mT
    return embedding_mlp(task, torch.cat([eye, one], 1), W_in, scale * torch.eye(n)[task.labels[remembered]])


def embedding_mlp(task: Task, W_E: Tensor, W_in: Tensor, W_U: Tensor) -> Snapshot:
    """A model of concatenated embeddings and one hidden layer, of these weights."""
    config = EmbeddingMLPConfig(
        d_embed=W_E.shape[1], hidden_sizes=(W_U.shape[0],), mlp_bias=False, unembed_bias=False
    ).resolved(task.n_vocab, task.n_answers, 2)
    parameters = {"embed.W_E": W_E, "blocks.0.mlp.W_in": W_in, "unembed.W_U": W_U}
    return Snapshot(0, config, task, {name: value.float() for name, value in parameters.items()})


def simple_neurons(
    frequencies: Sequence[int] = (2, 5, 7, 9),
    offsets: Sequence[float] = (0.0,),
    p: int = 23,
    expression: str = "a + b",
    behind: float = 0.0,
    phases: int = 24,
    frac: float = 0.6,
) -> Snapshot:
    """Neurons relu(cos(w a + phi_a) + cos(w b + phi_b)) that write cos(w c + psi): a disc, a torus or what is between.

    For each frequency phi_a takes `phases` evenly spaced values, and phi_b is phi_a less each of `offsets`: a disc for
    one offset, a torus for evenly spaced ones. psi is phi_a + phi_b, less `behind`. In `a - b`, phi_b counts negative;
    `a * b` is read on its discrete logs, where zero has no place.
    """
    k = torch.tensor(frequencies).repeat_interleave(phases * len(offsets))
    phi_a = (2 * math.pi / phases * torch.arange(phases)).repeat_interleave(len(offsets)).repeat(len(frequencies))
    phi_b = phi_a - torch.tensor(offsets).repeat(phases * len(frequencies))
    task = Task(expression, p=p, layout="a b").split(frac=frac, seed=0)
    n, place = (p - 1, fourier.discrete_logs(p)) if "*" in expression else (p, torch.arange(p))
    angle, on = 2 * math.pi / n * place.clamp(min=0).double(), (place >= 0).double()
    W_E = torch.stack([wave * on for f in frequencies for wave in ((f * angle).cos(), (f * angle).sin())], 1)
    picks = torch.stack([(k == f).double() for f in frequencies])
    reads = lambda phase: torch.stack([picks * phase.cos(), -picks * phase.sin()], 1).flatten(0, 1)
    sign = -1 if "-" in expression else 1
    W_U = (k[:, None] * angle + (phi_a + phi_b - behind)[:, None]).cos() * on
    return embedding_mlp(task, W_E.float(), torch.cat([reads(phi_a), reads(sign * phi_b)]).float(), W_U.float())


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


def _cos(steps: Tensor, n: int) -> Tensor:
    return (2 * math.pi / n * (steps % n).double()).cos()


def _sin(steps: Tensor, n: int) -> Tensor:
    return (2 * math.pi / n * (steps % n).double()).sin()


def _snapshot(
    task: Task,
    place: Tensor,
    n: int,
    frequencies: Sequence[int],
    shifts: tuple[Tensor, Tensor],
    out: Callable[[int], Tensor],
    combine: Literal["add", "concatenate"],
) -> Snapshot:
    """Embeddings (cos w_k place, sin w_k place, is off the cycle), neurons for each k and pair of shifts, W_U `out`."""
    off = place < 0
    circle = lambda k, steps: torch.stack([_cos(k * steps, n), _sin(k * steps, n)])
    W_E = torch.cat([circle(k, place) for k in frequencies]).masked_fill(off, 0).T
    W_E = torch.cat([W_E, off[:, None].double()], 1)
    d, width = W_E.shape[1], len(shifts[0])
    # The last neuron is on where an operand is off the cycle.
    operands = [torch.zeros(d, width * len(frequencies) + 1, dtype=torch.float64) for _ in shifts]
    for operand, shift in zip(operands, shifts, strict=True):
        for index, k in enumerate(frequencies):
            operand[2 * index : 2 * index + 2, index * width : (index + 1) * width] = circle(k, shift)
        operand[-1, -1] = 1
    W_U = torch.cat([*(out(k).masked_fill(off, 0) for k in frequencies), 1e3 * off[None, :].double()])
    config = EmbeddingMLPConfig(
        d_embed=d, combine=combine, hidden_sizes=(W_U.shape[0],), mlp_bias=False, unembed_bias=False
    ).resolved(task.n_vocab, task.n_answers, task.inputs.shape[1])
    W_in = torch.cat(operands) if combine == "concatenate" else operands[0]
    parameters = {"embed.W_E": W_E, "blocks.0.mlp.W_in": W_in, "unembed.W_U": W_U}
    return Snapshot(0, config, task, {name: value.float() for name, value in parameters.items()})
