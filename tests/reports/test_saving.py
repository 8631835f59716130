"""Figures for papers: as PDF with its fonts, as SVG and as PNG, of the size that was asked for; one line where not."""

import importlib.util
import os
import re
import shutil
import struct
import zlib
from pathlib import Path

import numpy as np
import pytest
import xarray as xr

import grokinterp as gi
from grokinterp.cli import main
from grokinterp.errors import BadRequest
from grokinterp.reports import export, report
from grokinterp.reports.figures.curves import Chart, Curve, panels
from grokinterp.reports.figures.paper import on_paper
from grokinterp.reports.saving import Pictures
from grokinterp.reports.section import Plate


@pytest.fixture
def losses() -> xr.Dataset:
    steps = np.array([0, 10, 20])
    values = {"train_loss": [4.0, 0.1, 0.001], "test_loss": [4.0, 5.0, 0.01]}
    return xr.Dataset(
        {name: ("step", np.array(each), {"units": "nats"}) for name, each in values.items()}, {"step": steps}
    )


@pytest.fixture(scope="module")
def saved(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with one figure of 8.5 cm as PDF, SVG and PNG, all by one browser."""
    if not os.environ.get("CI"):
        if shutil.which("chromium") is None:
            pytest.skip("no Chromium to draw pictures with")
        pytest.importorskip("kaleido")
    steps = np.array([0, 10, 20])
    loss = xr.DataArray(np.array([4.0, 0.1, 0.001]), {"step": steps}, ("step",), "train_loss", {"units": "nats"})
    plate = Plate("loss", gi.draw(loss), "The loss.", "nowhere")
    folder = tmp_path_factory.mktemp("saved") / "new" / "folder"
    Pictures.checked(folder, "svg,pdf, PNG", 8.5, 8).write([plate])
    return folder


def test_pictures_are_named_by_figure_and_format(saved):
    """The folder is made."""
    assert {path.name for path in saved.iterdir()} == {"loss.svg", "loss.pdf", "loss.png"}


def test_a_pdf_has_its_fonts_in_it_and_its_size(saved):
    """So that it looks the same in print; 8.5 cm are 241 points."""
    content = (saved / "loss.pdf").read_bytes()
    streams = [
        zlib.decompress(part)
        for part in re.findall(rb"stream\r?\n(.*?)\r?\nendstream", content, re.DOTALL)
        if part[:1] == b"x"
    ]
    assert re.search(rb"/FontFile[23]?\b", b"".join([content, *streams]))
    [width] = re.findall(rb"/MediaBox ?\[ ?0 0 ([\d.]+)", b"".join([content, *streams]))
    assert float(width) == pytest.approx(8.5 / 2.54 * 72, abs=0.5)


def test_an_svg_has_its_text_as_text_and_its_size_in_centimetres(saved):
    """It can be edited, and a page of LaTeX or Word takes it as wide as it is."""
    text = (saved / "loss.svg").read_text()
    assert re.match(r'<svg [^>]*width="8.50cm" height="[\d.]+cm"', text)
    assert re.search(r"<text[^>]*>training step</text>", text) and re.search(r"font-size: 10.\d+px", text)


def test_a_png_has_three_hundred_pixels_to_the_inch(saved):
    """By its header: 8.5 cm are 3.35 inches."""
    content = (saved / "loss.png").read_bytes()
    width, height = struct.unpack(">II", content[16:24])
    assert width == pytest.approx(8.5 / 2.54 * 300, abs=3) and 0.4 * width < height < width


@pytest.mark.parametrize(
    ("save", "said"),
    [
        (lambda figure, path: figure.save(path / "x.jpg"), "x.jpg is no name of a picture; let it end with .pdf"),
        (lambda figure, path: figure.save(path / "x"), r"no name of a picture"),
        (lambda figure, path: figure.save(path / "x.png", dpi=0), "dpi is a number above 0, not 0"),
        (lambda figure, path: figure.save(path / "file" / "x.svg"), "of that name is in the way|part of the path"),
        (lambda figure, path: Pictures.checked(path, "svg,eps", None, None), "written as pdf, svg, png, not as 'eps'"),
        (lambda figure, path: Pictures.checked(path, "svg", -1, None), "must be above 0 and at most 1000, not -1"),
    ],
    ids=["suffix", "none", "dpi", "folder", "format", "width"],
)  # fmt: skip
def test_what_cannot_be_saved_is_refused_in_one_line(losses, save, said, tmp_path, monkeypatch):
    """Before a browser starts."""
    (tmp_path / "file").write_text("")
    monkeypatch.setattr("grokinterp.reports.saving.check_drawing", lambda: None)
    with pytest.raises(BadRequest, match=said) as refusal:
        save(gi.draw(losses), tmp_path)
    assert "\n" not in str(refusal.value)


def test_pictures_need_kaleido(monkeypatch, small_run, tmp_path):
    """One line that says what to install, before anything is measured or written."""
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None)
    with pytest.raises(BadRequest, match="pip install kaleido"):
        report(gi.load(small_run), tmp_path / "r.html", images=tmp_path / "png")
    assert not (tmp_path / "r.html").exists() and not (small_run / "traces").exists()


def test_pictures_need_a_browser(monkeypatch, losses, tmp_path):
    """Without one the remedy is named."""
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: True)
    monkeypatch.setattr(export.shutil, "which", lambda name: None)
    monkeypatch.setattr(export, "PLACES", ())
    monkeypatch.setattr(export, "_of_kaleido", lambda: None)
    monkeypatch.delenv("BROWSER_PATH", raising=False)
    with pytest.raises(BadRequest, match="draw pictures with; install one, run kaleido_get_chrome, or set"):
        gi.draw(losses).save(tmp_path / "x.pdf")


def test_a_figure_of_a_report_is_found_by_its_name(small_run, tmp_path, capsys, monkeypatch):
    """On the command line: the names of the run's own report, a near one first; then the file, by run and figure."""
    monkeypatch.chdir(tmp_path)
    assert main(["figure", str(small_run), "los"]) == 2
    assert "no figure 'los'. Did you mean 'loss'? The report of small has" in capsys.readouterr().err
    saved = []
    monkeypatch.setattr(
        "grokinterp.reports.saving.save_all", lambda pictures, dpi: saved.extend(pictures) or [pictures[0][1]]
    )
    assert main(["figure", str(small_run), "loss", "--width-cm", "12"]) == 0
    [(figure, path)] = saved
    assert path == small_run / "loss.pdf" and capsys.readouterr().out.strip() == str(path)
    assert figure.layout.width == pytest.approx(12 / 2.54 * 96) and not figure.layout.updatemenus
    assert figure.layout.yaxis.type == "log" and {curve.name for curve in figure.data} >= {"train loss", "test loss"}


@pytest.mark.parametrize("options", [["--format", "svg"], ["--width-cm", "8"], ["--font-pt", "8"]], ids=" ".join)
def test_settings_of_pictures_need_a_place_for_them(options, small_run, capsys):
    """`--format` of a report tells how to read a file as well; what is of pictures alone is not passed over."""
    assert main(["report", str(small_run), *options]) == 2
    assert f"{options[0]} {options[1].rstrip('.0')}" in capsys.readouterr().err.replace(".0", "")


def test_where_buttons_stood_a_picture_has_no_empty_band():
    """They are on a screen alone; the plot keeps its height, and a figure without them its margin."""
    chart = Chart(430)
    chart.line(Curve(np.array([0.0, 1.0]), np.array([1.0, 0.1])), "train loss", "#000")
    figure = chart.finished("loss (nats)", "log", "loss")
    picture = on_paper(figure)
    assert picture.layout.margin.t < 20 and picture.layout.height == 430 - 48 + picture.layout.margin.t
    assert len(figure.layout.updatemenus) == 2 and not picture.layout.updatemenus
    assert on_paper(panels(["share"], [[]], [None])).layout.margin.t == 16
