"""The embedding circuit: planted waves are found at their frequency, on the cycle that the task turns on."""

import math

import numpy as np
import pytest
import torch

import grokinterp as gi
from grokinterp import circuits, fourier
from grokinterp.circuits import embedding
from grokinterp.config import TransformerConfig
from grokinterp.evaluation.snapshot import Snapshot
from grokinterp.models.initialisation import initialise

Embedding = circuits.embedding.Embedding


def test_planted_waves_hold_all_power(planted):
    """A cosine and a sine of norm sqrt(p/2) for each planted k, nothing elsewhere; the Gini of 4 equal norms."""
    p, planted_k = 11, (2, 5)
    found = Embedding().read(planted.clock(p, planted_k))
    norms = found.embedding_norm.to_series()
    expected = {name: (p / 2) ** 0.5 if name.split()[-1] in "25" else 0 for name in fourier.basis_names(p)}
    assert norms.to_dict() == pytest.approx(expected, abs=1e-5)
    assert found.embedding_power.to_series().to_dict() == pytest.approx({1: 0, 2: p, 3: 0, 4: 0, 5: p}, abs=1e-5)
    # n values of which m are equal and the rest zero have a Gini index of 1 - m / n.
    assert found.embedding_gini.item() == pytest.approx(1 - 4 / 11, abs=1e-5)
    assert found.pca_variance.values[:4] == pytest.approx([0.25] * 4)


@pytest.mark.parametrize(("expression", "group"), [("a + b", "own"), ("a - b", "additive"), ("a*b", "own")])
def test_circles_of_unequal_size_are_circular(planted, expression, group):
    """Principal components of unequal circles are waves of one frequency each, on the task's own cycle."""
    made = planted.clock(11, (1, 3), expression=expression)
    W_E = made.W_E * torch.tensor([2.0, 2, 1, 1, 1])
    scaled = Snapshot(0, made.config, made.task, {**made.parameters, "embed.W_E": W_E})
    assert Embedding(group=group).read(scaled).circularity.item() == pytest.approx(1)
    if expression == "a*b":
        assert Embedding(group="additive").read(scaled).circularity.item() < 0.8


def test_multiplication_is_read_in_characters(planted):
    """k counts characters, zero has a row of its own; the additive reading of the same embedding is spread out."""
    snapshot = planted.clock(11, (1, 3), expression="a*b")
    own, additive = Embedding().read(snapshot), Embedding(group="additive").read(snapshot)
    assert list(own.basis.values) == fourier.character_names(11)
    assert own.embedding_power.to_series().to_dict() == pytest.approx({1: 10, 2: 0, 3: 10, 4: 0, 5: 0}, abs=1e-5)
    assert own.embedding_norm.sel(basis="zero").item() == pytest.approx(1)
    assert own.embedding_gini.item() == pytest.approx(1 - 4 / 10, abs=1e-5)
    assert list(additive.basis.values) == fourier.basis_names(11)
    assert (additive.embedding_power > 1).all()


def test_components_are_of_the_numbers_in_their_order(planted):
    """[component, token]: token 0 .. p - 1 without `=`, centred; shares of variance are of them all."""
    snapshot = planted.untrained(11)
    found = Embedding().read(snapshot)
    assert found.embedding_pca.dims == ("component", "token") and list(found.token.values) == list(range(11))
    np.testing.assert_allclose(found.embedding_pca.sum("token"), 0, atol=1e-5)
    centred = snapshot.W_E - snapshot.W_E.mean(0)
    variance = found.embedding_pca.values**2 @ np.ones(11) / float(centred.square().sum())
    np.testing.assert_allclose(found.pca_variance, variance, atol=1e-6)
    assert found.pca_variance.sum().item() == pytest.approx(1)


@pytest.mark.parametrize("shape", [(113, 128), (11, 300), (300, 11)])
def test_pca_is_that_of_a_singular_value_decomposition(shape):
    """The eigenvectors of the covariance give the same scores, up to sign, for narrow and wide embeddings."""
    W_E = torch.randn(*shape, generator=torch.Generator().manual_seed(0))
    found = circuits.embedding.pca(W_E, 5)
    left, singular, _ = torch.linalg.svd(W_E.double() - W_E.double().mean(0), full_matrices=False)
    torch.testing.assert_close(found.scores.abs(), (left * singular).abs()[:, :5], atol=1e-9, rtol=0)
    torch.testing.assert_close(found.directions @ found.directions.T, torch.eye(5).double())


