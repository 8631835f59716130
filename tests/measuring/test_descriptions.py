"""What a variable is can be read off the trace: each of every circuit has a description, and none is stale."""

import dataclasses

import pytest

import grokinterp as gi
from grokinterp import circuits, measuring
from grokinterp.analysis.clock_or_pizza import Rule
from grokinterp.models.initialisation import initialise
from grokinterp.runs.run import Run
from grokinterp.runs.store import MemoryStore
from grokinterp.training.planning import plan

SMALL = dict(d_model=8, n_heads=2)
KINDS = {
    "sum": ("a + b", dict(p=7, frac=0.5, corrupt=0.2, **SMALL)),
    "one-hot": ("a + b", dict(p=7, frac=0.5, corrupt=0.2, preset="doshi", d_mlp=8)),
    "product": ("a * b", dict(p=7, frac=0.5, **SMALL)),
    "group": ("sym", dict(n=3, frac=0.6, preset="chughtai", d_embed=8, hidden_sizes=(8,))),
    "codes": ("encoded_sum", dict(p=7, frac=0.5, preset="encoded_sum", batch_size=None, hidden_sizes=(8,))),
    "numbers": ("division", dict(n=5, preset="nalu", batch_size=None, hidden_sizes=(3,))),
    "images": ("lines", dict(size=8, length=5, largest=2, preset="lines_pixels", batch_size=None, d_model=8)),
    "digits": ("digits", dict(digits=2, data="finite", points=40, frac=0.5, preset="digits", batch_size=None, **SMALL)),
    "sequences": (
        "repeated_subsequence",
        dict(length=12, subsequence=3, repeats=2, points=40, preset="induction_small", **SMALL),
    ),
    "points": ("slope", dict(n=4, preset="slope", batch_size=None, **SMALL)),
}
SHORT = {
    "clock_pizza": dict(rule=Rule(solved=0.0)),  # of what is solved gradients are read on more triples
    "local_learning_coefficient": dict(chains=2, burn_in=5, draws=10),
    "flips": dict(images=3),
    "commutator_defect": dict(draws=2),
}


def read(name: str, found: dict[str, dict[str, str]]) -> None:
    """Add the descriptions in a trace of a network that nobody trained, all that can be requested included, by circuit.

    Circuits whose variables have all been found are not read again.
    """
    expression, fields = KINDS[name]
    config, task = plan(expression, **fields)
    store = MemoryStore({0: lambda: initialise(config.model, seed=0)}, None)
    run = Run(store, name=name, config=config, task=task)
    final = measuring.snapshot_of(run, 0)
    for circuit in circuits.registered().values():
        short = dataclasses.replace(circuit, **SHORT.get(circuit.name, {}))
        if short.why_not(final) is None and set(found.get(short.name, ())) != set(short.descriptions):
            trace = gi.measure(run, [short], on_request=short.on_request, cache=False, progress=False)
            each = {str(key): trace[key].attrs.get("description", "") for key in trace.data_vars}
            found.setdefault(short.name, {}).update(each)


@pytest.fixture(scope="module")
def found() -> dict[str, dict[str, str]]:
    """The descriptions of every circuit's variables, off every kind of network."""
    together: dict[str, dict[str, str]] = {}
    for kind in KINDS:
        read(kind, together)
    return together


@pytest.mark.parametrize("name", circuits.registered())
def test_every_variable_says_what_it_is(found, name):
    """In a few words, in the trace; nothing is described that no circuit reads."""
    assert name in found, "no network of KINDS has this circuit"
    assert all(8 < len(text) < 140 and text[0].islower() for text in found[name].values()), found[name]
    assert set(found[name]) == set(circuits.registered()[name].descriptions)
