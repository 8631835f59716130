"""Any variable is drawn from its dims; a circuit that nobody has heard of appears in the report by its variables."""

import re
import textwrap
from dataclasses import dataclass

import numpy as np
import pytest
import xarray as xr

import grokinterp as gi
from grokinterp.cli import main
from grokinterp.errors import BadRequest
from grokinterp.readout import Circuit, Variable, readout
from grokinterp.reports import labels
from grokinterp.reports.drawing import PANELS, frame
from grokinterp.reports.frames import LEVELS, texture, untexture
from grokinterp.reports.page import page
from grokinterp.reports.sections import sections_of
from grokinterp.reports.subject import Subject

OWN = textwrap.dedent('''
    """Three shapes of reading."""

    from dataclasses import dataclass

    import torch

    from grokinterp.readout import Circuit, Variable, readout


    @dataclass(frozen=True)
    class Shapes(Circuit):
        """A number, a vector and a map of one checkpoint."""

        name = "shapes"

        def read(self, snapshot, requested=frozenset()):
            p, step = snapshot.n_numbers, snapshot.step
            return readout(
                {
                    "own_number": Variable((), float(step), "steps", "ours"),
                    "own_bars": Variable(("k",), step + torch.arange(3.0), "", "ours"),
                    "own_map": Variable(("a", "b"), step + torch.arange(float(p * p)).reshape(p, p), "", "ours"),
                }
            )
''')


@pytest.fixture
def trace() -> xr.Dataset:
    """Steps 0, 10, 20; every value tells its own place."""
    steps = np.array([0, 10, 20])
    data = {
        "number": (("step",), steps * 2.0),
        "vector": (("step", "k"), steps[:, None] + np.arange(1.0, 5.0)),
        "a_map": (("step", "a", "b"), steps[:, None, None] + np.arange(6.0).reshape(2, 3)),
        "many": (("step", "layer", "head", "a", "b"), np.ones((3, 1, 14, 2, 3))),
        "signed": (("step", "a", "b"), -np.ones((3, 2, 3))),
        "words": (("step", "k"), np.full((3, 4), "yes")),
    }
    return xr.Dataset({name: (dims, values, {"units": "nats"}) for name, (dims, values) in data.items()},
                      {"step": steps, "k": np.arange(1, 5)})  # fmt: skip


def test_a_number_over_steps_is_a_line(trace):
    """Its values over its steps; a step that is asked for is marked."""
    figure = gi.draw(trace["number"])
    assert figure.data[0].mode == "lines" and list(figure.data[0].y) == [0, 20, 40]
    assert figure.layout.yaxis.title.text == "number (nats)"
    marked = gi.draw(trace["number"], step=10).data[1]
    assert (list(marked.x), list(marked.y)) == ([10], [20])


def test_a_vector_is_bars_at_a_step(trace):
    """Of the last step where none is given; along its coordinate."""
    assert list(gi.draw(trace["vector"]).data[0].y) == [21, 22, 23, 24]
    bars = gi.draw(trace["vector"], step=10)
    assert bars.data[0].type == "bar" and list(bars.data[0].x) == [1, 2, 3, 4]
    assert list(bars.data[0].y) == [11, 12, 13, 14]
    assert "frequency" in bars.layout.xaxis.title.text


def test_two_dims_are_a_heat_map_with_the_first_down(trace):
    """`(a, b)`: rows are a, columns b, and the axes say so."""
    figure = gi.draw(trace["a_map"], step=10)
    assert figure.data[0].type == "heatmap"
    np.testing.assert_array_equal(figure.data[0].z, 10 + np.arange(6).reshape(2, 3))
    assert figure.layout.yaxis.title.text == "first operand a" and figure.layout.xaxis.title.text == "second operand b"
    assert "a map at step 10" in figure.layout.title.text


def test_more_dims_become_panels_up_to_a_dozen(trace):
    """Each slice is named by what it is a slice of, and what is left out is said."""
    figure = gi.draw(trace["many"])
    assert len(figure.data) == PANELS
    said = [note.text for note in figure.layout.annotations]
    assert said[:2] == ["head 0", "head 1"] and said[-1] == "and 2 more, not drawn"


def test_signed_values_have_their_zero_in_the_middle(trace):
    """Otherwise nothing and the least would look alike."""
    axis = gi.draw(trace["signed"]).layout.coloraxis
    assert axis.cmin == -axis.cmax


@pytest.mark.parametrize("name", ["vector", "a_map", "many"])
def test_frames_are_what_draw_draws(trace, name):
    """What the slider puts in is what `draw` has at that step."""
    for step in (0, 20):
        for drawn, moved in zip(gi.draw(trace[name], step=step).data, frame(trace[name], step), strict=True):
            for attribute, values in moved.items():
                np.testing.assert_array_equal(drawn[attribute], values)