@pytest.mark.parametrize("expression", ["a + b", "a*b"])
def test_an_embedding_of_zeros_has_finite_readings(planted, expression):
    """Weight decay can kill an embedding: nothing is NaN, all is zero."""
    made = planted.untrained(11, expression=expression)
    dead = Snapshot(0, made.config, made.task, {name: torch.zeros_like(x) for name, x in made.parameters.items()})
    found = Embedding().read(dead)
    assert all(np.isfinite(variable).all() for variable in found.data_vars.values())
    assert found.embedding_gini.item() == 0 and found.circularity.item() == 0


def test_discrete_logs_need_a_prime(planted):
    """Said with the remedy, before anything is read."""
    assert "not prime" in (Embedding(group="multiplicative").why_not(planted.untrained(12)) or "")
    assert Embedding(group="multiplicative").why_not(planted.untrained(11)) is None


def test_numbers_of_the_public_run(released):
    """wd_10-1 of Nanda et al.: Gini of W_E 0.539, the norm of each frequency (cosine and sine rows together)."""
    found = Embedding().read(Snapshot(0, released.final.config, released.task, released.final.parameters))
    assert found.embedding_gini.item() == pytest.approx(0.539, abs=0.005)
    norm = found.embedding_power**0.5
    expected = {23: 6.84, 6: 5.75, 37: 5.47, 41: 5.32, 39: 5.00, 46: 2.53, 12: 2.30}
    assert list(norm.k.values[np.argsort(-norm.values)][:7]) == list(expected)
    assert norm.sel(k=list(expected)).values == pytest.approx(list(expected.values()), abs=0.006)


def with_embedding(columns: torch.Tensor, equals: float) -> Snapshot:
    """An untrained `a b =` model whose numbers have these columns, and `=` a large entry of its own."""
    p, d = columns.shape
    task = gi.Task("a + b", p=p).split(frac=0.5, seed=0)
    config = TransformerConfig(d_model=d + 1, n_heads=1, d_head=2).resolved(task.n_vocab, task.n_answers, 3)
    parameters = initialise(config, seed=0)
    parameters["embed.W_E"] = torch.zeros(p + 1, d + 1)
    parameters["embed.W_E"][:p, :d], parameters["embed.W_E"][p, d] = columns.float(), equals
    return Snapshot(0, config, task, parameters)


def waves(p: int, amplitudes: list[tuple[int, str, float]]) -> torch.Tensor:
    angle = 2 * math.pi * torch.arange(p, dtype=torch.float64) / p
    return torch.stack([size * getattr(k * angle, wave)() for k, wave, size in amplitudes], 1)


def test_circularity_is_over_the_whole_vocabulary():
    """Zhong et al.'s includes `=`: one of four components is its own, and the other three are pure waves."""
    columns = waves(11, [(2, "cos", 4.0), (2, "sin", 3.5), (5, "cos", 3.0), (5, "sin", 2.5)])
    found = embedding.Embedding().read(with_embedding(columns, equals=1000.0))
    assert float(found.circularity) == pytest.approx(3 / 4, abs=1e-5)
    assert embedding.circularity(columns) == pytest.approx(1)


def test_the_circles_of_a_checkpoint_are_whole_where_two_are_interleaved():
    """The circuit pairs components by their frequency: 1 with 3 and 2 with 4, each pair one clean circle."""
    columns = waves(53, [(7, "cos", 4.0), (3, "cos", 3.0), (7, "sin", 2.0), (3, "sin", 1.0)])
    snapshot = with_embedding(columns, equals=0.0)
    found = embedding.Circles(count=2).fit(snapshot).read(snapshot)
    assert found.circle_components.values.tolist() == [[1, 3], [2, 4]]
    assert found.circle_frequency.values.tolist() == [7, 3]
    assert found.circle_purity.values == pytest.approx([1, 1])
