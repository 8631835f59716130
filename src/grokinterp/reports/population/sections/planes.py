"""Planes: where solved runs stand between clock and pizza, and the mean of every value of what varies, with bars."""

import numpy as np
import plotly.graph_objects as go
from jaxtyping import Float
from scipy import stats

from grokinterp.analysis.proportions import CONFIDENCE
from grokinterp.reports import style
from grokinterp.reports.population.population import Population, field_name, plotted
from grokinterp.reports.population.section import PageSection, PopulationSection
from grokinterp.reports.section import Plate
from grokinterp.reports.sections.clock_or_pizza import frame_of_plane, place

CAPTION = (
    "A clock's gradients differ between the operands and its logits do not depend on their distance, so it stands top "
    "left; a pizza at the bottom right. Small points are runs that solve their task, large ones the mean of a group, "
    "their bars its 95 % t interval (none for one run). Dashed lines are the thresholds of the verdict. Look for "
    "groups whose bars do not meet; of bars that meet, this picture does not tell whether the field moves anything."
)


class Planes(PopulationSection):
    """Of the last checkpoints, where they were measured."""

    order = 450
    title = "Clock and pizza"

    def fill(self, section: PageSection, population: Population) -> None:
        symmetricity = population.value("gradient_symmetricity_wide")
        symmetricity = np.where(np.isnan(symmetricity), population.value("gradient_symmetricity"), symmetricity)
        irrelevance = population.value("distance_irrelevance_runner_up")
        judged = population.table["verdict"].isin(["clock", "pizza", "mixed"]).to_numpy()
        stands = judged & np.isfinite(symmetricity) & np.isfinite(irrelevance)
        if not stands.any():
            return
        fields = [field for field in population.conditions if len(population.groups(field)) > 1]
        for field in fields[:2] or [None]:
            figure = _plane(population, field, stands, symmetricity, irrelevance)
            source = "gradients and logits of the last checkpoints, Zhong et al. 2023."
            section.plates.append(Plate(f"plane-{len(section.plates)}", figure, CAPTION, source))


def _plane(
    population: Population,
    field: str | None,
    stands: np.ndarray,
    symmetricity: Float[np.ndarray, "run"],
    irrelevance: Float[np.ndarray, "run"],
) -> go.Figure:
    figure = style.figure(520, hovermode="closest", margin=dict(t=16, b=110))
    names = np.array([plotted(str(name)) for name in population.table.index])
    for i, (name, mask) in enumerate(population.groups(field).items()):
        here = mask & stands
        if not here.any():
            continue
        color, _, marker = style.line(i)
        words = plotted(name if field is None else f"{field_name(field)} {name}")
        figure.add_scatter(
            x=place(symmetricity[here]), y=irrelevance[here], mode="markers", showlegend=False, legendgroup=words,
            cliponaxis=False, marker=dict(color=color, size=5, opacity=0.7, symbol=marker), text=names[here],
            customdata=symmetricity[here], hovertemplate="%{text}<br>symmetricity %{customdata:.3f}<br>irrelevance %{y:.3f}<extra></extra>",  # noqa: E501
        )  # fmt: skip
        (x, x_low, x_high), (y, y_low, y_high) = (mean_interval(values[here]) for values in (symmetricity, irrelevance))
        # The axis across is not even: its bars are the places of the interval's ends.
        at, left, right = place(np.clip(np.array([x, x_low, x_high]), -1, 1))
        figure.add_scatter(
            x=[at], y=[y], mode="markers", name=f"{words} ({int(here.sum())})", legendgroup=words,
            cliponaxis=False, marker=dict(color=color, size=12, symbol=marker, line=dict(color="white", width=1)),
            error_x=dict(array=[right - at], arrayminus=[at - left], color=color, thickness=1.8),
            error_y=dict(array=[y_high - y], arrayminus=[y - y_low], color=color, thickness=1.8),
            hovertemplate=f"{words}, mean of {int(here.sum())}<extra></extra>",
        )  # fmt: skip
    return frame_of_plane(figure).update_layout(showlegend=True, legend=dict(y=-0.18))


def mean_interval(values: Float[np.ndarray, "run"]) -> tuple[float, float, float]:
    """The mean with its t interval; three times the value where there is one."""
    mean = float(values.mean())
    if len(values) < 2 or np.ptp(values) == 0:
        return mean, mean, mean
    low, high = stats.t.interval(CONFIDENCE, len(values) - 1, loc=mean, scale=stats.sem(values))
    return mean, float(low), float(high)
