"""App: callbacks between the controls, the session and the pictures. What is computed is computed elsewhere."""

import json
import logging
from pathlib import Path
from typing import Any

import torch
from dash import ClientsideFunction, Dash, Input, Output, set_props
from dash import State as Given
from dash.exceptions import DependencyException
from flask import Flask, Response, request
from werkzeug.exceptions import HTTPException

from grokinterp.errors import BadRequest
from grokinterp.explorer import page
from grokinterp.explorer.page import controls, layout
from grokinterp.explorer.page.population import RUNS, runs_page
from grokinterp.explorer.session import Session
from grokinterp.explorer.state import State
from grokinterp.explorer.web import deferred, exports
from grokinterp.explorer.web.ahead import Ahead
from grokinterp.explorer.web.respond import message_alone, respond
from grokinterp.markup import escape

ASKS = {
    **dict.fromkeys(controls.USES, "value"),
    **dict.fromkeys(("neurons", "table", "curves"), "clickData"),
    **dict.fromkeys(("undo", "redo", "clear"), "n_clicks"),
    **dict.fromkeys(("lasso", "operands", "news"), "data"),
    "url": "search",
}
"""The property by which each control tells that it was used."""

FILLED = {
    **dict.fromkeys(("heads", "components", "frequencies", "where", "rows", "x", "y"), ("value", "options")),
    **dict.fromkeys(("run", "layer", "other_run"), ("value", "options", "style")),
    **dict.fromkeys(("step", "other_step"), ("value", "max", "disabled")),
    "play": ("disabled",),
    "boxes": ("data",),
    **dict.fromkeys(("keep", "how", "map", "page", "scale"), ("value",)),
}
"""The properties of every control that a state decides."""

LARGEST_BODY = 8 * 2**20
"""Bytes: some ten times what a page with a full history of chosen neurons asks."""

SCRIPTED = """<noscript><style>#react-entry-point { display: none; }</style><p>What is taken out and what that leaves is
        drawn by this page's scripts, all from this address; allow scripts to use it.</p></noscript>
        {%app_entry%}"""
"""The page that scripts fill, and what stands there without them."""


def build(session: Session, prefix: str = "/") -> Dash:
    """The Dash application on a session, reached under `prefix`."""
    app = Dash(
        "grokinterp.explorer",
        assets_folder=str(Path(page.__file__).parent / "assets"),
        requests_pathname_prefix=prefix,
        routes_pathname_prefix="/",
        serve_locally=True,
        # Dash writes it into the page as it is.
        title=escape(f"{layout.name(session.runs)} · grokinterp"),
        update_title="",
        add_log_handler=False,
        on_error=_report_failure,
    )
    app.enable_dev_tools(debug=False)
    app.index_string = app.index_string.replace("<html>", '<html lang="en">').replace("{%app_entry%}", SCRIPTED)
    threads = torch.get_num_threads()
    # A connection's thread that is born while another computes side by side would keep the other's share of the cores.
    app.server.before_request(lambda: torch.set_num_threads(threads))
    app.layout = layout.page(session.runs)
    _bound_requests(app.server)
    if len(session.runs) > 1:
        app.server.add_url_rule(f"/{RUNS}", "all-runs", lambda: runs_page(session))
    _main(app, session)
    deferred.register(app, session)
    exports.register(app, session)
    _in_the_browser(app)
    return app


def _report_failure(error: Exception) -> None:
    set_props("message", {"children": _logged(error)})


def _logged(error: Exception) -> str:
    """What the page says of a failure of ours, while it stays as it was; the log has all of it."""
    logging.getLogger(__name__).error("the explorer failed", exc_info=error)
    return f"This could not be computed: {' '.join(str(error).split())[:300]}"


def _bound_requests(server: Flask) -> None:
    """Refuse what no page of ours asks: bodies beyond `LARGEST_BODY`, unknown libraries, callbacks that are none."""
    server.config["MAX_CONTENT_LENGTH"] = LARGEST_BODY
    server.register_error_handler(DependencyException, lambda error: ("There is no such file.", 404))

    @server.errorhandler(Exception)
    def refuse(error: Exception) -> Any:
        if isinstance(error, HTTPException):
            return error
        # What fails in computing is caught where it is computed; here the request itself makes no sense.
        logging.getLogger(__name__).debug("a request was refused", exc_info=error)
        return "This is no request of the explorer's page.", 400


def _main(app: Dash, session: Session) -> None:
    """Using a control, or opening the page: asked and answered past Dash, whose way there and back is 20 ms longer."""
    outputs = [Output(name, prop) for name, props in FILLED.items() for prop in props]
    app.clientside_callback(
        ClientsideFunction("explorer", "change"),
        *outputs,
        Output("history", "data"),
        Output("message", "children"),
        *(Input(name, prop) for name, prop in ASKS.items()),
        Given("history", "data"),
        Given("message", "children"),
    )

    ahead = Ahead(session)

    @app.server.post("/change")
    def change() -> Response:
        session.postpone_background()
        request_body = request.get_json()
        try:
            answer = respond(session, request_body)
            # A number that JSON does not know would stop the page; better that it is told.
            body = json.dumps(answer, allow_nan=False)
            if request_body["history"] and "history" in answer["told"]:
                seen, now = request_body["history"], answer["told"]["history"]["data"]
                ahead.follow(State.of(seen["now"]), State.of(now["now"]))
        except Exception as error:
            body = json.dumps(message_alone(_logged(error)))
        return Response(body, mimetype="application/json")

    @app.server.get("/alive")
    def alive() -> Response:
        """204, or 205 where a run in training has gained checkpoints since the view was drawn."""
        seen = request.args.get("mark")
        try:
            is_news = seen is not None and session.mark(State.of(request.args.get("now", "")), is_now=True) != seen
        except BadRequest:  # a run that cannot be read now has no news
            is_news = False
        return Response(status=205 if is_news else 204)


def _in_the_browser(app: Dash) -> None:
    """What needs no server: the lasso's points, the address, playing, copying, the pages."""
    here = lambda name: ClientsideFunction("explorer", name)
    app.clientside_callback(here("lasso"), Output("lasso", "data"), Input("neurons", "selectedData"))
    app.clientside_callback(here("compared"), Input("compared", "data"))
    app.clientside_callback(here("boxes"), Input("boxes", "data"))
    app.clientside_callback(here("address"), Output("url", "hash"), Input("history", "data"))
    app.clientside_callback(here("page"), Output("pages", "className"), Input("page", "value"))
    app.clientside_callback(
        here("play"),
        Output("tick", "disabled"),
        Output("play", "children"),
        Input("play", "n_clicks"),
        Given("tick", "disabled"),
    )
    app.clientside_callback(
        here("tick"),
        Output("step", "value", allow_duplicate=True),
        Input("tick", "n_intervals"),
        Given("step", "value"),
        Given("step", "max"),
        Given("history", "data"),
        Given("loop", "value"),
        prevent_initial_call=True,
    )
    app.clientside_callback(here("speed"), Output("tick", "interval"), Input("speed", "value"))
    app.clientside_callback(here("large"), Output("large", "className"), Input("large", "n_clicks"))
    for button, name in (("copy-python", "copyPython"), ("copy-link", "copyLink")):
        app.clientside_callback(here(name), Output(button, "title"), Input(button, "n_clicks"))
    app.clientside_callback(here("exported"), Output("export", "clear_data"), Input("export", "data"))
