"""Elements: the small parts that the explorer's page is built from."""

from typing import Any

from dash import dcc, html

from grokinterp.explorer.page.controls import options
from grokinterp.explorer.page.figures import nothing

GRAPH: Any = {
    "displayModeBar": False,
    "responsive": True,
    "displaylogo": False,
    "doubleClick": "reset",
    "scrollZoom": False,
}


def slider(name: str) -> html.Div:
    """A slider over checkpoints, which answers when the mouse is let go."""
    slider = dcc.Slider(
        id=name, min=0, max=1, step=1, value=0, marks=None, tooltip=None, allow_direct_input=False, updatemode="mouseup"
    )
    return html.Div(slider, className="slider")


def radio(name: str, named: dict[str, str], kind: str = "segments") -> dcc.RadioItems:
    """One of several values, each with its label; the first is set."""
    return dcc.RadioItems(id=name, options=options(named), value=next(iter(named)), className=kind, inline=True)


def chips(name: str, kind: str = "chips") -> dcc.Checklist:
    """Any of several values, which a callback fills in."""
    return dcc.Checklist(id=name, options=[], value=[], className=kind, inline=True)


def numbers(which: str) -> html.Div:
    """The row of numbers above a page's figures."""
    return html.Div(id=f"{which}numbers", className="numbers")


def graph(name: str) -> dcc.Graph:
    """A figure without plotly's tool bar."""
    return dcc.Graph(id=name, config=GRAPH, figure=nothing(""), responsive=True, className="graph")


def panel(title: Any, *inside: Any, name: str = "", tools: Any = ()) -> html.Section:
    """A titled box; `tools` stand beside the title, whose words a callback changes where it has a `name`."""
    heading = html.Div([html.H2(title, id=f"{name}-title") if name else html.H2(title), *tools], className="line")
    return html.Section([heading, *inside], className="panel")
