"""Choosing: which circuits to read, by name or by value."""

from collections.abc import Iterable

from grokinterp import circuits as shipped
from grokinterp.errors import BadRequest, did_you_mean, listed
from grokinterp.readout import Circuit


def choose(circuits: Iterable[str | Circuit] | None, requested: frozenset[str]) -> list[Circuit]:
    """The circuits to read: those given, or all shipped and installed ones but for those that wait to be asked for.

    Raises `BadRequest` for a name that no circuit bears, or a request that no chosen circuit knows.
    """
    known = shipped.registered()
    if circuits is None:
        chosen = [circuit for name, circuit in known.items() if not circuit.only_on_request or name in requested]
    else:
        chosen = [circuit if isinstance(circuit, Circuit) else _named(circuit, known) for circuit in circuits]
        chosen += [known[name] for name in requested if name in known and known[name] not in chosen]
    possible = {name for circuit in chosen for name in (circuit.name, *circuit.on_request)}
    unknown = sorted(requested - possible)
    if unknown:
        there_are = {variable for circuit in chosen for variable in circuit.on_request}
        there_are |= {name for name, circuit in known.items() if circuit.only_on_request}
        raise BadRequest(
            f"nothing named {unknown[0]!r} can be requested.{did_you_mean(unknown[0], there_are)} "
            f"There are: {listed(sorted(there_are))}"
        )
    return chosen


def default_names(on_request: Iterable[str] = ()) -> list[str]:
    """The circuits that `measure` reads where none are named."""
    return [circuit.name for circuit in choose(None, frozenset(on_request))]


def _named(name: str, known: dict[str, Circuit]) -> Circuit:
    if name not in known:
        raise BadRequest(f"no circuit {name!r}.{did_you_mean(name, known)} The circuits: {listed(known)}")
    return known[name]
