"""Phase changes: the curve of every token of an answer, the heads of induction, and the grid behind a slope."""

import numpy as np
import plotly.graph_objects as go
import xarray as xr
from jaxtyping import Float

from grokinterp.reports import prose, style
from grokinterp.reports.figures.curves import Curve, panels
from grokinterp.reports.section import Fact, Frame, Plate, Section
from grokinterp.reports.sections import captions
from grokinterp.reports.subject import Subject

_MOST = len(style.LINES)
"""Lines that are drawn of positions or heads: one for each colour."""


def tokens(subject: Subject, trace: xr.Dataset) -> Section | None:
    """Loss and accuracy of each token of the answer by itself."""
    if "loss_by_position" not in trace:
        return None
    section = Section("Token by token")
    if trace.sizes["step"] == 1:
        last = trace.isel(step=-1)
        for i, position in enumerate(last.position.values):
            one = last.sel(position=position)
            said = f"loss {prose.scientific(float(one.loss_by_position))} nats, {prose.percent(float(one.accuracy_by_position))} right"  # fmt: skip # noqa: E501
            section.facts.append(Fact(f"answer token {i + 1}", said, f"read at position {position} of the row"))
        return section
    source = f"rows of {subject.run.name}, {prose.checkpoints(subject.run.steps)}."
    section.plates.append(Plate("tokens", by_token(trace), captions.TOKENS, source))
    return section


def by_token(trace: xr.Dataset) -> go.Figure:
    """Loss and accuracy over steps, a line a token; dotted those of the rows trained on, where there are such."""
    drawn: dict[str, list[tuple[Curve, str, str, str]]] = {"loss": [], "accuracy": []}
    for measure, lines in drawn.items():
        for side, name, dash in (("", "", "solid"), ("train_", ", train", "dot")):
            for i, position in enumerate(trace.position.values[:_MOST]):
                curve = Curve.read(trace[f"{side}{measure}_by_position"].sel(position=position))
                lines.append((curve, f"token {i + 1}{name}", style.LINES[i], dash))
    half = Curve.read(trace.uniform_loss / 2)
    drawn["loss"].append((half, "half of a uniform guess", style.NEUTRAL, "dash"))
    titles = ["loss of a token (nats)", "share of rows right"]
    figure = panels(titles, list(drawn.values()), [None, [-0.03, 1.03]])
    return figure.update_layout(yaxis=dict(type="log", exponentformat="power"))


def induction(subject: Subject, trace: xr.Dataset) -> Section | None:
    """Which heads attend to the previous token, and which to what followed an earlier occurrence."""
    if "induction_score" not in trace:
        return None
    said = (
        f"Some head's induction score reaches a half at step {trace.attrs['induction_step']:,}."
        if "induction_step" in trace.attrs
        else "No head's induction score reaches a half."
    )
    section, last = Section("The induction heads", [said]), trace.isel(step=-1)
    heads = [(layer, head) for layer in range(trace.sizes["layer"]) for head in range(trace.sizes["head"])]
    if trace.sizes["step"] == 1:
        for layer, head in heads:
            at = last.isel(layer=layer, head=head)
            value = f"induction {float(at.induction_score):.2f}, previous token {float(at.previous_token_score):.2f}"
            section.facts.append(Fact(f"head {layer}.{head}", value, "shares of attention"))
        return section
    # The heads that come to do either thing, where there are more than colours.
    best = lambda at: -max(float(last[f"{kind}_score"].isel(layer=at[0], head=at[1])) for kind in _KINDS)
    chosen = sorted(sorted(heads, key=best)[:_MOST])
    lines = [
        [
            (Curve.read(trace[f"{kind}_score"].isel(layer=i, head=j)), f"head {i}.{j}", style.LINES[n], _DASH[i % 3])
            for n, (i, j) in enumerate(chosen)
        ]
        for kind in _KINDS
    ]
    figure = panels([f"{said} score" for said in _KINDS.values()], lines, [[-0.03, 1.03]] * 2)
    source = f"attention patterns of {subject.run.name} (Olsson et al. 2022)."
    section.plates.append(Plate("induction", figure, captions.INDUCTION, source))
    return section


