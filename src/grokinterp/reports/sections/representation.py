"""Representation: where the lines of each gradient lie in a vision transformer, wherever they are drawn."""

import numpy as np
import plotly.graph_objects as go
import xarray as xr

from grokinterp.reports import style
from grokinterp.reports.figures import palette
from grokinterp.reports.figures.curves import SHARE, Curve, panels
from grokinterp.reports.section import Finding, Frame, Plate, Section
from grokinterp.reports.subject import Subject
from grokinterp.tasks.lines import Lines

IMAGE_PLANE = (
    "One point an image, a colour a gradient dy/dx, counted downwards. Look for gradients that gather in clusters of "
    "their own, wherever in the image a line lies."
)

TRANSLATION = (
    "The share of the variance that lies between gradients, 1 where all images of one gradient are one point. Look for "
    "a rise far above that of the images themselves, which is what no model has touched."
)


class Representation(Finding):
    """A colour a gradient."""

    order = 400
    title = "The representation"
    variables = (
        "translation_plane",
        "translation_class",
        "translation_invariance_in_plane",
        "translation_invariance",
        "translation_invariance_of_pixels",
    )
    requires = ("translation_plane",)

    def fill(self, section: Section, subject: Subject, trace: xr.Dataset) -> None:
        task = subject.run.task
        if not isinstance(task, Lines):
            return
        source = f"representation of {subject.run.name} before its unembedding, every image of the table."
        figure, frames = plane(trace, task.tokens, subject.frame_steps)
        section.plates.append(Plate("image-plane", figure, IMAGE_PLANE, source, frames))
        if trace.sizes["step"] > 1:
            named = (
                ("translation_invariance_in_plane", "in this plane", palette.ACCENT, "solid"),
                ("translation_invariance", "in all dimensions", palette.WARM, "solid"),
                ("translation_invariance_of_pixels", "of the images themselves", palette.NEUTRAL, "dot"),
            )
            lines = [(Curve.read(trace[name]), said, color, dash) for name, said, color, dash in named]
            figure = panels(["share between gradients"], [lines], [SHARE])
            section.plates.append(Plate("translation", figure, TRANSLATION, source))


def plane(trace: xr.Dataset, gradients: list[str], steps: list[int]) -> tuple[go.Figure, list[Frame]]:
    """One point an image at the last step; and the points at each of `steps`."""
    labels = trace.translation_class.values[-1]
    members = [np.flatnonzero(labels == i) for i in range(len(gradients))]

    def points(step: int) -> Frame:
        x, y = trace.translation_plane.sel(step=step).values.T.astype(np.float32)
        return [{"x": x[rows], "y": y[rows]} for rows in members]

    figure = style.figure(480, hovermode="closest")
    for i, (name, place) in enumerate(zip(gradients, points(int(trace.step[-1])), strict=True)):
        color, shape = palette.LINES[i % len(palette.LINES)], palette.MARKERS[i % len(palette.MARKERS)]
        marker = dict(size=6, color=color, symbol=shape, opacity=0.7)
        figure.add_scatter(mode="markers", name=name, marker=marker, **place)
    figure.update_xaxes(title_text="first component")
    return figure.update_yaxes(title_text="second component"), [points(step) for step in steps]
