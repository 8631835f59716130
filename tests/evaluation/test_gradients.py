"""Gradients at the operands' embeddings: derived for a product, and taken at the rows that the papers take."""

import math
import random

import pytest
import torch

import grokinterp as gi
from grokinterp import models
from grokinterp.evaluation.gradients import EmbeddingView, GradientError, operand_columns, seeded_triples, token_rows


def test_the_gradients_of_a_product():
    """logit_c = Re(e_a e_b conj(u_c)), the ideal clock: the gradients at a and b are at the angle w (a - b)."""
    p, k = 13, 4
    angle = 2 * math.pi * k * torch.arange(p, dtype=torch.float64) / p
    circle = torch.stack([angle.cos(), angle.sin()], 1)

    def product(tokens, e):
        real = e[:, 0, 0] * e[:, 1, 0] - e[:, 0, 1] * e[:, 1, 1]
        imaginary = e[:, 0, 0] * e[:, 1, 1] + e[:, 0, 1] * e[:, 1, 0]
        return torch.stack([real, imaginary], 1) @ circle.T

    view = EmbeddingView(lambda tokens: circle[tokens], product, chunk=7)
    task = gi.Task("a + b", p=p, layout="a b")
    cosines = view.cosines_of_all(task.inputs, (0, 1), p)
    a, b = task.operands.T
    torch.testing.assert_close(cosines, (angle[a] - angle[b]).cos()[:, None].expand(-1, p))
    triples = seeded_triples(task)
    some = view.cosines(triples[:, :2], (0, 1), triples[:, 2])
    torch.testing.assert_close(some, cosines[triples[:, 0] * p + triples[:, 1], triples[:, 2]])


def test_the_seeded_triples_are_the_published_ones():
    """random.Random(42) over all (a, b, c) at p = 59; the same recipe for other p, zero divisors passed over."""
    first = [[29, 1, 57], [49, 36, 24], [40, 38, 8], [13, 17, 16], [57, 34, 36]]
    assert seeded_triples(gi.Task("a + b", p=59, layout="a b"))[:5].tolist() == first
    quotients = seeded_triples(gi.Task("a / b", p=7))
    assert len(quotients) == 100 and (quotients[:, 1] > 0).all()
    large = seeded_triples(gi.Task("a + b", p=127))
    assert large.shape == (100, 3) and int(large.min()) >= 0 and 60 < int(large.max()) < 127


@pytest.mark.parametrize(
    ("layout", "columns", "row"),
    [
        ("a b", (0, 1), [3, 4]),
        ("a b =", (0, 1), [3, 4, 5]),
        ("a op b", (0, 2), [3, 5, 4]),
        ("a b+p =", (0, 1), [3, 9, 10]),
        ("power", (1, 3), [7, 3, 6, 4, 5, 2]),
    ],
)
def test_rows_are_the_tasks_own(layout, columns, row):
    """Whatever the layout, gradients are taken at the operands' tokens, of the row that the model was trained on."""
    task = gi.Task("a + b", p=5, layout=layout)
    assert operand_columns(task) == columns
    assert token_rows(task, torch.tensor([[3, 4]])).tolist() == [row]


def test_what_cannot_be_compared_is_refused():
    """Three operands, or a pair without a row: one line with the remedy."""
    with pytest.raises(GradientError, match="two operands"):
        operand_columns(gi.Task("a + b + c", p=5))
    with pytest.raises(GradientError, match="no row for a=1, b=0"):
        token_rows(gi.Task("a / b", p=5), torch.tensor([[1, 0]]))


@pytest.mark.parametrize("n_layers", [1, 2])
@pytest.mark.parametrize("position", [-1, -2, -3])
def test_gradients_are_of_the_answer_where_it_is_read(planted, position, n_layers):
    """Of the logit at the scored position, by the fast path and by hooks, row by row and for all answers at once."""
    task = gi.Task("a + b", p=5, layout="power") if position == -3 else planted.answered_inside(position, 5)
    one = planted.noise(task, n_layers=n_layers, attention_direction="bidirectional")
    assert task.positions[0] == position or task.positions == (-2, -1)
    model, columns = models.build(one.config, dict(one.parameters), task=task), operand_columns(task)
    embedded = model.embed.W_E[task.inputs].detach().requires_grad_()
    with model.hooks(fwd_hooks=[("hook_embed", lambda value, hook: embedded)]):
        out = model(task.inputs)[:, task.positions[0]]
    expected = []
    for answer in range(5):
        (gradient,) = torch.autograd.grad(out[:, answer].sum(), embedded, retain_graph=True)
        expected.append(torch.cosine_similarity(*(gradient[:, column] for column in columns), dim=-1))
    expected = torch.stack(expected, 1)
    assert expected.std() > 0.1
    view = EmbeddingView.of(one)
    torch.testing.assert_close(view.cosines_of_all(task.inputs, columns, 5), expected)
    answers = (task.labels if task.labels.ndim == 1 else task.labels[:, 0]) * 2 % 5
    torch.testing.assert_close(view.cosines(task.inputs, columns, answers), expected[torch.arange(25), answers])


def test_triples_of_a_large_table_are_drawn_one_by_one():
    """Above 2 million: `random.Random(42).randrange(p^3)` in turn, (a, b, c) its digits; below they are shuffled."""
    source, p = random.Random(42), 127
    drawn = [source.randrange(p**3) for _ in range(100)]
    expected = [[n // p**2, n // p % p, n % p] for n in drawn]
    assert seeded_triples(gi.Task("a + b", p=p)).tolist() == expected
    first = random.Random(42).randrange(125**3)
    assert seeded_triples(gi.Task("a + b", p=125), 1).tolist() != [[first // 125**2, first // 125 % 125, first % 125]]
