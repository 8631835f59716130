"""Export: a page as PDF through a browser, its figures as PNG; one line where what does it is missing."""

import importlib.util
import os
import shutil
import subprocess
import tempfile
from pathlib import Path

from grokinterp.errors import BadRequest
from grokinterp.reports.section import Plate
from grokinterp.runs.files import StorageError, make_directory

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


def browser() -> str:
    """A browser of Chromium's family: that of the variable BROWSER_PATH, one installed, or the one kaleido fetched.

    Raises `BadRequest` where there is none.
    """
    given = os.environ.get("BROWSER_PATH")
    browsers = [given] if given else [path for name in BROWSERS if (path := shutil.which(name))]
    browsers += [path for path in (*PLACES, _of_kaleido()) if path]
    for path in browsers:
        if Path(path).exists():
            return path
    raise BadRequest(
        "no Chromium or Chrome to make a PDF with; install one or set BROWSER_PATH, or open the report and print it"
    )


def _of_kaleido() -> str | None:
    """The Chrome that `kaleido_get_chrome` has fetched, where kaleido is installed."""
    if importlib.util.find_spec("choreographer") is None:
        return None
    from choreographer.browsers.chromium import Chromium  # pyright: ignore[reportMissingImports]

    return Chromium.find_browser(skip_local=False)


def check_images() -> None:
    """Raise `BadRequest` where figures cannot be written as PNG."""
    if importlib.util.find_spec("kaleido") is None:
        raise BadRequest("figures are written as PNG by kaleido, which is not installed: pip install kaleido")


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


def write_images(plates: list[Plate], directory: Path) -> list[Path]:
    """Every figure as `NAME.png`, twice as fine as on the page, on white."""
    check_images()
    make_directory(directory)
    written = []
    for plate in plates:
        path = directory / f"{plate.name}.png"
        try:
            _image(plate, path)
        except (RuntimeError, ValueError, OSError) as error:
            raise BadRequest(f"kaleido drew no picture: {' '.join(str(error).split())[:200]}") from None
        written.append(path)
    return written


def _image(plate: Plate, path: Path) -> None:
    figure = type(plate.figure)(plate.figure).update_layout(paper_bgcolor="white", font_color="#3f454d", margin_r=90)
    # On paper nothing can be clicked: neither buttons nor curves that wait in the legend.
    figure.layout.updatemenus = ()
    figure.data = [trace for trace in figure.data if trace.visible != "legendonly"]
    figure.write_image(path, width=940, scale=2)
