"""Sections: the page's parts in order, each a function of its subject. What cannot be shown is said, not left out."""

from dataclasses import replace
from importlib import metadata

import xarray as xr

from grokinterp.errors import BadRequest, listed
from grokinterp.reports import drawing, prose
from grokinterp.reports import verdict as judged
from grokinterp.reports.figures import table
from grokinterp.reports.figures import training as curve_figures
from grokinterp.reports.figures.curves import Curve
from grokinterp.reports.figures.table import Table
from grokinterp.reports.recipe import Recipe
from grokinterp.reports.section import Absent, Fact, Plate, Section
from grokinterp.reports.sections import captions
from grokinterp.reports.sections.findings import FOUND
from grokinterp.reports.sections.operation import operation
from grokinterp.reports.sections.shown import KNOWN
from grokinterp.reports.subject import Landmarks, Subject
from grokinterp.runs.format import library_versions
from grokinterp.runs.run import Run


def summary(subject: Subject) -> Section:
    """What was trained, and the table it was trained on."""
    run = subject.run
    section = Section("What was trained", prose.trained(run), notes=prose.inferred(run))
    if not run.has_task:
        return section
    section.facts.extend(prose.baselines(run.task))
    found = Table.of(run.task)
    if isinstance(found, Absent):
        section.notes.append(found.reason)
    else:
        source = "the task's own table and the run's split."
        section.plates.append(Plate("table", table.picture(found), captions.table(found), source))
    return section


def outcome(subject: Subject) -> Section:
    """What happened: when, how far, and the curves."""
    metrics, landmarks, run = subject.metrics, subject.landmarks, subject.run
    endless = run.has_task and run.task.is_endless
    told = prose.happened(metrics, landmarks, subject.phases, endless)
    section = Section("What happened", told, prose.numbers(metrics))
    if not isinstance(subject.trace, Absent):
        section.facts.extend(prose.measured(subject.trace, metrics, run.task.is_commutative))
    source = f"training metrics of {run.name}."
    train, test = Curve.of(metrics, "train_loss"), Curve.of(metrics, "test_loss")
    if max(len(train), len(test)) > 1:
        caption = captions.loss(both=min(len(train), len(test)) > 0, marked=landmarks != Landmarks())
        section.plates.append(Plate("loss", curve_figures.losses(subject), caption, source))
    train, test = Curve.of(metrics, "train_accuracy"), Curve.of(metrics, "test_accuracy")
    if max(len(train), len(test)) > 1:
        caption = captions.accuracy(len(Curve.of(metrics, "test_accuracy_unswapped")) > 0)
        section.plates.append(Plate("accuracy", curve_figures.accuracies(subject), caption, source))
    if not section.plates and not metrics.empty:
        section.notes.append("Too few points were recorded to draw a curve.")
    _measured_curves(subject, section)
    return section


def _measured_curves(subject: Subject, section: Section) -> None:
    """Progress measures, weight norms and the density of spectra."""
    trace = None if isinstance(subject.trace, Absent) else subject.trace
    source = f"{subject.run.name}, {prose.checkpoints(subject.run.steps)}." if subject.run.steps else ""
    several = trace is not None and trace.sizes["step"] > 1
    if several and trace is not None and "restricted_loss" in trace:
        figure = curve_figures.progress(subject, trace)
        section.plates.append(Plate("progress", figure, captions.PROGRESS, source))
        if curve_figures.keys(trace):
            figure = curve_figures.excluded_by_frequency(trace)
            section.plates.append(Plate("excluded", figure, captions.EXCLUDED, source))
    norms = Curve.of(subject.metrics, "weight_norm_squared")
    if len(norms) < 2 and trace is not None and "weight_norm_squared" in trace:
        norms = Curve.read(trace["weight_norm_squared"])
    if len(norms) == 1:
        section.facts.append(Fact("sum of squared weights", f"{float(norms.values[0]):,.4g}", "of all parameters"))
    elif len(norms):
        figure = curve_figures.weight_norms(norms, trace, subject)
        section.plates.append(Plate("weight-norm", figure, captions.WEIGHT_NORM, f"parameters of {subject.run.name}."))  # fmt: skip # noqa: E501
    if several and trace is not None and "ffd" in trace:
        measures = ("ffd", "fcr")
        figure = curve_figures.spectral(trace, measures)
        section.plates.append(Plate("density", figure, captions.DENSITY, f"weights of {source}"))


