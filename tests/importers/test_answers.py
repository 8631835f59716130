"""What readings answer: the hooked model's logits whichever way they are computed, and the loss's gradient by hand."""

import dataclasses
import math

import pytest
import torch
from torch.nn import functional as F

import grokinterp as gi
from grokinterp import models
from grokinterp.importers.judging.answers import Answers
from grokinterp.importers.reading.candidates import Candidate

TASK = gi.Task("a + b", p=5, layout="a b =")
ROWS = torch.arange(25)


@pytest.mark.parametrize("n_layers", [1, 2])
@pytest.mark.parametrize("options", [{}, {"tied_unembed": True}], ids=["own unembedding", "tied"])
def test_a_scaled_embedding_is_multiplied_out(planted, n_layers, options):
    """Once, and not in a tied unembedding; the logits at the last position are the hooked model's."""
    one = planted.noise(TASK, n_layers=n_layers, embedding_scale=3.0, **options)
    weights = {name: value.float() for name, value in one.parameters.items()}
    expected = models.build(one.config, weights)(TASK.inputs)[:, -1]
    found = Answers(TASK).logits(Candidate(one.config, weights, {}), ROWS)
    torch.testing.assert_close(found, expected.detach(), rtol=1e-4, atol=1e-4)


def test_logits_of_all_positions_are_averaged_where_each_reads_all(planted):
    one = planted.noise(TASK, n_layers=2)
    weights = {name: value.float() for name, value in one.parameters.items()}
    config = dataclasses.replace(one.config, attention_direction="bidirectional")
    expected = models.build(config, weights)(TASK.inputs).mean(1)
    found = Answers(TASK).mean_logits(Candidate(one.config, weights, {}), ROWS)
    torch.testing.assert_close(found, expected.detach(), rtol=1e-4, atol=1e-4)


def test_slope_and_alignment_are_those_of_the_counted_rows(planted):
    """A row worse than a guess counts as a guess, without a gradient; of known rows alone, along the weights."""
    one = planted.noise(TASK)
    weights = {name: value.float().requires_grad_() for name, value in one.parameters.items()}
    logits = models.build(one.config, {name: value.detach() for name, value in weights.items()})
    of = lambda: torch.func.functional_call(logits, weights, (TASK.inputs,))[:, -1, :5].double()
    by_row = lambda: F.cross_entropy(of(), TASK.labels, reduction="none")
    known = by_row().detach() < 0.5
    assert known.any() and (by_row() > math.log(5)).any()
    flat = lambda loss: torch.cat([x.flatten().double() for x in torch.autograd.grad(loss, list(weights.values()))])
    capped = by_row().clamp(max=math.log(5)).mean()
    candidate = Candidate(one.config, {name: value.detach() for name, value in weights.items()}, {})
    slope = float(flat(capped).norm()) / capped.item()
    assert Answers(TASK).slope(candidate) == pytest.approx(slope, rel=1e-4)
    gradient, length = flat(by_row()[known].sum()), torch.cat([x.flatten().double() for x in weights.values()]).detach()
    cosine = -F.cosine_similarity(gradient, length, dim=0).item()
    assert Answers(TASK).alignment(candidate) == pytest.approx(cosine, rel=1e-3, abs=1e-6)
