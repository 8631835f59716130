"""Deferred: the panels that are drawn after the first ones, and the exports, each by a request of its own."""

from typing import Any

from dash import Dash, Input, Output, ctx, dcc, no_update
from dash import State as Given

from grokinterp.errors import BadRequest
from grokinterp.explorer.page import export, panels, phases, text
from grokinterp.explorer.parts import Parts
from grokinterp.explorer.session import Session
from grokinterp.explorer.state import History, State


def register(app: Dash, session: Session) -> None:
    """Give the application these callbacks."""

    @app.callback(
        Output("neurons", "figure"),
        Input("draw-neurons", "data"),
        prevent_initial_call=True,
    )
    def draw_neurons(query: str) -> Any:
        return panels.scatter(session, State.of(query))

    @app.callback(
        Output("activation", "figure"),
        Output("waves", "figure"),
        Output("neuron-title", "children"),
        Input("draw-neuron", "data"),
        prevent_initial_call=True,
    )
    def draw_neuron(query: str) -> Any:
        return panels.neuron(session, State.of(query))

    @app.callback(
        Output("curves", "figure"),
        Output("plane", "figure"),
        Output("plane-title", "children"),
        Output("filling", "disabled"),
        Input("draw-place", "data"),
        Input("filled", "data"),
        prevent_initial_call=True,
    )
    def draw_place(query: str, n_places: int | None) -> Any:
        state = State.of(query)
        figure, title = panels.plane(session, state)
        trajectory = session.trajectory(state)
        trajectory.fill()
        curves = no_update if ctx.triggered_id == "filled" else panels.curves(session, state)
        return curves, figure, title, trajectory.is_complete

    @app.callback(
        *(Output(name, "figure") for name in phases.GRAPHS),
        Output("phases-text", "children"),
        Output("latent-text", "children"),
        Output("filling-phases", "disabled"),
        Input("draw-phases", "data"),
        Input("filled-phases", "data"),
        prevent_initial_call=True,
    )
    def draw_phases(query: str, n_places: int | None) -> Any:
        state = State.of(query)
        checkpoint, trajectory = session.checkpoint_of(state), session.trajectory(state, "phases")
        shown = phases.figures(checkpoint, trajectory)
        trajectory.fill()
        return (
            *(shown[name] for name in phases.GRAPHS),
            phases.shape(checkpoint, trajectory),
            phases.readable(checkpoint, trajectory),
            trajectory.is_complete,
        )

    _follow(app, session, "clock or pizza", "draw-place", "filling", "filled")
    _follow(app, session, "phases", "draw-phases", "filling-phases", "filled-phases")

    @app.callback(
        Output("attention", "children"),
        Output("attention-title", "children"),
        Input("table", "hoverData"),
        Input("draw-attention", "data"),
    )
    def hover(hovered: dict[str, Any] | None, query: str | None) -> Any:
        if query is not None and not Parts(session.runs[State.of(query).run or ""]).heads:
            return text.hint("There is none to look at."), "Attention"
        if query is None or hovered is None:
            return text.hint("Point at a pair in the map to see what its last position reads."), "Attention"
        point = hovered["points"][0]
        try:
            pair = session.pair(State.of(query).change(pair=(point["y"], point["x"])))
        except BadRequest:
            return no_update, no_update
        assert pair is not None
        a, b = pair.operands
        return text.attention(pair), f"Attention at a = {a}, b = {b}"

    @app.callback(
        Output("circle", "figure"),
        Output("groups", "figure"),
        Output("top", "figure"),
        Output("pair-attention", "children"),
        Output("pair-text", "children"),
        Output("circle-text", "children"),
        Output("circle-title", "children"),
        Output("groups-title", "children"),
        Input("draw-pair", "data"),
        prevent_initial_call=True,
    )
    def draw_pair(query: str) -> Any:
        state = State.of(query)
        pair = session.pair(state)
        if pair is None:
            empty = panels.figures.nothing("Enter a and b above,<br>or click a pair in the overview's map.")
            return empty, empty, empty, text.hint("Nothing to show yet."), "", "", no_update, no_update
        _, after = session.scores(state)
        drawn = panels.pair_figures(pair, after)
        return (
            drawn["circle"],
            drawn["groups"],
            drawn["top"],
            text.attention(pair),
            text.answered(pair, after),
            text.embedded(pair),
            *(text.CIRCLES if pair.group is None else text.IRREPS),
        )

    sides = [Output(f"{side}-{name}", prop) for side in ("left", "right") for name, prop in _SIDE.items()]

    @app.callback(Output("compared", "data"), *sides, Input("draw-compare", "data"), prevent_initial_call=True)
    def draw_compare(query: str) -> Any:
        state = State.of(query)
        other = session.other(state)
        scale = None
        if state.scale == "shared":
            scale = panels.shared_scale([(session.checkpoint_of(side), side) for side in (state, other)])
        left, right = _side(session, state, "left-", scale), _side(session, other, "right-", scale)
        return {"left-numbers": left[0], "right-numbers": right[0]}, *left[1:], *right[1:]

    @app.callback(
        Output("csv", "data"), Input("export-csv", "n_clicks"), Given("history", "data"), prevent_initial_call=True
    )
    def export_csv(clicks: int, kept: dict[str, Any] | None) -> Any:
        state = History.of(kept).now
        return dcc.send_string(export.table(session, state), f"{state.run}-step-{state.step}.csv")

    @app.callback(
        Output("export", "data"), Input("export-html", "n_clicks"), Given("history", "data"), prevent_initial_call=True
    )
    def export_html(clicks: int, kept: dict[str, Any] | None) -> Any:
        state = History.of(kept).now
        name = f"{state.run}-step-{state.step}.html"
        return {"name": name, "html": export.section(session, state), "figures": export.captions(session, state)}


def _follow(app: Dash, session: Session, about: str, draw: str, filling: str, filled: str) -> None:
    """Tell the page now and then of the checkpoints that a trajectory has gained."""

    @app.callback(
        Output(filled, "data"),
        Input(filling, "n_intervals"),
        Given(draw, "data"),
        Given(filled, "data"),
        prevent_initial_call=True,
    )
    def count(n: int, query: str | None, n_drawn: int | None) -> Any:
        """How many checkpoints are known by now."""
        if query is None:
            return no_update
        trajectory = session.trajectory(State.of(query), about)
        return no_update if len(trajectory.known) == n_drawn and not trajectory.is_complete else len(trajectory.known)


_SIDE = {"label": "children", "table": "figure", "spectrum": "figure"}


def _side(session: Session, state: State, prefix: str, scale: panels.Scale | None) -> list[Any]:
    """The numbers of a side, then what `_SIDE` names."""
    label = text.step_label(state.step, session.steps(state.run or ""))
    if prefix == "left-":
        label = f"{state.run} \N{MIDDLE DOT} {label}"
    checkpoint = session.checkpoint_of(state)
    try:
        old, new = session.scores(state)
    except BadRequest as refusal:
        return [str(refusal), label, *[panels.figures.nothing("This model has no such part.")] * 2]
    table, spectrum = panels.table(checkpoint, new, state, scale), panels.spectrum(checkpoint, new, scale)
    return [text.tiles(old, new, prefix), label, table, spectrum]