def found(subject: Subject) -> list[Section]:
    """What was found, part by part."""
    trace = subject.trace
    if isinstance(trace, Absent):
        return [Section("What was found", notes=[trace.reason])]
    sections = [section for make in FOUND if (section := make(subject, trace)) is not None]
    return [Section("What was found"), *(replace(section, level=3) for section in sections)]


def own(subject: Subject) -> Section | None:
    """Whatever else was measured, drawn from its dims: circuits that this page does not know."""
    trace = subject.trace
    if isinstance(trace, Absent):
        return None
    section = Section("Further measures")
    for name in map(str, trace.data_vars):
        if name not in KNOWN:
            _draw_own(section, subject, trace[name])
    return section if section.plates or section.notes or section.facts else None


def _draw_own(section: Section, subject: Subject, variable: xr.DataArray) -> None:
    name, steps = str(variable.name), variable.step.values.tolist()
    if variable.ndim == 1 and len(steps) == 1:
        value = variable.values[-1]
        units = variable.attrs.get("units", "")
        text = f"{value:.4g}" if variable.dtype.kind == "f" else str(value)
        section.facts.append(Fact(drawing.labels.quantity(name, units), text, variable.attrs.get("source", "")))
        return
    if not _known(variable):
        section.facts.append(Fact(drawing.labels.spoken(name), "not defined here", variable.attrs.get("source", "")))
        return
    try:
        figure = drawing.draw(variable)
        frames = [drawing.frame(variable, step) for step in subject.frame_steps] if variable.ndim > 1 else []
    except BadRequest as error:
        section.notes.append(f"{drawing.labels.spoken(name)}: {error}.")
        return
    source = f"{variable.attrs.get('source') or 'a circuit'}, measured on {subject.run.name}."
    section.plates.append(Plate(f"own-{name}", figure, captions.own(variable), source, frames))


def _known(variable: xr.DataArray) -> bool:
    """Whether there is anything to draw: not all NaN."""
    return variable.dtype.kind != "f" or bool(variable.notnull().any())


def conclusion(subject: Subject) -> Section | None:
    """The verdict in one paragraph, with the numbers it rests on."""
    trace = subject.trace
    if isinstance(trace, Absent):
        return None
    return Section("The verdict", judged.verdict(trace, subject.landmarks, subject.skipped), judged.facts(trace))


def reproduction(subject: Subject) -> Section:
    """The command, the call, and the versions."""
    run = subject.run
    section = Section("How to reproduce")
    versions = {"trained with": dict(run.provenance.versions) or None, "page written with": library_versions()}
    versions["page written with"]["plotly"] = metadata.version("plotly")
    for name, value in run.source.items():
        if isinstance(value, str):
            section.facts.append(Fact(name.replace("_", " "), value))
    for name, found in versions.items():
        if isinstance(found, dict):
            section.facts.append(Fact(name, listed(f"{library} {version}" for library, version in found.items())))
    for name, reason in subject.skipped.items():
        section.facts.append(Fact(f"{name.replace('_', ' ')}, not read", reason))
    if not (run.has_config and run.has_task):
        section.notes.append("The configuration is not known in full, so no command trains this run again.")
        return section
    recipe = Recipe.of(run.config)
    if recipe is None:
        section.notes.append("No single command trains this configuration; all that is known of it stands below.")
        return section
    if prose.is_imported(run):
        section.paragraphs.append(
            "The commands train a run like this one; these weights and curves come from the file."
        )
    section.code.append(("In a shell", recipe.command()))
    section.code.append(("In Python", recipe.python()))
    return section


def configuration(run: Run) -> dict[str, dict[str, str]]:
    """The whole configuration as text, field by field in its sections; empty where it is not known."""
    if not run.has_config:
        return {}
    data = run.config.to_json()
    tables = {
        "run": {"preset": run.config.preset, "seed": run.config.seed, "identity": run.config.identity},
        "task": {"expression": data["task"]["expression"], **data["task"]["parameters"]},
        **{section: data[section] for section in ("split", "model", "optimiser", "schedule")},
    }
    return {section: {name: _as_text(value) for name, value in fields.items()} for section, fields in tables.items()}


def _as_text(value: object) -> str:
    if value is None or value == []:
        return "not set"
    if isinstance(value, bool):
        return "yes" if value else "no"
    return listed(value) if isinstance(value, list) else str(value)


def sections_of(subject: Subject) -> list[Section]:
    """All of them, in the order of the page."""
    told = [summary(subject), outcome(subject), *found(subject), operation(subject)]
    told += [own(subject), conclusion(subject), reproduction(subject)]
    return [section for section in told if section is not None]
