"""The figure of docs/early_warning.md: how early each measure warns on the held-out half, and how often in vain."""

from pathlib import Path

from grokinterp.reports import style
from grokinterp.reports.figures import palette
from grokinterp.reproduction.early_warning.courses import BASELINES, ORACLES
from grokinterp.reproduction.early_warning.page import held_out, order

FOLDER = Path(__file__).parents[1] / "reproduction" / "early_warning"


def figure():
    """A bar a measure with its interval, its false alarms in words beside it."""
    tried = held_out(FOLDER).trials
    names = order(tried)[::-1]
    of = [tried[name] for name in names]
    values = [trial.lead_share.value for trial in of]
    colours = [
        palette.NEUTRAL if name in BASELINES else palette.WARM if name in ORACLES else palette.ACCENT for name in names
    ]
    drawn = style.figure(
        height=60 + 28 * len(names), margin=dict(l=210, r=16, t=16, b=48),
        xaxis=dict(title="mean lead, share of the step of grokking", range=[0, 1.3], tickformat=".0%"),
    )  # fmt: skip
    drawn.add_bar(
        x=values, y=names, orientation="h", marker_color=colours, cliponaxis=False, hoverinfo="x+y",
        error_x=dict(
            type="data", symmetric=False, thickness=1, color=palette.NEUTRAL,
            array=[trial.lead_share.high - trial.lead_share.value for trial in of],
            arrayminus=[trial.lead_share.value - trial.lead_share.low for trial in of],
        ),
    )  # fmt: skip
    for name, trial in zip(names, of, strict=True):
        text = f"in vain {trial.false_alarms.count} of {trial.false_alarms.n}"
        drawn.add_annotation(x=1.3, y=name, xanchor="right", text=text, showarrow=False, font_size=11)
    return drawn.update_layout(showlegend=False)
