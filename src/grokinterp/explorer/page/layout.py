"""Layout: the page's skeleton. Everything in it is filled by callbacks."""

from collections.abc import Mapping
from typing import Any

from dash import dcc, html

from grokinterp.explorer.page.controls import HOWS, MODES, PAGES, PLACES, SPEEDS, options
from grokinterp.explorer.page.elements import chips, numbers, radio, slider
from grokinterp.explorer.page.population import RUNS
from grokinterp.explorer.page.tabs import tabs
from grokinterp.runs.run import Run
from grokinterp.tasks.groups import GroupTask

USUAL_SPEED = 250
"""Milliseconds between two checkpoints, where nobody chooses."""

DRAWS = tuple(f"draw-{panel}" for panel in ("neurons", "neuron", "place", "attention", "pair", "phases", "compare"))
STORES = ("history", "lasso", "boxes", "operands", "news", *DRAWS, "compared", "filled", "filled-phases", "export")


def name(runs: Mapping[str, Run]) -> str:
    """What is open, in a word or two."""
    return next(iter(runs)) if len(runs) == 1 else f"{len(runs):,} runs"


def heading(runs: Mapping[str, Run]) -> str:
    """What is open, and the task where all runs have the same."""
    tasks = {str(run.config.task.expression) if run.has_config else run.task.expression for run in runs.values()}
    task = tasks.pop() if len(tasks) == 1 else name(runs)
    return name(runs) if task == name(runs) else f"{name(runs)}: {task}"


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
                    html.Main([numbers(""), *tabs(waves)], id="pages"),
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
            # The name gives way, and not the task behind it.
            html.H1([html.Span(part) for part in title.partition(": ")[::2]], title=title),
            radio("page", PAGES, "tabs"),
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


def _timeline() -> html.Section:
    label: dict[str, Any] = {"aria-label": "Checkpoints"}
    return html.Section(
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
            slider("step"),
            html.Output(id="step-label", className="step-label"),
        ],
        id="timeline",
        **label,
    )


def _controls(of_groups: bool) -> html.Aside:
    """The parts to take out: frequencies by number, or the irreps of groups by name."""
    noun = "Irreps" if of_groups else "Frequencies"
    group = lambda title, *inside: html.Section([html.H2(title), *inside])
    return html.Aside(
        [
            group("Attention heads", chips("heads"), html.P(id="no-heads", className="note")),
            group("Components", chips("components")),
            html.Section(
                [
                    html.Div([html.H2(noun), radio("keep", MODES)], className="line"),
                    chips("frequencies", "chips" if of_groups else "chips small"),
                    html.P(id="no-frequencies", className="note"),
                    html.Div([html.Span("of", className="note"), radio("where", PLACES)],
                             className="line start"),
                ]
            ),
            group("Put in their place", radio("how", HOWS)),
            html.Section([html.H2("Neurons"), html.P(id="chosen-neurons", className="note")]),
            html.Section([html.H2("Attention", id="attention-title"), html.Div(id="attention")], className="grow"),
        ],
        id="controls",
    )  # fmt: skip
