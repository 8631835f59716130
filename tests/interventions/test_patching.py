"""Patching as users call it: a labelled array that is drawn by head and position, 0 where nothing differs."""

import numpy as np
import pytest
import torch

import grokinterp as gi
from grokinterp.config import TransformerConfig
from grokinterp.interventions.patching import DIMS
from grokinterp.models import attribution, build
from grokinterp.models.initialisation import initialise
from grokinterp.models.transformer import HookedTransformer


@pytest.fixture(scope="module")
def model() -> HookedTransformer:
    """A one-layer transformer of random weights, with its task."""
    task = gi.Task("a + b", p=7, layout="a b =")
    config = TransformerConfig(d_model=12, n_heads=2, d_mlp=20).resolved(task.n_vocab, task.n_answers, 3)
    return build(config, initialise(config, seed=0), task=task)


def test_only_what_sees_the_difference_brings_it_back(model):
    """Rows that differ in b alone: heads that read at a carry nothing, the token of b all of it."""
    rows = model.task.inputs
    clean, corrupted = rows[[3, 17]], rows[[5, 19]]  # (0, 3) and (2, 3) against (0, 5) and (2, 5)
    assert torch.equal(clean[:, 0], corrupted[:, 0]) and not torch.equal(clean[:, 1], corrupted[:, 1])
    effect = gi.patch(model, clean, corrupted)
    assert effect.dims == ("layer", "position", "head") and effect.attrs["units"] == "share of the clean answer"
    assert np.abs(effect.sel(position=0)).max() < 1e-6
    assert np.abs(effect.isel(position=-1)).max() > 1e-3
    whole = gi.patch(model, clean, corrupted, "resid_pre")
    assert float(whole.sel(position=1)[0]) == pytest.approx(1, abs=1e-5)  # all that differs is the token of b


def test_a_picture_has_heads_across_and_positions_down(model):
    """`gi.draw` takes it as it is."""
    rows = model.task.inputs
    figure = gi.draw(gi.patch(model, rows[[3]], rows[[5]]))
    assert figure.data[0].type == "heatmap" and np.asarray(figure.data[0].z).shape == (3, 2)
    assert "head" in figure.layout.xaxis.title.text and "position" in figure.layout.yaxis.title.text


def test_everything_that_can_be_patched_has_its_dims():
    """A kind that is added to the one table has its place in the other."""
    assert set(DIMS) == set(attribution.PATCHES)
