"""describe: what `grokinterp info` prints of a run."""

import dataclasses
import math

from grokinterp.config import MODEL_CONFIGS, ModelConfig
from grokinterp.importers._contents import cut
from grokinterp.importers._evidence import measured
from grokinterp.runs.population.collection import Runs, as_shown
from grokinterp.runs.run import CURVES, Run, last_recorded


def describe(run: Run | Runs) -> str:
    """What a run is, in lines of `name: value`: where it comes from, task, model, checkpoints, metrics, notes.

    Loss (nats) and accuracy of the final checkpoint are measured from its weights where the task is known. Of several
    runs, a table.
    """
    if isinstance(run, Runs):
        skipped = [f"skipped {name}: {reason}" for name, reason in run.skipped.items()]
        return "\n".join([f"{len(run)} runs", as_shown(run.table).to_string(), *skipped])
    source = {name: value for name, value in run.source.items() if name != "assumptions"}
    notes, mapping = source.pop("notes", []), source.pop("mapping", {})
    versions = source.pop("versions", {})
    lines = {"run": run.name, **{name: str(value) for name, value in source.items()}}
    if versions:
        lines["versions"] = ", ".join(f"{library} {version}" for library, version in versions.items())
    if run.has_task:
        task = run.task
        split = "unknown" if task.is_train is None else f"{int(task.is_train.sum())} of {len(task.inputs)} rows"
        lines |= {"task": repr(task), "trained on": split, "chance": f"{task.chance:.4g}"}
    else:
        lines["task"] = "unknown"
    if run.has_config:
        lines |= {"model": _model(run.config.model), "identity": run.config.identity}
    steps, metrics = run.steps, run.metrics
    lines["checkpoints"] = f"{len(steps)}, step {steps[0]} to {steps[-1]}" if steps else "none, only curves"
    for curve in CURVES:
        if (last := last_recorded(metrics, curve)) is not None:
            lines[f"recorded {curve}"] = f"{last[1]:.5g} at step {last[0]}"
    if steps and run.has_task:
        values = measured(run.final.config, run.final.parameters, run.task)
        doubt = " (not explained)" if run.unexplained else ""
        finite = {name: value for name, value in values.items() if math.isfinite(value)}
        numbers = ", ".join(f"{name} {value:.5g}" for name, value in finite.items())
        numbers = numbers or "nothing, since what the weights answer are no finite numbers"
        lines[f"measured at step {steps[-1]}"] = f"{numbers}{doubt}"
    lines |= dict.fromkeys(map(str, run.assumptions), "")
    lines |= {f"note {index + 1}": note for index, note in enumerate(notes)}
    lines |= {f"parameter {cut(name)}": place for name, place in mapping.items()}
    return "\n".join(f"{name}: {value}" if value else name for name, value in lines.items())


def _model(config: ModelConfig) -> str:
    """The kind, and the fields that are not the kind's defaults."""
    default = MODEL_CONFIGS[config.kind]()
    values = {field.name: getattr(config, field.name) for field in dataclasses.fields(config)}
    chosen = [f"{name}={value}" for name, value in values.items() if value != getattr(default, name)]
    return f"{config.kind} ({', '.join(chosen) or 'all defaults'})"
