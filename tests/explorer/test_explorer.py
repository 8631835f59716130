"""The explorer without a browser: states and their history, the numbers they stand for, and who may ask."""

import base64
import http.client
import json
import subprocess
import sys
import urllib.error
import urllib.request

import numpy as np
import pandas as pd
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

import grokinterp as gi
from grokinterp.analysis.clock_or_pizza import Rule
from grokinterp.errors import BadRequest
from grokinterp.evaluation.losses import cross_entropy
from grokinterp.explorer import trajectory
from grokinterp.explorer.checkpoint import Scores
from grokinterp.explorer.page import figures, layout, panels, text
from grokinterp.explorer.page.controls import USES, values
from grokinterp.explorer.page.export import taken_out
from grokinterp.explorer.page.snippet import snippet
from grokinterp.explorer.pair import Pair
from grokinterp.explorer.parts import Parts
from grokinterp.explorer.session import READ, Session
from grokinterp.explorer.state import History, State
from grokinterp.explorer.trajectory import Trajectory
from grokinterp.explorer.web import deferred
from grokinterp.explorer.web.access import Access
from grokinterp.explorer.web.ahead import Ahead
from grokinterp.explorer.web.app import LARGEST_BODY
from grokinterp.explorer.web.respond import respond
from grokinterp.interventions import last_position
from grokinterp.runs.population.collection import Runs
from grokinterp.runs.run import Run
from grokinterp.runs.store import MemoryStore
from grokinterp.training.planning import plan

pairs = st.lists(st.tuples(st.integers(0, 3), st.integers(0, 600)))


def drawn(expression: str = "a + b", steps: tuple[int, ...] = (0, 10), name: str = "drawn", **fields) -> Run:
    """A run of random weights, a different draw for each step, large enough that every part matters."""
    from grokinterp.models.initialisation import initialise

    given = {"p": 7, "d_model": 16, "n_heads": 2, **fields}
    config, task = plan(expression, **{name: value for name, value in given.items() if value is not None})
    weights = lambda step: {name: 2 * value for name, value in initialise(config.model, seed=step).items()}
    return Run(MemoryStore({step: (lambda step=step: weights(step)) for step in steps}), name, config=config, task=task)


@given(
    heads=pairs,
    neurons=pairs,
    frequencies=st.lists(st.integers(1, 99)),
    keep=st.booleans(),
    run=st.text(min_size=1),
    how=st.sampled_from(["zero", "mean", "resample"]),
    pair=st.none() | st.tuples(st.integers(0, 99), st.integers(0, 99)),
)
def test_a_state_comes_back_from_its_address(**fields):
    """Whatever is chosen, and whatever a run is called; a token beside it does not matter."""
    state = State().change(**fields)
    assert State.of(state.query) == state
    assert State.of(f"?token=x&{state.query}") == state


@pytest.mark.parametrize(
    "query",
    ["heads=x", "how=never", "step=1e3", "neurons=0.5~2", "pair=3", "components=mpl", f"neurons=0.0~{10**30}",
     f"pair=1,{2**63}", f"pair={-(2**64)},1", f"frequencies={2**63}", f"step={2**63}", f"heads={2**63}.0"],
)  # fmt: skip
def test_an_address_that_makes_no_sense_is_refused_by_name(query):
    """The message names the part of the address that is wrong."""
    with pytest.raises(gi.BadRequest, match=query.partition("=")[0]):
        State.of(query)


def test_undo_and_redo_walk_the_same_way_and_leave_looks_alone():
    """Three changes undone are the first state; a slider on its way is one change; pages are not undone."""
    first = State(step=0)
    history = History(first)
    chosen = first.change(heads=[(0, 1)])
    history = history.to(chosen).to(chosen.change(step=10)).to(chosen.change(step=20))
    history = history.to(history.now.change(page="pair"))
    assert History.of(history.as_data()) == history
    back = history.undone()
    assert back.now == chosen.change(page="pair")
    assert back.undone().now == first.change(page="pair")
    assert back.undone().undone() == back.undone()
    assert back.redone().now == history.now
    assert back.to(first).redone().now == first, "what was undone is gone once something else is done"


REQUESTS = [
    {"heads": [(0, 1)]},
    {"neurons": [(0, 3), (0, 4), (0, 9), (0, 11), (0, 12)], "how": "mean"},
    {"frequencies": [2], "how": "resample"},
    {"frequencies": [2], "keep": True, "where": "logits"},
    {"components": ["attention", "direct_path"], "frequencies": [1, 3], "keep": True},
    {"components": ["positions"], "heads": [(0, 0)]},
]


@pytest.fixture
def in_parts(monkeypatch) -> None:
    """A large table is computed in parts; so are these small ones, of rows that do not divide them."""
    monkeypatch.setattr(last_position, "ROWS", 10)
    monkeypatch.setattr(last_position, "ROWS_OF_NEURONS", 4)


@pytest.mark.parametrize("is_evaluated", [False, True])
@pytest.mark.parametrize("changes", REQUESTS, ids=str)
def test_scores_are_those_of_ablate(changes, is_evaluated, in_parts):
    """Loss and accuracy on both sides of the split equal those of the hooked model inside `gi.ablate`.

    Whether or not the checkpoint's activations are known: what is known is not computed again.
    """
    run = drawn()
    session = Session.of(run)
    state = session.resolved(State().change(**changes))
    if is_evaluated:
        assert session.checkpoint_of(state).snapshot["blocks.0.mlp.hook_post"].any()
    model, task = run.final.model(), run.task
    with torch.no_grad(), gi.ablate(model, **session.request(state)):
        logits = model(task.inputs)[:, -1, : task.n_answers]
    before, after = (scores.means for scores in session.scores(state))
    for side, rows in {"train": task.is_train, "test": ~task.is_train}.items():
        loss = cross_entropy(logits[rows], task.labels[rows]).item()
        assert after[f"{side}_loss"] == pytest.approx(loss, rel=1e-6)
        right = (logits.argmax(1) == task.labels)[rows].double().mean().item()
        assert after[f"{side}_accuracy"] == pytest.approx(right, abs=1e-12)
    assert after != before


