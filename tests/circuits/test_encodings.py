"""Codes of pairs, single bits, and the code a model has learnt, on planted tables and embeddings."""

import math

import numpy as np
import pytest
import torch

from grokinterp.circuits.encodings import Encoding, LearntCode, bit_correlation, explained_by_answer, fitted
from grokinterp.config import DenseMLPConfig, EmbeddingMLPConfig
from grokinterp.evaluation.snapshot import Snapshot
from grokinterp.models.initialisation import initialise
from grokinterp.tasks import Task
from grokinterp.tasks.encoders import Encoder


def embedded(W_E: torch.Tensor) -> Snapshot:
    """A snapshot of a + b mod p whose embedding is this one."""
    p, d = W_E.shape
    task = Task("a + b", p=p, layout="a b").split(frac=0.5, seed=0)
    config = EmbeddingMLPConfig(d_embed=d, hidden_sizes=(4,)).resolved(p, p, 2)
    return Snapshot(0, config, task, {**initialise(config, 0), "embed.W_E": W_E})


def circle(p: int, k: int) -> torch.Tensor:
    angle = 2 * math.pi * k * torch.arange(p) / p
    return torch.stack([angle.cos(), angle.sin()], 1)


def test_a_bit_that_is_the_answer_s_is_explained_by_it_and_noise_is_not():
    """Bit 0 is on for answers 0 and 1; bit 1 is a coin; bit 2 never changes."""
    generator = torch.Generator().manual_seed(0)
    answers = torch.randint(4, (4000,), generator=generator)
    bits = torch.stack([answers < 2, torch.rand(4000, generator=generator) < 0.5, answers >= 0], 1)
    found = explained_by_answer(bits, answers)
    assert found[0].item() == pytest.approx(1) and abs(found[1].item()) < 0.005 and found[2].isnan()
    correlation = bit_correlation(bits, answers, 4)
    expected = np.corrcoef(bits[:, 0].numpy(), (answers == 1).numpy())[0, 1]
    assert correlation[0, 1].item() == pytest.approx(expected)
    assert correlation[1].abs().max() < 0.05 and correlation[2].isnan().all()


def test_chance_is_taken_off_where_there_are_many_answers():
    """60 rows of 30 answers: coins would seem to know half of the answer; a bit of the answer's own still knows all."""
    answers = torch.arange(60) % 30
    coins = torch.rand(60, 400, generator=torch.Generator().manual_seed(0)) < 0.5
    found = explained_by_answer(torch.cat([coins, (answers % 3 == 0)[:, None]], 1), answers)
    assert abs(found[:400].mean().item()) < 0.05 and found[400].item() == pytest.approx(1)


def test_pairs_of_equal_numbers_are_counted_apart():
    """A model that always answers 0: right on test rows a = b only where 2a = 0 mod p."""
    task = Task("encoded_sum", p=11, bits=40, winners=6, include_equal=True).split(frac=0.5, seed=0)
    config = DenseMLPConfig(hidden_sizes=(3,)).resolved(0, 11, 40)
    parameters = {name: torch.zeros_like(value) for name, value in initialise(config, 0).items()}
    parameters["unembed.b_U"][0] = 1
    found = Encoding().read(Snapshot(0, config, task, parameters), frozenset({"bit_correlation"}))
    equal = ~task.is_train & (task.operands[:, 0] == task.operands[:, 1])
    wrong = int((task.operands[equal, 0] != 0).sum())
    assert (int(found.test_rows_equal), int(found.test_wrong_equal)) == (int(equal.sum()), wrong)
    assert found.test_accuracy_equal.item() == pytest.approx(1 - wrong / int(equal.sum()))
    assert found.bit_correlation.shape == (40, 11) and found.bit_explained.shape == (40,)
    assert np.isnan(found.code_similarity.values).sum() == 55 and found.code_similarity.max() <= 1


@pytest.mark.parametrize("name", ["cycle", "var_cycle", "grid_cell"])
def test_an_embedding_that_is_an_encoder_s_code_is_found_to_be_it(name):
    """Planted: the sparse codes themselves."""
    W_E = fitted(name, 31).sparse(torch.arange(31)).float()
    found = LearntCode().read(embedded(W_E), frozenset({"code_similarities"}))
    assert found.learnt_likeness.sel(encoder=name).item() == pytest.approx(1)
    matrices = found.code_similarities
    np.testing.assert_allclose(matrices.sel(code="W_E"), matrices.sel(code=name), atol=1e-6)


def test_a_circle_of_frequency_k_is_the_clocks_of_k_turns():
    """Likeness 1 to those, -1 / (p - 1) to all others (cosines on a cycle are orthogonal but for distance 0)."""
    p, k = 31, 4
    found = LearntCode().read(embedded(circle(p, k)))
    of_clock = found.learnt_likeness_of_clock
    assert of_clock.sel(k=k).item() == pytest.approx(1)
    # Without the diagonal: mean -1/(p-1), mean square (p/2 - 1)/(p-1), mean product -1/(p-1).
    mean = -1 / (p - 1)
    expected = (mean - mean**2) / ((p / 2 - 1) / (p - 1) - mean**2)
    np.testing.assert_allclose(of_clock.drop_sel(k=k), expected, atol=1e-5)
    assert found.learnt_by_distance.item() == pytest.approx(1)


def test_noise_is_no_code():
    """A random embedding: no likeness beyond 4 / sqrt(pairs), and distances explain what 15 groups of 465 pairs do."""
    W_E = torch.randn(31, 64, generator=torch.Generator().manual_seed(0))
    found = LearntCode().read(embedded(W_E))
    assert np.abs(found.learnt_likeness.sel(encoder=["cycle", "var_cycle", "grid_cell"])).max() < 4 / 465**0.5
    assert found.learnt_by_distance.item() < 0.1


@pytest.mark.parametrize("n", [3, 10, 59, 97, 113])
def test_every_encoder_fits_any_number_of_numbers(n):
    """Different numbers have different codes by default, or nearly all."""
    for name in Encoder.registry:
        codes = fitted(name, n).sparse(torch.arange(n))
        assert len(codes.unique(dim=0)) >= 0.9 * n


def test_they_say_where_they_do_not_apply():
    """A formula has no codes; codes have no embedding."""
    assert "not given as codes" in Encoding().why_not(embedded(circle(5, 1)))
    task = Task("encoded_sum", p=5, bits=10, winners=2).split(frac=0.5, seed=0)
    config = DenseMLPConfig(hidden_sizes=(3,)).resolved(0, 5, 10)
    assert "hook_embed" in LearntCode().why_not(Snapshot(0, config, task, initialise(config, 0)))
    assert "fewer than 3" in LearntCode().why_not(embedded(circle(2, 1)))


def test_the_clocks_of_an_encoder_are_as_long_as_the_numbers_are_many():
    """A period of 97, or of 90 to 104, for 97 numbers; twice that for twice as many."""
    for n, times in ((97, 1), (194, 2)):
        assert fitted("cycle", n).period == 97 * times
        several = fitted("var_cycle", n)
        assert (several.period_low, several.period_high) == (90 * times, 104 * times)
