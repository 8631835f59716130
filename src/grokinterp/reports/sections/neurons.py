"""Neurons: the frequency each is tuned to, and a few of them in full."""

from typing import Any

import numpy as np
import plotly.graph_objects as go
import xarray as xr

from grokinterp.reports import prose, style
from grokinterp.reports.figures import palette, spectra
from grokinterp.reports.section import Absent, Finding, Frame, Plate, Section
from grokinterp.reports.style import heading, panel
from grokinterp.reports.subject import Subject

CLUSTERS = (
    "Above, how many neurons each frequency has; below, every neuron, and the share of its variance that its frequency "
    "explains. Look for neurons that gather in a few columns and climb to the top."
)

NEURONS = (
    "Activations for every pair of operands of the best tuned neuron of the largest clusters, from 0, which is blank, "
    "to its own largest at the end, and under each the "
    "strongest entries of its 2-D spectrum at the end, a dot the larger the stronger. Look for stripes and for "
    "checkers: dots on the edges are waves of one operand, a square of dots is their product."
)

STRONGEST = 60
"""How many components of a 2-D spectrum are drawn; the rest are too small to see."""


class Neurons(Finding):
    """All by their frequency, and the best tuned ones as maps."""

    order = 410
    title = "The neurons"
    variables = (
        "neuron_frequency",
        "neuron_fve",
        "neurons_per_frequency",
    )
    requires = ("neuron_frequency",)

    def fill(self, section: Section, subject: Subject, trace: xr.Dataset) -> None:
        figure, frames = clusters(trace, subject.frame_steps, spectra.frequency_axis(trace))
        source = prose.source(subject.run, "neurons after their activation function")
        section.plates.append(Plate("neurons", figure, CLUSTERS, source, frames))
        framed = subject.frames
        if not isinstance(framed, Absent) and framed.sizes.get("example"):
            figure, frames = maps(framed)
            source = prose.source(subject.run, "neurons of the last layer", subject.frame_steps)
            section.plates.append(Plate("neuron-maps", figure, NEURONS, source, frames))


def clusters(trace: xr.Dataset, steps: list[int], ticks: str) -> tuple[go.Figure, list[Frame]]:
    """Above how many neurons each frequency has, below every neuron by its frequency and how well that explains it."""
    figure = style.figure(500, margin=dict(t=30), barmode="stack", hovermode="closest")
    chosen = trace.sel(step=steps)
    frames: list[Frame] = [[] for _ in steps]
    top, low = panel(figure, 0, 0, 0, 2, 1, high=0.72), panel(figure, 1, 1, 0, 2, 1, high=0.72)
    several = trace.sizes["layer"] > 1
    for i, layer in enumerate(trace.layer.values):
        color = palette.LINES[i % len(palette.LINES)]
        name = f"layer {layer}"
        counts = chosen["neurons_per_frequency"].isel(layer=i).values
        figure.add_bar(
            x=trace.k.values, y=counts[-1], name=name, legendgroup=name, showlegend=several, marker=dict(color=color),
            hovertemplate="k = %{x}: %{y} neurons<extra></extra>", **top,
        )  # fmt: skip
        frequency, fve = (chosen[f"neuron_{kind}"].isel(layer=i).values for kind in ("frequency", "fve"))
        figure.add_scatter(
            x=frequency[-1], y=fve[-1].astype(np.float32), mode="markers", name=name, legendgroup=name,
            showlegend=False, marker=dict(color=color, size=5, opacity=0.45), customdata=trace.neuron.values,
            hovertemplate="neuron %{customdata}: k = %{x}, %{y:.1%}<extra></extra>", **low,
        )  # fmt: skip
        for j, frame in enumerate(frames):
            frame += [{"y": counts[j]}, {"x": frequency[j], "y": fve[j].astype(np.float32)}]
    last = float(trace.k.values[-1]) + 1
    highest = int(chosen["neurons_per_frequency"].values.sum(1).max())
    figure.update_layout(
        xaxis=dict(range=[-1, last], title_text="frequency k", showticklabels=False),
        xaxis2=dict(range=[-1, last], title_text=ticks),
        yaxis=dict(title_text="neurons", range=[0, highest * 1.06]),
        yaxis2=dict(title_text="variance explained", range=[-0.04, 1.04], tickformat=".0%"),
        legend=dict(y=-0.16),
        meta=dict(paper=dict(height=450), narrow={"xaxis.title.text": ""}),
    )
    heading(figure, "", "neurons tuned to each frequency", 13)
    heading(figure, "2", "how well its frequency explains each neuron", 13)
    return figure, frames


