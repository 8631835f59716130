"""The report of a model of a group: irreps and cosets in place of waves."""

import re

import numpy as np
import pytest
import torch
import xarray as xr

import grokinterp as gi
from grokinterp.circuits.output_layer import principal_components
from grokinterp.reports.figures.curves import panels
from grokinterp.reports.sections import ablations, cosets, frequencies, irreps, sections_of
from grokinterp.reports.subject import Subject


@pytest.fixture(scope="module")
def subject(tmp_path_factory):
    """Chughtai's MLP on S4 after a few steps."""
    out = tmp_path_factory.mktemp("runs") / "s4"
    fields = {"d_embed": 8, "hidden_sizes": (16,), "steps": 20, "checkpoint_every": 10, "metrics_every": 10}
    run = gi.train("sym", n=4, preset="chughtai", frac=0.5, out=out, threads=1, progress=False, **fields)
    return Subject(run)


def test_a_group_is_told_by_its_irreps_and_cosets(subject):
    """And by nothing of waves, which its elements have none of."""
    sections = sections_of(subject)
    titles = [section.title for section in sections]
    assert {"The irreps", "The cosets", "The output layer"} <= set(titles)
    assert not {"The frequencies", "The circles", "The neurons", "Further measures"} & set(titles)
    names = {plate.name for section in sections for plate in section.plates}
    assert {"irreps", "irreps-over-time", "irreps-losses", "cosets", "cosets-over-time", "output-map"} <= names
    assert "without-frequencies" not in names
    said = " ".join(text for section in sections for text in section.paragraphs)
    assert "xy in S4" in said and not re.search(r"\bwaves of\b|Gini", said)


def test_the_bars_are_those_of_the_trace(subject):
    """Heights at every step of the slider, the last of them as drawn; of the logits the square of the cosine."""
    trace = subject.trace
    figure, frames = irreps.shares(trace, [0, 20])
    drawn = {bars.name: np.array(bars.y) for bars in figure.data}
    np.testing.assert_allclose(drawn["logits, squared cosine"], trace.logit_similarity.sel(step=20).values ** 2, 1e-6)
    np.testing.assert_allclose(drawn["embeddings"], trace.embedding_fve.sel(step=20), 1e-6)
    for bars, moved in zip(figure.data, frames[-1], strict=True):
        np.testing.assert_array_equal(bars.y, moved["y"])
    np.testing.assert_allclose(frames[0][0]["y"], trace.embedding_fve.sel(step=0), 1e-6)


def test_every_neuron_has_a_point(subject):
    """But one that does not vary, at the bottom; and each stands above the subgroup of its part of y."""
    last = subject.trace.isel(step=-1)
    figure = cosets.concentrated(last)
    *points, ablated = figure.data
    assert sum(len(each.y) for each in points) == 16
    of_kind = {each.x[0]: len(each.y) for each in points}
    kinds, counts = np.unique(last.coset_subgroup_right.values, return_counts=True)
    assert of_kind == {f"order {kind}": int(n) for kind, n in zip(kinds, counts, strict=True)}
    assert list(ablated.x) == sorted(last.threshold.values)


def test_on_a_phone_no_panel_and_no_title_stands_in_another(subject):
    """Neurons above accuracies; the legend of panels one line below their last title; irreps without a title."""
    narrow = cosets.concentrated(subject.trace.isel(step=-1)).layout.meta["narrow"]
    assert narrow["xaxis.domain"] == narrow["xaxis2.domain"] == [0, 1]
    assert narrow["yaxis2.domain"][1] < narrow["yaxis.domain"][0] - 0.2
    for n in (1, 2, 3):
        figure = panels(["share"] * n, [[]] * n, [None] * n)
        narrow, margin = figure.layout.meta["narrow"], figure.layout.margin
        plot = narrow["height"] - margin.t - margin.b
        assert 60 <= -narrow["legend.y"] * plot <= 70
    assert irreps.shares(subject.trace, [0])[0].layout.meta["narrow"]["xaxis.title.text"] == ""


def test_what_one_part_is_beside_is_drawn(subject):
    """A line from one part to itself has no length, so the loss with nothing taken out is a mark there."""
    trace = subject.ablation
    whole = next(each for each in ablations.parts(trace).data if each.name == "nothing taken out")
    assert len(whole.x) == 1 and whole.mode == "markers" and whole.marker.symbol == "line-ns-open"


def test_few_checkpoints_are_named_under_a_map():
    """A scale of its own begins before the first step, since each column stands around its step."""
    waves = ["const", "cos 1", "sin 1", "cos 2", "sin 2"]
    norms = xr.DataArray(np.ones((3, 5)), {"step": [0, 100, 200], "basis": waves}, ("step", "basis"))
    assert list(frequencies.over_time(norms, "1", "frequency k").layout.xaxis.tickvals) == [0, 100, 200]


def test_a_diverged_model_has_no_map():
    """Its output weights are no numbers: NaN, not an error."""
    weights = torch.full((6, 4), torch.nan)
    assert principal_components(weights).shape == (6, 2) and principal_components(weights).isnan().all()