@pytest.mark.parametrize("n_layers", [1, 2])
@pytest.mark.parametrize("changes", [*REQUESTS, {"neurons": [(0, 3)], "frequencies": [1], "where": "mlp"}], ids=str)
def test_attention_and_neurons_are_those_inside_ablate(changes, n_layers, in_parts):
    """After what is taken out, each layer's pattern and neurons equal what the hooked model caches in the block."""
    run = drawn(n_layers=n_layers)
    session = Session.of(run)
    state = session.resolved(State(pair=(3, 5), neuron=3, layer=0).change(**changes))
    model, view, row = run.final.model(), session.checkpoint_of(state), session.row(state)
    with gi.ablate(model, **session.request(state)):
        _, cache = model.run_with_cache(run.task.inputs)
    for layer, (_, after) in enumerate(session.pair(state).patterns):
        torch.testing.assert_close(after, cache[f"blocks.{layer}.attn.hook_pattern"][row, :, -1], atol=1e-5, rtol=1e-5)
        neurons = cache[f"blocks.{layer}.mlp.hook_post"][:, -1]
        torch.testing.assert_close(view.activations(layer, session.request(state)), neurons, atol=1e-5, rtol=1e-5)
    looked_at = cache["blocks.0.mlp.hook_post"][:, -1, 3]
    torch.testing.assert_close(session.neuron(state).grid.flatten(), looked_at, atol=1e-5, rtol=1e-5)


def test_keeping_only_is_taking_out_the_others():
    """With one frequency kept, the request names all others; with none chosen, nothing is taken out."""
    session = Session.of(drawn())
    assert session.request(session.resolved(State(frequencies=(2,), keep=True)))["frequencies"] == (1, 3)
    assert session.request(session.resolved(State(keep=True))) == {}


def test_margin_and_spectrum_are_those_of_a_planted_clock(planted):
    """Logits 10 sum cos(w_k(a + b - c)): a margin of 10 (2 - max over shifts), and waves in 2 and 5 alone."""
    snapshot = planted.clock(p=11, frequencies=(2, 5))
    from grokinterp.explorer.checkpoint import Scores

    scores = Scores.of(snapshot.logits, snapshot.task)
    shift = torch.arange(1, 11) * 2 * torch.pi / 11
    others = 10 * ((2 * shift).cos() + (5 * shift).cos()).max()
    torch.testing.assert_close(scores.margin, torch.full((121,), float(20 - others)), atol=1e-3, rtol=0)
    wave = torch.zeros(5, dtype=torch.float64)
    # The norm of a cosine over a circle of 11 is sqrt(11 / 2).
    wave[[1, 4]] = 10 * (11 / 2) ** 0.5
    torch.testing.assert_close(scores.spectrum, wave, atol=1e-3, rtol=0)


def test_the_wave_of_half_the_cycle_is_drawn_on_a_line():
    """Products mod 7 go round a cycle of 6, whose third wave has no sine: the pair's circle is flat, not missing."""
    session = Session.of(drawn("a * b", p=7))
    pair = session.pair(session.resolved(State(pair=(3, 5))))
    pair.checkpoint.before.__dict__["spectrum"] = torch.tensor([0.0, 0.0, 1.0])
    points, tokens = pair.circle()
    assert points.shape == (6, 2) and points[:, 0].any() and not points[:, 1].any() and len(tokens) == 6


@pytest.mark.parametrize("seed", range(8))
def test_the_circle_turns_as_the_numbers_do(seed):
    """Embeddings planted on a circle of each frequency are drawn at the angles by which the frequency's has turned."""
    run = drawn(p=11)
    generator = torch.Generator().manual_seed(seed)
    planes = torch.linalg.qr(torch.randn(16, 10, generator=generator)).Q
    angles = 2 * torch.pi * torch.arange(11)[:, None] * torch.arange(1, 6) / 11
    weights = dict(run.final.parameters)
    weights["embed.W_E"] = torch.cat([torch.cat([angles.cos(), angles.sin()], 1) @ planes.T, torch.ones(1, 16)])
    run = Run(MemoryStore({0: lambda: weights}), "planted", config=run.config, task=run.task)
    pair = Session.of(run).pair(Session.of(run).resolved(State(pair=(3, 5))))
    points, tokens = pair.circle()
    drawn_at = {int(token): torch.atan2(y, x).rad2deg() % 360 for token, (x, y) in zip(tokens, points, strict=True)}
    for name, number in (("a", 3), ("b", 5), ("answer", 8)):
        assert float(drawn_at[number]) == pytest.approx(pair.turns()[name], abs=1e-3)


