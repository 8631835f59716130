"""Deferred: the panels that are drawn after the first ones, each by a request of its own."""

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import Any

from dash import Dash, Input, Output, ctx, no_update
from dash import State as Given

from grokinterp.errors import BadRequest
from grokinterp.explorer.page import panels, phases, text
from grokinterp.explorer.parts import Parts
from grokinterp.explorer.session import Session
from grokinterp.explorer.state import State


@dataclass(frozen=True)
class Panel:
    """What `draw(session, *values of asks)` fills when one of `asks` changes; both as (component, property) pairs."""

    draw: Callable[..., Any]
    fills: tuple[tuple[str, str], ...]
    asks: tuple[tuple[str, str], ...]
    waits: bool = True
    """Whether it stays as it is until it is asked for."""

    def register(self, app: Dash, session: Session) -> None:
        """Give the application its callback."""
        outputs, inputs = [Output(*each) for each in self.fills], [Input(*each) for each in self.asks]
        # Of a single output Dash takes the value itself, and not a list of one.
        told = outputs if len(outputs) > 1 else outputs[0]
        app.callback(told, inputs, prevent_initial_call=self.waits)(partial(self.draw, session))


@dataclass(frozen=True)
class Followed:
    """A trajectory that is filled while its panels show it: what it is `about`, and the stores that tell of it.

    `draw` holds what is drawn, `interval` asks now and then, `filled` is told how many checkpoints are known.
    """

    about: str
    draw: str
    interval: str
    filled: str

    def register(self, app: Dash, session: Session) -> None:
        """Tell the page now and then of the checkpoints that the trajectory has gained."""
        kept = Given(self.draw, "data"), Given(self.filled, "data")
        asked = Input(self.interval, "n_intervals")
        app.callback(Output(self.filled, "data"), asked, *kept, prevent_initial_call=True)(
            partial(self._count, session)
        )

    def _count(self, session: Session, n: int, query: str | None, n_drawn: int | None) -> Any:
        """How many checkpoints are known by now."""
        if query is None:
            return no_update
        trajectory = session.trajectory(State.of(query), self.about)
        return no_update if len(trajectory.known) == n_drawn and not trajectory.is_complete else len(trajectory.known)


def register(app: Dash, session: Session) -> None:
    """Give the application these callbacks."""
    for each in (*PANELS, *FOLLOWED):
        each.register(app, session)


def _neurons(session: Session, query: str) -> Any:
    return panels.scatter(session, State.of(query))


def _neuron(session: Session, query: str) -> Any:
    return panels.neuron(session, State.of(query))


def _place(session: Session, query: str, n_places: int | None) -> Any:
    """The training curves, and where the run stands between clock and pizza."""
    state = State.of(query)
    figure, title = panels.plane(session, state)
    trajectory = session.trajectory(state)
    trajectory.fill()
    curves = no_update if ctx.triggered_id == "filled" else panels.curves(session, state)
    return curves, figure, title, trajectory.is_complete


def _phases(session: Session, query: str, n_places: int | None) -> Any:
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


def _attention(session: Session, hovered: dict[str, Any] | None, query: str | None) -> Any:
    """What the last position of the pair under the mouse reads."""
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


def _pair(session: Session, query: str) -> Any:
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


def _compare(session: Session, query: str) -> Any:
    state = State.of(query)
    other = session.other(state)
    scale = None
    if state.scale != "own":
        scale = panels.shared_scale([(session.checkpoint_of(side), side) for side in (state, other)])
    left, right = _side(session, state, "left-", scale), _side(session, other, "right-", scale)
    if state.scale == "difference":
        assert scale is not None
        right = [*right[:2], _difference(session, (state, other), scale), *right[3:]]
    return {"left-numbers": left[0], "right-numbers": right[0]}, *left[1:], *right[1:]


def _side(session: Session, state: State, prefix: str, scale: panels.Scale | None) -> list[Any]:
    """The numbers of a side, then what `SIDE` names."""
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


def _difference(session: Session, states: tuple[State, State], scale: panels.Scale) -> Any:
    try:
        left, right = ((session.checkpoint_of(state), session.scores(state)[1], state) for state in states)
    except BadRequest:
        return panels.figures.nothing("One of the models has no such part.")
    return panels.difference(left, right, scale)


def _properties(**components: str) -> tuple[tuple[str, str], ...]:
    """`_properties(plane="figure", plane_title="children")`, as pairs of a component and its property."""
    return tuple((name.replace("_", "-"), prop) for name, prop in components.items())


SIDE = {"label": "children", "table": "figure", "spectrum": "figure"}
"""What each side of the comparison holds beside its numbers."""

PANELS = (
    Panel(_neurons, _properties(neurons="figure"), _properties(draw_neurons="data")),
    Panel(
        _neuron,
        _properties(activation="figure", waves="figure", neuron_title="children", neuron_text="children"),
        _properties(draw_neuron="data"),
    ),
    Panel(
        _place,
        _properties(curves="figure", plane="figure", plane_title="children", filling="disabled"),
        _properties(draw_place="data", filled="data"),
    ),
    Panel(
        _phases,
        (
            *_properties(**dict.fromkeys(phases.GRAPHS, "figure")),
            *_properties(phases_text="children", latent_text="children", filling_phases="disabled"),
        ),
        _properties(draw_phases="data", filled_phases="data"),
    ),
    Panel(
        _attention,
        _properties(attention="children", attention_title="children"),
        _properties(table="hoverData", draw_attention="data"),
        waits=False,
    ),
    Panel(
        _pair,
        (
            *_properties(circle="figure", groups="figure", top="figure"),
            *_properties(pair_attention="children", pair_text="children", circle_text="children"),
            *_properties(circle_title="children", groups_title="children"),
        ),
        _properties(draw_pair="data"),
    ),
    Panel(
        _compare,
        (
            *_properties(compared="data"),
            *((f"{side}-{name}", prop) for side in ("left", "right") for name, prop in SIDE.items()),
        ),
        _properties(draw_compare="data"),
    ),
)
"""What is drawn after the numbers and the map."""

FOLLOWED = (
    Followed("clock or pizza", "draw-place", "filling", "filled"),
    Followed("phases", "draw-phases", "filling-phases", "filled-phases"),
)
