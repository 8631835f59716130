"""Paper: a figure at the width of a column and with its size of text, as a journal asks for."""

import math
from typing import Any

import plotly.graph_objects as go

from grokinterp.config.validation import has_type, plain, shown
from grokinterp.errors import BadRequest

PIXELS = 96 / 2.54
"""Pixels of a browser to the centimetre."""

POINTS = 96 / 72
"""Pixels of a browser to the point."""

NARROW = 560
"""Pixels below which a figure takes the layout that it has for a phone, as on the report's page."""

DRAWN_AT = 700
"""The width in pixels for which the heights of figures are made."""

TEXT = 13
"""The size of a figure's text in pixels, for which its margins are made."""

LETTER = 0.56
"""The width of a letter as a share of the size of its text, on average."""

INK = dict(paper_bgcolor="white", font_color="#3f454d")


LONGEST = 1000
"""Centimetres of a figure, and points of its text."""


def check_size(width_cm: float | None, font_pt: float | None) -> None:
    """Raise `BadRequest` for what is no length, and for one that nobody prints."""
    for name, value in (("width_cm", width_cm), ("font_pt", font_pt)):
        is_number = has_type(plain(value), float | None)
        if not is_number or (value is not None and not 0 < value <= LONGEST):
            raise BadRequest(f"{name} must be above 0 and at most {LONGEST}, not {shown(value)}")


def is_narrow(width_cm: float | None, font_pt: float | None) -> bool:
    """Whether it is as narrow as a phone, measured by the size of the text."""
    check_size(width_cm, font_pt)
    return width_cm is not None and width_cm * PIXELS < NARROW * _scale(font_pt)


def _scale(font_pt: float | None) -> float:
    return 1.0 if font_pt is None else font_pt * POINTS / TEXT


def on_paper(figure: go.Figure) -> go.Figure:
    """On white, without what only a screen has: buttons, and curves that wait in the legend."""
    copy: Any = type(figure)(figure).update_layout(INK)
    if copy.layout.updatemenus:
        copy.layout.update(updatemenus=[], overwrite=True)
        _without_buttons(copy)
    copy.data = [trace for trace in copy.data if trace.visible != "legendonly"]
    return copy


def _without_buttons(figure: go.Figure) -> None:
    """The plot moves up to where the buttons stood, but for the height of half a tick's label."""
    layout = figure.layout.to_plotly_json()
    usual = layout.get("template", {}).get("layout", {})
    top = layout.get("margin", {}).get("t", usual.get("margin", {}).get("t", 0))
    left = min(top, round(1.2 * layout.get("font", {}).get("size", TEXT)))
    figure.update_layout(height=layout["height"] - top + left, margin=dict(t=left))


def sized(figure: go.Figure, width_cm: float | None = None, font_pt: float | None = None) -> go.Figure:
    """At a width on paper and with one size of text, to which margins, ticks and gaps keep their proportion."""
    check_size(width_cm, font_pt)
    layout = figure.layout.to_plotly_json()
    usual = layout.get("template", {}).get("layout", {})
    scale = _scale(font_pt)
    if width_cm is not None:
        wide = width_cm * PIXELS / scale
        margin = {**usual.get("margin", {}), **layout.get("margin", {})}
        if narrow := layout.get("meta", {}).get("narrow") if is_narrow(width_cm, font_pt) else None:
            figure.update_layout({name: value for name, value in narrow.items() if not name.startswith("updatemenus")})
        else:
            _proportioned(figure, layout, margin, wide)
        figure.update_layout(width=wide)
    if scale != 1:
        figure.layout = _times(scale, figure.layout.to_plotly_json())
    if font_pt is not None:
        _in_one_size(figure, TEXT * scale)
    return figure


def _proportioned(figure: go.Figure, layout: dict[str, Any], margin: dict[str, float], wide: float) -> None:
    """A plot of the shape that it has on a wide page, but half as high as wide at least, with room for its words."""
    down, across = margin["t"] + margin["b"], margin["l"] + margin["r"]
    high = max((layout["height"] - down) * (wide - across) / (DRAWN_AT - across), 0.5 * (wide - across))
    title = layout.get("yaxis", {}).get("title", {}).get("text", "")
    if len(title) * LETTER * TEXT > high and " (" in title:
        figure.update_yaxes(title_text=title.replace(" (", "<br>("), selector=dict(title_text=title))
        margin["l"] += round(1.3 * TEXT)
    rows = _legend_rows(figure, wide - across)
    if rows:
        margin["b"] = round((4 + 1.6 * rows) * TEXT)
        figure.update_layout(legend=dict(y=-3.6 * TEXT / high, yanchor="top"))
    figure.update_layout(height=high + margin["t"] + margin["b"], margin=margin)
    for axis in figure.select_xaxes(selector=dict(type="category")):
        words = [str(word) for trace in figure.data for word in (trace.x if trace.x is not None else ())]
        fits = (wide - across) / (max(map(len, words), default=1) * LETTER * TEXT + TEXT)
        axis.update(dtick=math.ceil(len(dict.fromkeys(words)) / max(fits, 1)), tickangle=0)


def _legend_rows(figure: go.Figure, wide: float) -> int:
    """How many lines a legend needs that is so wide; none where there is none, or it stands beside or above."""
    layout: Any = figure.layout
    shown = [one for one in (*figure.data, *layout.shapes) if one.name and one.showlegend is not False]
    if (len(shown) < 2 and not layout.showlegend) or (layout.legend.y or 0) > 0:
        return 0
    widths = [len(one.name) * LETTER * TEXT + 48 for one in shown]
    # What does not fit into one line stands in columns, all as wide as the widest.
    return 1 if sum(widths) <= wide else math.ceil(len(widths) / max(1, int(wide / max(widths))))


IN_PIXELS = {"size", "ticklen", "standoff", "thickness", "height", "width", "xshift", "yshift", *"lrtb"}
"""Settings of a layout that are lengths; the others are places on axes, shares and words."""


def _times(scale: float, setting: Any, name: str = "") -> Any:
    """A layout whose lengths are so many times as long."""
    if isinstance(setting, dict):
        return {key: _times(scale, each, key) for key, each in setting.items()}
    if isinstance(setting, (list, tuple)):
        return [_times(scale, each) for each in setting]
    return setting * scale if name in IN_PIXELS and isinstance(setting, (int, float)) else setting


def _in_one_size(figure: go.Figure, size: float) -> None:
    figure.update_layout(font_size=size, title_font_size=size, legend_font_size=size)
    for axes in (figure.update_xaxes, figure.update_yaxes):
        axes(title_font_size=size, tickfont_size=size)
        # Plotly draws the 10 of a power larger than other numbers.
        axes(tickfont_size=0.8 * size, selector=dict(type="log", exponentformat="power"))
    figure.update_coloraxes(colorbar_tickfont_size=size, colorbar_title_font_size=size)
    figure.update_annotations(font_size=size)
