"""What a report says of networks on one-hots: activations beside odd ones and a guess, pruning beside chance."""

import numpy as np
import pytest

import grokinterp as gi
from grokinterp.config import OneHotMLPConfig, RunConfig, TaskConfig
from grokinterp.models.functional import ACTIVATIONS
from grokinterp.models.initialisation import initialise
from grokinterp.reports.sections import activation_swap
from grokinterp.reports.sections.activation_swap import EVEN, ODD, Swapped
from grokinterp.reports.sections.ipr_pruning import ROWS, Pruned
from grokinterp.reports.subject import Subject
from grokinterp.runs.run import Run
from grokinterp.runs.store import MemoryStore

SECTIONS = (Swapped, Pruned)


def made(run):
    """Both sections, without a reading of anything else."""
    subject = Subject(run, cache=False)
    subject.trace = gi.measure(run, ["loss"], cache=False, progress=False)
    return [section().make(subject) for section in SECTIONS]


def with_weights(weights, config, task):
    """A run of one checkpoint."""
    return Run(MemoryStore({0: lambda: weights}, None), name="run", config=config, task=task)


@pytest.fixture(scope="module")
def phases():
    """Squares of waves in phase, and the two sections on them."""
    return made(gi.build("quadratic", 23, range(1, 12), 12, frac=0.6))


def test_phases_answer_with_every_even_function_and_no_odd_one(phases):
    swapped, _ = phases
    assert swapped is not None and [plate.name for plate in swapped.plates] == ["activation-swap"]
    said = swapped.paragraphs[0].replace("\N{NO-BREAK SPACE}", " ")
    assert "at least 100 % of all rows with |x|, x⁴, x⁸, eˣ or log(1 + e²ˣ) in the place of its own x²" in said
    assert "a guess answers 4.35 %" in said and said.endswith(
        "So its answers lie in the phases of its neurons, which any even part reads off."
    )
    values = {fact.name: fact.value.replace("\N{NO-BREAK SPACE}", " ") for fact in swapped.facts}
    assert values == {
        "IPR of what neurons read": "1.000",
        "IPR of what they write": "1.000",
        "the same frequency in and out": "100 %",
        "phase sum": "0.000 radians",
    }
    left = [trace for trace in swapped.plates[0].figure.data if trace.xaxis == "x" and trace.mode == "markers"]
    assert [len(trace.x) for trace in left] == [len(ACTIVATIONS) - 4, 4]
    assert min(left[0].x) == 1 and max(left[1].x) < 0.5 and [trace.name for trace in left][1] == "without one"


def test_a_lookup_of_all_rows_answers_with_even_functions_too_and_no_phases_are_told():
    """With |x| the right answer has p neurons at 1, a wrong one p - 2; with x all answers alike. But each carries every
    wave: an IPR of 2 / (p - 1)."""
    swapped, pruned = made(gi.build("lookup", p=11, frac=1.0))
    assert swapped is not None and pruned is not None
    assert "phases" not in swapped.paragraphs[0]
    blue = swapped.plates[0].figure.data[0]
    right = dict(zip(blue.y, blue.x, strict=True))
    assert right["ReLU"] == right["|x|"] == 1
    assert {fact.name: fact.value for fact in swapped.facts}["IPR of what they write"] == "0.200"


def test_even_and_odd_are_what_they_are_called():
    """The even part of ODD, of tanh and of a sigmoid does not change with x; that of every other function does."""
    x = gi.Task("a + b", p=5).inputs.new_tensor([0, 1, 2, 3]).double()
    for name, function in ACTIVATIONS.items():
        even = function(x) + function(-x)
        assert bool((even - even[0]).abs().max() < 1e-12) == (name in activation_swap.WITHOUT_EVEN_PART), name
    assert set(EVEN) | set(ODD) <= set(ACTIVATIONS) and not set(EVEN) & set(ODD)


def test_noise_has_what_the_page_says_that_random_weights_have():
    """Of 512 neurons on either kind of one-hots: what is written is 2 / (n + 1), what is read no more."""
    for combine in ("add", "concatenate"):
        model = OneHotMLPConfig(combine=combine)
        config = RunConfig(task=TaskConfig("a + b", {"p": 23, "layout": "a b"}), model=model)
        task = gi.Task("a + b", p=23, layout="a b").split(0.5)
        swapped, pruned = made(with_weights(initialise(model.resolved(23, 23, 2), 0), config, task))
        assert swapped is not None and pruned is not None and "phases" not in swapped.paragraphs[0]
        facts = {fact.name: fact for fact in (*swapped.facts, *pruned.facts)}
        assert "about 0.17 at most" in facts["IPR of what they write"].note
        assert float(facts["IPR of what they write"].value) == pytest.approx(2 / 12, abs=0.02)
        assert float(facts["IPR of what neurons read"].value) < 2 / 12 + 0.02
        assert float(facts["IPR of the neurons"].value) == pytest.approx(2 / 12, abs=0.02)
        assert float(facts["phase sum"].value.split()[0]) == pytest.approx(np.pi / 2, abs=0.15)


def test_pruned_rows_are_told_in_three_orders(phases):
    """Of an algorithm all of whose neurons ride on one wave; with and without rows held out."""
    _, pruned = phases
    assert pruned is not None and [plate.name for plate in pruned.plates] == ["ipr-pruning"]
    said = pruned.paragraphs[0].replace("\N{NO-BREAK SPACE}", " ")
    assert said.startswith("With 50.00 % of the neurons kept: of the unseen rows, ") and said.endswith(
        "(100 % with all neurons)."
    )
    assert said.count("in a random order") == 2 and ROWS["corrupted"] not in said
    _, all_trained = made(gi.build("lookup", p=11, frac=1.0))
    assert "unseen" not in all_trained.paragraphs[0] and "of the training rows" in all_trained.paragraphs[0]


def test_corrupted_rows_have_a_panel_of_their_own():
    model = OneHotMLPConfig(combine="concatenate", d_mlp=12, activation="square")
    config = RunConfig(task=TaskConfig("a + b", {"p": 7, "layout": "a b"}), model=model)
    task = gi.Task("a + b", p=7, layout="a b").split(frac=0.5, seed=0, corrupt=0.3)
    _, pruned = made(with_weights(initialise(model.resolved(7, 7, 2), 0), config, task))
    assert pruned is not None and ROWS["corrupted"] in pruned.paragraphs[0]
    figure = pruned.plates[0].figure
    assert len({trace.xaxis for trace in figure.data}) == len(ROWS) + 1


def test_of_models_with_an_embedding_nothing_is_read_that_nobody_asked_for(small_run):
    assert made(gi.load(small_run)) == [None, None]
