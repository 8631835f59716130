"""Exports: what is seen as a file to keep, made when its button is pressed."""

from typing import Any

from dash import Dash, Input, Output, dcc
from dash import State as Given

from grokinterp.explorer.page import export
from grokinterp.explorer.session import Session
from grokinterp.explorer.state import History


def register(app: Dash, session: Session) -> None:
    """Give the application these callbacks."""

    @app.callback(
        Output("csv", "data"), Input("export-csv", "n_clicks"), Given("history", "data"), prevent_initial_call=True
    )
    def export_csv(clicks: int, kept: dict[str, Any] | None) -> Any:
        state = History.of(kept).now
        return dcc.send_string(export.table(session, state), f"{state.run}-step-{state.step}.csv")

    @app.callback(
        Output("export", "data"), Input("export-html", "n_clicks"), Given("history", "data"), prevent_initial_call=True
    )
    def export_html(clicks: int, kept: dict[str, Any] | None) -> Any:
        state = History.of(kept).now
        name = f"{state.run}-step-{state.step}.html"
        return {"name": name, "html": export.section(session, state), "figures": export.captions(session, state)}
