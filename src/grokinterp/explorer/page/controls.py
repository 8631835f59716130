"""Controls: what each one holds for a state, and what a state becomes when one is used."""

import operator
from collections.abc import Callable, Mapping
from typing import Any

from grokinterp.explorer.neurons import SHORT, TUNED, why_no_frequencies
from grokinterp.explorer.parts import Parts
from grokinterp.explorer.session import NoSuchPair, Session
from grokinterp.explorer.state import State

COMPONENTS = {"attention": "Attention", "mlp": "MLP", "positions": "Positions", "direct_path": "Direct path"}
PLACES = {"embedding": "Embedding", "mlp": "Neurons", "logits": "Logits"}
HOWS = {"zero": "Zero", "mean": "Mean", "resample": "Resample"}
MAPS = {"margin": "Margin", "loss": "Loss", "error": "Error"}
SPEEDS = {1000: "1 a second", 500: "2 a second", 250: "4 a second", 100: "10 a second"}
"""Milliseconds between two checkpoints that are played; a picture that takes longer is waited for."""
SIDES = {"all": "All", "train": "Train", "test": "Test"}
PAGES = {"overview": "Overview", "pair": "One pair", "phases": "Phases", "compare": "Compare", "python": "Python"}
SCALES = {"shared": "One scale", "own": "Own", "difference": "Difference"}
MODES = {"ablate": "Take out", "keep": "Keep only"}


def options(named: Mapping[Any, str], why_not: Mapping[str, str | None] | None = None) -> list[dict[str, Any]]:
    """Choices for a control; one that is refused is off, and says why."""
    reasons = why_not or {}
    return [
        {"label": label, "value": value, "disabled": bool(reasons.get(value)), "title": reasons.get(value) or label}
        for value, label in named.items()
    ]


def values(session: Session, state: State) -> dict[str, dict[str, Any]]:
    """The properties of every control for a resolved state: `{"heads": {"value": [...], "options": [...]}, ...}`."""
    assert state.run is not None
    run = session.runs[state.run]
    parts = Parts(run)
    deep = len({layer for layer, _ in parts.heads}) > 1
    steps = session.steps(state.run)
    other = session.other(state)
    other_steps = session.steps(other.run or "")
    layers = session.checkpoint_of(state).snapshot.layers("mlp.hook_post")
    runs = options(session.labels)
    no_frequencies = why_no_frequencies(run.task)
    axes = options(SHORT, dict.fromkeys(TUNED, no_frequencies))
    name = lambda layer, head: f"Layer {layer} head {head}" if deep else f"Head {head}"
    return {
        "run": dict(value=state.run, options=runs, style=_if(len(runs) > 1)),
        "step": dict(value=steps.index(state.step or 0), max=max(len(steps) - 1, 1), disabled=len(steps) == 1),
        "play": dict(disabled=len(steps) == 1),
        "heads": dict(
            value=[f"{layer}.{head}" for layer, head in state.heads],
            options=options({f"{layer}.{head}": name(layer, head) for layer, head in parts.heads}),
        ),
        "components": dict(value=list(state.components), options=options(COMPONENTS, parts.components)),
        "frequencies": dict(
            value=list(state.frequencies),
            options=[
                {"label": name, "value": k, "title": f"{parts.nouns[0]} {name}"}
                for k, name in parts.frequencies.items()
            ],
        ),
        "keep": dict(value="keep" if state.keep else "ablate"),
        "where": dict(value=state.where, options=options(PLACES, parts.places)),
        "how": dict(value=state.how),
        "map": dict(value=state.map),
        "rows": dict(value=state.rows, options=options(SIDES, _sides(run.task.is_train is not None))),
        "x": dict(value=state.x, options=axes),
        "y": dict(value=state.y, options=axes),
        "layer": dict(
            value=state.layer,
            options=[{"label": f"Layer {i}", "value": i} for i in range(len(layers))],
            style=_if(len(layers) > 1),
        ),
        "page": dict(value=state.page),
        "scale": dict(value=state.scale),
        "boxes": boxes(session, state),
        "other_run": dict(value=other.run, options=runs, style=_if(len(runs) > 1)),
        "other_step": dict(
            value=other_steps.index(other.step or 0), max=max(len(other_steps) - 1, 1), disabled=len(other_steps) == 1
        ),
    }


def boxes(session: Session, state: State) -> dict[str, Any]:
    """What the boxes of the pair hold, and how many values each operand has."""
    return {"data": {"pair": state.pair, "sizes": session.checkpoint_of(state).task.sizes}}