@pytest.mark.parametrize("changes", [{}, REQUESTS[1], REQUESTS[4]], ids=str)
def test_the_snippet_gives_the_same_numbers(changes, small_run):
    """The script is run as it stands: its `after` is the screen's, its `before` what `gi.measure` reads."""
    session = Session.of(gi.load(small_run))
    if changes.get("frequencies"):
        changes = {**changes, "frequencies": [1]}
    state = session.resolved(State(step=200).change(**changes))
    found: dict = {}
    exec(snippet(session, state), found)
    before, after = (scores.means for scores in session.scores(state))
    assert found["after"] == pytest.approx(after, rel=1e-6, abs=1e-6)
    assert {name: float(found["before"][name]) for name in before} == pytest.approx(before, abs=1e-6)


def test_models_of_every_kind_open_and_say_what_they_lack(data):
    """Two layers, a Linear model of two positions without attention, and one with an attention rate."""
    deep = Session.of(drawn(n_layers=2))
    state = deep.resolved(State(heads=((1, 0),), neurons=((0, 5),)))
    assert state.layer == 1 and Parts(deep.runs["drawn"]).heads == [(0, 0), (0, 1), (1, 0), (1, 1)]
    assert deep.scores(state)[1].means != deep.scores(state)[0].means
    for name, has_heads in (("model_2k4ohj6bhd.pt", True), ("model_p71frej8t7.pt", False)):
        run = gi.load(data(f"pizza/{name}"))
        session, parts = Session.of(run), Parts(run)
        state = session.resolved(State(frequencies=(5, 10, 15)))
        assert bool(parts.heads) == has_heads and run.task.inputs.shape[1] == 2
        before, after = session.scores(state)
        assert after.means != before.means
        if not parts.heads:
            assert "no attention" in (parts.components["attention"] or "")
            assert session.checkpoint_of(state).patterns(0, {}) == []


@pytest.mark.slow
def test_the_trajectory_is_filled_by_and_by_as_measure_reads_them(small_run, monkeypatch):
    """All checkpoints' positions, found in the background, are those of `gi.measure`, and are taken from its cache."""
    run = gi.load(small_run)
    filled = Trajectory(run, run.steps, READ["clock or pizza"])
    filled.fill()
    filled.thread.join()
    assert list(filled.known) == run.steps
    trace = gi.measure(run, ["clock_pizza"], progress=False)
    for name in ("gradient_symmetricity", "distance_irrelevance_runner_up", "verdict"):
        assert [position[name] for position in filled.known.values()] == trace[name].values.tolist()
    # From here on nothing but the cache is looked at.
    monkeypatch.setattr(trajectory, "QUIET", 3600.0)
    cached = Trajectory(run, run.steps, READ["clock or pizza"])
    cached.wait()
    cached.fill()
    cached.thread.join(60)
    assert cached.is_complete and cached.known == filled.known
    stopped = Trajectory(drawn(), [0, 10], READ["clock or pizza"])
    stopped.fill()
    stopped.stop()
    assert not stopped.known and not stopped.is_complete


def test_using_a_control_changes_its_part_and_nothing_else():
    """A step keeps what is chosen; another run keeps what it has; a lasso replaces, and with Shift adds."""
    session = Session({"one": drawn(), "two": drawn(p=5, name="two")}, {"one": "", "two": ""})
    state = session.resolved(State(heads=((0, 1),), neurons=((0, 2),), frequencies=(1, 3)))
    assert USES["step"](session, state, 0) == state.change(step=0)
    assert USES["lasso"](session, state, {"chosen": [5, 6]}).neurons == ((0, 5), (0, 6))
    assert USES["lasso"](session, state, {"chosen": [5], "adds": True}).neurons == ((0, 2), (0, 5))
    moved = USES["run"](session, state, "two")
    assert (moved.heads, moved.frequencies, moved.run) == (((0, 1),), (1,), "two")
    held = values(session, session.resolved(moved))
    assert held["heads"]["value"] == ["0.1"] and held["step"]["max"] == 1


def test_pairs_that_the_table_does_not_have_are_refused():
    """a / b has no row with b = 0."""
    session = Session.of(drawn("a / b"))
    assert session.row(session.resolved(State(pair=(3, 2)))) is not None
    with pytest.raises(gi.BadRequest, match="no pair"):
        session.row(session.resolved(State(pair=(3, 0))))


def test_what_cannot_be_explored_is_refused_before_a_server_starts():
    """Curves without weights, a run without its task, a port that is none."""
    with pytest.raises(gi.BadRequest, match="no checkpoints"):
        gi.explore(Run(MemoryStore({}), "curves"))
    curves = {name: Run(MemoryStore({}), name) for name in ("one", "two")}
    with pytest.raises(gi.BadRequest, match="none of these runs has checkpoints"):
        gi.explore(Runs(curves))
    with pytest.raises(gi.BadRequest, match="one, two: no checkpoints"):
        gi.explore(Runs({**curves, "drawn": drawn()}))
    with pytest.raises(gi.BadRequest, match="task of bare"):
        gi.explore(Run(MemoryStore({0: dict}), "bare"))
    with pytest.raises(gi.BadRequest, match="port 70000"):
        gi.explore(drawn(), port=70000)


