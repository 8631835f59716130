"""Saving: figures as PDF, SVG or PNG, through kaleido and one browser for all of them."""

import asyncio
import importlib.util
import math
import re
from collections.abc import Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import plotly.graph_objects as go

from grokinterp.config import validation
from grokinterp.errors import BadRequest, listed
from grokinterp.measuring.choosing import listed_names
from grokinterp.reports.export import browser
from grokinterp.reports.figures.paper import PIXELS, check_size, on_paper, sized
from grokinterp.reports.section import Plate
from grokinterp.runs.files import StorageError, make_directory
from grokinterp.runs.replacing import check_output, write_over

FORMATS = ("pdf", "svg", "png")
DPI = 300
"""Pixels of a PNG to the inch, as journals ask for."""


class Figure(go.Figure):
    """A figure of plotly's that can save itself for a paper."""

    def save(self, path: str | Path, dpi: float = DPI) -> Path:
        """Write it to `path`, as PDF with its fonts in it, SVG or PNG by the suffix, and return the path.

        It has the size that it was drawn at (`gi.draw(..., width_cm=8.5)`), and lies on white. Folders that are missing
        are made. `dpi` is for PNG. Raises `BadRequest` for another suffix, and where kaleido or a browser is missing.
        """
        validation.check_path("path", path)
        return save_all([(self, Path(path))], dpi)[0]


def save_all(pictures: Sequence[tuple[go.Figure, Path]], dpi: float = DPI) -> list[Path]:
    """Write every figure to its path, each as its suffix says, with one browser; returns the paths."""
    for _, path in pictures:
        check_path(path, dpi)
    check_drawing()
    for path in {path.parent for _, path in pictures}:
        make_directory(path)
    # In a notebook a loop runs already, and a thread has none.
    with ThreadPoolExecutor(1) as thread:
        try:
            drawn = thread.submit(asyncio.run, _draw(pictures, dpi / 96)).result()
        except StorageError:
            raise
        except Exception as error:  # of the browser's, of kaleido's, or of what lies between them
            raise BadRequest(f"kaleido drew no picture: {' '.join(str(error).split())[:200]}") from None
    for (_, path), content in zip(pictures, drawn, strict=True):
        write_over(path, content)
    return [path for _, path in pictures]


def check_path(path: Path, dpi: float = DPI) -> None:
    """Raise `BadRequest` for what a picture cannot be called, where none can be written, and for no fineness."""
    if path.suffix[1:].lower() not in FORMATS:
        raise BadRequest(f"{path} is no name of a picture; let it end with {listed(f'.{one}' for one in FORMATS)}")
    check_output(path)
    if not validation.has_type(validation.plain(dpi), float) or not (math.isfinite(dpi) and dpi > 0):
        raise BadRequest(f"dpi is a number above 0, not {validation.shown(dpi)}")


def check_drawing() -> None:
    """Raise `BadRequest` where no picture can be drawn, for want of kaleido or of a browser."""
    if importlib.util.find_spec("kaleido") is None:
        raise BadRequest("pictures are drawn by kaleido, which is not installed: pip install kaleido")
    browser("to draw pictures with; install one, run kaleido_get_chrome, or set BROWSER_PATH")


async def _draw(pictures: Sequence[tuple[go.Figure, Path]], scale: float) -> list[bytes]:
    from kaleido import Kaleido  # pyright: ignore[reportMissingImports]

    contents = []
    # Without MathJax, which it would fetch from a server.
    async with Kaleido(n=1, mathjax=False, path=browser()) as kaleido:
        for figure, path in pictures:
            kind = path.suffix[1:].lower()
            options: Any = dict(format=kind, scale=scale if kind == "png" else 1)
            content = await kaleido.calc_fig(on_paper(figure), opts=options)
            contents.append(_in_centimetres(content) if kind == "svg" else content)
    return contents


def _in_centimetres(svg: bytes) -> bytes:
    """An SVG whose size is told as on paper, where the browser tells it in pixels."""
    head, close, rest = svg.decode().partition(">")
    size = lambda match: f'{match[1]}="{float(match[2]) / PIXELS:.2f}cm"'
    return (re.sub(r'\b(width|height)="([\d.]+)"', size, head) + close + rest).encode()


@dataclass(frozen=True)
class Pictures:
    """Where the figures of a page go as pictures, in which formats, and how large."""

    directory: Path
    formats: tuple[str, ...]
    width_cm: float | None
    font_pt: float | None

    @classmethod
    def checked(
        cls, directory: str | Path, formats: str | Iterable[str], width_cm: float | None, font_pt: float | None
    ) -> "Pictures":
        """Raises `BadRequest` for what cannot be drawn, before anything is measured."""
        names = [part.strip().lower() for name in listed_names(formats, "formats") for part in name.split(",")]
        if unknown := [name for name in names if name not in FORMATS]:
            raise BadRequest(f"pictures are written as {listed(FORMATS)}, not as {unknown[0]!r}")
        validation.check_path("images", directory)
        if Path(directory).exists() and not Path(directory).is_dir():
            raise BadRequest(f"images={validation.shown(str(directory))} is a file; name a directory for the pictures")
        check_size(width_cm, font_pt)
        check_drawing()
        return cls(Path(directory), tuple(dict.fromkeys(names)), width_cm, font_pt)

    def within(self, folder: str) -> "Pictures":
        """The same of another page, in a folder of its own."""
        return replace(self, directory=self.directory / folder)

    def write(self, plates: list[Plate]) -> list[Path]:
        """Every figure by its name: `loss.png`, and in the other formats."""
        figures = [(plate.name, of_plate(plate, self.width_cm, self.font_pt)) for plate in plates]
        paths = [(figure, self.directory / f"{name}.{each}") for name, figure in figures for each in self.formats]
        return save_all(paths, DPI if self.width_cm is not None else 2 * 96)


def of_plate(plate: Plate, width_cm: float | None = None, font_pt: float | None = None) -> Figure:
    """The figure of a page as it stands alone on paper."""
    figure = Figure(on_paper(plate.figure))
    if width_cm is None:
        figure.update_layout(width=940, margin_r=90)
    sized(figure, width_cm, font_pt)
    return figure
