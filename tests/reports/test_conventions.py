"""What holds on every page: the way maps lie, percent and steps on axes, and nothing told that is not known."""

import dataclasses
import re
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import xarray as xr

import grokinterp as gi
from grokinterp.models.initialisation import initialise
from grokinterp.reports.page import page
from grokinterp.reports.section import Plate, Section
from grokinterp.reports.sections import sections_of
from grokinterp.reports.sections.circles import of_some_size
from grokinterp.reports.sections.reproduction import configuration
from grokinterp.reports.sections.trained import Trained
from grokinterp.reports.subject import Subject
from grokinterp.runs.provenance import SEED_UNKNOWN, Provenance
from grokinterp.runs.run import Run
from grokinterp.runs.store import MemoryStore
from grokinterp.tasks import build
from grokinterp.training.planning import plan


def plates(sections: list[Section]) -> dict[str, Plate]:
    return {plate.name: plate for section in sections for plate in section.plates}


def text(sections: list[Section]) -> str:
    parts = [part for section in sections for part in (*section.paragraphs, *section.notes)]
    parts += [f"{fact.name} {fact.value}" for section in sections for fact in section.facts]
    return " ".join([*parts, *(code for section in sections for _, code in section.code)])


@pytest.fixture(scope="module")
def product(tmp_path_factory) -> list[Section]:
    """The page of a short run of a product: zero is no answer of it, and numbers stand in discrete-log order."""
    out = tmp_path_factory.mktemp("product") / "run"
    run = gi.train(
        "a * b", p=7, d_model=8, n_heads=2, frac=0.6, steps=40, checkpoint_every=20, metrics_every=20,
        progress=False, threads=1, out=out,
    )  # fmt: skip
    return sections_of(Subject(run))


def foreign(**fields) -> Run:
    """A file of other code that does not say which rows were trained on, and so no seed."""
    config, _ = plan("a + b", p=7, d_model=8, n_heads=2, **fields)
    weights = initialise(config.model, seed=0)
    run = Run(MemoryStore({900: lambda: weights}), name="foreign", config=config, task=build(config.task))
    run.provenance = Provenance.of_file("pizza", Path("model.pt"), ["the split is unknown"])
    return run


@pytest.fixture(scope="module")
def unknown() -> tuple[list[Section], str]:
    """Its sections and its page."""
    subject = Subject(foreign())
    return sections_of(subject), page(subject)


def test_in_every_map_the_first_operand_runs_downwards(product):
    """As rows of a matrix do: a + b and its picture then have the same stripes everywhere."""
    found = plates(product)
    for name in ("table", "neuron-maps", "attention-to", "codes"):
        figure = found[name].figure
        maps = [trace for trace in figure.data if trace.type == "heatmap"]
        assert maps
        for trace in maps:
            axis = figure.layout[(trace.yaxis or "y").replace("y", "yaxis")]
            assert axis.autorange == "reversed", name
    drawn = gi.draw(xr.DataArray(np.arange(6.0).reshape(2, 3), dims=("a", "b"), name="a_map"))
    assert drawn.layout.yaxis.autorange == "reversed"


def test_maps_of_a_product_have_finite_colours(product):
    """Rows of the operand zero are missing: the largest activation is that of the others."""
    figure = plates(product)["neuron-maps"].figure
    scales = [figure.layout[name] for name in figure.layout if name.startswith("coloraxis")]
    assert scales and all(np.isfinite(scale.cmax) and np.isfinite(scale.cmin) for scale in scales)
    assert not any("nan" in note.text for note in figure.layout.annotations)


def test_numbers_in_another_order_are_places(product):
    """In discrete-log order the numbers of a map are names of its rows; no two cells lie over each other."""
    figure = plates(product)["codes"].figure
    for trace in figure.data:
        assert sorted(map(int, trace.x)) == list(range(1, 7)) and list(trace.x) != sorted(trace.x)
    axes = [figure.layout[name] for name in figure.layout if name.startswith(("xaxis", "yaxis"))]
    assert all(axis.type == "category" for axis in axes)
    assert {note.text for note in figure.layout.annotations} >= {"embedding", "one hot", "grid cell"}


