"""Respond: what a use of the controls changes on the page."""

from collections.abc import Mapping
from typing import Any

from grokinterp.errors import BadRequest
from grokinterp.explorer.page import controls, panels, text
from grokinterp.explorer.page.snippet import snippet
from grokinterp.explorer.session import Session
from grokinterp.explorer.state import History, State

REQUEST = ("run", "step", "heads", "neurons", "frequencies", "keep", "components", "where", "how")
"""The fields that decide what a model computes."""

DRAWS = {
    "draw-neurons": ("run", "step", "layer", "x", "y", "neurons", "neuron"),
    "draw-neuron": ("layer", "neuron", *REQUEST),
    "draw-place": ("run", "step"),
    "draw-attention": REQUEST,
    "draw-pair": ("pair", "page", *REQUEST),
    "draw-compare": ("map", "rows", "other_run", "other_step", "page", *REQUEST),
}
"""Which changes of a state the slower panels wait for."""

REFILLS = {"undo", "redo", "clear", "run", "lasso", "other_run", "table"}
"""Controls whose use changes what others hold."""


def answer(session: Session, asked: Mapping[str, Any]) -> dict[str, Any]:
    """What is told to the page, as `{component: {property: value}}`, when controls were used or it was opened.

    `asked` names the controls that were `used`, what all `hold` (and `url` the address), and the page's `history` and
    `message`, which are None when it opens. `numbers` and `table` are drawn at once; once they are painted, Dash hears
    the `rest` and then what is `told`. A key that is missing changes nothing.
    """
    used, hold = set(asked["used"]), asked["hold"]
    was, said = History.of(asked["history"]), asked["message"] or ""
    is_opened = asked["history"] is None or "url" in used
    try:
        if is_opened:
            history, message = _opened(session, hold["url"] or "")
        else:
            history, message = _used(session, was, used, hold), ""
        state = history.now
        drawn = _drawn(session, state, None if is_opened else was.now)
    except BadRequest as refusal:
        return only(str(refusal))
    told: dict[str, dict[str, Any]] = controls.values(session, state) if is_opened or used & REFILLS else {}
    # Every component that is told something costs the browser a round, so only news is told.
    if message != said:
        told["message"] = {"children": message}
    off, was_off = _off(history), {} if is_opened else _off(was)
    drawn["rest"] |= {name: {"disabled": is_off} for name, is_off in off.items() if is_off != was_off.get(name)}
    place = session.steps(state.run or "").index(state.step or 0)
    return {**drawn, "told": {**told, "history": {"data": {**history.as_data(), "place": place}}}}


def only(message: str) -> dict[str, Any]:
    """An answer that changes nothing on the page but its message."""
    return {"told": {"message": {"children": message}}, "rest": {}}


def _off(history: History) -> dict[str, bool]:
    """Which of the buttons have nothing to do."""
    return {"undo": not history.past, "redo": not history.future, "clear": not history.now.takes_out}


def _opened(session: Session, search: str) -> tuple[History, str]:
    """The state that the address describes; where it cannot be read, the first view and why."""
    session.look_again()
    try:
        state = session.resolved(State.of(search))
        session.scores(state)
        session.row(state)
        session.other(state)
        return History(state), ""
    except BadRequest as refusal:
        return History(session.resolved(State())), str(refusal)


def _used(session: Session, history: History, used: set[str], hold: Mapping[str, Any]) -> History:
    if "undo" in used:
        return history.undone()
    if "redo" in used:
        return history.redone()
    state = history.now.cleared() if "clear" in used else history.now
    # What was clicked while an answer was on its way is not in the history yet, but it is in the controls.
    held = set() if used & {"clear", "run"} else controls.HELD
    for name in held | (used & set(controls.USES)):
        state = controls.USES[name](session, state, hold[name])
    state = session.resolved(state)
    session.row(state)
    return history.to(state)


def _drawn(session: Session, state: State, before: State | None) -> dict[str, Any]:
    """The panels that differ between two states, all of them where there was none before.

    The numbers and the map under their names, for the browser to draw at once; under `rest` what is told after them,
    {component: {property: value}}.
    """
    changed = lambda *names: before is None or any(getattr(state, name) != getattr(before, name) for name in names)
    drawn: dict[str, Any] = {}
    rest: dict[str, dict[str, Any]] = {}
    view = session.view_of(state)
    old, new = session.scores(state)
    if changed(*REQUEST):
        drawn["numbers"] = text.tiles(old, new)
    if changed(*REQUEST, "map", "rows"):
        drawn["table"] = panels.table(view, new, state)
    if changed("run", "step"):
        steps = session.steps(state.run or "")
        rest["step-label"] = {"children": text.step_label(state.step, steps)}
        heads = controls.Parts(session.runs[state.run or ""]).heads
        rest["no-heads"] = {"children": "" if heads else "This model has no attention."}
    if changed("neurons"):
        rest["chosen-neurons"] = {"children": text.chosen(state)}
    waiting = {name for name, fields in DRAWS.items() if changed(*fields)}
    # Panels that are not open, or empty, have nothing to draw.
    waiting -= {f"draw-{page}" for page in ("pair", "compare") if page != state.page}
    if state.neuron is None and not changed("layer", "neuron"):
        waiting -= {"draw-neuron"}
    rest |= {name: {"data": state.query} for name in waiting}
    if changed(*REQUEST):
        rest["spectrum"] = {"figure": panels.spectrum(view, new)}
        rest["python-code"] = {"children": snippet(session, state)}
    return {**drawn, "rest": rest}
