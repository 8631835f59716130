"""Draws docs/demo.png, the README's picture, from the report of `grokinterp demo`. Needs Chromium and `.[dev]`.

make demo && .venv/bin/python docs/picture.py
"""

import base64
import shutil
import sys
from pathlib import Path

from playwright.sync_api import sync_playwright

REPORT = Path("runs/demo/report.html")
PLATES = ("loss", "spectrum-over-time")
FLAGS = "--no-sandbox --disable-gpu --disable-quic --no-first-run --disable-background-networking --disable-sync"

if not REPORT.exists():
    sys.exit(f"{REPORT} is not there; run `make demo` first")
with sync_playwright() as playwright:
    browser = playwright.chromium.launch(executable_path=shutil.which("chromium"), args=FLAGS.split())
    page = browser.new_page(viewport={"width": 1000, "height": 900}, color_scheme="light")
    page.goto(REPORT.resolve().as_uri())
    page.wait_for_selector(f"#{PLATES[-1]} .main-svg")
    page.add_style_tag(content=".updatemenu-container, .modebar { visibility: hidden }")
    shots = [base64.b64encode(page.locator(f"#{plate}").screenshot()).decode() for plate in PLATES]
    images = "<br>".join(f"<img src='data:image/png;base64,{shot}' width=860>" for shot in shots)
    page.set_content(f"<div style='background: white; width: 860px; padding: 0 12px'>{images}</div>")
    page.locator("div").screenshot(path="docs/demo.png")
    browser.close()
