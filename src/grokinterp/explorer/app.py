"""App: callbacks between the controls, the session and the pictures. What is computed is computed elsewhere."""

import logging
from pathlib import Path
from typing import Any

from dash import ClientsideFunction, Dash, Input, Output, ctx, no_update, set_props
from dash import State as Given

from grokinterp.explorer import controls, later, layout, pictures, words
from grokinterp.explorer.session import Session
from grokinterp.explorer.snippet import snippet
from grokinterp.explorer.state import History, State
from grokinterp.refusals import BadRequest

EVENTS = {"lasso": "data", "neurons": "clickData", "table": "clickData"}
"""Controls that are told by another property than `value`."""

FILLED = {
    **dict.fromkeys(("heads", "components", "frequencies", "where", "rows", "x", "y"), ("value", "options")),
    **dict.fromkeys(("run", "layer", "other_run"), ("value", "options", "style")),
    **dict.fromkeys(("step", "other_step"), ("value", "max", "disabled")),
    "play": ("disabled",),
    **dict.fromkeys(("keep", "how", "map", "page", "a", "b"), ("value",)),
}
"""The properties of every control that a state decides."""

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


def build(session: Session, prefix: str = "/") -> Dash:
    """The Dash application on a session, reached under `prefix`."""
    names = list(session.runs)
    title = names[0] if len(names) == 1 else f"{len(names)} runs"
    task = session.runs[names[0]].task.expression
    app = Dash(
        "grokinterp.explorer",
        assets_folder=str(Path(__file__).parent / "assets"),
        requests_pathname_prefix=prefix,
        routes_pathname_prefix="/",
        serve_locally=True,
        title=f"{title} · grokinterp",
        update_title="",
        add_log_handler=False,
        on_error=_told,
    )
    app.enable_dev_tools(debug=False)
    app.layout = layout.page(f"{title}: {task}")
    _main(app, session)
    later.register(app, session)
    _in_the_browser(app)
    return app


def _told(error: Exception) -> None:
    """A failure of ours: the page says so, and stays as it was; the log has all of it."""
    logging.getLogger(__name__).error("the explorer failed", exc_info=error)
    set_props("message", {"children": f"This could not be computed: {' '.join(str(error).split())[:300]}"})


def _main(app: Dash, session: Session) -> None:
    used = {name: Input(name, EVENTS.get(name, "value")) for name in controls.USES}
    filled = {f"{name}:{prop}": Output(name, prop) for name, props in FILLED.items() for prop in props}

    @app.callback(
        output={
            **filled,
            "history": Output("history", "data"),
            "answer": Output("answer", "data"),
            "message": Output("message", "children"),
        },
        inputs={
            "used": used,
            "moves": {name: Input(name, "n_clicks") for name in ("undo", "redo", "clear")},
            "search": Input("url", "search"),
            "kept": Given("history", "data"),
            "said": Given("message", "children"),
        },
    )
    def change(
        used: dict[str, Any],
        moves: dict[str, Any],
        search: str | None,
        kept: dict[str, Any] | None,
        said: str | None,
    ) -> Any:
        """A control was used, or the page was opened: the new state, and every panel that it changes."""
        session.asked()
        triggered = {str(item["prop_id"]).split(".")[0] for item in ctx.triggered}
        same = dict.fromkeys(ctx.outputs_grouping, no_update)
        history, message = History.of(kept), ""
        opened = kept is None or "url" in triggered
        try:
            before = history.now
            if opened:
                history, message = _opened(session, search or "", history)
            else:
                history = _changed(session, history, triggered, used)
            state = history.now
            drawn = _drawn(session, state, None if opened else before)
        except BadRequest as refusal:
            return {**same, "message": str(refusal)}
        whole = opened or bool(triggered & {"undo", "redo", "clear", "run", "lasso", "other_run", "table"})
        fill = {}
        if whole:
            held = controls.values(session, state)
            fill = {
                f"{name}:{prop}": held[name].get(prop, no_update) for name, props in FILLED.items() for prop in props
            }
        # Every component that is told something costs the browser a round, so only news is told.
        off, was_off = _off(history), {} if opened else _off(History.of(kept))
        drawn["rest"] |= {name: {"disabled": is_off} for name, is_off in off.items() if is_off != was_off.get(name)}
        told = {} if message == (said or "") else {"message": message}
        place = session.steps(state.run or "").index(state.step or 0)
        return {**same, **fill, **told, "answer": drawn, "history": {**history.as_data(), "place": place}}