ACCESS = Access(token="secret", hosts=("hub.example.org", ".colab.dev"), cookie="c")
ASKS = [
    (None, "GET", "token=secret", {}, {}),
    (None, "GET", "", {}, {"c": "secret"}),
    (None, "GET", "", {"X-Grokinterp-Token": "secret"}, {}),
    ("token", "GET", "", {}, {}),
    ("token", "GET", "token=wrong", {}, {"c": "sécret"}),
    (None, "GET", "", {"Host": "localhost:9999"}, {"c": "secret"}),
    (None, "GET", "", {"Host": "x.colab.dev"}, {"c": "secret"}),
    ("host", "GET", "token=secret", {"Host": "evil.example"}, {}),
    ("host", "GET", "token=secret", {"Host": "127.0.0.1.evil.example"}, {}),
    ("host", "GET", "token=secret", {"Host": "notcolab.dev"}, {}),
    (None, "POST", "", {"Origin": "http://127.0.0.1:8050"}, {"c": "secret"}),
    (None, "POST", "", {"Origin": "https://hub.example.org"}, {"c": "secret"}),
    ("origin", "POST", "", {"Origin": "http://evil.example"}, {"c": "secret"}),
    ("origin", "POST", "", {"Origin": "http://127.0.0.1:8051"}, {"c": "secret"}),
    ("origin", "POST", "", {"Origin": "null"}, {"c": "secret"}),
    ("origin", "POST", "", {"Sec-Fetch-Site": "cross-site"}, {"c": "secret"}),
]


@pytest.mark.parametrize(("reason", "method", "query", "headers", "cookies"), ASKS)
def test_access(reason, method, query, headers, cookies):
    """The token opens; foreign names and foreign pages, also those of other ports, do not come in with it."""
    said = ACCESS.why_not(method, False, query, {"Host": "127.0.0.1:8050", **headers}, cookies)
    assert said == reason


JSON = {"Content-Type": "application/json"}


def test_access_is_on_the_server(caplog):
    """Over the wire: 403 without the token, a cookie with it, nothing fetched from elsewhere, and an end.

    What only looks like a library needs the token too; what makes no sense is refused without a traceback.
    """

    def get(url: str, data: bytes | None = None, **headers: str) -> tuple[int, dict]:
        try:
            with urllib.request.urlopen(urllib.request.Request(url, data, headers), timeout=20) as given:
                given.read()
                return given.status, dict(given.headers)
        except urllib.error.HTTPError as refused:
            return refused.code, dict(refused.headers)

    handle = gi.explore(drawn())
    bare = handle.url.partition("?")[0]
    status, headers = get(handle.url)
    assert status == 200 and "default-src 'self'" in headers["Content-Security-Policy"]
    cookie = headers["Set-Cookie"]
    assert cookie.startswith(f"grokinterp-{handle.port}=") and "HttpOnly" in cookie and "SameSite=Lax" in cookie
    assert get(bare, Cookie=cookie.partition(";")[0])[0] == 200
    for path in ("", "_dash-layout", "_dash-dependencies", "assets/explorer.js"):
        assert get(bare + path)[0] == 403
    for path in ("change", "_dash-update-component"):
        assert get(bare + path, b"{}")[0] == 403
        token = handle.url.partition("?")[2]
        assert get(f"{bare}{path}?{token}", b"{}", Origin="http://evil.example")[0] == 403
    assert get(handle.url, Host="evil.example")[0] == 403
    ours = {"Sec-Fetch-Site": "same-origin"}
    assert get(bare + "assets/explorer.js", **ours)[0] == 200
    for path in ("assets//x", "assets/", "assets/../", "assets/%2e%2e/", "_dash-component-suites//", "_favicon.ico/x"):
        assert get(bare + path, **ours)[0] in (403, 404), f"{path} is the page, or its redirection"
    for path in ("_dash-component-suites/dash/nothing.js", "_dash-component-suites/os/x.js"):
        assert get(bare + path, **ours)[0] == 404
    assert get(f"{bare}_dash-update-component?{token}", b'{"output": "nothing"}', **JSON)[0] == 400
    for path in ("change", "_dash-update-component"):
        assert get(f"{bare}{path}?{token}", b" " * (LARGEST_BODY + 1), **JSON)[0] == 413
    # A body that does not say how long it is is read as far as the others may be, and is no JSON then.
    connection = http.client.HTTPConnection("127.0.0.1", handle.port, timeout=20)
    connection.request("POST", f"/change?{token}", iter([b" " * 2**20] * 9), JSON, encode_chunked=True)
    assert connection.getresponse().status in (400, 413)
    connection.close()
    assert get(f"{bare}change?{token}", b"[" * 100_000, **JSON)[0] == 400
    assert get(f"{bare}alive?{token}")[0] == 204 and get(f"{bare}alive")[0] == 403
    assert caplog.records == []
    with pytest.raises(gi.BadRequest, match="cannot be served"):
        gi.explore(drawn(), port=handle.port)
    handle.stop()
    with pytest.raises(urllib.error.URLError):
        get(handle.url)


def test_nobody_pays_for_dash_but_the_explorer():
    """Importing the package, or the explorer's own, imports no dash."""
    code = "import sys, grokinterp as gi; gi.explore; sys.exit(bool({'dash', 'flask'} & set(sys.modules)))"
    subprocess.run([sys.executable, "-c", code], check=True)


# -- answers to the page


def asked(session: Session, used: list[str], history=None, **hold) -> dict:
    """What the page gets, as it comes over the wire; `hold` are the controls that were touched since it opened."""
    state = session.resolved(State() if history is None else State.of(history["now"]))
    held = {name: given.get("value") for name, given in values(session, state).items()}
    held |= {"lasso": None, "operands": None, "neurons": None, "table": None, "url": "", **hold}
    found = respond(session, {"used": used, "hold": held, "history": history, "message": ""})
    return json.loads(json.dumps(found, allow_nan=False))


