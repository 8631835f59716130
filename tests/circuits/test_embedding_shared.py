"""Planted circles are found with their frequency and step; circularity agrees with the published models."""

import json
import math
import subprocess
import sys

import pytest
import torch

from grokinterp import circuits, fourier

embedding = circuits.embedding


def planted(p: int, radii: dict[int, float], d: int = 24) -> torch.Tensor:
    """[p, d]: a sum of circles, one a frequency, in orthogonal planes, off centre."""
    generator = torch.Generator().manual_seed(1)
    planes = torch.linalg.qr(torch.randn(d, d, dtype=torch.float64, generator=generator))[0]
    token = torch.arange(p, dtype=torch.float64)
    W_E = planes[-1].expand(p, d).clone()
    for i, (k, radius) in enumerate(radii.items()):
        angle = 2 * math.pi * k * token / p
        W_E += radius * (torch.outer(angle.cos(), planes[2 * i]) + torch.outer(angle.sin(), planes[2 * i + 1]))
    return W_E


def test_pca_is_a_rotation_of_the_centred_embedding():
    """Scores are uncorrelated, shares sum to 1, and all components together give the embedding back."""
    W_E = planted(13, {2: 3.0, 5: 1.0}) + 0.1 * torch.eye(13, 24, dtype=torch.float64)
    found = embedding.pca(W_E, 24)
    covariance = found.scores.T @ found.scores
    torch.testing.assert_close(covariance, covariance.diag().diag(), atol=1e-9, rtol=0)
    assert float(found.variance_share.sum()) == pytest.approx(1)
    assert found.variance_share.tolist() == sorted(found.variance_share.tolist(), reverse=True)
    torch.testing.assert_close(found.scores @ found.directions, W_E - W_E.mean(0))
    torch.testing.assert_close(found.project(W_E), found.scores)


def test_pca_pictures_do_not_flip():
    """The same subspace has the same signs, whichever sign the SVD happened to give the embedding."""
    found = embedding.pca(planted(13, {2: 3.0, 5: 1.0}), 4)
    largest = found.directions.gather(1, found.directions.abs().argmax(1, keepdim=True))
    assert (largest > 0).all()


def test_pca_of_two_circles_splits_the_variance_by_radius():
    """A circle of radius r has variance r^2 / 2 in each of two components."""
    found = embedding.pca(planted(53, {7: 2.0, 3: 1.0}), 6)
    assert found.variance_share.tolist() == pytest.approx([0.4, 0.4, 0.1, 0.1, 0, 0], abs=1e-9)


@pytest.mark.parametrize("p", [53, 12])
def test_circles_are_found_with_their_steps(p):
    """Each pair of components names its frequency, and tokens a step apart stand 1/p of a turn apart."""
    found = embedding.circles(embedding.pca(planted(p, {5: 3.0, 1: 2.0}), 4).scores)
    assert [circle.frequency for circle in found] == [5, 1]
    assert [circle.components for circle in found] == [(0, 1), (2, 3)]
    for circle in found:
        assert circle.share == pytest.approx(1)
        assert (circle.frequency * circle.step) % p in (1, p - 1)


def test_interleaved_circles_are_paired_by_frequency():
    """Two ellipses whose axes interleave in variance: (0, 1) holds half of each, pairing by frequency whole ones."""
    p, token = 53, torch.arange(53, dtype=torch.float64)
    waves = [(7, "cos", 4.0), (3, "cos", 3.0), (7, "sin", 2.0), (3, "sin", 1.0)]
    columns = [r * getattr(torch, wave)(2 * math.pi * k * token / p) for k, wave, r in waves]
    scores = embedding.pca(torch.stack(columns, 1), 4).scores
    assert [circle.share for circle in embedding.circles(scores)] == pytest.approx([0.5, 0.5])
    pairs = embedding.pair_by_frequency(scores)
    assert pairs == [(0, 2), (1, 3)]
    found = embedding.circles(scores, pairs)
    assert [(c.frequency, round(c.share, 9)) for c in found] == [(7, 1), (3, 1)]


@pytest.mark.parametrize("frequency", [46, 50, 16, 29, 1, 18])
def test_steps_are_scienceetonnantes_annotations(frequency):
    """Their six circles at p = 53 are annotated 15, 35, 10, 11, 1, 3: step and p - step are the same circle."""
    annotation = {46: 15, 50: 35, 16: 10, 29: 11, 1: 1, 18: 3}[frequency]
    assert embedding.step_between_neighbours(frequency, 53) == min(annotation, 53 - annotation)