def test_shares_are_in_percent_and_steps_have_one_name(product):
    """Accuracies, attention and explained variance, wherever they stand."""
    found = plates(product)
    for name, plate in found.items():
        layout = plate.figure.layout
        for axis in (layout[key] for key in layout if key.startswith(("xaxis", "yaxis"))):
            title = (axis.title.text or "").split(" (")[0]
            assert "optimiser updates" not in (axis.title.text or "")
            if title.endswith(("accuracy", "attention", "variance explained", "share of variance explained")):
                assert "%" in axis.tickformat or "p" in axis.tickformat, (name, title)


def test_no_line_breaks_between_a_number_and_its_percent(unknown):
    """Wherever it stands on the page; scripts and code are not touched."""
    body = re.sub(r"<(script|style|pre)\b.*?</\1>", "", unknown[1], flags=re.DOTALL)
    assert "\xa0%" in body and not re.findall(r".{9}\d %.{9}", body)


def test_circles_of_next_to_nothing_are_left_out():
    """A pair of components that is neither clean nor holds a share of the variance is no picture; one is kept."""
    variables = {"circle_purity": [[0.95, 0.3, 0.3]], "circle_variance": [[0.01, 0.2, 0.01]]}
    found = xr.Dataset({name: (("step", "circle"), np.array(values)) for name, values in variables.items()})
    assert of_some_size(found).circle_variance.values.tolist() == [[0.01, 0.2]]
    assert of_some_size(found.isel(circle=[2])).sizes["circle"] == 1


def test_what_a_file_does_not_say_is_not_recorded(unknown):
    """No seed is made up, neither in the sentence nor in the command nor in the configuration."""
    sections, html = unknown
    told = text(sections)
    assert "from a seed that is not recorded" in told and "from seed" not in told
    assert "--seed" not in told and "seed=" not in told
    assert "<code>seed</code></th><td>not recorded</td>" in html


def test_defaults_are_not_told_of_bare_weights():
    """A file of weights alone has no optimiser and no split: what a configuration has by default is not its own."""
    run = foreign()
    run._config = dataclasses.replace(run.config, preset="imported")
    told = text([Trained().make(Subject(run))])
    assert "does not say how it was trained" in told
    assert not [word for word in ("AdamW", "learning rate", "set to train", "warm-up") if word in told]
    assert set(configuration(run)) == {"task", "model"}


def test_known_rows_are_no_known_seed():
    """A file may list its training rows and no seed; 0 is then nobody's."""
    run = foreign(frac=0.5)
    run._task = run.task.split(frac=0.5, seed=3)
    assert run.is_seed_known
    run.provenance = Provenance.of_file("transformer_lens", Path("model.pt"), [SEED_UNKNOWN])
    assert not run.is_seed_known


def test_a_known_seed_is_told(product):
    """Of a run of our own it stands in sentence and command."""
    assert "from seed 0" in text(product) and "--seed 0" in text(product)


def test_the_loss_of_all_rows_is_not_called_train_loss(unknown):
    """Where the split is not known, the switches of heads show one loss, and say of which rows."""
    _, html = unknown
    assert "loss on all rows (nats)" in html and "train loss" not in html and "test loss" not in html


@pytest.mark.parametrize(("rate", "maps", "note"), [(1.0, True, ""), (0.5, True, "0.5"), (0.0, False, "constant")])
def test_attention_that_is_constant_shows_no_stripes(rate, maps, note):
    """An attention rate below 1 is told, and at 0 no picture of it is drawn."""
    sections = {section.title: section for section in sections_of(Subject(foreign(attention_rate=rate)))}
    section = sections["The attention"]
    assert ("attention-to" in plates([section])) is maps
    assert note in " ".join(section.notes) and bool(section.notes) is bool(note)


def test_train_and_test_have_their_colours_by_name():
    """The same curve looks the same in the report and in a notebook."""
    metrics = pd.DataFrame({"step": [0, 10], "train_loss": [3.0, 0.1], "test_loss": [3.0, 2.0]})
    trace = metrics.set_index("step").to_xarray()
    config, task = plan("a + b", p=7, d_model=8, n_heads=2)
    subject = Subject(Run(MemoryStore({}, metrics), name="curves", config=config, task=task))
    drawn = {line.name: line.line.color for line in plates(sections_of(subject))["loss"].figure.data}
    by_hand = {line.name: line.line.color for line in gi.draw(trace[["test_loss", "train_loss"]]).data}
    assert by_hand == {name: drawn[name] for name in ("test loss", "train loss")}