def _off(history: History) -> dict[str, bool]:
    """Which of the buttons have nothing to do."""
    return {"undo": not history.past, "redo": not history.future, "clear": not history.now.takes_out}


def _opened(session: Session, search: str, history: History) -> tuple[History, str]:
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


def _changed(session: Session, history: History, triggered: set[str], used: dict[str, Any]) -> History:
    if "undo" in triggered:
        return history.undone()
    if "redo" in triggered:
        return history.redone()
    state = history.now.cleared() if "clear" in triggered else history.now
    # What was clicked while an answer was on its way is not in the history yet, but it is in the controls.
    held = set() if triggered & {"clear", "run"} else controls.HELD
    for name in held | (triggered & set(controls.USES)):
        state = controls.USES[name](session, state, used[name])
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
        drawn["numbers"] = words.tiles(old, new)
    if changed(*REQUEST, "map", "rows"):
        drawn["table"] = pictures.table(view, new, state)
    if changed("run", "step"):
        steps = session.steps(state.run or "")
        rest["step-label"] = {"children": words.step_label(state.step, steps)}
        heads = controls.Parts(session.runs[state.run or ""]).heads
        rest["no-heads"] = {"children": "" if heads else "This model has no attention."}
    if changed("neurons"):
        rest["chosen-neurons"] = {"children": words.chosen(state)}
    waiting = {name for name, fields in DRAWS.items() if changed(*fields)}
    # Panels that are not open, or empty, have nothing to draw.
    waiting -= {f"draw-{page}" for page in ("pair", "compare") if page != state.page}
    if state.neuron is None and not changed("layer", "neuron"):
        waiting -= {"draw-neuron"}
    rest |= {name: {"data": state.query} for name in waiting}
    if changed(*REQUEST):
        rest["spectrum"] = {"figure": pictures.spectrum(view, new)}
        rest["python-code"] = {"children": snippet(session, state)}
    return {**drawn, "rest": rest}


def _in_the_browser(app: Dash) -> None:
    """What needs no server: the lasso's points, the address, playing, copying, the pages."""
    here = lambda name: ClientsideFunction("explorer", name)
    app.clientside_callback(here("lasso"), Output("lasso", "data"), Input("neurons", "selectedData"))
    app.clientside_callback(here("drawn"), Input("answer", "data"))
    app.clientside_callback(here("compared"), Input("compared", "data"))
    app.clientside_callback(here("address"), Output("url", "hash"), Input("history", "data"))
    app.clientside_callback(here("page"), Output("pages", "className"), Input("page", "value"))
    app.clientside_callback(
        here("play"),
        Output("tick", "disabled"),
        Output("play", "children"),
        Input("play", "n_clicks"),
        Given("tick", "disabled"),
    )
    app.clientside_callback(
        here("tick"),
        Output("step", "value", allow_duplicate=True),
        Input("tick", "n_intervals"),
        Given("step", "value"),
        Given("step", "max"),
        Given("history", "data"),
        prevent_initial_call=True,
    )
    for button, name in (("copy-python", "copyPython"), ("copy-link", "copyLink")):
        app.clientside_callback(here(name), Output(button, "title"), Input(button, "n_clicks"))
    app.clientside_callback(here("exported"), Output("export", "clear_data"), Input("export", "data"))