def maps(found: xr.Dataset) -> tuple[go.Figure, list[Frame]]:
    """Each example neuron's activation for every pair of operands, and under it its 2-D spectrum at the end.

    The colours of each go up to its own largest activation at the end, which its heading tells.
    """
    n = found.sizes["example"]
    last = found.isel(step=-1)
    figure = style.figure(580, hovermode="closest", margin=dict(t=68))
    values = found["neuron_map"].values
    frames: list[Frame] = [[] for _ in found.step.values]
    # Places, not numbers, along the axes: on the cycle of discrete logs neighbours are not one apart.
    additive = bool((found.a.values == np.arange(found.sizes["a"])).all())
    for i, neuron in enumerate(found.example.values):
        above, below = panel(figure, i, 0, i, 2, n, high=0.74), panel(figure, n + i, 1, i, 2, n, high=0.72)
        number, under = above["xaxis"][1:], below["xaxis"][1:]
        figure.add_heatmap(
            z=values[-1, i], coloraxis=f"coloraxis{number}", hovertemplate="%{z:.3f}<extra></extra>", **above
        )
        for frame, one in zip(frames, values[:, i], strict=True):
            frame += [{"z": one}, {}]  # the spectrum under it stands still
        # A product has no rows for the operand zero: they are NaN.
        largest = float(np.nanmax(np.abs(values[-1, i]), initial=0)) or 1.0
        least = float(np.nanmin(values[-1, i], initial=0))
        scale = dict(colorscale=palette.SEQUENTIAL, cmin=0) if least > -1e-3 * largest else signed(largest)
        figure.update_layout({f"coloraxis{number}": dict(scale, cmax=largest, showscale=False)})
        k, fve = int(last["example_frequency"][i]), float(last["example_fve"][i])
        top = prose.scientific(largest, 2)
        heading(figure, number, f"<b>neuron {neuron}</b><br>frequency {k}, {fve:.0%}<br>up to {top}")
        figure.layout[f"xaxis{number}"].update(
            title_text="b" if additive else "place of b", constrain="domain", showgrid=False, nticks=4
        )
        title = ("a" if additive else "place of a") if i == 0 else ""
        figure.layout[f"yaxis{number}"].update(
            title_text=title,
            scaleanchor=above["xaxis"],
            constrain="domain",
            showgrid=False,
            nticks=4,
            **style.DOWNWARDS,
        )
        _spectrum(figure, last["neuron_fourier_norm"].isel(example=i), below, i == 0)
        figure.layout[f"xaxis{under}"].update(title_text="row of b")
    axes = [name for name in figure.layout if name.startswith("coloraxis")]
    sequential = [name for name in axes if figure.layout[name]["cmin"] == 0]
    figure.update_layout(showlegend=False, meta=dict(sequential=sequential, **_narrow(n)))
    return figure, frames


def signed(largest: float) -> dict[str, object]:
    """Colours for values of both signs, the same on either side of 0."""
    return dict(colorscale=palette.SIGNED, cmin=-largest)


def _spectrum(figure: go.Figure, norms: xr.DataArray, axes: dict[str, str], titled: bool) -> None:
    z = norms.values
    strongest = np.argsort(z, axis=None)[::-1][:STRONGEST]
    row, column = np.unravel_index(strongest, z.shape)
    largest = float(z.max()) or 1.0
    names = [str(name) for name in norms.basis_a.values]
    size = 2 + 11 * z[row, column] / largest
    text = [f"{names[i]} of a, {names[j]} of b: {z[i, j]:.3g}" for i, j in zip(row, column, strict=True)]
    figure.add_scatter(
        x=column, y=row, mode="markers", text=text, hovertemplate="%{text}<extra></extra>",
        marker=dict(size=size.astype(np.float32), color=palette.ACCENT, opacity=0.75, line=dict(width=0)), **axes,
    )  # fmt: skip
    ks = _nice(len(names) // 2)
    ticks: dict[str, Any] = dict(
        tickvals=[0, *(2 * k - 0.5 for k in ks)], ticktext=["const", *map(str, ks)], range=[-3, len(names) + 2]
    )
    number = axes["xaxis"][1:]
    figure.layout[f"xaxis{number}"].update(constrain="domain", **ticks)
    figure.layout[f"yaxis{number}"].update(
        title_text="row of a" if titled else "",
        scaleanchor=axes["xaxis"],
        constrain="domain",
        **{**ticks, "range": ticks["range"][::-1]},
    )


def _nice(largest: int) -> list[int]:
    step = next(step for step in (1, 2, 5, 10, 20, 50, 100, 200, 500, 10**6) if largest / step <= 3.5)
    return list(range(step, largest + 1, step))


def _narrow(n: int) -> dict[str, dict[str, object]]:
    """On a phone one neuron stands beside its spectrum, the next below."""
    changes: dict[str, object] = {"height": 235 * n + 60, "margin.t": 64, "margin.r": 12}
    for i in range(n):
        top, bottom = 1 - i / n, 1 - (i + 0.62) / n
        for at, left in ((i, 0.0), (n + i, 0.66)):
            number = "" if at == 0 else str(at + 1)
            changes[f"xaxis{number}.domain"] = [left, left + 0.34 + 0.06 * (at < n)]
            changes[f"yaxis{number}.domain"] = [max(bottom, 0), top]
            if i < n - 1:  # it would meet the heading of the next
                changes[f"xaxis{number}.title.text"] = ""
    return {"narrow": changes}
