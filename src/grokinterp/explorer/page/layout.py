"""Layout: the page's skeleton. Everything in it is filled by callbacks."""

from collections.abc import Mapping
from typing import Any

from dash import dcc, html

from grokinterp.explorer.neurons import AXES
from grokinterp.explorer.page import phases, text
from grokinterp.explorer.page.controls import HOWS, MAPS, MODES, PAGES, PLACES, SCALES, SIDES, SPEEDS, options
from grokinterp.explorer.page.figures import nothing
from grokinterp.explorer.page.population import RUNS
from grokinterp.runs.run import Run
from grokinterp.tasks.groups import GroupTask

USUAL_SPEED = 250
"""Milliseconds between two checkpoints, where nobody chooses."""

GRAPH: Any = {
    "displayModeBar": False,
    "responsive": True,
    "displaylogo": False,
    "doubleClick": "reset",
    "scrollZoom": False,
}
DRAWS = tuple(f"draw-{panel}" for panel in ("neurons", "neuron", "place", "attention", "pair", "phases", "compare"))
STORES = ("history", "lasso", "boxes", "operands", "news", *DRAWS, "compared", "filled", "filled-phases", "export")


def name(runs: Mapping[str, Run]) -> str:
    """What is open, in a word or two."""
    return next(iter(runs)) if len(runs) == 1 else f"{len(runs)} runs"


def heading(runs: Mapping[str, Run]) -> str:
    """What is open, and the task where all runs have the same."""
    tasks = {str(run.config.task.expression) if run.has_config else run.task.expression for run in runs.values()}
    return f"{name(runs)}: {tasks.pop()}" if len(tasks) == 1 else name(runs)


def page(runs: Mapping[str, Run]) -> html.Div:
    """The whole page."""
    of_groups = all(run.has_task and isinstance(run.task, GroupTask) for run in runs.values())
    waves = "Irreps in the logits" if of_groups else "Waves in the logits"
    return html.Div(
        [
            dcc.Location(id="url", refresh=False),
            *(dcc.Store(id=name) for name in STORES),
            dcc.Download(id="csv"),
            dcc.Interval(id="tick", interval=USUAL_SPEED, disabled=True),
            *(dcc.Interval(id=name, interval=2000, disabled=True) for name in ("filling", "filling-phases")),
            _header(heading(runs), len(runs) > 1),
            *_assumed(runs),
            _timeline(),
            html.Div(id="message", role="alert"),
            html.Div(
                [
                    _controls(of_groups),
                    html.Main(
                        [_numbers(""), _overview(waves), _pair(), _phases(), _compare(waves), _python()], id="pages"
                    ),
                ],
                id="body",
            ),
        ],
        id="explorer",
    )


def _header(title: str, several: bool) -> html.Header:
    button = lambda name, label, why: html.Button(label, id=name, title=why, n_clicks=0)
    return html.Header(
        [
            html.H1(title),
            _radio("page", PAGES, "tabs"),
            html.Div(
                [
                    *([html.A("All runs", href=RUNS, title="What differs between the runs")] if several else []),
                    button("undo", "Undo", "One change back"),
                    button("redo", "Redo", "One change forward again"),
                    button("clear", "Clear", "Put everything back in"),
                    button("large", "Large type", "For a class: larger letters, until it is pressed again"),
                    button(
                        "copy-link",
                        "Copy link",
                        "The address of this view, without the token, while this explorer runs",
                    ),
                    button("copy-python", "Copy as Python", "The script that gives these numbers"),
                    button("export-html", "Export HTML", "This view as a section of a report"),
                    button("export-csv", "Export CSV", "One row for each pair"),
                ],
                className="buttons",
            ),
        ]
    )


def _assumed(runs: Mapping[str, Run]) -> list[html.Details]:
    """How each run that was not trained here was read; open where that does not explain its weights."""
    return [
        html.Details(
            [
                html.Summary(f"{'Not explained: how' if run.unexplained else 'How'} {name} was read"),
                html.Ul([html.Li(text) for text in (*map(str, run.assumptions), *run.provenance.notes)]),
            ],
            className="assumed note",
            open=bool(run.unexplained),
        )
        for name, run in runs.items()
        if run.assumptions
    ]


def _timeline() -> html.Div:
    return html.Div(
        [
            dcc.Dropdown(id="run", clearable=False, className="run"),
            html.Button("Play", id="play", n_clicks=0, title="Go through the checkpoints; so does the space bar"),
            dcc.Dropdown(
                id="speed",
                options=options(SPEEDS),
                value=USUAL_SPEED,
                clearable=False,
                searchable=False,
                className="speed",
            ),
            dcc.Checklist(id="loop", options=options({"loop": "Loop"}), value=["loop"], className="chips", inline=True),
            _slider("step"),
            html.Output(id="step-label", className="step-label"),
        ],
        id="timeline",
    )


def _slider(name: str) -> html.Div:
    slider = dcc.Slider(
        id=name, min=0, max=1, step=1, value=0, marks=None, tooltip=None, allow_direct_input=False, updatemode="mouseup"
    )
    label: dict[str, Any] = {"aria-label": "Checkpoint"}
    return html.Div(slider, className="slider", **label)


def _radio(name: str, named: dict[str, str], kind: str = "segments") -> dcc.RadioItems:
    return dcc.RadioItems(id=name, options=options(named), value=next(iter(named)), className=kind, inline=True)


def _chips(name: str, kind: str = "chips") -> dcc.Checklist:
    return dcc.Checklist(id=name, options=[], value=[], className=kind, inline=True)