@pytest.mark.parametrize("p", [2, 12, 53])
def test_walking_around_a_circle_advances_by_the_step(p):
    """`around` lists every token once; neighbouring places are a step apart, also where places are shared."""
    for k in range(1, p):
        order, places = embedding.around(k, p), p // math.gcd(k, p)
        assert sorted(order.tolist()) == list(range(p))
        turn = (k * order) % p
        assert (turn.diff() >= 0).all()
        step = embedding.step_between_neighbours(k, p)
        assert (k * step) % p in (p // places, p - p // places)


@pytest.mark.parametrize("first_k", [2, 4])
def test_circularity_of_planted_circles_is_one(first_k):
    """Pure circles have all of each component's power in one frequency; a step function of tokens has not."""
    assert embedding.circularity(planted(59, {5: 3.0, 1: 2.0}), first_k) == pytest.approx(1)
    assert embedding.circularity(planted(12, {5: 3.0, 1: 2.0}), first_k) == pytest.approx(1)
    blocks = torch.eye(5, dtype=torch.float64).repeat_interleave(12, 0)[:59]
    assert embedding.circularity(blocks, first_k) < 0.9


def test_circularity_counts_the_other_half_of_two_vocabularies_as_lost():
    """Two equal vocabularies side by side: half of each component's norm is outside the p tokens read."""
    both = planted(59, {5: 3.0, 1: 2.0}).repeat(2, 1)
    assert embedding.circularity(both, p=59) == pytest.approx(0.5)


@pytest.mark.parametrize(
    ("run", "published"),
    [
        ("18c9ev5v5p", 0.5276),
        ("2fsoiei4o2", 0.8119),
        ("2k4ohj6bhd", 0.7342),
        ("7r4zst7evs", 0.9910),
        ("p71frej8t7", 0.9950),
        ("p99zdpze5l", 0.9978),
        ("q9rsl94xlv", 0.7786),
        ("w386br1duh", 0.8466),
    ],
)
def test_circularity_of_public_models(data, run, published):
    """Zhong et al.'s saved models, one of them with two vocabularies (its ceiling is about 0.5)."""
    saved = torch.load(data(f"pizza/model_{run}.pt"), weights_only=True, map_location="cpu")
    p = json.loads(data(f"pizza/config_{run}.json").read_text())["C"]
    W_E = saved["embed.W_E"].T if "embed.W_E" in saved else saved["embed.weight"]
    assert embedding.circularity(W_E, p=p) == pytest.approx(published, abs=1e-4)


def test_multiplication_is_read_in_discrete_log_order():
    """An embedding of characters is sparse in the multiplicative order; circles and noise stay additive."""
    p = 53
    characters = fourier.characters(p)[[2, 3, 10, 11]].T.contiguous()
    order = embedding.sparser_order(characters)
    assert order.group == "multiplicative" and order.gini["multiplicative"] > 0.9 > 0.6 > order.gini["additive"]
    assert torch.equal(order.tokens, fourier.powers(p))
    [first, second] = embedding.circles(embedding.pca(characters[order.tokens], 4).scores)
    assert {first.frequency, second.frequency} == {1, 5}
    noise = torch.randn(p, 24, generator=torch.Generator().manual_seed(0))
    for W_E in (planted(p, {5: 3.0}), noise, planted(12, {5: 3.0})):
        assert embedding.sparser_order(W_E).group == "additive"


@pytest.mark.parametrize(
    "request_",
    [
        lambda: embedding.pca(torch.ones(1, 4)),
        lambda: embedding.circularity(torch.randn(9, 3), first_k=4),
        lambda: embedding.step_between_neighbours(0, 7),
        lambda: embedding.step_between_neighbours(7, 7),
    ],
)
def test_bad_requests_are_refused(request_):
    """One line, a ValueError."""
    with pytest.raises(embedding.EmbeddingError):
        request_()


def test_circuits_are_imported_when_named():
    """`grokinterp.circuits` lists its files without importing torch; naming one imports it."""
    code = (
        "import sys, grokinterp.circuits as c; assert 'embedding' in dir(c); assert 'torch' not in sys.modules; "
        "c.embedding.pca; assert 'torch' in sys.modules\n"
        "try: c.embeding\nexcept AttributeError as e: assert 'embedding' in str(e)\nelse: sys.exit(1)"
    )
    subprocess.run([sys.executable, "-c", code], check=True)


def test_an_odd_component_is_in_no_pair():
    """Of three the first two, or those that share a frequency."""
    token = 2 * math.pi / 11 * torch.arange(11, dtype=torch.float64)
    scores = torch.stack([(3 * token).cos(), (2 * token).cos(), (3 * token).sin()], 1)
    assert [circle.components for circle in embedding.circles(scores)] == [(0, 1)]
    assert embedding.pair_by_frequency(scores) == [(0, 2)]
