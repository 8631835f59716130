"""Choosing: which circuits to read, by name or by value, off which checkpoints."""

from collections.abc import Iterable
from typing import Any, SupportsIndex

from grokinterp import circuits as shipped
from grokinterp.config.validation import plain, shown
from grokinterp.errors import BadRequest, did_you_mean, listed
from grokinterp.readout import Circuit
from grokinterp.runs.run import Run


def choose(circuits: Iterable[str | Circuit] | str | Circuit | None, requested: frozenset[str]) -> list[Circuit]:
    """The circuits to read: those given, or all shipped and installed ones but for those that wait to be asked for.

    Raises `BadRequest` for a name that no circuit bears, or a request that no chosen circuit knows.
    """
    known = shipped.registered()
    if circuits is None:
        chosen = [circuit for name, circuit in known.items() if not circuit.only_on_request or name in requested]
    else:
        asked = [circuits] if isinstance(circuits, Circuit) else listed_names(circuits, "circuits")
        chosen = [circuit if isinstance(circuit, Circuit) else _named(circuit, known) for circuit in asked]
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


def chosen_steps(run: Run, steps: SupportsIndex | Iterable[SupportsIndex] | None) -> list[int]:
    """The checkpoints to read: those of these steps, all of the run's where left out.

    Raises `BadRequest` for no step, or one without a checkpoint.
    """
    if steps is None:
        return run.steps
    asked = plain(steps)
    if not isinstance(asked, Iterable):
        asked = [asked]
    chosen = [run[step].step for step in ([asked] if isinstance(asked, str) else asked)]
    if not chosen:
        raise BadRequest("steps is empty; name checkpoints, as in steps=[0, 100], or leave it out for all")
    return list(dict.fromkeys(chosen))


def listed_names(given: Any, argument: str) -> list[Any]:
    """What an argument of several names holds; one name alone is not read letter by letter."""
    if isinstance(given, str):
        return [given]
    if not isinstance(given, Iterable):
        raise BadRequest(f"{argument}={shown(given)} must be a list of names, as in {argument}=['ablation']")
    return list(given)


def _named(name: Any, known: dict[str, Circuit]) -> Circuit:
    if isinstance(name, type) and issubclass(name, Circuit):
        raise BadRequest(f"{name.__name__} is a class; give a circuit made of it, {name.__name__}()")
    if not isinstance(name, str):
        raise BadRequest(f"a circuit is a name or a Circuit by value, not {shown(name)}; the names: {listed(known)}")
    if name not in known:
        raise BadRequest(f"no circuit {name!r}.{did_you_mean(name, known)} The circuits: {listed(known)}")
    return known[name]