def test_an_answer_tells_what_a_control_changed_and_undo_takes_it_back():
    """Opening fills all controls; a head changes the numbers of `gi.ablate` and no control; undo gives both back."""
    session = Session.of(drawn())
    opened = asked(session, [])
    assert opened["told"]["heads"]["value"] == [] and opened["table"] and opened["rest"]["spectrum"]
    before = {tile["id"]: float(tile["exact"]) for tile in opened["numbers"]}
    clicked = asked(session, ["heads"], opened["told"]["history"]["data"], heads=["0.1"])
    after = {tile["id"]: float(tile["exact"]) for tile in clicked["numbers"]}
    model, task = session.runs["drawn"].final.model(), session.runs["drawn"].task
    with torch.no_grad(), gi.ablate(model, heads=[(0, 1)]):
        logits = model(task.inputs)[:, -1, : task.n_answers]
    loss = cross_entropy(logits[~task.is_train], task.labels[~task.is_train]).item()
    assert after["test-loss"] == pytest.approx(loss, rel=1e-6) != before["test-loss"]
    assert set(clicked["told"]) == {"history"} and clicked["rest"]["undo"] == {"disabled": False}
    undone = asked(session, ["undo"], clicked["told"]["history"]["data"])
    assert {tile["id"]: float(tile["exact"]) for tile in undone["numbers"]} == before
    assert undone["told"]["heads"]["value"] == [] and undone["rest"]["undo"] == {"disabled": True}


def test_an_answer_that_is_none_says_why_and_changes_nothing():
    """A pair outside the table, and an address that names no checkpoint; the latter opens the first view."""
    session = Session.of(drawn())
    kept = asked(session, [])["told"]["history"]["data"]
    for pair, name in (([99, 0], "a"), ([3, None], "b"), ([3, -1], "b")):
        refused = asked(session, ["operands"], kept, operands=pair)
        assert f"{name} is a whole number from 0 to 6" in refused["rest"]["pair-refusal"]["children"]
        assert refused["told"] == {} and "numbers" not in refused
    there = asked(session, ["operands"], kept, operands=[3, 5])
    assert "pair=3,5" in there["told"]["history"]["data"]["now"]
    assert there["rest"]["pair-refusal"] == {"children": ""} and there["told"]["boxes"]["data"]["pair"] == [3, 5]
    lost = asked(session, [], url="?step=77")
    assert "no checkpoint at step 77" in lost["told"]["message"]["children"] and lost["numbers"]


def test_a_diverged_model_has_an_answer():
    """Weights that are no numbers leave tiles without numbers, and a map."""
    run = drawn()
    weights = {name: value * torch.nan for name, value in run.final.parameters.items()}
    session = Session.of(Run(MemoryStore({0: lambda: weights}), "nan", config=run.config, task=run.task))
    found = asked(session, [])
    assert found["table"]["data"] and found["numbers"][0]["value"] == "\N{EN DASH}"
    losses = {(tile["kind"], tile["delta"]) for tile in found["numbers"] if "loss" in tile["id"]}
    assert losses == {("same", "unchanged")}


@pytest.mark.parametrize("keep", [False, True])
def test_of_a_group_irreps_are_taken_out_and_elements_have_their_names(keep):
    """The chips, the scores, the bars, the script and the sentences of a pair all speak of irreps and permutations."""
    session = Session.of(drawn("s4", p=None))
    names = [irrep.name for irrep in session.runs["drawn"].task.group.irreps[1:]]
    state = session.resolved(State(frequencies=(2, 4), keep=keep, where="logits", pair=(3, 7), page="pair"))
    chips = values(session, state)["frequencies"]
    assert [chip["label"] for chip in chips["options"]] == names and chips["value"] == [2, 4]
    kept = [0, 2] if keep else [1, 3]
    assert session.request(state) == {"irreps": tuple(names[i] for i in kept), "where": "logits"}
    checkpoint = session.checkpoint_of(state)
    after = session.scores(state)[1]
    model, task = session.runs["drawn"].final.model(), checkpoint.task
    with torch.no_grad(), gi.ablate(model, **session.request(state)):
        assert torch.allclose(after.logits, model(task.inputs)[:, -1, : task.n_answers], atol=1e-4)
    bars = panels.spectrum(checkpoint, after)["data"]
    assert bars[0]["x"] == names
    left = np.frombuffer(base64.b64decode(bars[1]["y"]["bdata"]), "f4")
    assert np.allclose(left[kept], 0, atol=1e-4) and (left[[i for i in range(4) if i not in kept]] > 0.01).all()
    assert ("all_irreps_but(task, [2, 4])" if keep else f"irreps={[names[1], names[3]]!r}") in snippet(session, state)
    words = text.answered(Pair(checkpoint, 3 * 24 + 7, session.request(state)), after)
    assert words.startswith("a = 3 (0231), b = 7 (1032)")
    assert f"{'all irreps but' if keep else 'irreps'} {names[1]}, {names[3]} of the logits" in taken_out(session, state)
    with pytest.raises(BadRequest, match="none that can be taken out of S4"):
        session.scores(session.resolved(State(frequencies=(9,))))


def test_what_was_overtaken_is_answered_with_what_overtook_it():
    """A lasso, then a head before the lasso's answer: both count, each an undo of its own; two undos are two."""
    session = Session.of(drawn())
    first = asked(session, [])["told"]["history"]["data"]
    both = asked(session, ["lasso", "heads"], first, lasso={"chosen": [3]}, heads=["0.1"])["told"]["history"]["data"]
    assert State.of(both["now"]).neurons == ((0, 3),) and State.of(both["now"]).heads == ((0, 1),)
    assert asked(session, ["undo", "undo"], both)["told"]["history"]["data"]["now"] == first["now"]
    # The boxes still hold what an undo takes back.
    undone = asked(session, ["heads", "undo"], first, heads=["0.1"])["told"]["history"]["data"]
    assert undone["now"] == first["now"]


