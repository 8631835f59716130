"""Respond: what a use of the controls changes on the page."""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

from grokinterp.errors import BadRequest
from grokinterp.explorer.page import controls, panels, text
from grokinterp.explorer.page.snippet import snippet
from grokinterp.explorer.parts import Parts
from grokinterp.explorer.session import NoSuchPair, Session
from grokinterp.explorer.state import History, State

REQUEST = ("run", "step", "heads", "neurons", "frequencies", "keep", "components", "where", "how")
"""The fields that decide what a model computes."""

DRAWS = {
    "draw-neurons": ("run", "step", "layer", "x", "y", "neurons", "neuron"),
    "draw-neuron": ("layer", "neuron", *REQUEST),
    "draw-place": ("run", "step"),
    "draw-attention": REQUEST,
    "draw-pair": ("pair", "page", *REQUEST),
    "draw-phases": ("run", "step", "page"),
    "draw-compare": ("map", "rows", "other_run", "other_step", "page", "scale", *REQUEST),
}
"""Which changes of a state the slower panels wait for."""

REFILLS = {"undo", "redo", "clear", "run", "lasso", "other_run", "table", "news", "curves"}
"""Controls whose use changes what others hold."""

STALE = {"undo", "redo", "clear", "run", "news", "curves"}
"""Controls after whose use the others hold what was, until the page is told."""


def respond(session: Session, asked: Mapping[str, Any]) -> dict[str, Any]:
    """What is told to the page, as `{component: {property: value}}`, when controls were used or it was opened.

    `asked` names the controls that were `used` since the view that is shown, in order, what all `hold` (and `url` the
    address), and the page's `history` and `message`, which are None when it opens. `numbers` and `table` are drawn at
    once; once they are painted, Dash hears the `rest` and then what is `told`. A key that is missing changes nothing.
    """
    used, hold = list(asked["used"]), asked["hold"]
    was, shown_message = History.of(asked["history"]), asked["message"] or ""
    is_opened = asked["history"] is None or "url" in used
    try:
        if is_opened:
            history, message = _open(session, hold["url"] or "")
        else:
            history, message = _use(session, was, used, hold), ""
        state = history.now
        drawn = _draw(session, state, None if is_opened else was.now, "news" in used)
    except NoSuchPair as refusal:
        return {"told": {}, "rest": {"pair-refusal": {"children": str(refusal)}}}
    except BadRequest as refusal:
        return message_alone(str(refusal))
    values: dict[str, dict[str, Any]] = {}
    if is_opened or REFILLS & set(used):
        values = controls.values(session, state)
    elif state.pair != was.now.pair:
        values["boxes"] = controls.boxes(session, state)
    # Every component that is told something costs the browser a round, so only news is told.
    if message != shown_message:
        values["message"] = {"children": message}
    if "operands" in used:
        drawn["rest"]["pair-refusal"] = {"children": ""}
    off, was_off = _idle_buttons(history), {} if is_opened else _idle_buttons(was)
    drawn["rest"] |= {name: {"disabled": is_off} for name, is_off in off.items() if is_off != was_off.get(name)}
    steps = session.steps(state.run or "")
    where = {"place": steps.index(state.step or 0), "count": len(steps), "mark": session.mark(state)}
    return {**drawn, "told": {**values, "history": {"data": {**history.as_data(), **where}}}}


def message_alone(message: str) -> dict[str, Any]:
    """An answer that changes nothing on the page but its message."""
    return {"told": {"message": {"children": message}}, "rest": {}}


def _idle_buttons(history: History) -> dict[str, bool]:
    """Which of the buttons have nothing to do."""
    is_first = history.now == history.now.cleared()
    return {"undo": not history.past, "redo": not history.future, "clear": is_first}


def _open(session: Session, search: str) -> tuple[History, str]:
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


def _use(session: Session, history: History, used: Sequence[str], hold: Mapping[str, Any]) -> History:
    """The history once the controls were used, one after the other."""
    for name in used:
        match name:
            case "undo":
                history = history.undone()
            case "redo":
                history = history.redone()
            case "clear":
                history = history.to(history.now.cleared())
            case "news":
                history = replace(history, now=_followed(session, history.now, bool(hold["news"]["follow"])))
            case _:
                history = history.to(session.resolved(controls.USES[name](session, history.now, hold[name])))
    state = history.now
    if not STALE & set(used):
        for name in controls.HELD:
            state = controls.USES[name](session, state, hold[name])
        state = session.resolved(state)
    session.row(state)
    return history.to(state)


def _followed(session: Session, state: State, follow: bool) -> State:
    """The state once a run in training has gained checkpoints: at the newest where it stood at the last, or must."""
    session.look_again()
    steps = session.steps(state.run or next(iter(session.runs)))
    return session.resolved(state.change(step=steps[-1]) if follow or state.step not in steps else state)


def _draw(session: Session, state: State, before: State | None, is_news: bool = False) -> dict[str, Any]:
    """The panels that differ between two states, all of them where there was none before.

    The numbers and the map under their names, for the browser to draw at once; under `rest` what is told after them,
    {component: {property: value}}.
    """
    changed = lambda *names: before is None or any(getattr(state, name) != getattr(before, name) for name in names)
    drawn: dict[str, Any] = {}
    rest: dict[str, dict[str, Any]] = {}
    checkpoint = session.checkpoint_of(state)
    old, new = session.scores(state)
    if changed(*REQUEST):
        drawn["numbers"] = text.tiles(old, new)
    if changed(*REQUEST, "map", "rows"):
        drawn["table"] = panels.table(checkpoint, new, state)
    if is_news or changed("run", "step"):
        steps = session.steps(state.run or "")
        rest["step-label"] = {"children": text.step_label(state.step, steps)}
        heads = Parts(session.runs[state.run or ""]).heads
        rest["no-heads"] = {"children": "" if heads else "This model has no attention."}
    if changed("keep", "frequencies"):
        is_idle = state.keep and not state.frequencies
        hint = "Choose what to keep; until then all is there." if is_idle else ""
        rest["no-frequencies"] = {"children": hint}
    if changed("neurons"):
        rest["chosen-neurons"] = {"children": text.chosen(state)}
    waiting = {name for name, fields in DRAWS.items() if changed(*fields)}
    waiting |= {"draw-place", "draw-phases", "draw-compare"} if is_news else set()
    # Panels that are not open, or empty, have nothing to draw.
    waiting -= {f"draw-{page}" for page in ("pair", "phases", "compare") if page != state.page}
    # An example is shown as trained.
    if state.neuron is None and not changed("run", "step", "layer", "neuron"):
        waiting -= {"draw-neuron"}
    rest |= {name: {"data": state.query} for name in waiting}
    if changed(*REQUEST):
        rest["spectrum"] = {"figure": panels.spectrum(checkpoint, new)}
        rest["python-code"] = {"children": snippet(session, state)}
    return {**drawn, "rest": rest}
