"""Measures of image models: flips, translation, rank reduction and RANSAC, where the answer can be derived."""

import sys

import numpy as np
import pytest
import torch

from grokinterp.circuits import flips, rank_reduction, ransac, translation
from grokinterp.config import DenseMLPConfig, VisionConfig
from grokinterp.errors import BadRequest
from grokinterp.evaluation.snapshot import Snapshot
from grokinterp.models.initialisation import initialise
from grokinterp.tasks import Task

TASK = Task("lines", size=8, length=5, largest=2).split(frac=0.5, seed=0)


def vision(edit=None) -> Snapshot:
    config = VisionConfig(patch=4, d_model=8, n_heads=2, n_layers=1).resolved(TASK.n_vocab, TASK.n_answers, 64)
    parameters = initialise(config, 0)
    for name, value in (edit or {}).items():
        parameters[name] = torch.full_like(parameters[name], value)
    return Snapshot(0, config, TASK, parameters)


def dense(W_in: torch.Tensor, W_U: torch.Tensor, b_in: torch.Tensor) -> Snapshot:
    """Logits relu(image W_in + b_in) W_U."""
    config = DenseMLPConfig(hidden_sizes=(W_in.shape[1],), unembed_bias=False, d_in=64, d_vocab_out=TASK.n_answers)
    return Snapshot(0, config, TASK, {"blocks.0.mlp.W_in": W_in, "blocks.0.mlp.b_in": b_in, "unembed.W_U": W_U})


def test_a_constant_model_keeps_every_answer():
    """An unembedding of zeros gives one answer whatever the image."""
    found = flips.Flips(images=5).read(vision({"unembed.W_U": 0.0}))
    assert found.flip_kept_every == found.flip_kept_most == found.flip_kept == 1
    assert (found.flip_kept_at.values == 1).all()


def test_a_model_of_one_pixel_loses_its_answer_there_alone():
    """Answer 1 where pixel (x=2, y=3) is lit, else 0: flips of that pixel, and no others, change it."""
    W_in = torch.zeros(64, 1)
    W_in[3 * 8 + 2] = 1
    W_U = torch.zeros(1, TASK.n_answers)
    W_U[0, 1] = 1
    found = flips.Flips(images=20).read(dense(W_in, W_U, torch.zeros(1)))
    assert found.flip_kept_every == 0 and found.flip_kept_most == 1
    assert found.flip_kept == pytest.approx(63 / 64)
    lost = np.argwhere(found.flip_kept_at.values == 0)
    assert lost.tolist() == [[3, 2]] and found.flip_kept_at.dims == ("y", "x")


def test_a_model_of_parity_loses_every_answer():
    """Lines of 5 pixels have 4 or 6 after a flip: answer 1 at 5 lit pixels alone, planted as a hat of three neurons."""
    W_in = torch.ones(64, 3)
    W_U = torch.zeros(3, TASK.n_answers)
    W_U[:, 1] = torch.tensor([1.0, -2.0, 1.0])
    found = flips.Flips(images=4).read(dense(W_in, W_U, torch.tensor([-4.0, -5.0, -6.0])))
    assert found.flip_kept == found.flip_kept_every == found.flip_kept_most == 0


def test_flips_are_of_images_that_were_not_trained_on():
    """Drawn among the rows held out, each once, others with another seed; among all only where none is held out."""
    one = vision()
    held_out = set((~TASK.is_train).nonzero().flatten().tolist())
    rows = [flips.rows_held_out(one, 12, seed).tolist() for seed in (0, 0, 1)]
    assert len(set(rows[0])) == 12 and set(rows[0]) | set(rows[2]) <= held_out
    assert rows[0] == rows[1] != rows[2] and rows[0] != sorted(rows[0])
    assert set(flips.rows_held_out(one, 10_000, 0).tolist()) == held_out
    every = Snapshot(0, one.config, TASK.with_split(torch.ones_like(TASK.is_train)), one.parameters)
    assert len(flips.rows_held_out(every, 10_000, 0)) == len(TASK.inputs)