def _controls(of_groups: bool) -> html.Aside:
    """The parts to take out: frequencies by number, or the irreps of groups by name."""
    noun = "Irreps" if of_groups else "Frequencies"
    group = lambda title, *inside: html.Section([html.H2(title), *inside])
    return html.Aside(
        [
            group("Attention heads", _chips("heads"), html.P(id="no-heads", className="note")),
            group("Components", _chips("components")),
            html.Section(
                [
                    html.Div([html.H2(noun), _radio("keep", MODES)], className="line"),
                    _chips("frequencies", "chips" if of_groups else "chips small"),
                    html.P(id="no-frequencies", className="note"),
                    html.Div([html.Span("of", className="note"), _radio("where", PLACES)],
                             className="line start"),
                ]
            ),
            group("Put in their place", _radio("how", HOWS)),
            html.Section([html.H2("Neurons"), html.P(id="chosen-neurons", className="note")]),
            html.Section([html.H2("Attention", id="attention-title"), html.Div(id="attention")], className="grow"),
        ],
        id="controls",
    )  # fmt: skip


def _numbers(which: str) -> html.Div:
    return html.Div(id=f"{which}numbers", className="numbers")


def _graph(name: str) -> dcc.Graph:
    return dcc.Graph(id=name, config=GRAPH, figure=nothing(""), responsive=True, className="graph")


def _panel(title: Any, *inside: Any, name: str = "", tools: Any = ()) -> html.Section:
    heading = html.Div([html.H2(title, id=f"{name}-title") if name else html.H2(title), *tools], className="line")
    return html.Section([heading, *inside], className="panel")


def _overview(waves: str) -> html.Div:
    axis = lambda name, said: dcc.Dropdown(
        id=name, options=options(AXES), value=said, clearable=False, className="axis", searchable=False
    )
    return html.Div(
        [
            _panel("Pairs", _graph("table"), tools=[_radio("map", MAPS), _radio("rows", SIDES)]),
            _panel(
                "Neurons, as trained",
                _graph("neurons"),
                html.Div(
                    [html.Span("across"), axis("x", "frequency"), html.Span("up"), axis("y", "share")], className="axes"
                ),
                tools=[dcc.Dropdown(id="layer", clearable=False, className="layer", searchable=False)],
            ),
            _panel("Training", _graph("curves"), tools=[html.Span(_CURVES, className="key")]),
            _panel(waves, _graph("spectrum"), tools=[html.Span(_KEY, className="key")]),
            _panel(
                "Neuron",
                html.Div([_graph("activation"), _graph("waves")], className="halves"),
                name="neuron",
            ),
            _panel("Clock or pizza, as trained", _graph("plane"), name="plane"),
        ],
        className="page overview",
    )


_KEY = [html.I(className="before"), "before", html.I(className="after"), "after"]


_CURVES = [html.I(className="line train"), "train", html.I(className="line test"), "test"]


def _pair() -> html.Div:
    return html.Div(
        [
            html.Div(
                [
                    html.Div(id="operand-boxes"),
                    html.P(id="pair-refusal", role="alert"),
                    html.P(id="pair-text"),
                ],
                className="ask",
            ),
            _panel(
                text.CIRCLES[0],
                _graph("circle"),
                html.P(id="circle-text", className="note"),
                name="circle",
            ),
            _panel("2  Attention: what the last position reads", html.Div(id="pair-attention")),
            _panel(text.CIRCLES[1], _graph("groups"), name="groups"),
            _panel("4  Logits: the largest answers", _graph("top"), tools=[html.Span(_KEY, className="key")]),
        ],
        className="page pair",
    )


def _phases() -> html.Div:
    caption = lambda text: html.P(text, className="note")
    return html.Div(
        [
            _panel(
                "Disc or torus: where each neuron's waves begin, as trained",
                _graph("phases"),
                caption(phases.PHASES),
                html.P(id="phases-text", className="note"),
            ),
            _panel("Does a neuron write the phase that it reads? As trained", _graph("order"), caption(phases.ORDER)),
            _panel(
                "When it is readable",
                _graph("latent"),
                html.P(id="latent-text", className="note"),
                caption(phases.LATENT),
                tools=[_lines(phases.ACCURACIES)],
            ),
            _panel(
                "The shape over training",
                _graph("shape"),
                caption(phases.SHAPE),
                tools=[_lines(phases.SHARES)],
            ),
        ],
        className="page phases",
    )


def _lines(curves: Mapping[str, tuple[str, str]]) -> html.Span:
    """A key of curves: variable -> (name, colour)."""
    line = lambda colour: html.I(className="line", style={"background": colour})
    return html.Span([each for name, colour in curves.values() for each in (line(colour), name)], className="key")


def _compare(waves: str) -> html.Div:
    side = lambda name: [
        _numbers(f"{name}-"),
        _panel("Every pair", _graph(f"{name}-table")),
        _panel(waves, _graph(f"{name}-spectrum"), tools=[html.Span(_KEY, className="key")]),
    ]
    return html.Div(
        [
            html.Div([html.P(id="left-label", className="label"), *side("left")], className="side"),
            html.Div(
                [
                    html.Div(
                        [
                            dcc.Dropdown(id="other_run", clearable=False, className="run"),
                            _slider("other_step"),
                            html.Output(id="right-label", className="step-label"),
                            _radio("scale", SCALES),
                        ],
                        className="label",
                    ),
                    *side("right"),
                ],
                className="side",
            ),
        ],
        className="page compare",
    )


def _python() -> html.Div:
    return html.Div(
        [
            html.P("This script opens the same checkpoint, takes out the same parts and prints the same numbers."),
            html.Pre(id="python-code", tabIndex="0"),
        ],
        className="page python",
    )
