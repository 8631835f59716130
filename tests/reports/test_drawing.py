"""Any variable is drawn from its dims; a circuit that nobody has heard of appears in the report by its variables."""

import re
import textwrap
from dataclasses import dataclass

import numpy as np
import pytest
import xarray as xr

import grokinterp as gi
from grokinterp.cli import main
from grokinterp.config.presets import PRESETS
from grokinterp.errors import BadRequest
from grokinterp.readout import Circuit, Variable, readout
from grokinterp.reports import labels
from grokinterp.reports.drawing import PANELS, frame
from grokinterp.reports.figures.frames import LEVELS, texture, untexture
from grokinterp.reports.page import page
from grokinterp.reports.sections import sections_of
from grokinterp.reports.subject import Subject
from grokinterp.training.planning import plan

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


def losses() -> xr.Dataset:
    """Two losses over four decades, an accuracy, and counts in one layer and in two."""
    steps = np.array([0, 10, 20])
    counts = np.arange(6).reshape(3, 1, 2)
    data = {
        "train_loss": ("step", [3.0, 1e-2, 1e-4], "nats"),
        "test_loss": ("step", [3.0, 4.0, 1e-3], "nats"),
        "test_accuracy": ("step", [0.1, 0.2, 1.0], "share"),
        "neurons_per_frequency": (("step", "layer", "k"), counts, "neurons"),
        "of_two_layers": (("step", "layers", "k"), np.concatenate([counts, counts], 1), "neurons"),
    }
    return xr.Dataset(
        {name: (dims, values, {"units": units}) for name, (dims, values, units) in data.items()},
        {"step": steps, "k": [1, 2], "layer": [0]},
    )


def test_losses_have_a_log_axis_unless_it_is_refused():
    """The whole of grokking lies below 0.01; other quantities are drawn as they are."""
    assert gi.draw(losses()["train_loss"]).layout.yaxis.type == "log"
    assert gi.draw(losses()["train_loss"], log=False).layout.yaxis.type != "log"
    assert gi.draw(losses()["test_accuracy"]).layout.yaxis.type != "log"
    assert gi.draw(losses()["test_accuracy"], log=True).layout.yaxis.type == "log"
    assert "%" in gi.draw(losses()["test_accuracy"]).layout.yaxis.tickformat


def test_several_numbers_over_steps_are_lines_in_one_figure():
    """Train beside test, each in its colour and with its own dash or marker, named in a legend."""
    figure = gi.draw(losses()[["train_loss", "test_loss"]], step=10)
    lines = [line for line in figure.data if line.mode == "lines"]
    assert [line.name for line in lines] == ["train loss", "test loss"] and figure.layout.yaxis.type == "log"
    assert len({line.line.color for line in lines}) == 2 and all(line.showlegend for line in lines)
    assert figure.layout.yaxis.title.text == "loss (nats)"
    assert sorted(float(point.y[0]) for point in figure.data if point.mode == "markers") == [1e-2, 4.0]


def test_a_dim_of_one_entry_is_dropped():
    """Counts of one layer are bars over the frequencies, of two layers bars beside each other; never a bar code."""
    figure = gi.draw(losses()["neurons_per_frequency"])
    assert [bars.type for bars in figure.data] == ["bar"]
    assert list(figure.data[0].x) == [1, 2] and list(figure.data[0].y) == [4, 5]
    two = gi.draw(losses()["of_two_layers"])
    assert [bars.name for bars in two.data] == ["layers 0", "layers 1"] and two.data[1].type == "bar"
    assert [list(moved["y"]) for moved in frame(losses()["of_two_layers"], 0)] == [[0, 1], [0, 1]]


def test_size_and_type_are_set_for_paper():
    """Centimetres at 96 pixels to the inch; points as pixels, for every text, and margins as the text."""
    variable = losses()["train_loss"]
    figure, plain = gi.draw(variable, width_cm=8.5, font_pt=9), gi.draw(variable)
    assert figure.layout.width == pytest.approx(8.5 / 2.54 * 96)
    assert figure.layout.font.size == figure.layout.xaxis.title.font.size == figure.layout.xaxis.tickfont.size == 12
    assert figure.layout.margin.t == pytest.approx(plain.layout.margin.t * 12 / 13)
    assert plain.layout.width is None


