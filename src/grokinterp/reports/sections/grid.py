"""Grid: whether the embedding of points lies in a plane as the points do."""

import numpy as np
import plotly.graph_objects as go
import xarray as xr
from jaxtyping import Float

from grokinterp.reports import style
from grokinterp.reports.figures import palette
from grokinterp.reports.figures.curves import INDEX, SHARE, Curve, panels
from grokinterp.reports.section import Finding, Frame, Plate, Section
from grokinterp.reports.subject import Subject

GRID_OVER_TIME = (
    "First panel, how well the points' places can be read off their embedding; second panel, the test accuracy. Look "
    "for the first two components rising with or after the accuracy: the grid sharpens once the model generalises."
)

GRID = (
    "Every point of the grid in the embedding's first two components, joined to its neighbours. Look for a net without "
    "crossings; components may be turned, mirrored and stretched."
)


class Grid(Finding):
    """How it looks there, and how well the places can be read off."""

    order = 330
    title = "The grid"
    variables = (
        "grid_r2",
        "grid_r2_all",
        "grid_plane",
    )
    requires = ("grid_r2",)

    def fill(self, section: Section, subject: Subject, trace: xr.Dataset) -> None:
        coordinates = subject.run.task.coordinates
        if coordinates is None:
            return
        last = trace.isel(step=-1)
        source = f"embedding of {subject.run.name}, principal components"
        shares = [(n, float(last.grid_r2.sel(components=n))) for n in last.components.values]
        shares_in_words = ", ".join(f"{share:.2f} of the first {n}" for n, share in shares)
        section.paragraphs.append(
            f"R² of the best affine map from principal components to (x, y) at the end: {shares_in_words}."
        )
        if trace.sizes["step"] > 1:
            r2 = [
                (Curve.read(trace.grid_r2.sel(components=n)), f"first {n} components", *style.line(i)[:2])
                for i, n in enumerate(trace.components.values)
            ]
            right = [
                (Curve.read(trace["test_accuracy"]), "test accuracy", palette.NEUTRAL, "solid"),
                (Curve.read(trace["test_accuracy_unswapped"]), "without swapped pairs", palette.NEUTRAL, "dot"),
            ]
            figure = panels(["R² of (x, y)", "test accuracy"], [r2, right], [INDEX, SHARE])
            section.plates.append(Plate("grid-over-time", figure, GRID_OVER_TIME, f"{source}."))
        figure, frames = plane(trace.grid_plane.sel(step=subject.frame_steps), coordinates.numpy(), subject)
        section.plates.append(Plate("grid", figure, GRID, f"{source} 1 and 2.", frames))


def plane(
    over: xr.DataArray, coordinates: Float[np.ndarray, "point xy"], subject: Subject
) -> tuple[go.Figure, list[Frame]]:
    """Points in their first two principal components, neighbours on the grid joined; a frame for each step."""
    over = over.sel(component=[1, 2])  # others are of other circuits
    apart = coordinates[None] - coordinates[:, None]
    figure = style.figure(560, hovermode="closest", margin=dict(l=64, r=16, t=16, b=60))
    edges = [np.argwhere((apart == step).all(-1)) for step in ((1, 0), (0, 1))]
    frames = [_drawn(values, edges) for values in over.values]
    for name, color, line in zip(("neighbours in x", "neighbours in y"), (palette.ACCENT, palette.WARM), frames[-1], strict=False):  # fmt: skip # noqa: E501
        figure.add_scatter(**line, mode="lines", line=dict(color=color, width=1.2), name=name, hoverinfo="skip")
    names = subject.run.task.tokens[: len(coordinates)]
    figure.add_scatter(
        **frames[-1][-1], mode="markers", marker=dict(color=palette.NEUTRAL, size=6), text=names, showlegend=False,
        hovertemplate="point %{text}<extra></extra>",
    )  # fmt: skip
    figure.update_xaxes(dict(title_text="component 1", zeroline=False, showgrid=False))
    figure.update_yaxes(dict(title_text="component 2", showgrid=False, scaleanchor="x"))
    return figure.update_layout(showlegend=True, legend=dict(y=-0.1)), frames


def _drawn(points: Float[np.ndarray, "point component"], edges: list[np.ndarray]) -> Frame:
    """Both kinds of edges, each a line with gaps, and the points themselves."""
    lines = [np.insert(points[pair], 2, np.nan, axis=1).reshape(-1, 2) for pair in edges]
    return [dict(zip("xy", each.T.astype(np.float32), strict=True)) for each in (*lines, points)]
