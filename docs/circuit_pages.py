"""Pages of the circuits: hypothesis, equation, picture, null, what would refute it, source, code and variables."""

import dataclasses
import inspect
import re
import tempfile
import tomllib
from pathlib import Path
from typing import Any, NamedTuple

import xarray as xr
from latex2mathml import converter
from page_figures import DRAFT, placed
from page_tables import table

import grokinterp as gi
from grokinterp import tasks
from grokinterp.config.presets import preset
from grokinterp.evaluation.snapshot import Snapshot
from grokinterp.models.initialisation import initialise
from grokinterp.readout import Circuit

WORDS: dict[str, dict[str, Any]] = tomllib.loads((Path(__file__).parent / "circuits.toml").read_text("utf-8"))
PARTS = ("hypothesis", "equation", "symbols", "null", "refuted", "picture")


class Small(NamedTuple):
    """A network on which circuits are read: untrained for the names of their variables, trained for their pictures."""

    preset: str
    untrained: tuple[tasks.Task, dict[str, Any]]
    trained: tuple[tasks.Task, dict[str, Any]]


SMALL = (
    Small(
        "nanda",
        (tasks.Task("a + b", p=7), {"d_model": 8, "n_heads": 2}),
        (
            tasks.Task("a + b", p=31),
            dict(frac=0.6, d_model=64, n_heads=4, d_mlp=256, lr=3e-3, weight_decay=2.0, steps=600),
        ),
    ),
    Small(
        "doshi",
        (tasks.Task("a + b", p=7, layout="a b"), {"d_mlp": 8}),
        (tasks.Task("a + b", p=23, layout="a b"), dict(frac=0.7, d_mlp=128, steps=300)),
    ),
    Small(
        "chughtai",
        (tasks.Task("sym", n=3, layout="a b"), {"d_embed": 8, "hidden_sizes": (8,)}),
        (tasks.Task("sym", n=4, layout="a b"), dict(frac=0.6, d_embed=32, hidden_sizes=(64,), lr=3e-3, steps=1_500)),
    ),
    Small(
        "digits",
        (tasks.Task("digits", digits=2, points=200), {"d_model": 8, "n_heads": 2}),
        (tasks.Task("digits", digits=2, points=1_000), dict(d_model=32, n_heads=2, steps=400)),
    ),
    Small(
        "induction_small",
        (tasks.Task("repeated_subsequence", points=200), {"d_model": 8, "n_heads": 2}),
        (tasks.Task("repeated_subsequence", points=1_000), dict(d_model=32, n_heads=2, steps=400)),
    ),
    Small(
        "slope",
        (tasks.Task("slope", n=3), {"d_model": 8, "n_heads": 2}),
        (tasks.Task("slope", n=5), dict(d_model=32, n_heads=2, steps=400)),
    ),
    Small(
        "encoded_sum",
        (tasks.Task("encoded_sum", p=7), {"hidden_sizes": (8,)}),
        (tasks.Task("encoded_sum", p=23), dict(hidden_sizes=(64,), batch_size=None, steps=400)),
    ),
    Small(
        "nalu",
        (tasks.Task("division", n=8, form="numbers"), {}),
        (tasks.Task("division", n=8, form="numbers"), dict(steps=1_000)),
    ),
    Small(
        "lines_patches",
        (tasks.Task("lines", largest=1), {"d_model": 8, "n_heads": 2}),
        (tasks.Task("lines", largest=1), dict(d_model=16, n_heads=2, steps=200)),
    ),
)  # fmt: skip
"""Between these every circuit finds one that it applies to."""


def pages(shipped: dict[str, Circuit]) -> dict[str, str]:
    """By its place on the site, the list of the circuits and the page of each."""
    readouts = read_untrained(shipped)
    drawn = {name: (readout.expand_dims(step=[0]), "an untrained network") for name, (_, readout) in readouts.items()}
    if not DRAFT:
        drawn = read_trained(shipped, {name: small for name, (small, _) in readouts.items()})
    rows = [
        (f"[{name}]({name}.md)", paragraph(type(circuit)), "on request" if circuit.only_on_request else "by default")
        for name, circuit in shipped.items()
    ]
    intro = (
        "`gi.measure(run)` and `grokinterp measure RUN` read circuits off every checkpoint. The page of each has its "
        "hypothesis, an equation, what would be seen if the hypothesis were false, the null that its numbers are read "
        "against, a picture on a small network, its variables with units and sources, and its code."
    )
    listed = f"# Circuits\n\n{intro}\n\n{table(('circuit', 'what it reads off a checkpoint', 'read'), rows)}"
    each = {
        f"circuits/{name}.md": circuit_page(circuit, readouts[name][1], *drawn[name])
        for name, circuit in shipped.items()
    }
    return {"circuits/index.md": listed, **each}


