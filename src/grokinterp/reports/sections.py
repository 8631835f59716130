"""Sections: the page's parts in order. Each is a function of the subject; it says what is missing instead of leaving it out."""

from collections.abc import Callable
from dataclasses import dataclass, field
from functools import cached_property
from importlib import metadata

import pandas as pd
import plotly.graph_objects as go

from grokinterp.reports import circle_figure, figures, story
from grokinterp.reports.readings import Absent, Embedding, Landmarks, Table, weight_norms
from grokinterp.reports.recipe import Recipe
from grokinterp.reports.story import Fact
from grokinterp.run_format import library_versions
from grokinterp.runs import Run


class Subject:
    """The run a page is about, each thing read off it once and when first asked for."""

    def __init__(self, run: Run):
        self.run = run

    @cached_property
    def metrics(self) -> pd.DataFrame:
        """Every recorded row of the usual curves; empty where nothing was recorded."""
        return self.run.metrics

    @cached_property
    def landmarks(self) -> Landmarks:
        return Landmarks.of(self.metrics)

    @cached_property
    def embedding(self) -> Embedding | Absent:
        return Embedding.of(self.run)

    def source(self, what: str) -> str:
        """The line under a figure that says where its numbers are from."""
        return f"{what} of {self.run.name}."

    def checkpoints(self) -> str:
        """`Checkpoints (100, steps 0 to 9,900)`, or the one there is."""
        steps = self.run.steps
        if len(steps) == 1:
            return f"The checkpoint at step {steps[0]:,}"
        return f"{len(steps)} checkpoints (steps {steps[0]:,} to {steps[-1]:,})"


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
    section = Section("What was trained", story.trained(run))
    if not run.has_task:
        return section
    table = Table.of(run.task)
    if isinstance(table, Absent):
        section.notes.append(table.reason)
        return section
    fixed = f" Shown {table.slice}." if table.slice else ""
    blank = (
        "On the right the same table with the test rows left blank: all that the model ever saw."
        if table.trained is not None
        else "Which rows were trained on is not known."
    )
    caption = (
        "Every question and its answer: rows are the first operand, columns the second, the colour is the answer "
        f"and turns once through the circle of answers. {blank} Look for stripes, which a rule makes, in what was shown.{fixed}"
    )
    section.plates.append(Plate("table", figures.table_picture(table), caption, "The task's own table and its split."))
    return section


def outcome(subject: Subject) -> Section:
    """What happened: when, how far, and the curves."""
    metrics, landmarks, run = subject.metrics, subject.landmarks, subject.run
    section = Section("What happened", story.happened(run, metrics, landmarks), facts=story.numbers(run, metrics))
    origin = subject.source("Training metrics")
    if metrics[["train_loss", "test_loss"]].notna().any(axis=None):
        caption = (
            "Cross-entropy in nats, on a log scale; the buttons change both axes. Look for the gap: the train loss falls "
            "early, the test loss rises first and falls late. Dashed lines mark the landmarks named in the legend."
        )
        section.plates.append(Plate("loss", figures.loss_curves(metrics, landmarks), caption, origin))
    if metrics[["train_accuracy", "test_accuracy"]].notna().any(axis=None):
        chance = run.task.chance if run.has_task else None
        caption = (
            "Share of rows answered right. Look for how long the test curve stays near chance after the train curve is "
            "at 100 %, and how steeply it then rises."
        )
        if "test_accuracy_unswapped" in metrics:
            caption += " The dotted blue curve leaves out test rows that a memorised pair answers by being swapped."
        section.plates.append(Plate("accuracy", figures.accuracy_curves(metrics, landmarks, chance), caption, origin))
    return section


def weights(subject: Subject) -> Section:
    """The weight norm over training."""
    section = Section("The weights")
    norms = weight_norms(subject.run)
    if len(norms) < 2:
        section.notes.append("Fewer than two weight norms are known, so there is no curve of them.")
        return section
    caption = (
        "Sum of the squares of all weights. Look for a rise while the rows are memorised and for a fall, driven by weight "
        "decay, that goes with the rise of the test accuracy."
    )
    origin = subject.source("Sum over all parameters")
    section.plates.append(Plate("weight-norm", figures.weight_norm(norms, subject.landmarks), caption, origin))
    return section