@pytest.mark.parametrize(
    ("given", "step", "said"),
    [
        (lambda trace: trace, None, r"draw takes one variable, as in gi.draw\(trace\['train_loss'\]\)"),
        (lambda trace: trace["vector"], 12, "not measured at step 12; the nearest are 0, 10, 20"),
        (lambda trace: trace["vector"].isel(step=0, drop=True), 10, "has no steps; leave step out"),
        (lambda trace: trace["words"], None, "only numbers are drawn"),
    ],
)
def test_what_cannot_be_drawn_is_refused(trace, given, step, said):
    """One line that names the remedy."""
    with pytest.raises(BadRequest, match=said):
        gi.draw(given(trace), step=step)


def test_parameters_and_matrices_have_names_for_readers():
    """No underscore is left in what stands on a page."""
    assert labels.parameter("blocks.0.attn.W_Q") == "queries, layer 0"
    assert labels.parameter("blocks.1.mlp.b_in") == "bias of into neurons, layer 1"
    assert labels.quantity("embedding_norm", "weights^2") == "embedding norm (squared units of the weights)"


def test_a_texture_keeps_a_picture_to_half_a_level():
    """Packed and unpacked, every point is within half of one of its levels; what is missing stays missing."""
    z = np.random.default_rng(0).normal(size=(23, 17))
    z[3, 4] = np.nan
    low, high = float(np.nanmin(z)), float(np.nanmax(z))
    back = untexture(texture(z, low, high))
    assert np.isnan(back[3, 4]) and np.isnan(back).sum() == 1
    assert np.nanmax(np.abs(back - z)) <= (high - low) / LEVELS / 2 * 1.0001
    flat = untexture(texture(np.full((2, 2), 3.0), 3.0, 3.0))
    assert (flat == 3.0).all()


# -- circuits of a user's own


@pytest.fixture(scope="module")
def run(tmp_path_factory) -> gi.Run:
    out = tmp_path_factory.mktemp("own") / "run"
    return gi.train(
        "a + b", p=7, d_model=8, n_heads=2, frac=0.5, steps=40, checkpoint_every=20, metrics_every=20, progress=False,
        out=out,
    )  # fmt: skip


def test_a_circuit_by_value_is_in_the_report(run):
    """Its number a line, its vector bars, its table a heat map, each moved by the slider to the trace's own values."""

    @dataclass(frozen=True)
    class Mine(Circuit):
        """Step and shapes."""

        name = "mine"

        def read(self, snapshot, requested=frozenset()):
            return readout({"mine_all": Variable(("k",), np.full(3, snapshot.step), "", "ours")})

    subject = Subject(run, [Mine()])
    plates = {plate.name: plate for section in sections_of(subject) for plate in section.plates}
    plate = plates["own-mine_all"]
    assert plate.figure.data[0].type == "bar"
    assert [list(frame[0]["y"]) for frame in plate.frames] == [[0] * 3, [20] * 3, [40] * 3]


def test_a_circuit_by_file_is_in_the_report(run, tmp_path, capsys):
    """`grokinterp report RUN --circuit mine.py`: all three shapes are drawn, and named in labels."""
    file = tmp_path / "shapes.py"
    file.write_text(OWN)
    out = tmp_path / "r.html"
    assert main(["report", str(run.path), "--out", str(out), "--circuit", str(file)]) == 0
    assert capsys.readouterr().out.split() == [str(out)]
    html = out.read_text()
    assert "Further measures" in html
    for name in ("own_number", "own_bars", "own_map"):
        assert f'id="own-{name}"' in html
    subject = Subject(run, [file])
    drawn = {plate.name: plate.figure for section in sections_of(subject) for plate in section.plates}
    assert drawn["own-own_number"].data[0].mode == "lines"
    assert drawn["own-own_bars"].data[0].type == "bar"
    assert drawn["own-own_map"].data[0].type == "heatmap"
    assert "own number (steps)" in html


def test_a_file_without_a_circuit_is_refused(run, tmp_path, capsys):
    """Exit 2, one line, and no page."""
    file = tmp_path / "nothing.py"
    file.write_text("x = 1\n")
    out = tmp_path / "r.html"
    assert main(["report", str(run.path), "--out", str(out), "--circuit", str(file)]) == 2
    assert "defines no Circuit" in capsys.readouterr().err and not out.exists()


def test_a_page_is_the_same_whoever_asks(run):
    """From the cache or measured anew: the figures are the same."""
    numbers = [
        re.search(r'id="figures">(.*?)</script>', page(Subject(run, cache=cache)), re.S)[1] for cache in (False, True)
    ]
    assert numbers[0] == numbers[1]
