"""The report of a model of images: the plane of its representation, a colour a gradient."""

import numpy as np
import pytest

import grokinterp as gi
from grokinterp.reports.sections import representation, sections_of
from grokinterp.reports.subject import Subject


@pytest.fixture(scope="module")
def subject(tmp_path_factory):
    """A small model of patches after a few steps."""
    out = tmp_path_factory.mktemp("runs") / "lines"
    fields = {"size": 8, "length": 5, "largest": 2, "d_model": 8, "n_heads": 2, "n_layers": 1}
    run = gi.train(
        "lines", preset="lines_patches", out=out, steps=20, checkpoint_every=10, threads=1, progress=False, **fields
    )
    return Subject(run)


def test_images_are_told_by_their_plane(subject):
    """And by no raw table of it."""
    sections = sections_of(subject)
    titles = [section.title for section in sections]
    assert "The representation" in titles and "Further measures" not in titles
    assert {"image-plane", "translation"} <= {plate.name for section in sections for plate in section.plates}


def test_every_image_has_a_point_of_its_gradient(subject):
    """As many points a gradient as it has images, at every step of the slider, the last as drawn."""
    task, trace = subject.run.task, subject.trace
    figure, frames = representation.plane(trace, task.tokens, [0, 20])
    assert [each.name for each in figure.data] == task.tokens
    assert [len(each.x) for each in figure.data] == np.bincount(task.labels).tolist()
    first = task.labels.numpy() == 0
    np.testing.assert_allclose(frames[0][0]["y"], trace.translation_plane.sel(step=0).values[first, 1], rtol=1e-6)
    for each, moved in zip(figure.data, frames[-1], strict=True):
        np.testing.assert_array_equal(each.x, moved["x"])
