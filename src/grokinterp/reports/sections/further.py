"""Further measures: whatever else was measured, drawn from its dims, such as circuits that no section knows."""

import xarray as xr

from grokinterp.errors import BadRequest, listed
from grokinterp.reports import drawing, labels, prose
from grokinterp.reports.section import Fact, Finding, Plate, Section
from grokinterp.reports.sections import shown_variables
from grokinterp.reports.subject import Subject


class Further(Finding):
    """A figure a variable."""

    order = 510
    title = "Further measures"
    level = 2

    def fill(self, section: Section, subject: Subject, trace: xr.Dataset) -> None:
        shown = shown_variables()
        for name in map(str, trace.data_vars):
            if name not in shown:
                _draw(section, subject, trace[name])


def _draw(section: Section, subject: Subject, variable: xr.DataArray) -> None:
    name, steps = str(variable.name), variable.step.values.tolist()
    if variable.ndim == 1 and len(steps) == 1:
        value = variable.values[-1]
        units = variable.attrs.get("units", "")
        text = prose.scientific(float(value), 4) if variable.dtype.kind == "f" else str(value)
        section.facts.append(Fact(drawing.labels.quantity(name, units), text, variable.attrs.get("source", "")))
        return
    if not _is_known(variable):
        section.facts.append(Fact(drawing.labels.spoken(name), "not defined here", variable.attrs.get("source", "")))
        return
    try:
        figure = drawing.draw(variable)
        frames = [drawing.frame(variable, step) for step in subject.frame_steps] if variable.ndim > 1 else []
    except BadRequest as error:
        section.notes.append(f"{drawing.labels.spoken(name)}: {error}.")
        return
    source = f"{variable.attrs.get('source') or 'a circuit'}, measured on {subject.run.name}."
    section.plates.append(Plate(f"own-{name}", figure, caption(variable), source, frames))


def _is_known(variable: xr.DataArray) -> bool:
    """Whether there is anything to draw: not all NaN."""
    return variable.dtype.kind != "f" or bool(variable.notnull().any())


def caption(variable: xr.DataArray) -> str:
    """Under a figure that was drawn from a variable's dims alone: its dims and its own words."""
    dims = [labels.spoken(str(dim)) for dim in variable.dims if dim != "step"]
    over = f"over {listed(dims)}" if dims else "one number a checkpoint"
    words = labels.spoken(str(variable.name))
    return f"{words[:1].upper()}{words[1:]}, {over}. Look for what changes where the test accuracy rises."
