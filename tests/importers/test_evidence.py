"""What a file does not say, found out: splits from recorded losses, and biases that are none."""

import math

import torch

import grokinterp as gi
from grokinterp.importers._evidence import find_split
from grokinterp.importers._parameters import without_idle_biases
from grokinterp.tasks._splits import draw_order

TASK = gi.Task("a + b", p=7, layout="a b =")


def row_losses(seed, frac):
    """Losses of a model that knows the rows of this split of Nanda's: .001 there, 5 elsewhere."""
    losses = torch.full((49,), 5.0, dtype=torch.float64)
    losses[draw_order(49, "nanda", seed, torch.Generator())[: int(frac * 49)]] = 0.001
    return losses


def test_a_split_is_the_one_that_gives_the_recorded_losses():
    """Of ten seeds and two fractions one gives both losses."""
    match = find_split(row_losses(3, 0.3), TASK, (0.001, 5.0), range(10), (0.3, 0.5))
    assert match is not None and (match.seed, match.frac) == (3, 0.3)
    assert torch.equal(match.task.is_train, TASK.split(frac=0.3, seed=3, split="nanda").is_train)


def test_an_ambiguous_split_is_none():
    """A model whose rows all have one loss (before training, or solved to rounding) fits every seed: none is told."""
    flat = torch.full((49,), math.log(7), dtype=torch.float64)
    assert find_split(flat, TASK, (math.log(7), math.log(7)), range(10), (0.3,)) is None
    # Two seeds that are nearly as good: one row of the training set is not enough to tell them apart.
    nearly = flat.clone()
    nearly[draw_order(49, "nanda", 3, torch.Generator())[0]] += 1e-4
    assert find_split(nearly, TASK, (math.log(7), math.log(7)), range(10), (0.3,)) is None


def test_a_split_that_is_near_no_recorded_loss_is_none():
    """Other losses than any split gives: nothing is made up."""
    assert find_split(row_losses(3, 0.3), TASK, (0.1, 9.0), range(10), (0.3, 0.5)) is None


def test_a_bias_that_is_zero_in_the_first_checkpoint_only_stays():
    """Biases start at zero: those that training moved are kept in every checkpoint, those it never moved in none."""
    first = {"blocks.0.mlp.W_in": torch.ones(2, 3), "blocks.0.mlp.b_in": torch.zeros(3), "unembed.b_U": torch.zeros(4)}
    last = {**first, "blocks.0.mlp.b_in": torch.tensor([0.0, 0.5, 0.0])}
    assert [[*each] for each in without_idle_biases([first, last])] == [["blocks.0.mlp.W_in", "blocks.0.mlp.b_in"]] * 2
    assert [[*each] for each in without_idle_biases([first, first])] == [["blocks.0.mlp.W_in"]] * 2