def test_a_curve_that_is_recorded_less_often_is_drawn_whole():
    """A test loss at every tenth step, 5,001 steps: no gaps are left in it, and train is thinned by itself."""
    steps = np.arange(5001)
    test_loss = np.where(steps % 10 == 3, 1.0 + steps, np.nan)
    metrics = pd.DataFrame({"step": steps, "train_loss": 1.0, "test_loss": test_loss})
    run = drawn()
    store = MemoryStore({0: lambda: run.final.parameters}, metrics=metrics)
    session = Session.of(Run(store, "sparse", config=run.config, task=run.task))
    train, test = panels.curves(session, session.resolved(State()))["data"]
    values = lambda trace, axis: np.frombuffer(base64.b64decode(trace[axis]["bdata"]), trace[axis]["dtype"])
    assert 250 < len(values(test, "y")) and not np.isnan(values(test, "y")).any()
    assert (values(test, "y") == 1 + values(test, "x")).all() and 600 <= len(values(train, "y")) < 1000


def test_curves_name_the_steps_that_are_marked_and_the_plane_its_limits():
    """Memorised and grokked by their words; of public runs nothing is said where none is like the model."""
    metrics = pd.DataFrame(
        {"step": [0, 10, 20], "train_loss": 1.0, "test_loss": 1.0, "train_accuracy": [0, 1, 1], "test_accuracy": 0.5}
    )
    run = drawn()
    store = MemoryStore({0: lambda: run.final.parameters}, metrics=metrics)
    session = Session.of(Run(store, "memorised", config=run.config, task=run.task))
    (word,) = panels.curves(session, session.resolved(State()))["layout"]["annotations"]
    assert (word["text"], word["x"]) == ("memorised", 10)
    edges = np.linspace(0, 1, 3)
    for counts, words in ((np.zeros((2, 2)), 0), (np.eye(2), 1)):
        plane = figures.plane((edges, edges, counts), [(0, 0.2, 0.9)], 0, Rule(distant=0.25))
        assert sum("public runs" in each["text"] for each in plane["layout"]["annotations"]) == words
        assert plane["data"][0]["zmin"] == 0 and plane["data"][0]["zmax"] >= 0.6
        assert [each["y0"] for each in plane["layout"]["shapes"]][-1] == 0.25


def test_compare_shows_the_other_run_at_its_last_step():
    """The run named as other; of several, the next; of one alone, its own first checkpoint."""
    one, two = drawn(name="one"), drawn(name="two", steps=(0, 10, 20))
    named = Session.of(one, two)
    other = named.other(named.resolved(State()))
    assert (other.run, other.step) == ("two", 20)
    assert named.other(named.resolved(State(run="two"))).run == "one"
    both = Session.of(Runs({"one": one, "two": two}))
    assert both.other(both.resolved(State())).run == "two"
    alone = Session.of(one)
    assert (alone.other(alone.resolved(State())).run, alone.other(alone.resolved(State())).step) == ("one", 0)


def test_two_sides_have_one_scale_that_covers_both():
    """Equal colours and heights mean equal numbers, whichever side is the larger."""
    session = Session.of(drawn())
    state = session.resolved(State())
    sides = [(session.checkpoint_of(side), side) for side in (state, session.other(state))]
    scale = panels.shared_scale(sides)
    own = [panels.table(checkpoint, checkpoint.before, side) for checkpoint, side in sides]
    assert len({figure["data"][0]["zmax"] for figure in own}) == 2
    assert scale.values[1] == max(figure["data"][0]["zmax"] for figure in own)
    for checkpoint, side in sides:
        shared = panels.table(checkpoint, checkpoint.before, side, scale)
        assert (shared["data"][0]["zmin"], shared["data"][0]["zmax"]) == scale.values
        waves = checkpoint.before.spectrum
        assert scale.waves[0] <= float(waves.min()) and float(waves.max()) <= scale.waves[1]
        assert panels.spectrum(checkpoint, checkpoint.before, scale)["layout"]["yaxis"]["range"] == list(scale.waves)


def test_the_difference_of_two_sides_is_drawn_with_nothing_in_its_middle():
    """Row by row the right side's margin less the left's, where both show the row; of other tables there is none."""
    session = Session.of(drawn())
    state = session.resolved(State(page="compare", scale="difference", rows="test"))
    sides = [(session.checkpoint_of(side), session.scores(side)[1], side) for side in (state, session.other(state))]
    scale = panels.shared_scale([(checkpoint, side) for checkpoint, _, side in sides])
    found = panels.difference(*sides, scale)["data"][0]
    margins = [scores.margin for _, scores, _ in sides]
    expected = torch.where(sides[0][0].task.is_train, torch.nan, margins[1] - margins[0])
    assert np.frombuffer(base64.b64decode(found["z"]["bdata"]), "f4") == pytest.approx(expected.numpy(), nan_ok=True)
    assert found["zmin"] == -found["zmax"] == -max(map(abs, scale.values))
    drawn_too = deferred._compare(session, state.query)
    assert drawn_too[5] == panels.difference(*sides, scale) and drawn_too[5] != drawn_too[2]
    other = Session.of(drawn(p=5))
    elsewhere = other.resolved(State())
    apart = (other.checkpoint_of(elsewhere), other.scores(elsewhere)[1], elsewhere)
    assert "other rows" in panels.difference(sides[0], apart, scale)["layout"]["annotations"][0]["text"]


