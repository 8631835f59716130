"""The sum of numbers given as sparse codes: which pairs there are, and that no code is on both sides of a split."""

import json

import pytest
import torch

from grokinterp.config import TaskConfig
from grokinterp.errors import BadRequest
from grokinterp.tasks import Task, build
from grokinterp.tasks.encoders import Encoder
from grokinterp.training.planning import plan

SMALL = {"p": 11, "bits": 60, "winners": 7}


def test_the_thread_s_table_has_each_unordered_pair_once():
    """4753 pairs at p = 97, 2376 to train on and 2377 to test; 4656 without equal numbers."""
    task = Task("encoded_sum", include_equal=True).split(frac=0.5, seed=0)
    assert (len(task.inputs), int(task.is_train.sum()), int((~task.is_train).sum())) == (4753, 2376, 2377)
    assert int(task.is_equal_pair.sum()) == 97
    assert task.inputs.shape == (4753, 400) and not task.has_tokens and task.n_answers == 97
    without = Task("encoded_sum")
    assert len(without.inputs) == 4656 and not without.is_equal_pair.any()


@pytest.mark.parametrize("combine", ["overlap", "or"])
@pytest.mark.parametrize("encoder", ["cycle", "var_cycle"])
def test_no_pair_is_trained_on_and_tested_the_other_way_round(encoder, combine):
    """Whatever the split, (i, j) and (j, i) are one row: the set of operands never repeats."""
    task = Task("encoded_sum", encoder=encoder, combine=combine, include_equal=True, **SMALL)
    assert len({frozenset(pair) for pair in task.operands.tolist()}) == len(task.operands) == 66
    for split in ("randperm", "swap_aware"):
        assert int(task.split(frac=0.5, seed=1, split=split).is_train.sum()) == 33


@pytest.mark.parametrize("encoder", list(Encoder.registry))
@pytest.mark.parametrize("combine", ["overlap", "concatenate", "or"])
def test_rows_are_the_bits_of_their_pair(encoder, combine):
    """Labels are the sums; concatenated codes are those of a and of b; a task is rebuilt from its JSON."""
    task = Task("encoded_sum", p=11, encoder=encoder, combine=combine, include_equal=True)
    a, b = task.operands.T
    assert torch.equal(task.labels, (a + b) % 11)
    assert set(task.inputs.unique().tolist()) == {0.0, 1.0}
    if combine == "concatenate":
        assert torch.equal(task.inputs, torch.cat([task.encoder.sparse(a), task.encoder.sparse(b)], 1).float())
    again = build(TaskConfig("encoded_sum", json.loads(json.dumps(task.config().parameters))))
    assert torch.equal(again.inputs, task.inputs)


def test_clocks_turn_once_in_p_where_no_period_is_given():
    """The cycle encoder's period is the modulus; the seed draws other clocks."""
    task = Task("encoded_sum", **SMALL)
    assert task.encoder.period == 11
    assert torch.equal(task.inputs, Task("encoded_sum", **SMALL, period=11).inputs)
    assert not torch.equal(task.inputs, Task("encoded_sum", **SMALL, encoder_seed=1).inputs)


def test_a_grid_has_holes_where_the_pair_stands_the_other_way_round():
    """NaN above the diagonal."""
    task = Task("encoded_sum", include_equal=True, **SMALL)
    grid = task.to_grid(task.labels)
    assert torch.equal(grid.isnan(), torch.ones(11, 11, dtype=torch.bool).triu(1))


@pytest.mark.parametrize(
    ("task", "fields", "message"),
    [
        ("encoded_sum", {"preset": "nanda"}, "a transformer reads tokens and 'encoded_sum' has rows of numbers"),
        ("a + b", {"preset": "encoded_sum"}, "a dense_mlp reads features and 'a + b' has rows of tokens"),
        ("encoded_sum", {"preset": "encoded_sum", "encoder": "cicle"}, "Did you mean 'cycle'?"),
        ("encoded_sum", {"preset": "encoded_sum", "winners": 1000}, "winners=1000 must be from 1 to 400"),
        ("encoded_sum", {"preset": "encoded_sum", "encoder": "grid_cell", "primes": "two"}, "must be whole numbers"),
        ("encoded_sum", {"preset": "encoded_sum", "encoder": "grid_cell", "primes": "2,3"}, "add a prime"),
        ("encoded_sum", {"preset": "encoded_sum", "combine": "add"}, "combine='add'"),
        ("encoded_sum", {"preset": "encoded_sum", "hidden_sizes": ()}, "must name at least one hidden layer"),
        ("encoded_sum", {"preset": "encoded_sum", "p": 2000}, "lower p or bits"),
        ("encoded_sum", {"preset": "encoded_sum", "p": 1}, "p=1 cannot be the modulus"),
    ],
)
def test_what_cannot_be_trained_is_refused_in_one_line(task, fields, message):
    """Before anything is run, naming what would work."""
    with pytest.raises(BadRequest) as refused:
        plan(task, **fields)
    assert message in str(refused.value) and "\n" not in str(refused.value)
