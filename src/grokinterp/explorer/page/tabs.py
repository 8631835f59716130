"""Tabs: what each page of the explorer shows, still empty; callbacks fill it."""

from collections.abc import Mapping

from dash import dcc, html

from grokinterp.explorer.neurons import SHORT
from grokinterp.explorer.page import phases, text
from grokinterp.explorer.page.controls import MAPS, SCALES, SIDES, options
from grokinterp.explorer.page.elements import graph, numbers, panel, radio, slider

_KEY = [html.I(className="before"), "before", html.I(className="after"), "after"]
_CURVES = [html.I(className="line train"), "train", html.I(className="line test"), "test"]


def tabs(waves: str) -> list[html.Div]:
    """All of them, below the numbers; `waves` is the title of what the logits are made of."""
    return [_overview(waves), _pair(), _phases(), _compare(waves), _python()]


def _overview(waves: str) -> html.Div:
    axis = lambda name, chosen: dcc.Dropdown(
        id=name, options=options(SHORT), value=chosen, clearable=False, className="axis", searchable=False
    )
    return html.Div(
        [
            panel("Pairs", graph("table"), tools=[radio("map", MAPS), radio("rows", SIDES)]),
            panel(
                "Neurons, as trained",
                graph("neurons"),
                html.Div(
                    [html.Span("across"), axis("x", "frequency"), html.Span("up"), axis("y", "share")], className="axes"
                ),
                tools=[dcc.Dropdown(id="layer", clearable=False, className="layer", searchable=False)],
            ),
            panel("Training", graph("curves"), tools=[html.Span(_CURVES, className="key")]),
            panel(waves, graph("spectrum"), tools=[html.Span(_KEY, className="key")]),
            panel(
                "Neuron",
                html.Div([graph("activation"), graph("waves")], className="halves"),
                html.P(id="neuron-text", className="note"),
                name="neuron",
            ),
            panel("Clock or pizza, as trained", graph("plane"), name="plane"),
        ],
        className="page overview",
    )


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
            panel(
                text.CIRCLES[0],
                graph("circle"),
                html.P(id="circle-text", className="note"),
                name="circle",
            ),
            panel("2  Attention: what the last position reads", html.Div(id="pair-attention")),
            panel(text.CIRCLES[1], graph("groups"), name="groups"),
            panel("4  Logits: the largest answers", graph("top"), tools=[html.Span(_KEY, className="key")]),
        ],
        className="page pair",
    )


def _phases() -> html.Div:
    caption = lambda text: html.P(text, className="note")
    return html.Div(
        [
            panel(
                "Disc or torus: where each neuron's waves begin, as trained",
                graph("phases"),
                caption(phases.PHASES),
                html.P(id="phases-text", className="note"),
            ),
            panel("Does a neuron write the phase that it reads? As trained", graph("order"), caption(phases.ORDER)),
            panel(
                "When it is readable",
                graph("latent"),
                html.P(id="latent-text", className="note"),
                caption(phases.LATENT),
                tools=[_lines(phases.ACCURACIES)],
            ),
            panel(
                "The shape over training",
                graph("shape"),
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
        numbers(f"{name}-"),
        panel("Every pair", graph(f"{name}-table")),
        panel(waves, graph(f"{name}-spectrum"), tools=[html.Span(_KEY, className="key")]),
    ]
    return html.Div(
        [
            html.Div([html.P(id="left-label", className="label"), *side("left")], className="side"),
            html.Div(
                [
                    html.Div(
                        [
                            dcc.Dropdown(id="other_run", clearable=False, className="run"),
                            slider("other_step"),
                            html.Output(id="right-label", className="step-label"),
                            radio("scale", SCALES),
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
