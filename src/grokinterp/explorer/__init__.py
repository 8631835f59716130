"""The explorer: a page in the browser where heads, neurons and frequencies are taken out of a run's checkpoints."""

import sys
from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING, overload

from grokinterp.config.validation import shown
from grokinterp.errors import BadRequest
from grokinterp.importers import Given, opened

if TYPE_CHECKING:
    from grokinterp.explorer.web.server import Handle

COLAB = (".googleusercontent.com", ".colab.dev")
"""Where Colab's proxy shows a port of its machine."""


@overload
def explore(
    run: Given, other: Given | None = None, *, port: int = 0, allow_hosts: Iterable[str] = (), out: None = None
) -> "Handle": ...


@overload
def explore(run: Given, *, out: str | Path) -> Path: ...


def explore(
    run: Given,
    other: Given | None = None,
    *,
    port: int = 0,
    allow_hosts: Iterable[str] = (),
    out: str | Path | None = None,
) -> "Handle | Path":
    """Open the explorer on a run, in a thread of this process: the call returns at once.

    `run` and `other` may be paths, which are loaded. In a notebook the result shows the page inline. `handle.url`
    opens it in a tab, `handle.stop()` ends it. A run in training is followed: its new checkpoints are there within
    seconds, and a view at the last one goes on to them. `other` is a run to compare with; several runs are compared
    with each other. The server listens on 127.0.0.1, at a free port where `port` is left out, and wants the token of
    `handle.url`; `allow_hosts` are further names by which a proxy calls it. Raises `BadRequest` where dash is not
    installed (`pip install 'grokinterp[explore]'`), for a run without checkpoints or whose task is not known, and for a
    port that cannot be had.

    With `out` nothing is served: a file is written in which a browser computes by itself, offline, with the last
    checkpoint and as many others as fit into 12 MB, and its path returned. Raises `BadRequest` for several runs, and
    for a model other than a transformer or an embedding MLP.
    """
    if out is not None:
        if other is not None:
            raise BadRequest("a frozen explorer holds one run; leave `other` out, or leave out= out to compare two")
        if port != 0 or allow_hosts != ():
            raise BadRequest("a frozen explorer is served nowhere; leave port and allow_hosts out, or out= to serve it")
        from grokinterp.explorer.frozen import freeze

        return freeze(run, out)
    from grokinterp.explorer.session import Session
    from grokinterp.explorer.web.server import serve

    if isinstance(allow_hosts, str):
        allow_hosts = (allow_hosts,)  # one name, not its letters
    if not isinstance(allow_hosts, Iterable) or not all(isinstance(host, str) for host in allow_hosts):
        raise BadRequest(f"allow_hosts={shown(allow_hosts)} must be names of hosts, as in allow_hosts=('example.org',)")
    if "google.colab" in sys.modules:
        allow_hosts = (*allow_hosts, *COLAB)
    session = Session.of(opened(run), None if other is None else opened(other))
    return serve(session, port=port, allow_hosts=tuple(allow_hosts))
