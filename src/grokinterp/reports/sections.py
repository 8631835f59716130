"""Sections: the page's parts in order, each a function of its subject. What cannot be shown is said, not left out."""

from collections.abc import Callable
from dataclasses import dataclass, field
from functools import cached_property
from importlib import metadata

import pandas as pd
import plotly.graph_objects as go

from grokinterp.refusals import listed
from grokinterp.reports import captions, circle_figure, figures, story
from grokinterp.reports.readings import Absent, Curve, Embedding, Landmarks, Table, weight_norms
from grokinterp.reports.recipe import Recipe
from grokinterp.reports.story import Fact
from grokinterp.run_format import library_versions
from grokinterp.runs import Run


class Subject:
    """The run a page is about; each thing is read off it once, when first asked for."""

    def __init__(self, run: Run):
        self.run = run

    @cached_property
    def metrics(self) -> pd.DataFrame:
        return self.run.metrics

    @cached_property
    def landmarks(self) -> Landmarks:
        return Landmarks.of(self.metrics)

    @cached_property
    def embedding(self) -> Embedding | Absent:
        return Embedding.of(self.run)


@dataclass(frozen=True)
class Plate:
    """A figure as it stands on the page: what to look for, and where its numbers are from."""

    name: str
    figure: go.Figure
    caption: str
    source: str


@dataclass(frozen=True)
class Section:
    """A heading with paragraphs, facts, figures and code under it; `notes` say what could not be shown."""

    title: str
    paragraphs: list[str] = field(default_factory=list)
    facts: list[Fact] = field(default_factory=list)
    plates: list[Plate] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)
    code: list[tuple[str, str]] = field(default_factory=list)


def summary(subject: Subject) -> Section:
    """What was trained, and the table it was trained on."""
    run = subject.run
    section = Section("What was trained", story.trained(run), notes=story.inferred(run))
    if not run.has_task:
        return section
    table = Table.of(run.task)
    if isinstance(table, Absent):
        section.notes.append(table.reason)
    else:
        source = "the task's own table and the run's split."
        section.plates.append(Plate("table", figures.table_picture(table), captions.table(table), source))
    return section


def outcome(subject: Subject) -> Section:
    """What happened: when, how far, and the curves."""
    metrics, landmarks, run = subject.metrics, subject.landmarks, subject.run
    section = Section(
        "What happened", story.happened(metrics, landmarks), story.numbers(run.task if run.has_task else None, metrics)
    )
    source = f"training metrics of {run.name}."
    train, test = Curve.of(metrics, "train_loss"), Curve.of(metrics, "test_loss")
    if max(len(train), len(test)) > 1:
        caption = captions.loss(both=min(len(train), len(test)) > 0, marked=landmarks != Landmarks(None, None))
        section.plates.append(Plate("loss", figures.loss_curves(train, test, landmarks), caption, source))
    train, test = Curve.of(metrics, "train_accuracy"), Curve.of(metrics, "test_accuracy")
    if max(len(train), len(test)) > 1:
        unswapped = Curve.of(metrics, "test_accuracy_unswapped")
        chance = run.task.chance if run.has_task else None
        figure = figures.accuracy_curves(train, test, unswapped, landmarks, chance)
        section.plates.append(Plate("accuracy", figure, captions.accuracy(len(unswapped) > 0), source))
    if not section.plates and not metrics.empty:
        section.notes.append("Too few points were recorded to draw a curve.")
    return section


def spectrum(subject: Subject) -> Section:
    """The Fourier norms of the embedding, over time and row by row."""
    section = Section("The embedding's frequencies")
    embedding = subject.embedding
    if isinstance(embedding, Absent):
        section.notes.append(embedding.reason)
        return section
    section.paragraphs.append(captions.order(embedding))
    source = f"embedding matrix of {subject.run.name}, {story.checkpoints(embedding.steps)}."
    several = len(embedding.steps) > 1
    if several:
        figure = figures.spectrum_over_time(embedding)
        section.plates.append(Plate("spectrum-over-time", figure, captions.SPECTRUM_OVER_TIME, source))
    section.plates.append(Plate("spectrum", figures.spectrum_bars(embedding), captions.spectrum(several), source))
    return section


def circles(subject: Subject) -> Section | None:
    """Pairs of principal components of the embedding."""
    section = Section("The embedding's circles")
    embedding = subject.embedding
    if isinstance(embedding, Absent):
        return None  # the section before has said why
    source = f"principal components of the final embedding of {subject.run.name}, {story.checkpoints(embedding.steps)}."
    section.plates.append(Plate("circles", circle_figure.circles(embedding), captions.circles(embedding), source))
    return section


def weights(subject: Subject) -> Section | None:
    """The weight norm over training."""
    section = Section("The weights")
    norms = weight_norms(subject.run)
    if not len(norms):
        return None
    if len(norms) == 1:
        value = float(norms.values[0])
        section.facts.append(Fact("sum of squared weights", f"{value:,.4g}", "of the one checkpoint there is"))
        return section
    figure = figures.weight_norm(norms, subject.landmarks)
    section.plates.append(Plate("weight-norm", figure, captions.WEIGHT_NORM, f"all parameters of {subject.run.name}."))
    return section


def reproduction(subject: Subject) -> Section:
    """The command, the call, and the versions."""
    run = subject.run
    section = Section("How to reproduce")
    versions = {"trained with": run.source.get("versions"), "page written with": library_versions()}
    versions["page written with"]["plotly"] = metadata.version("plotly")
    for name, value in run.source.items():
        if isinstance(value, str):
            section.facts.append(Fact(name.replace("_", " "), value))
    for name, found in versions.items():
        if isinstance(found, dict):
            section.facts.append(Fact(name, listed(f"{library} {version}" for library, version in found.items())))
    if not (run.has_config and run.has_task):
        section.notes.append("The configuration is not known in full, so no command trains this run again.")
        return section
    recipe = Recipe.of(run.config)
    if recipe is None:
        section.notes.append("No single command trains this configuration; all that is known of it stands below.")
        return section
    if story.is_imported(run):
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


SECTIONS: list[Callable[[Subject], Section | None]] = [summary, outcome, spectrum, circles, weights, reproduction]
