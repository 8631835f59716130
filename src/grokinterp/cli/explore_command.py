"""Open a run in the browser and take parts of its model out."""

import sys
import webbrowser
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

import tyro

from grokinterp.cli.arguments import parse, say
from grokinterp.cli.source import Source, read
from grokinterp.errors import BadRequest

ORDER = 80


@dataclass(frozen=True)
class Explore:
    """Open a run in the browser: take heads, neurons and frequencies out, and see what is left.

    A run in training is followed as it goes on. With --out nothing is served: the page is written as one file, for a
    course page or an attachment, in which a browser takes the parts out by itself, without network."""

    source: Annotated[Source, tyro.conf.arg(name="")]
    port: int = 0  # the port to listen on; a free one where left out
    other: Path | None = None  # another run, to compare with
    host: str = "127.0.0.1"  # the address to listen on
    token: bool = True  # --no-token lets everybody in who reaches the port
    allow_host: tuple[str, ...] = ()  # names by which a proxy calls it (JupyterHub, Colab); .name: all that end so
    open: tyro.conf.FlagCreatePairsOff[bool] = False  # open the address in the browser
    out: Path | None = None  # write one HTML file that needs no server, at most 12 MB, and serve nothing


def run(argv: list[str]) -> None:
    """Serve until Ctrl-C. Prints the address once the server listens; what is only assumed goes to stderr."""
    given = parse(Explore, argv, "explore")
    if given.out is not None:
        if given.other is not None:
            raise BadRequest("explore: --out holds one run; leave --other out, or leave --out out to compare two")
        usual = Explore(given.source, out=given.out)
        for name in ("port", "host", "token", "allow_host", "open"):
            if getattr(given, name) != getattr(usual, name):
                option = f"--{name.replace('_', '-')}"
                raise BadRequest(f"explore: the file of --out is not served; leave {option} out, or leave --out out")
        from grokinterp.explorer.frozen import freeze

        say(str(freeze(read(given.source), given.out).resolve()))
        return
    from grokinterp.explorer.session import Session
    from grokinterp.explorer.web.server import serve

    other = None if given.other is None else read(Source(given.other))
    source = read(given.source)
    session = Session.of(source, other)
    handle = serve(session, given.port, given.host, given.token, given.allow_host)
    try:
        say(handle.url)
        say(f"Ctrl-C ends it, and its links; --port {handle.port} serves at this port again")
        if given.open:
            webbrowser.open(handle.url)
        for one in source.values() if isinstance(source, Mapping) else [source]:
            for assumption in one.assumptions:
                print(assumption, file=sys.stderr)
        handle.wait()
    except KeyboardInterrupt:
        pass
    finally:
        handle.stop()
