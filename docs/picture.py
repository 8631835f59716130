"""Draws the README's pictures of the run of `grokinterp demo`, its report and its explorer; with Chromium and `.[dev]`.

make demo && .venv/bin/python docs/picture.py
"""

import base64
import shutil
import sys
from pathlib import Path

from playwright.sync_api import Browser, sync_playwright

import grokinterp as gi

RUN = Path("runs/demo")
PLATES = ("loss", "spectrum-over-time")
FLAGS = "--no-sandbox --disable-gpu --disable-quic --no-first-run --disable-background-networking --disable-sync"


def report(browser: Browser) -> None:
    """The curves and the Fourier norms, one below the other."""
    page = browser.new_page(viewport={"width": 1000, "height": 900}, color_scheme="light")
    page.goto((RUN / "report.html").resolve().as_uri())
    page.wait_for_selector(f"#{PLATES[-1]} .main-svg")
    page.add_style_tag(content=".updatemenu-container, .modebar { visibility: hidden }")
    shots = [base64.b64encode(page.locator(f"#{plate}").screenshot()).decode() for plate in PLATES]
    images = "<br>".join(f"<img src='data:image/png;base64,{shot}' width=860>" for shot in shots)
    page.set_content(f"<div style='background: white; width: 860px; padding: 0 12px'>{images}</div>")
    page.locator("div").screenshot(path="docs/demo.png")


def explorer(browser: Browser) -> None:
    """One head and one key frequency taken out of the last checkpoint, and a neuron of another one looked at."""
    run = gi.load(RUN)
    trace = gi.measure(run)
    kept, *_, out = trace.attrs["key_frequencies"]
    last = trace.isel(step=-1, layer=0)
    neuron = int((last.neuron_fve * (last.neuron_frequency == kept)).values.argmax())
    handle = gi.explore(run)
    page = browser.new_page(viewport={"width": 1280, "height": 800}, color_scheme="light")
    page.goto(f"{handle.url}&heads=0.0&frequencies={out}&neuron={neuron}")
    page.wait_for_selector("#waves .main-svg .bars, #waves .main-svg .heatmaplayer image", state="attached")
    page.wait_for_function("document.querySelector('#plane .js-plotly-plot')._fullData[1].x.length > 60")
    page.screenshot(path="docs/explorer.png")
    handle.stop()


if __name__ == "__main__":
    if not (RUN / "report.html").exists():
        sys.exit(f"{RUN / 'report.html'} is not there; run `make demo` first")
    with sync_playwright() as playwright:
        chromium = playwright.chromium.launch(executable_path=shutil.which("chromium"), args=FLAGS.split())
        report(chromium)
        explorer(chromium)
        chromium.close()
