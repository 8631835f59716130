"""build: a run of one checkpoint, of a network that a formula gives."""

import dataclasses
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

from torch import Tensor

from grokinterp.config import RunConfig, ScheduleConfig, SplitConfig
from grokinterp.config.validation import check_path, checks_switches, shown
from grokinterp.constructions._construction import CONSTRUCTIONS, Construction
from grokinterp.errors import BadRequest, did_you_mean, listed
from grokinterp.runs.provenance import Provenance
from grokinterp.runs.run import Run
from grokinterp.runs.store import MemoryStore
from grokinterp.runs.writer import save_run
from grokinterp.tasks import Task

PRESET = "formula"
"""What the configuration of a run says that was not trained."""


@checks_switches
def build(
    kind: str,
    p: int | None = None,
    frequencies: Iterable[int] | None = None,
    phases: int | Sequence[int] | None = None,
    *,
    frac: float | None = 0.5,
    seed: int = 0,
    out: str | Path | None = None,
    overwrite: bool = False,
    **parameters: Any,
) -> Run:
    """A network written down by formula, as a run of one checkpoint at step 0; what measures should say of it is known.

        gi.build("quadratic", p=23, frequencies=[3], phases=12)

    Kinds, each with its formula in `grokinterp.constructions`: `clock`, `transformer_clock`, `product`, `pizza`,
    `torus`, `quadratic`, `gromov`, `coset`, `trace_cube`, `lookup`. `frequencies` count waves on the task's cycle;
    `phases` says how many evenly spaced phases neurons have, one number or one for each frequency; `parameters` are
    the kind's own.

    Nothing is trained. `frac` and `seed` draw the split by which measures tell seen rows from unseen ones, None leaves
    it out; only `lookup` knows its training rows. `out` writes a run directory, as `gi.train` does.

    Raises `BadRequest` for an unknown kind, a parameter that it has not, and values that its formula cannot take.
    """
    check_path("out", out)
    given = {"p": p, "frequencies": _listed(frequencies), "phases": _listed(phases), **parameters}
    given = {name: value for name, value in given.items() if value is not None}
    construction = _construction(kind, given)
    task = construction.make_task()
    split = SplitConfig()
    if task.is_train is None and frac is not None:
        split = SplitConfig(frac=frac, split_seed=seed)
        task = task.split(frac=frac, seed=seed)
    config, parameters = construction.make_network(task)
    weights = {name: value.float() for name, value in parameters.items()}
    run_config = RunConfig(
        preset=PRESET, seed=seed, task=task.config(), split=split, model=config, schedule=ScheduleConfig(steps=1)
    )
    asked = {**given, **({} if frac == 0.5 else {"frac": frac}), **({} if seed == 0 else {"seed": seed})}
    call = ", ".join([repr(kind), *(f"{name}={_as_python(value)}" for name, value in asked.items())])
    provenance = Provenance(trained_elsewhere=True, formula=f"gi.build({call})")
    run = Run(MemoryStore({0: lambda: weights}), kind, run_config, task, provenance=provenance)
    return run if out is None else save_run(run, out, overwrite)


def _construction(kind: Any, given: dict[str, Any]) -> Construction:
    if not isinstance(kind, str) or kind not in CONSTRUCTIONS:
        near = did_you_mean(kind, CONSTRUCTIONS) if isinstance(kind, str) else ""
        raise BadRequest(f"there is no construction {shown(kind)}.{near} The kinds: {listed(sorted(CONSTRUCTIONS))}")
    of_kind = CONSTRUCTIONS[kind]
    fields = {field.name: field for field in dataclasses.fields(of_kind)}
    for name in given:
        if name not in fields:
            raise BadRequest(
                f"a {kind} has no {name}.{did_you_mean(name, fields)} Its parameters: {listed(fields)}, frac, seed"
            )
    missing = [name for name, field in fields.items() if _is_needed(field) and name not in given]
    if missing:
        raise BadRequest(f"a {kind} needs {listed(missing)}, as in gi.build({kind!r}, {of_kind.example})")
    return of_kind(**given)


def _is_needed(field: Any) -> bool:
    return field.default is dataclasses.MISSING and field.default_factory is dataclasses.MISSING


def _listed(value: Any) -> Any:
    """Several numbers as a tuple, whatever they came in; one number, and what is none, as it is."""
    is_several = isinstance(value, Iterable) and not isinstance(value, str | Tensor) and not hasattr(value, "dtype")
    return tuple(value) if is_several else value


def _as_python(value: Any) -> str:
    if isinstance(value, Task):
        parameters = "".join(f", {name}={each!r}" for name, each in value.given.items())
        return f"gi.Task({value.expression!r}{parameters})"
    return repr(value)