def test_one_pair_opens_with_an_example():
    """A pair that was not trained on, in the boxes too; other pages ask for none."""
    session = Session.of(drawn())
    state = session.resolved(State(page="pair"))
    assert not session.runs["drawn"].task.is_train[session.row(state)]
    kept = asked(session, [])["told"]["history"]["data"]
    assert asked(session, ["page"], kept, page="pair")["told"]["boxes"]["data"]["pair"] == list(state.pair)
    assert session.resolved(State()).pair is None


def test_a_neuron_is_shown_before_one_is_asked_for():
    """The best explained of the strongest wave's, by numpy's transform, ringed and named; it stays while one plays."""
    session = Session.of(drawn())
    state = session.resolved(State())
    checkpoint, shown = session.checkpoint_of(state), session.example(state)
    logits = checkpoint.before.logits.reshape(7, 7, 7).double().numpy()
    a, b, c = np.indices((7, 7, 7))
    waves = [abs((logits * np.cos(2 * np.pi * k * (a + b - c) / 7)).sum()) for k in (1, 2, 3)]
    strongest = 1 + int(np.argmax(waves))
    active = checkpoint.activations(0, {}).reshape(7, 7, -1).double().numpy()
    powers = abs(np.fft.fft2(active, axes=(0, 1))) ** 2
    powers[0, 0] = 0
    on = lambda k: powers[np.ix_([0, k, -k], [0, k, -k])].sum((0, 1)) / powers.sum((0, 1)).clip(1e-30)
    shares = np.stack([on(k) for k in (1, 2, 3)])
    has_it = shares.argmax(0) == strongest - 1
    assert shown.neuron == np.where(has_it, shares[strongest - 1], -1).argmax()
    assert shown.why.endswith(f"frequency {strongest}, the strongest in the logits") and shown.step == 10
    *drawn_figures, name, note = panels.neuron(session, state)
    assert all(figure["data"] for figure in drawn_figures) and "as trained" in note and "at step 10." in note
    assert name.startswith(f"Neuron {shown.neuron}: frequency {strongest} explains")
    ring = panels.scatter(session, state)["data"][1]["x"]["bdata"]
    assert np.frombuffer(base64.b64decode(ring), "f4").tolist() == [strongest]
    assert panels.neuron(session, state.change(heads=[(0, 1)]))[:2] == tuple(drawn_figures)
    earlier = panels.neuron(session, state.change(step=0))
    assert earlier[0] != drawn_figures[0] and earlier[2].startswith(f"Neuron {shown.neuron}: ") and earlier[3] == note


def test_an_example_costs_no_click_anything():
    """It is drawn anew at another checkpoint, and not where something is taken out; a neuron that was chosen is."""
    session = Session.of(drawn())
    opened = asked(session, [])
    assert "draw-neuron" in opened["rest"]
    kept = opened["told"]["history"]["data"]
    assert "draw-neuron" not in asked(session, ["heads"], kept, heads=["0.1"])["rest"]
    assert "draw-neuron" in asked(session, ["step"], kept, step=0)["rest"]
    chosen = asked(session, ["neurons"], kept, neurons={"points": [{"pointNumber": 5}]})
    kept = chosen["told"]["history"]["data"]
    assert "draw-neuron" in asked(session, ["heads"], kept, heads=["0.1"])["rest"]
    assert (
        "no<br>neuron 999"
        in panels.neuron(session, session.resolved(State(neuron=999)))[0]["layout"]["annotations"][0]["text"]
    )


def test_without_frequencies_the_example_is_what_writes_most():
    """The neurons of S_3 turn with no frequency."""
    session = Session.of(drawn("s3", p=None))
    state = session.resolved(State())
    example = session.example(state)
    written = session.runs["drawn"].final.parameters["blocks.0.mlp.W_out"]
    assert example.neuron == int(written.norm(dim=1).argmax()) and "largest output weights" in example.why
    assert panels.neuron(session, state)[2] == f"Neuron {example.neuron}"


@pytest.mark.parametrize("task", ["c8", "a + b"])
def test_the_circle_is_that_of_the_strongest_wave(task):
    """Also of a cycle of even length that is asked for as a group: one of its irreps comes before its frequencies."""
    session = Session.of(drawn(task, p=None if task == "c8" else 8))
    pair = session.pair(session.resolved(State(pair=(3, 6))))
    task = pair.checkpoint.task
    turned = task.operands.sum(1)[:, None] - torch.arange(task.n_answers)
    pair.checkpoint._before = Scores.of((2 * torch.pi * 2 * turned / 8).cos(), task)
    assert pair.frequency == 2 and pair.turns() == {"a": 270, "b": 180, "answer": 90}


def test_a_pair_of_a_model_that_is_whole_says_what_it_says_once():
    """Before and after are told apart only where there is an after."""
    session = Session.of(drawn())
    state = session.resolved(State(pair=(3, 5)))
    sentence = lambda state: text.answered(session.pair(state), session.scores(state)[1])
    assert "after" not in sentence(state) and sentence(state).endswith(".")
    assert "after" in sentence(state.change(heads=[(0, 0)])) or "taken out" in sentence(state.change(heads=[(0, 0)]))


def test_without_scripts_the_page_says_that_it_needs_them():
    """Where Dash would say that it loads, for ever."""
    from grokinterp.explorer.web.app import build

    html = build(Session.of(drawn())).server.test_client().get("/").get_data(as_text=True)
    inside, after = html.split("<noscript>")[1].split("</noscript>")
    assert "allow scripts" in inside and 'id="react-entry-point"' in after


