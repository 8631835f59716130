"""The output layer: its answers as a map, of groups and of sums."""

import xarray as xr

from grokinterp.circuits import output_layer
from grokinterp.reports.figures.output_map import output_map
from grokinterp.reports.section import Absent, Finding, Plate, Section
from grokinterp.reports.subject import Subject
from grokinterp.tasks.groups import GroupTask

OUTPUT_GROUP = (
    "One point an answer, where its output weights lie. Points of one colour and shape are one coset of the subgroup "
    "whose cosets explain the weights best; the mouse tells which. Look for those that lie together; in a projection "
    "to two dimensions they may still overlap."
)

OUTPUT_SUM = (
    "One point an answer, where its output weights lie, each joined to the one a fixed step further. Look for a closed "
    "ring or star: the number line bent round. Colours and shapes repeat with the remainder that the title names."
)


class OutputLayer(Finding):
    """Two principal components of the unembedding."""

    order = 440
    title = "The output layer"
    variables = (
        "output_pca",
        "output_colour",
        "output_next",
        "output_explained",
    )

    def fill(self, section: Section, subject: Subject, trace: xr.Dataset) -> None:
        task = subject.run.task
        if not (isinstance(task, GroupTask) or task.operations == ("a + b",)):
            return
        measured = (
            trace if "output_pca" in trace else subject.measured([output_layer.OutputLayer()], subject.run.steps[-1:])
        )
        if isinstance(measured, Absent) or "output_pca" not in measured or not measured.output_pca[-1].notnull().all():
            return
        units = measured.output_explained.attrs["source"]
        what, _, beside = units.partition("; ")
        explained = f"The {what} is {float(measured.output_explained[-1]):.2f}{f' ({beside})' if beside else ''}."
        caption = f"{OUTPUT_GROUP if isinstance(task, GroupTask) else OUTPUT_SUM} {explained}"
        source = f"unembedding of {subject.run.name}, its first two principal components (Power et al. 2022)."
        section.plates.append(Plate("output-map", output_map(measured), caption, source))
