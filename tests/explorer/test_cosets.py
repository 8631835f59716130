"""Groups in the explorer: on the cosets that were planted its neurons are shown, and no panel is empty."""

import pytest

import grokinterp as gi
from grokinterp.circuits.cosets import Cosets
from grokinterp.explorer.page import cosets, panels, text
from grokinterp.explorer.session import Session
from grokinterp.explorer.state import State
from grokinterp.measuring import snapshot_of
from grokinterp.models.initialisation import initialise
from grokinterp.runs.run import Run
from grokinterp.runs.store import MemoryStore
from grokinterp.training.planning import plan


@pytest.fixture(scope="module")
def session() -> Session:
    """S_4 by the cosets of its subgroups of orders 6 and 8, and neurons that add nothing to them."""
    return Session.of(gi.build("coset", group="S4", subgroups=("6", "8")))


def drawn(expression: str, **fields) -> Run:
    """A run of one checkpoint of random weights."""
    config, task = plan(expression, d_model=8, n_heads=2, **fields)
    return Run(MemoryStore({0: lambda: initialise(config.model, seed=0)}), "drawn", config=config, task=task)


def shown(session: Session, **changes):
    """The checkpoint, the state of its page of one pair, and the pair."""
    state = session.resolved(State(pair=(3, 7), page="pair").change(**changes))
    return session.checkpoint_of(state), state, session.pair(state)


def test_neurons_stand_over_the_cosets_that_were_planted(session):
    """Four conjugates of order 6 with 4 x 4 pairs of cosets, three of order 8 with 3 x 3: 64 and 27 neurons."""
    checkpoint, state, _ = shown(session)
    names, index = checkpoint.cosets.groups
    assert dict(zip(names, index.bincount().tolist(), strict=True)) == {"order 8": 27, "order 6": 64}
    read = Cosets().read(snapshot_of(session.runs[state.run], state.step))
    assert float(checkpoint.cosets.is_on_cosets.double().mean()) == read.coset_neurons.item() == 1
    figure, title = panels.plane(session, state)
    (points,) = figure["data"]
    assert points["text"] == [names[i] for i in index.tolist()]
    assert figure["layout"]["xaxis"]["ticktext"] == ["8", "6"]
    assert title == cosets.title(checkpoint, checkpoint.cosets) and "noise" in title
    assert panels.scatter(session, state)["data"][0]["customdata"] == points["text"]


def test_what_the_neurons_of_each_subgroup_add_is_the_logit(session):
    """Together the right logit less the mean of all, before and after; by themselves, what H xy = H z tells."""
    checkpoint, state, pair = shown(session, neurons=tuple((0, m) for m in range(30)))
    names, before, after = pair.by_kind()
    for added, logits in ((before, checkpoint.before.logits), (after, session.scores(state)[1].logits)):
        assert float(added.sum()) == pytest.approx(float(logits[pair.row][pair.answer] - logits[pair.row].mean()))
    # Each of the four conjugates of order 6 gives 10 to the six z of one coset, each of three of order 8 to eight.
    expected = {"order 6": 4 * 10 * (1 - 6 / 24), "order 8": 3 * 10 * (1 - 8 / 24)}
    assert dict(zip(names, before.tolist(), strict=True)) == pytest.approx(expected)


def test_no_panel_of_a_pair_is_empty(session):
    """Irreps of the embedding beside noise, attention or why there is none, neurons, logits: each drawn, and named."""
    _, state, pair = shown(session)
    drawn = panels.pair_figures(pair, session.scores(state)[1])
    assert all(figure["data"] for figure in drawn.values())
    names, held, noise = pair.irreps()
    assert drawn["circle"]["data"][0]["x"] == names and float(held.sum()) == pytest.approx(1)
    # The squares of their dimensions over the order of the group.
    assert sorted(noise.tolist()) == pytest.approx([1 / 24, 1 / 24, 4 / 24, 9 / 24, 9 / 24])
    assert "noise" in text.embedded(pair) and drawn["groups"]["layout"]["xaxis"]["title"]["text"].startswith("subgroup")


def test_a_group_that_is_a_cycle_is_drawn_as_numbers_and_one_of_two_layers_says_why_not():
    """C_7's elements stand on a circle and its neurons have frequencies; S_3 in two layers gives the reason."""
    session = Session.of(drawn("c7"))
    checkpoint, state, pair = shown(session, pair=(3, 5))
    assert checkpoint.cosets is None and pair.group is None and pair.has_circle
    assert set(pair.by_kind()[0]) <= {"none", "1", "2", "3"}
    session = Session.of(drawn("s3", n_layers=2))
    _, state, pair = shown(session, pair=(3, 5))
    figure, title = panels.plane(session, state)
    assert "single layer" in figure["layout"]["annotations"][0]["text"].replace("<br>", " ") and title == "Cosets"
    groups = panels.pair_figures(pair, session.scores(state)[1])["groups"]
    assert "single layer" in groups["layout"]["annotations"][0]["text"].replace("<br>", " ")