def test_keep_only_says_what_it_waits_for_and_clear_takes_it_back():
    """With nothing chosen to keep, all is kept: the page says so. Cleared, the controls are as they were at first."""
    session = Session.of(drawn())
    first = asked(session, [])["told"]["history"]["data"]
    kept = asked(session, ["keep"], first, keep="keep")
    assert "Choose what to keep" in kept["rest"]["no-frequencies"]["children"] and not kept["rest"]["clear"]["disabled"]
    cleared = asked(session, ["clear"], kept["told"]["history"]["data"], keep="keep")
    assert cleared["told"]["keep"]["value"] == "ablate" and cleared["rest"]["no-frequencies"]["children"] == ""


def test_the_next_checkpoint_on_the_way_is_there_before_it_is_asked_for(monkeypatch):
    """A head is out and the slider goes back: the step beyond has its numbers without being evaluated again."""
    session = Session.of(drawn(steps=(0, 10, 20)))
    ahead = Ahead(session)
    here = session.resolved(State(heads=((0, 1),)))
    ahead.follow(here, here.change(map="loss"))
    assert ahead.next is None, "no step was taken"
    ahead.follow(here, here.change(step=10))
    ahead.next.result(60)
    there = here.change(step=0)
    fresh = Session.of(drawn(steps=(0, 10, 20))).scores(there)
    monkeypatch.setattr(Scores, "of", None)
    for found, expected in zip(session.scores(there), fresh, strict=True):
        assert found.means == expected.means
    ahead.follow(here.change(step=10), there)
    assert ahead.next.done(), "beyond the first there is none"


def test_an_address_cannot_name_neurons_without_end():
    """60 ranges of 99,999 neurons are refused before they are counted out."""
    query = "neurons=" + ",".join(f"{layer}.0~99998" for layer in range(60))
    with pytest.raises(gi.BadRequest, match="more than 100,000"):
        State.of(query)


def test_runs_of_different_tasks_are_not_called_by_one():
    """The heading names a task that all have, and no other."""
    one, other = drawn(), drawn("a - b")
    assert layout.heading({"x": one}) == "x: a + b" and layout.heading({"x": one, "y": one}) == "2 runs: a + b"
    assert layout.heading({"x": one, "y": other}) == "2 runs"
    assert layout.heading({"s3": drawn("s3", p=None)}) == "s3"


def test_a_run_in_training_is_followed_and_nothing_chosen_is_lost():
    """A view at the last checkpoint goes to the newest, any other stays; the slider reaches them all in both."""
    weights = {step: (lambda step=step: drawn(steps=(step,)).final.parameters) for step in (0, 10)}
    store = MemoryStore(weights)
    first = drawn()
    session = Session.of(Run(store, "growing", config=first.config, task=first.task))
    opened = asked(session, [])
    chosen = asked(session, ["heads"], opened["told"]["history"]["data"], heads=["0.1"])["told"]["history"]["data"]
    assert session.mark(State.of(chosen["now"]), is_now=True) == chosen["mark"] and chosen["place"] == 1
    store._checkpoints[20] = lambda: drawn(steps=(20,)).final.parameters
    assert session.mark(State.of(chosen["now"]), is_now=True) != chosen["mark"]
    followed = asked(session, ["news"], chosen, heads=["0.1"], news={"follow": True})
    told = followed["told"]
    assert (told["step"]["value"], told["step"]["max"], told["heads"]["value"]) == (2, 2, ["0.1"])
    assert State.of(told["history"]["data"]["now"]).step == 20 and told["history"]["data"]["past"] == chosen["past"]
    assert followed["numbers"] and "draw-place" in followed["rest"]
    early = asked(session, ["step"], told["history"]["data"], heads=["0.1"], step=0)["told"]["history"]["data"]
    store._checkpoints[30] = lambda: drawn(steps=(30,)).final.parameters
    stayed = asked(session, ["news"], early, heads=["0.1"], news={"follow": False})
    assert (stayed["told"]["step"]["value"], stayed["told"]["step"]["max"]) == (0, 3)
    assert "numbers" not in stayed and stayed["rest"]["step-label"]["children"] == "Step 0, checkpoint 1 of 4"
    assert stayed["rest"]["draw-place"] and stayed["told"]["history"]["data"]["mark"] == "4:30"


def test_the_trajectory_goes_on_with_what_a_run_gains(monkeypatch):
    """Checkpoints that come while it is filled, and after, are looked at too."""
    monkeypatch.setattr(trajectory, "QUIET", 0.0)
    growing = Trajectory(drawn(steps=(0, 10, 20)), [0, 10], READ["clock or pizza"])
    growing.fill()
    growing.thread.join()
    assert growing.is_complete
    growing.go_on([0, 10, 20])
    assert not growing.is_complete
    growing.fill()
    growing.thread.join()
    assert list(growing.known) == [0, 10, 20]


def test_the_plane_calls_no_model_a_clock_that_has_no_waves():
    """A clock is one by its waves; a table of all answers is solved, has values of the measures too, and no waves."""
    titles = []
    for run in (gi.build("clock", p=11, frequencies=(2, 5)), gi.build("lookup", p=11, frac=1.0)):
        session = Session.of(run)
        titles.append(panels.plane(session, session.resolved(State()))[1])
    assert titles == ["As trained: clock, by Zhong et al.'s measures", "As trained: no circuit of waves"]
