"""Snapshots and evaluators: the hooked model's values, at the positions scored, also of a table taken in pieces."""

import pytest
import torch

import grokinterp as gi
from grokinterp import models
from grokinterp.evaluation import snapshot as snapshots
from grokinterp.evaluation.evaluator import evaluator

P = 7


TASKS = {
    "a b =": lambda planted: gi.Task("a + b", p=P),
    "a op b =": lambda planted: gi.Task("a - b", p=P, layout="a op b ="),
    "power": lambda planted: gi.Task("a + b", p=P, layout="power"),
    "the second last": lambda planted: planted.answered_inside(-2, P),
    "the first of four": lambda planted: planted.answered_inside(-4, P),
}


@pytest.mark.parametrize("options", [{}, {"n_layers": 2}], ids=str)
@pytest.mark.parametrize("make", TASKS.values(), ids=TASKS)
def test_values_are_those_of_the_positions_scored(planted, make, options):
    """Logits and activations by the fast path or by hooks: the hooked model's at the task's positions, first of all."""
    task = make(planted)
    one = planted.noise(task, **options)
    model = models.build(one.config, dict(one.parameters), task=task)
    with torch.no_grad():
        logits, cache = model.run_with_cache(task.inputs, return_cache_object=False)
        scored = logits[:, list(task.positions)]
        torch.testing.assert_close(one.columns, scored[:, 0])
        expected = scored if len(task.positions) > 1 else scored[:, 0]
        torch.testing.assert_close(one.scored_logits, expected[..., : task.n_answers])
        torch.testing.assert_close(evaluator(one.config, task)(one.parameters), expected)
    for name in one.names:
        at = cache[name].movedim(one.config.position_axis(name), 1)[:, list(task.positions)]
        torch.testing.assert_close(one.at_scored(name), at)
        torch.testing.assert_close(one[name], at[:, 0])
    patterns = [cache[f"blocks.{i}.attn.hook_pattern"].mean(0) for i in range(one.config.n_layers)]
    torch.testing.assert_close(one.mean_patterns, torch.stack(patterns))


def test_a_table_in_pieces_is_the_whole_table(planted, monkeypatch):
    """49 rows of four tokens, eleven rows at a time: logits, activations and mean patterns are those of one piece."""
    task = planted.answered_inside(-2, P)
    whole, pieces = (planted.noise(task, n_layers=2) for _ in range(2))
    assert not whole.is_evaluated and whole.columns.shape == (P * P, task.n_vocab) and whole.is_evaluated
    monkeypatch.setattr(snapshots, "TOKENS_AT_ONCE", 4 * 11 + 3)
    assert snapshots.rows_at_once(task.inputs) == 11
    torch.testing.assert_close(pieces.columns, whole.columns)
    torch.testing.assert_close(pieces.mean_patterns, whole.mean_patterns)
    for name in whole.names:
        torch.testing.assert_close(pieces.at_scored(name), whole.at_scored(name))


def test_neurons_write_to_the_logits_through_the_last_layer(planted):
    """W_L is what the last layer's W_out and W_U make of a neuron, in the columns of the answers; an MLP's is W_U."""
    one = planted.noise(gi.Task("a + b", p=P, layout="power"), n_layers=2)
    answers = one.task.n_answers
    expected = one.parameters["blocks.1.mlp.W_out"] @ one.parameters["unembed.W_U"][:, :answers]
    torch.testing.assert_close(one.W_L, expected)


def test_losses_are_of_the_rows_asked_for(planted):
    """Over all rows, and over a mask's: against the answers, whatever the model itself says."""
    task = gi.Task("a + b", p=P)
    one, rows = planted.noise(task), torch.arange(P * P) % 5 == 1
    logits = torch.randn(P * P, P)
    log_probability = logits.double().log_softmax(1)[torch.arange(P * P), task.labels]
    assert one.loss(logits) == pytest.approx(-log_probability.mean().item())
    assert one.loss(logits, rows) == pytest.approx(-log_probability[rows].mean().item())
