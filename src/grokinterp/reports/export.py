"""Export: a page as PDF through a browser; one line where there is none."""

import importlib.util
import os
import shutil
import subprocess
import tempfile
from pathlib import Path

from grokinterp.errors import BadRequest
from grokinterp.runs.files import StorageError

BROWSERS = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable", "chrome", "msedge", "brave")
PLACES = (
    "/Applications/Google Chrome.app/Contents/MacOS/Google Chrome",
    "/Applications/Chromium.app/Contents/MacOS/Chromium",
    "C:/Program Files/Google/Chrome/Application/chrome.exe",
    "C:/Program Files (x86)/Microsoft/Edge/Application/msedge.exe",
)
FLAGS = (
    "--headless --disable-gpu --disable-quic --no-first-run --disable-background-networking "
    "--disable-component-update --disable-sync --no-pdf-header-footer --virtual-time-budget=30000"
).split()
SECONDS = 180


PRINTING = "to make a PDF with; install one or set BROWSER_PATH, or open the report and print it"


def browser(wanted: str = PRINTING) -> str:
    """A browser of Chromium's family: that of the variable BROWSER_PATH, one installed, or the one kaleido fetched.

    Raises `BadRequest` where there is none, which says what it was `wanted` for, and the remedy.
    """
    given = os.environ.get("BROWSER_PATH")
    browsers = [given] if given else [path for name in BROWSERS if (path := shutil.which(name))]
    browsers += [path for path in (*PLACES, _of_kaleido()) if path]
    for path in browsers:
        if Path(path).exists():
            return path
    raise BadRequest(f"no Chromium or Chrome {wanted}")


def _of_kaleido() -> str | None:
    """The Chrome that `kaleido_get_chrome` has fetched, where kaleido is installed."""
    if importlib.util.find_spec("choreographer") is None:
        return None
    from choreographer.browsers.chromium import Chromium  # pyright: ignore[reportMissingImports]

    return Chromium.find_browser(skip_local=False)


def write_pdf(page: Path) -> Path:
    """Print a page to the PDF beside it. Raises `BadRequest` where there is no browser or it fails."""
    out = page.with_suffix(".pdf")
    with tempfile.TemporaryDirectory() as profile:
        fresh = Path(profile) / out.name
        flags = [*FLAGS, f"--user-data-dir={profile}", f"--print-to-pdf={fresh}"]
        # A sandbox needs rights that containers and root do not have.
        if getattr(os, "geteuid", lambda: 1)() == 0:
            flags.append("--no-sandbox")
        try:
            subprocess.run(
                [browser(), *flags, page.resolve().as_uri()], check=True, capture_output=True, timeout=SECONDS
            )
        except (subprocess.SubprocessError, OSError) as error:
            raise BadRequest(f"the browser made no PDF ({type(error).__name__}); open {page} and print it") from None
        if not fresh.exists():
            raise BadRequest(f"the browser made no PDF; open {page} and print it")
        try:
            shutil.move(fresh, out)
        except OSError as error:
            raise StorageError(f"cannot write {out}: {error.strerror}; choose another place") from None
    return out
