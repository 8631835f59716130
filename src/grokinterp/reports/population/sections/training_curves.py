"""Training curves: every run's accuracy over steps, in groups of what varies, by median and quartiles."""

import numpy as np

from grokinterp.reports import labels, style
from grokinterp.reports.figures.bands import THIN, add_band, thin_note
from grokinterp.reports.figures.curves import SHARE
from grokinterp.reports.population.panels import panels_of
from grokinterp.reports.population.population import Population, field_name, plotted
from grokinterp.reports.population.section import PageSection, PopulationSection
from grokinterp.reports.section import Plate

FIELDS = 3
"""For how many fields at most there is a figure of its own; the others are told by the tables."""

SIDES = (("train_accuracy", "training rows"), ("test_accuracy", "test rows"))


class TrainingCurves(PopulationSection):
    """Of the recorded metrics: losses where no accuracy was recorded."""

    order = 300
    title = "Training curves"

    def fill(self, section: PageSection, population: Population) -> None:
        sides = [(column, name) for column, name in SIDES if np.isfinite(population.curves(column)).any()]
        if not sides:
            sides = [(column.replace("accuracy", "loss"), name) for column, name in SIDES]
            sides = [(column, name) for column, name in sides if np.isfinite(population.curves(column)).any()]
        if not sides or len(population.steps) < 3:
            return
        fields = [field for field in population.conditions if len(population.groups(field)) > 1]
        if len(fields) > FIELDS:
            section.notes.append(f"Drawn for the first {FIELDS} of {len(fields)} fields that vary.")
        for field in fields[:FIELDS] or [None]:
            what = "accuracy" if sides[0][0].endswith("accuracy") else "loss (nats)"
            figure, axes = panels_of([f"{what}, {name}" for _, name in sides], 340, across=2, hovermode="x unified")
            for (column, _), at in zip(sides, axes, strict=True):
                number = at["xaxis"][1:]
                groups = population.groups(field)
                for i, (name, mask) in enumerate(groups.items()):
                    rows = population.curves(column)[mask]
                    color, dash, _ = style.line(i)
                    words = plotted(name if field is None else f"{field_name(field)} {name}")
                    if np.isfinite(rows).any():
                        add_band(
                            figure, population.steps, rows, words, color, dash, THIN // len(groups), at, number == ""
                        )
                figure.layout[f"xaxis{number}"].update(
                    title_text=labels.axis("step"), separatethousands=True, exponentformat="none", nticks=5
                )
                axis = SHARE if what == "accuracy" else dict(type="log", exponentformat="power")
                figure.layout[f"yaxis{number}"].update(axis)
            caption = (
                f"{thin_note(len(population.table))} A run that finished keeps its last value; one that was cut ends. "
                "Look for bands that part; of bands that lie over each other this picture shows no difference."
            )
            name = f"curves-{len(section.plates)}"
            section.plates.append(Plate(name, figure, caption, "recorded metrics."))
