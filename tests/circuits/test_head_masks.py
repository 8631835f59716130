"""Every set of heads taken out: the masks' order, and the numbers of `gi.ablate`."""

import numpy as np
import pytest

import grokinterp as gi
from grokinterp import models
from grokinterp.circuits import head_masks
from grokinterp.evaluation.losses import accuracy, cross_entropy
from grokinterp.evaluation.snapshot import Snapshot
from grokinterp.models.initialisation import initialise
from grokinterp.training.planning import plan


def snapshot(**fields) -> Snapshot:
    config, task = plan("a + b", p=7, **{"d_model": 8, "n_heads": 2, "frac": 0.5, "mislabelled": 9, **fields})
    return Snapshot(0, config.model, task, initialise(config.model, seed=3))


def test_bits_of_a_mask_are_heads():
    """Mask 5 is heads 0 and 2; every set comes once, at its number."""
    found = list(head_masks.masks(3))
    assert found[5] == [2, 0] or found[5] == [0, 2]
    assert [sum(2**head for head in mask) for mask in found] == list(range(8))


@pytest.mark.parametrize("fields", [{}, {"n_layers": 2}], ids=str)
def test_a_mask_is_that_ablation(fields):
    """Losses and accuracies of each set are those of the hooked model with the set's heads at zero.

    Rows trained on count by the labels that they were trained on, which are wrong for some.
    """
    one = snapshot(**fields)
    found = head_masks.HeadMasks().read(one)
    heads = [(layer, head) for layer in range(fields.get("n_layers", 1)) for head in range(2)]
    assert found.sizes["mask"] == 2 ** len(heads)
    model, task = models.build(one.config, parameters=dict(one.parameters), task=one.task), one.task
    for mask in found.mask.values:
        with gi.ablate(model, heads=[head for i, head in enumerate(heads) if mask >> i & 1]):
            logits = model(task.inputs)[:, -1, : task.n_answers].detach()
        sides = (("train", task.is_train, task.train_labels), ("test", ~task.is_train, task.labels))
        for side, rows, labels in sides:
            for kind, measure in (("loss", cross_entropy), ("accuracy", accuracy)):
                value = float(found[f"{side}_{kind}_without_heads"].sel(mask=mask))
                assert value == pytest.approx(measure(logits[rows], labels[rows]).item(), rel=1e-5)


def test_without_a_test_set_its_numbers_are_missing():
    """All rows trained on: train measures only."""
    found = head_masks.HeadMasks().read(snapshot(frac=1.0))
    assert np.isfinite(found["train_loss_without_heads"]).all() and np.isnan(found["test_loss_without_heads"]).all()


def test_too_many_heads_and_none_are_refused(planted):
    """2^16 sets are not tried, and an MLP has no heads."""
    circuit = head_masks.HeadMasks()
    assert "65,536 sets" in str(circuit.why_not(snapshot(d_model=16, n_heads=16)))
    assert "no attention heads" in str(circuit.why_not(planted.clock()))


def test_eight_heads_are_tried_and_nine_are_not():
    """256 sets, and 512."""
    circuit = head_masks.HeadMasks()
    assert circuit.why_not(snapshot(d_model=16, n_heads=8)) is None
    assert "9 heads have 512 sets; up to 8" in str(circuit.why_not(snapshot(d_model=18, n_heads=9)))


def test_where_the_split_is_not_known_all_rows_are_training_rows():
    one = snapshot(mislabelled=0)
    one.task.is_train = None
    found = head_masks.HeadMasks().read(one)
    assert float(found.train_loss_without_heads[0]) == pytest.approx(one.loss(one.logits), rel=1e-5)
    assert np.isnan(found.test_loss_without_heads).all() and np.isnan(found.test_accuracy_without_heads).all()