def test_most_is_more_than_half():
    """Dark images, and a model that sees light in the right half of them: half of all flips change its answer."""
    W_in, W_U = torch.zeros(64, 1), torch.zeros(1, TASK.n_answers)
    W_in.view(8, 8)[:, 4:], W_U[0, 1] = 1, 1
    empty = TASK.with_split(TASK.is_train)
    empty.inputs = torch.zeros_like(TASK.inputs)
    snapshot = dense(W_in, W_U, torch.zeros(1))
    found = flips.Flips(images=3).read(Snapshot(0, snapshot.config, empty, snapshot.parameters))
    assert found.flip_kept == 0.5 and found.flip_kept_most == 0


def test_translation_is_the_share_between_classes():
    """One point a class: 1. Groups of the same mean: 0. A known mixture: its ratio."""
    labels = torch.tensor([0, 0, 1, 1])
    assert translation.between(torch.tensor([[1.0], [1.0], [5.0], [5.0]]), labels) == 1
    assert translation.between(torch.tensor([[-1.0], [1.0], [-1.0], [1.0]]), labels) == 0
    # Means -3 and 3 (between 4 * 9), one off each (within 4 * 1).
    assert translation.between(torch.tensor([[-4.0], [-2.0], [2.0], [4.0]]), labels) == pytest.approx(0.9)


def test_the_plane_is_that_of_the_largest_variance():
    """Three axes of known lengths: the first two in order, up to the sign that their cubes decide."""
    x = torch.tensor([[4.0, 0, 0], [-2, 0, 0], [-2, 0, 0], [0, 1, 0], [0, -1, 0], [0, 0, 0.1], [0, 0, -0.1]])
    found = translation.plane(x)
    assert found[:, 0].tolist() == pytest.approx(x[:, 0].tolist())
    assert found[:, 1].abs().tolist() == pytest.approx(x[:, 1].abs().tolist())


def test_pixels_are_read_as_they_are():
    """Of a layer that hands them on, what it has between classes is what they have, and so in the plane."""
    images, labels = TASK.inputs.double(), TASK.labels
    found = translation.Translation().read(dense(torch.eye(64), torch.zeros(64, TASK.n_answers), torch.zeros(64)))
    within = sum(float(images[labels == c].var(0, correction=0).sum() * (labels == c).sum()) for c in labels.unique())
    share = 1 - within / float((images - images.mean(0)).square().sum())
    assert float(found.translation_invariance_of_pixels) == pytest.approx(share, rel=1e-6)
    assert float(found.translation_invariance) == pytest.approx(share, rel=1e-6)
    plane = torch.from_numpy(found.translation_plane.values)
    assert float(found.translation_invariance_in_plane) == pytest.approx(translation.between(plane, labels), rel=1e-4)


def test_components_point_to_where_their_cubes_sum_to_more():
    """Whichever sign a decomposition gives them: of ten clouds none has a plane that points the other way."""
    for cloud in torch.randn(10, 40, 3).double().exp():
        assert (translation.plane(cloud).pow(3).sum(0) > 0).all() and (
            translation.plane(-cloud).pow(3).sum(0) > 0
        ).all()


def test_what_does_not_vary_has_no_share():
    """All clean lines have as many pixels, wherever they lie: a count of them does not vary. A fresh model does."""
    read = translation.Translation().read(vision())
    assert 0 < read.translation_invariance < 1 and read.translation_plane.shape == (len(TASK.inputs), 2)
    sums = dense(torch.ones(64, 1), torch.zeros(1, TASK.n_answers), torch.zeros(1))
    assert np.isnan(float(translation.Translation().read(sums).translation_invariance))
    assert read.translation_class.values.tolist() == TASK.labels.tolist()