def circuit_page(circuit: Circuit, readout: xr.Dataset, trace: xr.Dataset, network: str) -> str:
    """What a circuit is about, what it says of itself, its parameters, and the variables that it reads."""
    kind, words = type(circuit), WORDS.get(circuit.name, {})
    if missing := [part for part in PARTS if not words.get(part)]:
        raise SystemExit(f"docs/circuits.toml has no {', '.join(missing)} of the circuit {circuit.name}")
    module = inspect.getmodule(kind)
    assert module is not None and module.__file__ is not None
    equation = converter.convert(words["equation"], display="block")
    names = [name for name in words["picture"] if name in trace]  # those of other circuits only of trained networks
    shown = trace[names] if len(names) > 1 else trace[names[0]]
    sources = sorted({str(values.attrs.get("source", "")) for values in readout.data_vars.values()} - {""})
    text = [
        f"# {circuit.name}",
        f"**Hypothesis.** {with_mathematics(words['hypothesis'])}",
        f'<div class="equation" tabindex="0">{equation}</div>',
        f"Here {with_mathematics(words['symbols'])}",
        f"**If it were false.** {with_mathematics(words['refuted'])}",
        f"**Null.** {with_mathematics(words['null'])}",
        placed(gi.draw(shown)),
        f"`{'`, `'.join(names)}` of {network}.",
        "## What it reads",
        inspect.getdoc(module) or "",
        inspect.getdoc(kind) or "",
    ]
    if fields := dataclasses.fields(circuit):  # type: ignore[arg-type]
        text += ["## Parameters", table(("field", "default"), [(f"`{f.name}`", f"`{default_of(f)}`") for f in fields])]
    if circuit.only_on_request:
        call = f'`gi.measure(run, circuits=["{circuit.name}"])`, or `grokinterp measure RUN --circuits {circuit.name}`'
        text.append(f"Read only on request: {call}.")
    rows = [
        (f"`{name}`", ", ".join(map(str, values.dims)), values.attrs.get("units", ""), values.attrs.get("source", ""))
        for name, values in readout.data_vars.items()
    ]
    text += ["## Variables", table(("variable", "dims", "units", "source"), rows)]
    text += ["## Source", "\n".join(f"- {each}" for each in sources)]
    code = Path(module.__file__).read_text("utf-8")
    text += ["## Code", f"```python\n{code}```" if "```" not in code else ""]
    return "\n\n".join(text)


def with_mathematics(text: str) -> str:
    """A line of text, what stands between dollars in it as MathML."""
    return re.sub(r"\$([^$]+)\$", lambda found: converter.convert(found[1], display="inline"), text)


def read_untrained(shipped: dict[str, Circuit]) -> dict[str, tuple[Small, xr.Dataset]]:
    """Every circuit on the first of the small networks that it applies to, untrained: names are wanted, not numbers."""
    readouts: dict[str, tuple[Small, xr.Dataset]] = {}
    for small in SMALL:
        task, fields = small.untrained
        snapshot = untrained(small.preset, task, fields)
        for circuit in shipped.values():
            if circuit.name not in readouts and circuit.why_not(snapshot) is None:
                read = circuit.fit(snapshot).read(snapshot, frozenset(circuit.on_request))
                readouts[circuit.name] = small, read
    if missing := [name for name in shipped if name not in readouts]:
        raise SystemExit(f"circuits {missing} apply to none of the SMALL networks; add one to SMALL")
    return readouts


def read_trained(shipped: dict[str, Circuit], wanted: dict[str, Small]) -> dict[str, tuple[xr.Dataset, str]]:
    """The circuits on the same networks trained for a few seconds each, and a network in words."""
    drawn: dict[str, tuple[xr.Dataset, str]] = {}
    with tempfile.TemporaryDirectory() as folder:
        for small in dict.fromkeys(small.preset for small in wanted.values()):
            task, fields = next(each.trained for each in SMALL if each.preset == small)
            steps = fields["steps"]
            each = dict(preset=small, seed=0, checkpoint_every=steps // 10, metrics_every=steps, progress=False)
            run = gi.train(task, **fields, **each, out=f"{folder}/{small}")
            names = [name for name, its in wanted.items() if its.preset == small]
            trace = gi.measure(run, circuits=names if "loss" in names else [*names, "loss"], progress=False)
            last = trace.isel(step=-1)
            right = "" if "test_accuracy" not in last else f", {float(last.test_accuracy):.0%} of its test rows right"
            network = f"a small network (preset `{small}`, {task.expression}, {steps:,} steps{right})"
            drawn |= dict.fromkeys(names, (trace, network))
    return drawn


def untrained(name: str, task: Any, fields: dict[str, Any]) -> Snapshot:
    base = preset(name)
    task = task.split(frac=base.split.frac, seed=0, corrupt=base.split.corrupt)
    config = base.replace(**fields).model.resolved(task.n_vocab, task.n_answers, task.inputs.shape[1])
    return Snapshot(0, config, task, initialise(config, seed=0))


def default_of(field: Any) -> str:
    """A field's default as Python has it."""
    if field.default is not dataclasses.MISSING:
        return repr(field.default)
    return "given" if field.default_factory is dataclasses.MISSING else repr(field.default_factory())


def paragraph(kind: type) -> str:
    """The first paragraph of a docstring, in one line."""
    return " ".join((inspect.getdoc(kind) or "").partition("\n\n")[0].split())
