"""State: what is shown and what is taken out, as a value that a URL holds; and History, its past and future."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, fields, replace
from typing import Any, Literal, TypeAlias, get_args
from urllib.parse import parse_qsl, quote, urlencode

from grokinterp.errors import BadRequest, listed
from grokinterp.interventions import Component, Where

How: TypeAlias = Literal["zero", "mean", "resample"]
Map: TypeAlias = Literal["margin", "loss", "error"]
Side: TypeAlias = Literal["all", "train", "test"]
Axis: TypeAlias = Literal["frequency", "share", "norm", "first", "second"]
Page: TypeAlias = Literal["overview", "pair", "phases", "compare", "python"]
Scale: TypeAlias = Literal["shared", "own", "difference"]
Pair: TypeAlias = tuple[int, int]

MOST_PAIRS = 100_000
"""How many heads or neurons an address may name."""

LIMIT = 50
"""How many steps back can be undone."""


@dataclass(frozen=True)
class State:
    """Everything that a view is made of. Its text form is a URL's query: `State.of(state.query) == state`.

    Attributes:
        run, step: the run's name and the checkpoint; None is the first run, the last checkpoint.
        heads, neurons, frequencies, components: what is chosen, as `gi.ablate` takes it.
        keep: whether the chosen frequencies are the only ones left, rather than those taken out.
        where, how: as `gi.ablate` takes them.
        map, rows: what the a x b map shows, of which rows.
        x, y, layer: the axes of the neurons' scatter, and their layer; None is the last.
        neuron, pair: the neuron and the pair (a, b) that are looked at.
        page: which page is open.
        other_run, other_step: what `compare` puts on the right.
        scale: whether the two sides of `compare` are drawn on one scale, or on the right what it has more.
    """

    run: str | None = None
    step: int | None = None
    heads: tuple[Pair, ...] = ()
    neurons: tuple[Pair, ...] = ()
    frequencies: tuple[int, ...] = ()
    keep: bool = False
    components: tuple[str, ...] = ()
    where: Where = "embedding"
    how: How = "zero"
    map: Map = "margin"
    rows: Side = "all"
    x: Axis = "frequency"
    y: Axis = "share"
    layer: int | None = None
    neuron: int | None = None
    pair: Pair | None = None
    page: Page = "overview"
    other_run: str | None = None
    other_step: int | None = None
    scale: Scale = "shared"

    def change(self, **changes: Any) -> "State":
        """A copy with some fields changed; choices are sorted, so that equal choices have one URL."""
        for name in ("heads", "neurons", "frequencies", "components"):
            if name in changes:
                changes[name] = tuple(sorted(set(changes[name])))
        return replace(self, **changes)

    def cleared(self) -> "State":
        """Nothing taken out, in the way of the first view; the rest of the view stays."""
        takes = ("heads", "neurons", "frequencies", "components", "keep", "where", "how")
        return self.change(**{name: getattr(_FIRST, name) for name in takes})

    # -- as the query of a URL

    @property
    def query(self) -> str:
        """What differs from the first view, as a URL's query."""
        pairs = [(field.name, getattr(self, field.name)) for field in fields(self)]
        parts = [(name, _written(name, value)) for name, value in pairs if value != getattr(_FIRST, name)]
        return urlencode(parts, safe=",.~", quote_via=quote)

    @classmethod
    def of(cls, query: str) -> "State":
        """The state that a URL's query describes; names of other things in it are passed over.

        Raises `BadRequest` for a value that makes no sense.
        """
        known = {field.name for field in fields(cls)}
        given = dict(parse_qsl(query.removeprefix("?")))
        return cls().change(**{name: _read(name, text) for name, text in given.items() if name in known})


_FIRST = State()
_LOOKS = ("page", "neuron", "pair", "map", "rows", "x", "y", "layer", "other_run", "other_step", "scale")
_OPTIONS: Mapping[str, tuple[str, ...]] = {
    "where": get_args(Where),
    "how": get_args(How),
    "map": get_args(Map),
    "rows": get_args(Side),
    "x": get_args(Axis),
    "y": get_args(Axis),
    "page": get_args(Page),
    "scale": get_args(Scale),
}


def _written(name: str, value: Any) -> str:
    match name:
        case "heads" | "neurons":
            return ranges(value)
        case "frequencies" | "components":
            return ",".join(map(str, value))
        case "pair":
            return f"{value[0]},{value[1]}"
        case "keep":
            return "1"
    return str(value)