def shape(figure) -> float:
    """Height by width of the plot, without the margins."""
    margin = figure.layout.template.layout.margin.to_plotly_json() | figure.layout.margin.to_plotly_json()
    across, down = margin["l"] + margin["r"], margin["t"] + margin["b"]
    return (figure.layout.height - down) / ((figure.layout.width or 700) - across)


def test_a_plot_keeps_its_shape_and_curves_some_height():
    """At a column's width a plot is no lower than half its width, whatever stands around it."""
    variable = losses()["train_loss"]
    assert shape(gi.draw(variable, width_cm=8.5, font_pt=8)) == pytest.approx(0.5)
    bars = losses()["neurons_per_frequency"]
    assert shape(gi.draw(bars, width_cm=17)) == pytest.approx(max(shape(gi.draw(bars)), 0.5), rel=0.01)


def test_phases_are_shaded_where_a_solved_trace_tells_them():
    """Behind losses in one figure, each to its last step; of a trace without key frequencies, or unsolved, none."""
    ends = {"memorisation_end": 10, "circuit_formation_end": 20}
    trace = losses()[["train_loss", "test_loss"]].assign_attrs(outcome="solved", key_frequencies=[3], **ends)
    shades = gi.draw(trace).layout.shapes
    assert [(shade.name.split(",")[0], shade.x1) for shade in shades] == [
        ("memorisation", 10),
        ("circuit formation", 20),
    ]
    for doubt in ({"outcome": "unsolved"}, {"key_frequencies": []}):
        assert not gi.draw(trace.assign_attrs(doubt)).layout.shapes


@pytest.mark.parametrize(
    ("draw", "said"),
    [
        (lambda data: gi.draw(data[["train_loss", "test_accuracy"]]), "share a unit, and these are in nats"),
        (lambda data: gi.draw(data["train_loss"] * -1, log=True), "no values above 0, so no log axis; leave log out"),
        (lambda data: gi.draw(data["train_loss"], width_cm=0), "width_cm must be above 0 and at most 1000, not 0"),
        (
            lambda data: gi.draw(data["train_loss"], font_pt=float("nan")),
            "font_pt must be above 0 and at most 1000, not nan",
        ),
        (lambda data: gi.draw(data[[]]), "this has no variable"),
    ],
    ids=["units", "log", "width", "font", "empty"],
)
def test_settings_that_cannot_be_met_are_refused(draw, said):
    """One line each."""
    with pytest.raises(BadRequest, match=said):
        draw(losses())


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
        (lambda trace: trace, None, r"draw takes one variable, as in gi.draw\(trace\['train_loss'\]\), or several"),
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


@pytest.mark.parametrize("config", PRESETS.values(), ids=list(PRESETS))
def test_no_two_parameters_of_a_model_have_one_name(config):
    """They stand beside each other in a legend; norms have parameters that are called by a letter."""
    model = plan(config.task.expression, preset=config.preset)[0].model
    names = [labels.parameter(name) for name in model.parameter_shapes()]
    assert len(set(names)) == len(names) and all(len(name) > 2 for name in names), names


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


def test_no_two_curves_of_a_figure_look_alike():
    """Curves of training rows are grey and of test rows blue; what stands beside them, or comes second, is neither."""
    names = [
        "latent_accuracy",
        "test_accuracy",
        "test_accuracy_unswapped",
        "train_accuracy",
        *(f"v{i}" for i in range(9)),
    ]
    curves = xr.Dataset({name: ("step", [0.1, 0.2], {"units": "share"}) for name in names}, {"step": [0, 1]})
    drawn = {trace.name: (trace.line.color, trace.line.dash) for trace in gi.draw(curves).data}
    assert len(set(drawn.values())) == len(names)
    assert (drawn["test accuracy"], drawn["train accuracy"]) == (("#2b62c9", "solid"), ("#8c9096", "solid"))
