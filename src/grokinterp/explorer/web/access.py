"""Access: who may ask a server on a shared machine, decided before anything is run.

Everybody on a login node reaches 127.0.0.1, so a secret token is asked for; and any page in the user's browser does
too, so the names in Host and Origin are checked (a foreign name that points here is DNS rebinding).
"""

import secrets
from collections.abc import Mapping
from dataclasses import dataclass, field
from urllib.parse import parse_qsl, urlsplit

from grokinterp.markup import escape

LOCAL = ("127.0.0.1", "localhost", "::1")
HEADER = "X-Grokinterp-Token"


@dataclass(frozen=True)
class Access:
    """The rules of one server.

    Attributes:
        token: what a request must carry, in its query, a cookie or a header; None lets everybody in.
        hosts: names, beside the local ones, by which the server may be called; `.name` stands for all that end so.
        cookie: the cookie's name. Cookies do not know ports, so it names the port.
    """

    token: str | None = field(default_factory=lambda: secrets.token_urlsafe(24))
    hosts: tuple[str, ...] = ()
    cookie: str = "grokinterp"

    def why_not(
        self, method: str, is_static: bool, query: str, headers: Mapping[str, str], cookies: Mapping[str, str]
    ) -> str | None:
        """Why a request is refused, as `host`, `origin` or `token`; None where it is not.

        `is_static` is whether the route that will answer serves libraries and nothing else: a path may look like it.
        """
        host = headers.get("Host", "")
        if not self.is_known(host):
            return "host"
        origin = headers.get("Origin")
        if origin is not None and not self._is_ours(origin, host):
            return "origin"
        if method != "GET" and headers.get("Sec-Fetch-Site", "same-origin") not in ("same-origin", "none"):
            return "origin"
        # A page of ours may load its libraries where cookies are blocked (frames of notebooks): they hold no secret.
        if method == "GET" and is_static and headers.get("Sec-Fetch-Site") == "same-origin":
            return None
        given = (dict(parse_qsl(query)).get("token"), cookies.get(self.cookie), headers.get(HEADER))
        return None if self.token is None or any(self.is_token(text) for text in given) else "token"

    def is_token(self, text: str | None) -> bool:
        """Whether this is the token, compared in constant time."""
        return (
            self.token is not None and text is not None and secrets.compare_digest(text.encode(), self.token.encode())
        )

    def is_known(self, host: str) -> bool:
        """Whether the server goes by this name. Ports are not compared: an SSH tunnel has another."""
        try:
            name = urlsplit(f"//{host}").hostname
        except ValueError:
            return False
        return name in LOCAL or self._is_named(name)

    def _is_named(self, name: str | None) -> bool:
        return name is not None and any(
            name.endswith(host.lower()) if host.startswith(".") else name == host.lower() for host in self.hosts
        )

    def _is_ours(self, origin: str, host: str) -> bool:
        # Another port of this machine is another user's server: ports count, but behind a proxy that was named.
        try:
            parts = urlsplit(origin)
        except ValueError:
            return False
        same = parts.netloc.lower() == host.lower()
        return parts.scheme in ("http", "https") and (same or self._is_named(parts.hostname))


REASONS = {
    "host": "This server does not go by that name. If a proxy of yours asks for it, start the explorer with "
    "<code>--allow-host NAME</code>.",
    "origin": "Another page asked for this. Open the explorer in a tab of its own.",
    "token": "This address needs the token that <code>grokinterp explore</code> printed when it started. "
    "Open the printed address, or paste it here.",
}


def refusal_page(reason: str, query: str) -> str:
    """What a refused browser sees: why, and for a missing token a field that keeps the rest of the address."""
    form = ""
    if reason == "token":
        kept = "".join(
            f'<input type="hidden" name="{escape(name)}" value="{escape(value)}">'
            for name, value in parse_qsl(query)
            if name != "token"
        )
        form = (
            f'<form method="get" action=".">{kept}<label for="token">Token</label>'
            '<input id="token" name="token" autofocus autocomplete="off" spellcheck="false">'
            "<button>Open</button></form>"
            "<script>document.forms[0].onsubmit = () => { const field = document.getElementById('token');"
            " const found = field.value.match(/[?&]token=([\\w-]+)/); if (found) field.value = found[1]; };</script>"
        )
    return _PAGE.replace("REASON", REASONS[reason]).replace("FORM", form)


_PAGE = """<!DOCTYPE html><html lang="en"><head><meta charset="utf-8"><title>grokinterp explorer</title><style>
:root { color-scheme: light dark; font: 16px/1.5 system-ui, sans-serif; }
body { margin: 18vh auto 0; max-width: 34rem; padding: 0 1.5rem; }
h1 { font-size: 1.3rem; font-weight: 600; } label { display: block; font-size: .85rem; margin-bottom: .25rem; }
form { margin-top: 1.5rem; } input, button { font: inherit; padding: .4rem .6rem; }
input { width: 22rem; max-width: 70%; }
</style></head><body><h1>Not open to this request</h1><p>REASON</p>FORM</body></html>"""
