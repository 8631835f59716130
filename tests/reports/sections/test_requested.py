"""What circuits read on request stands on the page once they have been asked, each beside its null; nothing is read."""

import numpy as np
import pytest
import xarray as xr

import grokinterp as gi
from grokinterp import measuring
from grokinterp.markup import power_of_ten
from grokinterp.models.initialisation import initialise
from grokinterp.reports.section import Absent, RequestedFinding, Section
from grokinterp.reports.sections import registered, shown_variables
from grokinterp.reports.sections.commutator_defect import Commutator
from grokinterp.reports.sections.corrupted_labels import Corrupted
from grokinterp.reports.sections.learning_coefficient import Coefficient
from grokinterp.reports.sections.softmax_collapse import Collapse, from_start
from grokinterp.reports.sections.trajectory import COMPONENTS, walk
from grokinterp.reports.subject import Subject
from grokinterp.runs.run import Run
from grokinterp.runs.store import MemoryStore
from grokinterp.training.planning import plan

TITLES = {
    "softmax_collapse": "Softmax collapse",
    "commutator_defect": "The order of updates",
    "trajectory": "The path of the weights",
}


def made(run: gi.Run) -> dict[str, Section]:
    """The sections of circuits that wait to be asked for, by their title; of a page without any other reading."""
    subject = Subject(run)
    subject.trace = xr.Dataset(coords={"step": run.steps})
    sections = [section.make(subject) for section in registered() if isinstance(section, RequestedFinding)]
    return {section.title: section for section in sections if section is not None}


def test_they_appear_once_they_have_been_asked(small_run, monkeypatch):
    """Not before, at the steps at which they were read, and without a reading of their own."""
    run = gi.load(small_run)
    assert not made(run)
    gi.measure(run, ["softmax_collapse", "trajectory"], progress=False)
    gi.measure(run, ["commutator_defect"], steps=[100, 300], progress=False)
    for name in TITLES:
        kind = type(gi.circuits.registered()[name])
        monkeypatch.setattr(kind, "read", lambda *_: pytest.fail("a report reads no circuit that nobody asked for"))
    sections = made(run)
    assert set(TITLES.values()) == set(sections)
    plates = {plate.name: plate for title in TITLES.values() for plate in sections[title].plates}
    assert set(plates) == {"softmax-collapse", "commutator-defect", "trajectory"}
    assert list(plates["commutator-defect"].figure.data[0].x) == [100, 300]
    facts = {fact.name: fact for title in TITLES.values() for fact in sections[title].facts}
    assert facts["loss of exactly 0 in float32"].value == "0.00\N{NO-BREAK SPACE}%"
    assert "0 is the null" in facts["loss of exactly 0 in float32"].note
    assert "a random walk has 60.79" in facts["first direction"].note


def test_given_by_value_it_is_read_for_the_page_alone(small_run):
    """`gi.report(run, circuits=["softmax_collapse"])`, also of a run that keeps nothing."""
    run = gi.load(small_run)
    subject = Subject(run, cache=False)
    subject.trace = gi.measure(run, ["softmax_collapse"], cache=False, progress=False)
    assert Collapse().make(subject) is not None and set(Collapse.variables) <= shown_variables()
    assert isinstance(subject.requested("trajectory", ("weight_sketch",)), Absent)


def test_a_random_walk_has_what_stands_beside_a_path():
    """6 / (pi n)^2 of a walk's variance lies in its n-th component (Antognini and Sohl-Dickstein 2018)."""
    steps = np.random.default_rng(0).standard_normal((400, 4_000))
    path = steps.cumsum(0) - steps.cumsum(0).mean(0)
    shares = np.linalg.eigvalsh(path @ path.T)[::-1]
    assert np.allclose((shares / shares.sum())[:COMPONENTS], [walk(n) for n in range(1, COMPONENTS + 1)], atol=0.015)


def test_large_and_small_numbers_are_powers_of_ten(small_run):
    """Not as a machine writes them, `3e-05`: of a fact and of its note."""
    subject = Subject(gi.load(small_run), cache=False)
    subject.trace = xr.Dataset({name: ("step", [3e-5, 2e-6]) for name in Commutator.variables}, {"step": [0, 300]})
    fact = Commutator().make(subject).facts[0]
    assert fact.value == power_of_ten("2e-06") and fact.note.endswith(f"{power_of_ten('3e-05')} at step 0")
    sizes = {name: ("step", [0.0, 0.5] if "share" in name else [2e5, 3e7]) for name in Collapse.variables}
    subject.trace = xr.Dataset(sizes, {"step": [0, 300]})
    assert power_of_ten("3e+07") in [fact.value for fact in Collapse().make(subject).facts]


def test_sizes_start_at_one():
    """Beside each other whatever their units; what starts at nothing has no multiple."""
    curve = from_start(xr.DataArray([2.0, 3.0, 8.0], {"step": [0, 5, 9]}, "step"))
    assert curve.values.tolist() == [1, 1.5, 4]
    assert len(from_start(xr.DataArray([0.0, 3.0], {"step": [0, 5]}, "step"))) == 0


def test_a_coefficient_of_short_chains_is_said_to_be_one(small_run):
    """With its error, half the number of weights, and at how many checkpoints the chains do not agree."""
    scalars = dict(llc=[4.0, 9.0], llc_standard_error=[0.5, 1.0], llc_r_hat=[1.01, 1.4])
    scalars |= dict(llc_rate=[1e-3, 1e-3], llc_curvature=[2.0, 3.0])
    variables = {name: ("step", values, {"source": "mean; 2 chains of 3 draws"}) for name, values in scalars.items()}
    chains = {"llc_trace": (("step", "chain", "draw"), np.ones((2, 2, 3)))}
    subject = Subject(gi.load(small_run), cache=False)
    subject.trace = xr.Dataset({**variables, **chains}, {"step": [0, 300]})
    section = Coefficient().make(subject)
    assert section is not None and section.facts[0].value == "9 ± 1"
    weights = sum(weight.numel() for weight in subject.run.final.parameters.values())
    assert f"it would be {weights / 2:,.0f}" in section.facts[0].note
    assert section.notes[0].startswith("At 1 of 2 checkpoints R-hat is above 1.1")
    assert [plate.name for plate in section.plates] == ["learning-coefficient", "learning-coefficient-chains"]


def test_corrupted_rows_are_told_both_ways_beside_chance():
    """As they were taught, and rightly."""
    config, task = plan("a + b", preset="doshi", p=5, corrupt=0.4, d_mlp=8)
    store = MemoryStore({seed: lambda seed=seed: initialise(config.model, seed=seed) for seed in range(2)}, None)
    run = Run(store, name="run", config=config, task=task)
    subject = Subject(run)
    subject.trace = trace = gi.measure(run, ["corrupted_labels"], progress=False)
    section = Corrupted().make(subject)
    assert section is not None
    wrong = int(run.task.is_corrupted.sum())
    assert section.paragraphs[0].startswith(f"{wrong:,} training rows were taught a wrong answer.")
    assert "chance is 20.00\N{NO-BREAK SPACE}%" in section.paragraphs[0]
    assert section.facts[0].name == "regime" and trace.attrs["corruption_rule"] in section.facts[0].note
    assert measuring.default_names().count("corrupted_labels") == 1