def _if(is_shown: bool) -> dict[str, str]:
    """The style of a control that is hidden where there is no choice."""
    return {} if is_shown else {"display": "none"}


def _sides(is_known: bool) -> dict[str, str | None]:
    return {} if is_known else dict.fromkeys(("train", "test"), "the split of this file is not known")


# -- what using a control does


def _pairs(value: list[str] | None) -> list[tuple[int, int]]:
    return [(int(layer), int(index)) for layer, index in (text.split(".") for text in value or ())]


def _step(session: Session, state: State, value: int) -> State:
    return state.change(step=session.steps(state.run or "")[value])


def _other_step(session: Session, state: State, value: int) -> State:
    return state.change(other_step=session.steps(session.other(state).run or "")[value])


def _run(session: Session, state: State, value: str) -> State:
    """Another run: what is taken out stays, where that run has it."""
    parts = Parts(session.runs[value])
    layers = session.checkpoint_of(session.resolved(State(run=value))).snapshot.layers("mlp.hook_post")
    return state.change(
        run=value,
        step=None,
        layer=None,
        neuron=None,
        heads=[head for head in state.heads if head in parts.heads],
        neurons=[pair for pair in state.neurons if pair[0] < len(layers)],
        frequencies=[k for k in state.frequencies if k in parts.frequencies],
        components=[name for name in state.components if not parts.components[name]],
    )


def _lasso(session: Session, state: State, value: Mapping[str, Any] | None) -> State:
    """The chosen neurons of the layer that is shown; those of other layers stay."""
    kept = [pair for pair in state.neurons if pair[0] != state.layer]
    chosen = [(state.layer, operator.index(m)) for m in (value or {}).get("chosen", ())]
    if value and value.get("adds"):
        kept = list(state.neurons)
    return state.change(neurons=[*kept, *chosen])


def _cell(session: Session, state: State, value: Mapping[str, Any] | None) -> State:
    if not value:
        return state
    point = value["points"][0]
    return state.change(pair=(operator.index(point["y"]), operator.index(point["x"])))


def _looked(session: Session, state: State, value: Mapping[str, Any] | None) -> State:
    return state if not value else state.change(neuron=operator.index(value["points"][0]["pointNumber"]))


def _reached(session: Session, state: State, value: Mapping[str, Any] | None) -> State:
    """The checkpoint nearest to a click on a training curve."""
    if not value:
        return state
    asked = operator.index(value["points"][0]["x"])
    return state.change(step=min(session.steps(state.run or ""), key=lambda step: abs(step - asked)))


def _operands(session: Session, state: State, value: list[int | None] | None) -> State:
    """Both boxes at once. A box that is empty, or holds no number, comes as None."""
    if value is None:
        return state
    sizes = session.checkpoint_of(state).task.sizes
    for name, number, size in zip("ab", value, sizes, strict=True):
        if not isinstance(number, int) or not 0 <= number < size:
            raise NoSuchPair(f"{name} is a whole number from 0 to {size - 1}; the panels below keep the last pair.")
    a, b = value
    return state.change(pair=(a, b))


def _plain(name: str) -> Callable[[Session, State, Any], State]:
    return lambda session, state, value: state.change(**{name: value})


USES: dict[str, Callable[[Session, State, Any], State]] = {
    "run": _run,
    "step": _step,
    "heads": lambda session, state, value: state.change(heads=_pairs(value)),
    "components": lambda session, state, value: state.change(components=value or ()),
    "frequencies": lambda session, state, value: state.change(frequencies=value or ()),
    "keep": lambda session, state, value: state.change(keep=value == "keep"),
    **{name: _plain(name) for name in ("where", "how", "map", "rows", "x", "y", "page", "scale")},
    "layer": lambda session, state, value: state.change(layer=value, neuron=None),
    "lasso": _lasso,
    "neurons": _looked,
    "table": _cell,
    "curves": _reached,
    "operands": _operands,
    "other_run": lambda session, state, value: state.change(other_run=value, other_step=None),
    "other_step": _other_step,
}
"""What a state becomes when the control of this name takes a value. Anything else a browser sends is refused."""

HELD = {"step", "heads", "components", "frequencies", "keep", "where", "how", "map", "rows", "x", "y", "page", "scale"}
"""Controls whose value is all there is to them, whichever was used; the others tell of an event."""
