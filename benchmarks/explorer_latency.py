"""How long the explorer takes from a click to the picture, measured in the browser.

A headless Chromium clicks head, frequency and component chips one after another, and moves the slider; the clock
starts in the page before the click and stops at the first frame after the numbers and the pair map's image have been
set from its answer; the logits' spectrum follows, and has a clock of its own. A selection is never asked for twice, so
that nothing comes from a cache; a head or component is put back in before the next click, since without attention or
MLP nothing is computed.

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
  const graph = (id) => document.querySelector(`#${id} .js-plotly-plot`);
  const numbers = () => document.querySelector("#numbers").innerHTML;
  window.timed = (use) => new Promise((done, failed) => {
    const start = performance.now(), before = numbers();
    const framed = (drawn) => requestAnimationFrame(() => drawn(performance.now() - start));
    const map = new Promise((drawn) => {
      const isSet = ({ target, attributeName }) => target.tagName === "image" && attributeName === "href";
      const images = new MutationObserver((changes) => {
        if (!changes.some(isSet)) return;
        images.disconnect();
        framed(drawn);
      });
      images.observe(graph("table"), { subtree: true, attributes: true });
    }).then((ms) => {
      if (numbers() === before) throw new Error("the map was drawn before the numbers");
      return ms;
    });
    const spectrum = new Promise((drawn) => graph("spectrum").once("plotly_afterplot", () => framed(drawn)));
    Promise.all([map, spectrum]).then(([whole, after]) => {
      const asked = performance.getEntriesByType("resource").filter((e) => e.name.includes("/change"));
      const first = asked.find((e) => e.startTime >= start);
      done([whole, first ? first.responseEnd - start : 0, after]);
    }).catch(failed);
    use();
  });
}"""

KINDS = {"head": "#heads", "frequency": "#frequencies", "component": "#components"}


def timed(page: Page, use: str) -> tuple[float, float, float]:
    """Milliseconds from `use` to the map, of these until the server's answer is there, and to the spectrum."""
    page.evaluate("performance.clearResourceTimings()")
    found = page.evaluate(f"window.timed(() => {{ {use} }})")
    # The slower panels are to have come to rest before the next click.
    page.wait_for_timeout(1200)
    return tuple(found)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("run", help="a run of a + b (one-layer transformer), p = 113 to be comparable")
    parser.add_argument("--clicks", type=int, default=24, help="how many clicks")
    parser.add_argument("--json", type=Path, help="also write the figures to this file")
    options = parser.parse_args()
    handle = gi.explore(gi.load(options.run))
    times: dict[str, list[tuple[float, float, float]]] = {name: [] for name in (*KINDS, "slider")}
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
            click = f"document.querySelectorAll('{KINDS[name]} label input')[{place}].click()"
            times[name].append(timed(page, click))
            if name != "frequency":
                timed(page, click)
        page.locator("#clear").click()
        page.wait_for_timeout(1500)
        key = "new KeyboardEvent('keydown', {key: 'ArrowLeft', bubbles: true})"
        for _ in range(options.clicks // 3):
            thumb = "document.querySelector('#timeline [role=slider]')"
            times["slider"].append(timed(page, f"{thumb}.focus(); {thumb}.dispatchEvent({key})"))
        context.close()
    handle.stop()
    clicks = [found for name in KINDS for found in times[name]]
    median = lambda found, which: statistics.median(one[which] for one in found)
    figures: dict[str, Any] = {
        "ms from click to picture, median": median(clicks, 0),
        "ms of these until the server has answered, median": median(clicks, 1),
        **{f"ms, {name}, median": median(found, 0) for name, found in times.items()},
        "ms until the spectrum too, median": median(clicks, 2),
        "clicks": len(clicks),
        "load of the machine, last minute": os.getloadavg()[0],
    }
    for name, value in figures.items():
        print(f"{name:<52} {value:.4g}")
    if options.json:
        options.json.write_text(json.dumps(figures, indent=1) + "\n")


if __name__ == "__main__":
    main()