def spectrum(subject: Subject) -> Section:
    """The Fourier norms of the embedding, over time and row by row."""
    section = Section("The embedding's frequencies")
    embedding = subject.embedding
    if isinstance(embedding, Absent):
        section.notes.append(embedding.reason)
        return section
    section.paragraphs.append(_order_in_words(embedding))
    origin = f"Embedding matrix (embed.W_E) of {subject.run.name}; {subject.checkpoints()}."
    if len(embedding.steps) > 1:
        caption = (
            "How much of the embedding lies in each frequency (a row) at each checkpoint (a column). Look for an even haze "
            "that gives way to a few lasting lines: the frequencies that the model keeps."
        )
        section.plates.append(Plate("spectrum-over-time", figures.spectrum_over_time(embedding), caption, origin))
    caption = (
        "Norm of the embedding's cosine and sine row for every frequency. Look for a few pairs that stand far above the "
        "rest; cosine and sine of equal height mean that the tokens stand on a circle, not on a line."
    )
    if len(embedding.steps) > 1:
        caption += " The slider moves through the checkpoints."
    section.plates.append(Plate("spectrum", figures.spectrum_bars(embedding), caption, origin))
    return section


def _order_in_words(embedding: Embedding) -> str:
    additive, multiplicative = embedding.order.gini["additive"], embedding.order.gini.get("multiplicative")
    if embedding.order.group == "additive":
        words = f"The embedding is read as a function of the token mod {embedding.p}."
        if multiplicative is None:
            return (
                f"{words} The Gini index of its Fourier norms at the end is {additive:.2f} (0: all equal, 1: one only)."
            )
        other = f"{multiplicative:.2f} in the basis of the multiplicative group"
        return f"{words} The Gini index of its Fourier norms at the end is {additive:.2f} (0: all equal, 1: one only), {other}."
    return (
        f"The embedding is read in discrete-log order, as a function on the multiplicative group of 1 to {embedding.p - 1}, "
        f"because its spectrum is sparser there: the Gini index of the norms at the end is {multiplicative:.2f}, and "
        f"{additive:.2f} in the usual order (0: all equal, 1: one only). Token 0 is left out."
    )


def circles(subject: Subject) -> Section:
    """Pairs of principal components of the embedding."""
    section = Section("The embedding's circles")
    embedding = subject.embedding
    if isinstance(embedding, Absent):
        section.notes.append(embedding.reason)
        return section
    if embedding.order.group == "additive":
        neighbours = "Tokens that are one step apart, as named in the middle, are joined; the step is the inverse of the frequency."
    else:
        neighbours = "Tokens that differ by the factor named in the middle are joined."
    caption = (
        "Each panel shows all tokens in two principal components that share a frequency. "
        f"{neighbours} Look for closed rings with evenly spaced tokens. Where two frequencies are equally strong their "
        "components mix, and the panel says which frequency has most of the power. Colour is the place on the ring at the end."
    )
    if len(embedding.frame_steps) > 1:
        caption += " The slider projects earlier checkpoints on the same components: watch the rings open."
    origin = f"Principal components of the final embedding matrix of {subject.run.name}; {subject.checkpoints()}."
    section.plates.append(Plate("circles", circle_figure.circles(embedding), caption, origin))
    return section


def reproduction(subject: Subject) -> Section:
    """The command, the call, the configuration and the versions."""
    run = subject.run
    section = Section("How to reproduce")
    origin = {name: value for name, value in run.source.items() if isinstance(value, str | int | float)}
    facts = [Fact(name.replace("_", " "), str(value)) for name, value in origin.items() if name != "versions"]
    written = {**library_versions(), "plotly": metadata.version("plotly")}
    trained_with = run.source.get("versions")
    if isinstance(trained_with, dict):
        facts.append(Fact("trained with", ", ".join(f"{name} {version}" for name, version in trained_with.items())))
    facts.append(Fact("page written with", ", ".join(f"{name} {version}" for name, version in written.items())))
    section.facts.extend(facts)
    if not (run.has_config and run.has_task):
        section.notes.append(
            "The configuration is not known in full, so there is no command that trains this run again."
        )
        return section
    recipe = Recipe.of(run.config)
    if recipe is None:
        section.notes.append(
            "No single command trains this configuration; all of it is below, and the run directory holds its split."
        )
        return section
    section.code.append(("In a shell", recipe.command()))
    section.code.append(("In Python", recipe.python()))
    return section


def configuration(subject: Subject) -> dict[str, dict[str, str]]:
    """The whole configuration as text, section by section; empty where it is not known."""
    if not subject.run.has_config:
        return {}
    data = subject.run.config.to_json()
    tables = {"run": {"preset": data["preset"], "seed": data["seed"], "identity": subject.run.config.identity}}
    tables |= {name: value for name, value in data.items() if isinstance(value, dict)}
    flat = {**tables["task"], **tables["task"].pop("parameters")} if "task" in tables else {}
    tables["task"] = {name: value for name, value in flat.items() if name != "parameters"}
    words = {None: "as derived", True: "yes", False: "no"}
    return {
        section: {
            name.replace("_", " "): words[value] if value is None or isinstance(value, bool) else str(value)
            for name, value in values.items()
        }
        for section, values in tables.items()
    }


SECTIONS: list[Callable[[Subject], Section]] = [summary, outcome, spectrum, circles, weights, reproduction]
