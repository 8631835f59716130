"""A directory of runs in the explorer: listed by what differs, one opened, any two compared."""

import re

import pytest

import grokinterp as gi
from grokinterp.explorer.page import controls
from grokinterp.explorer.page.population import runs_page
from grokinterp.explorer.session import FEW, Session
from grokinterp.explorer.state import State
from grokinterp.explorer.web.app import build
from grokinterp.runs.population.collection import Runs


@pytest.fixture
def session(population) -> Session:
    return Session.of(gi.load(population))


def test_runs_are_chosen_by_what_differs(session):
    """The boxes that choose a run say its fields, not the name of its directory."""
    values = controls.values(session, session.resolved(State()))
    labels = [option["label"] for option in values["run"]["options"]]
    assert labels[:2] == ["seed 0, attention rate 0.0", "seed 1, attention rate 0.0"] and len(labels) == 6
    assert values["other_run"]["options"] == values["run"]["options"]
    assert values["run"]["value"] == "attention_rate0.0-seed0"


def test_runs_that_differ_in_nothing_known_keep_their_names(population):
    """Two copies of one run are told apart by their names."""
    run = gi.load(population / "attention_rate0.0-seed0")
    assert Session.of(Runs({"one": run, "two": run})).labels == {"one": "one", "two": "two"}


def test_all_runs_are_on_a_page_that_opens_one_and_compares_two(session):
    """A row a run with what differs and what it came to; its name opens it; two ticks make the address of compare."""
    client = build(session).server.test_client()
    text = client.get("/runs").get_data(as_text=True)
    assert text == runs_page(session) and text.count("data-run=") == 6
    heads = re.findall(r'data-column="\d+">([^<]*)<', text)
    assert heads[:4] == ["compare", "run", "seed", "attention rate"] and "grokked at" in heads
    assert '<a href="./?run=attention_rate0.5-seed1">' in text
    state = State.of("run=attention_rate0.0-seed0&other_run=attention_rate1.0-seed1&page=compare")
    assert session.other(session.resolved(state)).run == "attention_rate1.0-seed1"


def test_a_name_on_the_page_of_all_runs_is_text(population):
    """Names that hold markup, quotes and ampersands neither end an attribute nor an address."""
    run = gi.load(population / "attention_rate0.0-seed0")
    bad = '"><script>alert(1)</script>&run=x'
    text = runs_page(Session.of(Runs({bad: run, "two": run})))
    assert "<script>alert(1)" not in text and "%22%3E%3Cscript%3E" in text
    (query,) = re.findall(r'href="\./\?([^"]*script[^"]*)"', text)
    assert State.of(query).run == bad


def test_many_runs_open_at_once(population, monkeypatch):
    """Of many runs one task is built; those without checkpoints are left out, others checked when they are opened."""
    run = gi.load(population / "attention_rate0.0-seed0")
    many = Runs({str(i): gi.load(population / "attention_rate0.0-seed0") for i in range(FEW + 5)})
    built = []
    monkeypatch.setattr(Session, "_check", lambda self, name: built.append(name))
    session = Session.of(many)
    assert built == ["0"] and len(session.runs) == FEW + 5
    with pytest.raises(gi.BadRequest, match=r"no run 'x' here; the runs: 0, 1, .* and 5 more"):
        session.resolved(State(run="x"))
    assert run.steps