def test_full_rank_changes_nothing_and_rank_nothing_gives_one_answer():
    """At share 1 the accuracy is the model's; an embedding of rank 0 shows no image, so one class at most is right."""
    snapshot = vision()
    found = rank_reduction.RankReduction(shares=(0.0, 1.0), rows=10_000).read(snapshot)
    test = ~TASK.is_train
    own = (snapshot.logits.argmax(1) == TASK.labels)[test].double().mean()
    assert found.accuracy_at_rank.sel(share=1.0).values == pytest.approx(float(own))
    shares = torch.bincount(TASK.labels[test], minlength=8) / test.sum()
    for layer in ("embed", "unembed"):
        assert any(
            float(found.accuracy_at_rank.sel(layer=layer, share=0.0)) == pytest.approx(x) for x in shares.tolist()
        )
    assert found.layer.values.tolist() == ["embed", "blocks.0.attn", "blocks.0.mlp", "unembed"]


def test_where_every_row_is_trained_on_the_accuracy_is_that_of_all():
    one = vision()
    every = Snapshot(0, one.config, TASK.with_split(torch.ones_like(TASK.is_train)), one.parameters)
    found = rank_reduction.RankReduction(shares=(1.0,), rows=10_000).read(every)
    own = (one.logits.argmax(1) == TASK.labels).double().mean()
    assert found.accuracy_at_rank.values == pytest.approx(float(own))


@pytest.mark.parametrize(("shape", "name"), [((6, 4), "W_in"), ((2, 6, 3), "W_Q"), ((2, 3, 6), "W_O")])
def test_a_reduced_matrix_is_the_nearest_of_its_rank(shape, name):
    """Full rank gives the matrix; half of it has half the rank, off by the singular values left out (Eckart-Young)."""
    W = torch.randn(shape, dtype=torch.float64, generator=torch.Generator().manual_seed(0))
    joined = {"W_in": lambda x: x, "W_Q": lambda x: torch.cat([*x], 1), "W_O": lambda x: torch.cat([*x], 0)}[name]
    torch.testing.assert_close(rank_reduction.of_rank(W, 1.0, name), W)
    assert not rank_reduction.of_rank(W, 0.0, name).any()
    half = rank_reduction.of_rank(W, 0.5, name)
    singular = torch.linalg.svdvals(joined(W))
    n = len(singular) // 2
    assert torch.linalg.matrix_rank(joined(half)) == n
    assert float((half - W).norm()) == pytest.approx(float(singular[n:].norm()))


@pytest.mark.parametrize("length", [8, 12])
def test_ransac_recovers_the_gradient_of_clean_lines(length):
    """Every class of the preset's images, several places each; and most of them with outliers lit beside the line."""
    pytest.importorskip("skimage")
    task = Task("lines", length=length)
    rows = torch.arange(0, len(task.inputs), 17)
    assert set(task.labels[rows].tolist()) == set(range(16))
    assert torch.equal(ransac.ransac_answers(task.inputs[rows], task.gradients), task.labels[rows])
    assert ransac.ransac_answers(torch.zeros(1, 256), task.gradients).tolist() == [-1]
    seen = ransac.Ransac().fit(Snapshot(0, VisionConfig(), task.with_split(task.labels > 0), {}))
    assert seen.accuracy == 1


def test_without_scikit_image_the_extra_is_named(monkeypatch):
    """One line."""
    monkeypatch.setitem(sys.modules, "skimage", None)
    with pytest.raises(BadRequest, match=r"grokinterp\[systems\]"):
        ransac.ransac_answers(TASK.inputs[:1], TASK.gradients)


def test_tasks_without_images_are_left_out(planted):
    """With the reason; rank reduction is any model's whose answers are classes."""
    snapshot = planted.untrained(5)
    for circuit in (flips.Flips(), translation.Translation(), ransac.Ransac()):
        assert "see 'lines'" in circuit.why_not(snapshot) and circuit.why_not(vision()) is None
    assert rank_reduction.RankReduction().why_not(snapshot) is None
    found = rank_reduction.RankReduction(shares=(1.0,)).read(snapshot)
    assert found.layer.values.tolist() == ["embed", "blocks.0.attn", "blocks.0.mlp", "unembed"]