_KINDS = {"previous_token": "previous-token", "induction": "induction"}
_DASH = ("dot", "solid", "dash")


def grid(subject: Subject, trace: xr.Dataset) -> Section | None:
    """Whether the embedding of points lies in a plane as the points do, and how it looks there."""
    coordinates = subject.run.task.coordinates
    if "grid_r2" not in trace or coordinates is None:
        return None
    section, last = Section("The grid"), trace.isel(step=-1)
    source = f"embedding of {subject.run.name}, principal components"
    told = ", ".join(f"{float(last.grid_r2.sel(components=n)):.2f} of the first {n}" for n in last.components.values)
    section.paragraphs.append(f"R² of the best affine map from principal components to (x, y) at the end: {told}.")
    if trace.sizes["step"] > 1:
        r2 = [
            (Curve.read(trace.grid_r2.sel(components=n)), f"first {n} components", style.LINES[i], "solid")
            for i, n in enumerate(trace.components.values)
        ]
        right = [
            (Curve.read(trace["test_accuracy"]), "test accuracy", style.NEUTRAL, "solid"),
            (Curve.read(trace["test_accuracy_unswapped"]), "without swapped pairs", style.NEUTRAL, "dot"),
        ]
        figure = panels(["R² of (x, y)", "test accuracy"], [r2, right], [[-0.03, 1.03]] * 2)
        section.plates.append(Plate("grid-over-time", figure, captions.GRID_OVER_TIME, f"{source}."))
    figure, frames = plane(trace.grid_plane.sel(step=subject.frame_steps), coordinates.numpy(), subject)
    section.plates.append(Plate("grid", figure, captions.GRID, f"{source} 1 and 2.", frames))
    return section


def plane(
    over: xr.DataArray, coordinates: Float[np.ndarray, "point xy"], subject: Subject
) -> tuple[go.Figure, list[Frame]]:
    """Points in their first two principal components, neighbours on the grid joined; a frame for each step."""
    over = over.sel(component=[1, 2])  # others are of other circuits
    apart = coordinates[None] - coordinates[:, None]
    figure = style.figure(560, hovermode="closest", margin=dict(l=64, r=16, t=16, b=60))
    edges = [np.argwhere((apart == step).all(-1)) for step in ((1, 0), (0, 1))]
    frames = [_drawn(values, edges) for values in over.values]
    for name, color, line in zip(("neighbours in x", "neighbours in y"), (style.ACCENT, style.WARM), frames[-1], strict=False):  # fmt: skip # noqa: E501
        figure.add_scatter(**line, mode="lines", line=dict(color=color, width=1.2), name=name, hoverinfo="skip")
    names = subject.run.task.tokens[: len(coordinates)]
    figure.add_scatter(
        **frames[-1][-1], mode="markers", marker=dict(color=style.NEUTRAL, size=6), text=names, showlegend=False,
        hovertemplate="point %{text}<extra></extra>",
    )  # fmt: skip
    figure.update_xaxes(dict(title_text="component 1", zeroline=False, showgrid=False))
    figure.update_yaxes(dict(title_text="component 2", showgrid=False, scaleanchor="x"))
    return figure.update_layout(showlegend=True, legend=dict(y=-0.1)), frames


def _drawn(points: Float[np.ndarray, "point component"], edges: list[np.ndarray]) -> Frame:
    """Both kinds of edges, each a line with gaps, and the points themselves."""
    lines = [np.insert(points[pair], 2, np.nan, axis=1).reshape(-1, 2) for pair in edges]
    return [dict(zip("xy", each.T.astype(np.float32), strict=True)) for each in (*lines, points)]