def _read(name: str, text: str) -> Any:
    try:
        match name:
            case "run" | "other_run":
                return text
            case "heads" | "neurons":
                return _pairs(text)
            case "frequencies":
                return tuple(_number(part) for part in text.split(","))
            case "components":
                return tuple(_option("components", part, get_args(Component)) for part in text.split(","))
            case "pair":
                a, b = text.split(",")
                return _number(a), _number(b)
            case "keep":
                return text == "1"
        return _option(name, text, _OPTIONS[name]) if name in _OPTIONS else _number(text)
    except BadRequest:
        raise
    except ValueError:
        raise BadRequest(f"the address says {name}={text!r}, which cannot be read; take {name} out of it") from None


def _number(text: str) -> int:
    """A whole number that arrays can hold, too. Raises `ValueError` for any other."""
    number = int(text)
    if number.bit_length() > 63:
        raise ValueError(text)
    return number


def _option(name: str, text: str, options: Iterable[str]) -> str:
    if text not in options:
        raise BadRequest(f"the address says {name}={text!r}; choose one of {listed(options)}")
    return text


def ranges(pairs: Iterable[Pair]) -> str:
    """(layer, index) pairs as text, neighbours together: `0.3~7.12,1.0` is 3 to 7 and 12 of layer 0, 0 of layer 1."""
    layers: dict[int, list[list[int]]] = {}
    for layer, index in sorted(pairs):
        parts = layers.setdefault(layer, [])
        if parts and parts[-1][1] == index - 1:
            parts[-1][1] = index
        else:
            parts.append([index, index])
    written = lambda first, last: f"{first}~{last}" if last > first else str(first)
    return ",".join(".".join([str(layer), *(written(*part) for part in parts)]) for layer, parts in layers.items())


def _pairs(text: str) -> tuple[Pair, ...]:
    pairs: list[Pair] = []
    for part in text.split(","):
        layer, first_index, *indices = part.split(".")
        for index in (first_index, *indices):
            first, _, last = index.partition("~")
            span = range(_number(first), _number(last or first) + 1)
            if not span:
                raise ValueError(part)
            if len(pairs) + span.stop - span.start > MOST_PAIRS:  # a span beyond 2^63 has no `len`
                raise BadRequest(f"the address names more than {MOST_PAIRS:,} heads or neurons; name fewer")
            pairs += [(_number(layer), m) for m in span]
    return tuple(pairs)


@dataclass(frozen=True)
class History:
    """The present state, those before it and those undone."""

    now: State = _FIRST
    past: tuple[State, ...] = ()
    future: tuple[State, ...] = ()

    def to(self, state: State) -> "History":
        """The history once this state is the present. A slider on its way leaves one state behind, not each."""
        if state == self.now:
            return self
        only_looks = state == self.now.change(**_looks(state))
        on_its_way = bool(self.past) and self.now == self.past[-1].change(step=self.now.step)
        if only_looks or (on_its_way and state == self.now.change(step=state.step)):
            return replace(self, now=state)
        return History(state, (*self.past, self.now)[-LIMIT:])

    def undone(self) -> "History":
        """One state back, as far as there is one."""
        if not self.past:
            return self
        return History(self.past[-1].change(**_looks(self.now)), self.past[:-1], (self.now, *self.future))

    def redone(self) -> "History":
        """One state forward again."""
        if not self.future:
            return self
        return History(self.future[0].change(**_looks(self.now)), (*self.past, self.now), self.future[1:])

    def as_data(self) -> dict[str, Any]:
        """As JSON holds it."""
        write = lambda states: [state.query for state in states]
        return {"now": self.now.query, "past": write(self.past), "future": write(self.future)}

    @classmethod
    def of(cls, data: Mapping[str, Any] | None) -> "History":
        """From JSON."""
        if data is None:
            return cls()
        past, future = data["past"][-LIMIT:], data["future"][:LIMIT]
        return cls(State.of(data["now"]), tuple(map(State.of, past)), tuple(map(State.of, future)))


def _looks(state: State) -> dict[str, Any]:
    """The fields that are only where one looks, which undoing leaves alone."""
    return {name: getattr(state, name) for name in _LOOKS}
