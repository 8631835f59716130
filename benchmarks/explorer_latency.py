"""How long the explorer takes from a click to the picture, measured in the browser.

A headless Chromium clicks head, frequency and component chips one after another, and moves the slider; the clock
starts in the page before the click and stops when the pair map has been drawn from its answer. A selection is never
asked for twice, so that nothing comes from a cache.

    python benchmarks/explorer_latency.py runs/add [--clicks 24] [--json FILE]
"""

import argparse
import json
import os
import shutil
import statistics
import tempfile
from pathlib import Path
from typing import Any

from playwright.sync_api import Page, sync_playwright

import grokinterp as gi

FLAGS = (
    "--headless --no-sandbox --disable-gpu --disable-quic --no-first-run --disable-background-networking "
    "--disable-component-update --disable-sync"
).split()

WATCH = """() => {
  const graph = document.querySelector("#table .js-plotly-plot");
  window.timed = (use) => new Promise((done) => {
    const start = performance.now();
    graph.once("plotly_afterplot", () => requestAnimationFrame(() => {
      const asked = performance.getEntriesByType("resource").filter((e) => e.name.includes("_dash-update-component"));
      const first = asked.find((e) => e.startTime >= start);
      done([performance.now() - start, first ? first.duration : 0]);
    }));
    use();
  });
}"""

KINDS = {"head": "#heads", "frequency": "#frequencies", "component": "#components"}


def timed(page: Page, use: str) -> tuple[float, float]:
    """Milliseconds from `use` to the picture, and of these until the server's answer is there."""
    page.evaluate("performance.clearResourceTimings()")
    whole, server = page.evaluate(f"window.timed(() => {{ {use} }})")
    # The slower panels are to have come to rest before the next click.
    page.wait_for_timeout(1200)
    return whole, server


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("run", help="a run of a + b (one-layer transformer), p = 113 to be comparable")
    parser.add_argument("--clicks", type=int, default=24, help="how many clicks")
    parser.add_argument("--json", type=Path, help="also write the figures to this file")
    options = parser.parse_args()
    handle = gi.explore(gi.load(options.run))
    times: dict[str, list[tuple[float, float]]] = {name: [] for name in (*KINDS, "slider")}
    with sync_playwright() as playwright, tempfile.TemporaryDirectory() as profile:
        context = playwright.chromium.launch_persistent_context(
            profile, executable_path=shutil.which("chromium"), args=FLAGS, viewport={"width": 1280, "height": 800}
        )
        page = context.pages[0]
        page.goto(handle.url)
        page.wait_for_selector("#table .heatmaplayer image", state="attached")
        page.wait_for_timeout(5000)
        page.evaluate(WATCH)
        for i in range(options.clicks):
            name = list(KINDS)[i % 3]
            chips = page.locator(f"{KINDS[name]} label input:enabled").count()
            # Neighbours in turn: the chips that are on are never the same set twice.
            place = (i // 3 * (7 if name == "frequency" else 1)) % chips
            times[name].append(timed(page, f"document.querySelectorAll('{KINDS[name]} label input')[{place}].click()"))
        page.locator("#clear").click()
        page.wait_for_timeout(1500)
        key = "new KeyboardEvent('keydown', {key: 'ArrowLeft', bubbles: true})"
        for _ in range(options.clicks // 3):
            thumb = "document.querySelector('#timeline [role=slider]')"
            times["slider"].append(timed(page, f"{thumb}.focus(); {thumb}.dispatchEvent({key})"))
        context.close()
    handle.stop()
    clicks = [pair for name in KINDS for pair in times[name]]
    figures: dict[str, Any] = {
        "ms from click to picture, median": statistics.median(whole for whole, _ in clicks),
        "ms of these until the server has answered, median": statistics.median(server for _, server in clicks),
        **{f"ms, {name}, median": statistics.median(whole for whole, _ in found) for name, found in times.items()},
        "clicks": len(clicks),
        "load of the machine, last minute": os.getloadavg()[0],
    }
    for name, value in figures.items():
        print(f"{name:<52} {value:.4g}")
    if options.json:
        options.json.write_text(json.dumps(figures, indent=1) + "\n")


if __name__ == "__main__":
    main()
