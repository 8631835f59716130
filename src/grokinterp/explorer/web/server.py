"""Server: the explorer running in a thread of this process, and the handle to it."""

import logging
import os
import sys
import threading
from typing import TYPE_CHECKING, Any

from grokinterp.errors import BadRequest
from grokinterp.explorer.session import Session
from grokinterp.explorer.web.access import LOCAL, Access, refusal_page
from grokinterp.markup import escape

if TYPE_CHECKING:
    from flask import Flask

STATIC = ("/_dash-component-suites/", "/assets/", "/_favicon.ico")
"""How the routes begin that serve libraries. What no route of these takes is the page, and needs the token."""

MISSING = "the explorer needs dash, which is not installed; pip install 'grokinterp[explore]'"


class Handle:
    """A running explorer. In a notebook it shows itself; `url` opens it in a tab, `stop()` ends it."""

    def __init__(self, server: Any, url: str, session: Session):
        self._server, self._session = server, session
        self._thread = threading.Thread(target=server.serve_forever, name="grokinterp explorer", daemon=True)
        self._thread.start()
        self.url = url
        self.port: int = server.server_port

    def stop(self) -> None:
        """End the server and free its port. A second call does nothing."""
        if self._thread.is_alive():
            self._server.shutdown()
            self._thread.join()
            self._server.server_close()
            self._session.close()

    def wait(self) -> None:
        """Return when the server ends."""
        while self._thread.is_alive():
            self._thread.join(1)

    def __repr__(self) -> str:
        return f"<Explorer at {self.url}>" if self._thread.is_alive() else "<Explorer, stopped>"

    def _repr_html_(self) -> str:
        if not self._thread.is_alive():
            return "The explorer has been stopped."
        if "google.colab" in sys.modules:
            return _COLAB.replace("PORT", str(self.port)).replace("QUERY", escape(self.url.partition("?")[2]))
        address = escape(self.url)
        # On localhost the frame is of the same site as the notebook, so that its cookie is kept.
        return (
            f'<iframe src="{address}" width="100%" height="860" style="border:0" title="grokinterp explorer" '
            "onload=\"if (location.hostname === 'localhost' && this.src.includes('//127.0.0.1'))"
            " this.src = this.src.replace('127.0.0.1', 'localhost')\"></iframe>"
            f'<a href="{address}" target="_blank">Open the explorer in a tab</a>'
        )


_COLAB = """<iframe id="grokinterp-PORT" width="100%" height="860" style="border:0"></iframe><script>
google.colab.kernel.proxyPort(PORT).then(url => {
  document.getElementById("grokinterp-PORT").src = url.replace(/\\/?$/, "/?QUERY"); });
</script>"""


def serve(
    session: Session,
    port: int = 0,
    host: str = "127.0.0.1",
    token: bool = True,
    allow_hosts: tuple[str, ...] = (),
) -> Handle:
    """Start serving a session; the server listens when this returns. Port 0 takes a free one.

    Raises `BadRequest` where dash is missing, or the port or the address cannot be had.
    """
    try:
        from werkzeug.serving import WSGIRequestHandler, make_server

        from grokinterp.explorer.web.app import build
    except ModuleNotFoundError as error:
        if (error.name or "").split(".")[0] not in ("dash", "werkzeug", "flask"):
            raise
        raise BadRequest(MISSING) from None

    class Quiet(WSGIRequestHandler):
        # Connections stay open, so that an answer does not wait for a new one, nor its computation for a new thread.
        protocol_version = "HTTP/1.1"

        def log_request(self, code: Any = "-", size: Any = "-") -> None:
            pass

    # Every request would be a line among those of the notebook or the shell.
    logging.getLogger("werkzeug").setLevel(logging.ERROR)
    if not isinstance(port, int) or isinstance(port, bool) or not 0 <= port <= 65535:
        raise BadRequest(f"port {port!r} is none; choose one from 1024 to 65535, or leave it out for a free one")
    placeholder = lambda environ, start_response: []
    try:
        server = make_server(host, port, placeholder, threaded=True, request_handler=Quiet)
    except (OSError, SystemExit) as error:
        # werkzeug leaves with SystemExit where a port is in use.
        raise BadRequest(f"{host}:{port} cannot be served ({error}); leave --port out for a free one") from None
    named = tuple(name for name in (host,) if name not in LOCAL and name not in ("0.0.0.0", "::"))
    access = Access(hosts=(*allow_hosts, *named), cookie=f"grokinterp-{server.server_port}")
    if not token:
        access = Access(token=None, hosts=access.hosts, cookie=access.cookie)
    prefix = _proxy_prefix(server.server_port)
    app = build(session, prefix)
    watch(app.server, access)
    server.app = _without_prefix(app.server, prefix)
    shown = "127.0.0.1" if host in (*LOCAL, "0.0.0.0", "::") else host
    secret = "" if access.token is None else f"?token={access.token}"
    return Handle(server, f"http://{shown}:{server.server_port}/{secret}", session)


def watch(flask: "Flask", access: Access) -> None:
    """Put the access before every request of a Flask application, and the cookie behind one that showed the token."""
    from flask import Response, request

    @flask.before_request
    def _check() -> Response | None:
        query = request.query_string.decode("utf-8", "replace")
        is_static = request.url_rule is not None and request.url_rule.rule.startswith(STATIC)
        reason = access.why_not(request.method, is_static, query, dict(request.headers), dict(request.cookies))
        return None if reason is None else Response(refusal_page(reason, query), 403, mimetype="text/html")

    @flask.after_request
    def _seal(response: Response) -> Response:
        # Nothing is fetched from anywhere else, whatever a library would like to.
        response.headers["Content-Security-Policy"] = (
            "default-src 'self' data: blob:; script-src 'self' 'unsafe-inline' 'unsafe-eval'; "
            "style-src 'self' 'unsafe-inline'; connect-src 'self' data: blob:; object-src 'none'; base-uri 'none'"
        )
        response.headers["X-Content-Type-Options"] = "nosniff"
        # The address holds the token.
        response.headers["Referrer-Policy"] = "no-referrer"
        if access.token is not None and access.is_token(request.args.get("token")) and response.status_code == 200:
            secure = request.headers.get("X-Forwarded-Proto") == "https"
            response.set_cookie(access.cookie, access.token, httponly=True, samesite="Lax", secure=secure)
        return response


def _proxy_prefix(port: int) -> str:
    """Under JupyterHub, the path by which its proxy reaches a port."""
    base = os.environ.get("JUPYTERHUB_SERVICE_PREFIX")
    return f"{base.rstrip('/')}/proxy/{port}/" if base else "/"


def _without_prefix(application: Any, prefix: str) -> Any:
    """The application, reached by the proxy's path as well as by its own."""

    def called(environ: dict[str, Any], start_response: Any) -> Any:
        path = environ["PATH_INFO"]
        if prefix != "/" and path.startswith(prefix):
            environ["PATH_INFO"] = path[len(prefix) - 1 :]
        return application(environ, start_response)

    return called
