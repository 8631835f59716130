"""An hour's use of the explorer in minutes: random actions one after the other, while memory and errors are watched.

The explorer runs as users start it, in a process of its own. A visitor without a browser opens the page, uses its
controls at random as a page would (the panels that an answer names are asked for too), goes back, exports, and opens
the page anew at the address where it is. An action of a user takes some two seconds, so 1,800 are an hour.

    python tests/soak/soak.py RUN [RUN] [--actions 1800] [--seed 0] [--json FILE]

It ends with 1 where an answer was an error, the log was not empty, or memory went on growing.
"""

import argparse
import json
import random
import statistics
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import psutil

CHOICES = ("heads", "components", "frequencies")
RADIOS = {
    "keep": ("ablate", "keep"),
    "how": ("zero", "mean", "resample"),
    "map": ("margin", "loss", "error"),
    "page": ("overview", "pair", "compare", "python"),
    "scale": ("shared", "own"),
}
LISTED = ("where", "rows", "x", "y", "run", "layer", "other_run")
ACTIONS = {
    **dict.fromkeys(CHOICES, 4),
    **dict.fromkeys(RADIOS, 2),
    **dict.fromkeys(LISTED, 1),
    **dict.fromkeys(("step", "undo", "lasso", "table", "operands"), 4),
    **dict.fromkeys(("other_step", "redo", "clear", "neurons", "hover", "export-csv", "export-html", "open"), 1),
}
"""How often each is done."""

ALLOWED_GROWTH = 96 * 2**20
"""Bytes between the first and the last tenth of the watched time: what caches and the allocator go up and down by."""


@dataclass
class Visitor:
    """What a page knows of itself: what its controls hold and offer, and its history."""

    url: str
    random: random.Random
    held: dict[str, Any] = field(default_factory=dict)
    offered: dict[str, list[Any]] = field(default_factory=dict)
    history: dict[str, Any] | None = None
    errors: list[str] = field(default_factory=list)

    def __post_init__(self) -> None:
        base, _, token = self.url.partition("?token=")
        self.base, self.headers = base, {"X-Grokinterp-Token": token, "Content-Type": "application/json"}
        dependencies = self.ask("_dash-dependencies")
        self.callbacks = [each for each in dependencies if not each["clientside_function"]]
        self.open()

    def ask(self, path: str, body: Any = None) -> Any:
        """The answer as JSON; None where there is none. What is no success is an error."""
        data = None if body is None else json.dumps(body).encode()
        try:
            with urllib.request.urlopen(urllib.request.Request(self.base + path, data, self.headers)) as answer:
                text = answer.read()
                return json.loads(text) if text else None
        except urllib.error.HTTPError as refused:
            self.errors.append(f"{path}: {refused.code} {refused.read()[:200]!r}")
            return None

    def open(self) -> None:
        """Open the page at the address where it is."""
        search, self.history = "" if self.history is None else "?" + self.history["now"], None
        self.held = dict.fromkeys(("lasso", "operands", "neurons", "table", "undo", "redo", "clear"))
        self.held |= {"url": search, **dict.fromkeys(RADIOS), **dict.fromkeys(LISTED), **dict.fromkeys(CHOICES)}
        self.change([])

    def change(self, used: list[str]) -> None:
        """Use controls, and ask for the panels that wait for it."""
        asked = {"used": used, "hold": self.held, "history": self.history, "message": ""}
        answer = self.ask("change", asked)
        if answer is None:
            return
        told, rest = answer["told"], answer["rest"]
        if message := told.get("message", {}).get("children"):
            self.errors.append(f"{used}: {message}")
        if "history" in told:
            self.history = told["history"]["data"]
        for name, properties in told.items():
            if "value" in properties:
                self.held[name] = properties["value"]
            if "options" in properties:
                self.offered[name] = [each["value"] for each in properties["options"] if not each.get("disabled")]
            if "max" in properties:
                self.offered[name] = list(range(properties["max"] + 1))
            if name == "boxes":
                self.sizes = properties["data"]["sizes"]
        for name, properties in rest.items():
            if "data" in properties:
                self.held[name] = properties["data"]
                self.call(name)

    def call(self, trigger: str) -> None:
        """The callbacks of the server that hear a component."""
        for callback in self.callbacks:
            if trigger not in [each["id"] for each in callback["inputs"]]:
                continue
            value = lambda each: {**each, "value": self.held.get(each["id"])}
            outputs = [name.rpartition(".") for name in callback["output"].strip(".").split("...")]
            listed = [{"id": name, "property": prop.partition("@")[0]} for name, _, prop in outputs]
            inputs = [value(each) for each in callback["inputs"]]
            changed = [f"{each['id']}.{each['property']}" for each in inputs if each["id"] == trigger]
            answer = self.ask(
                "_dash-update-component",
                {
                    "output": callback["output"],
                    "outputs": listed if callback["output"].startswith("..") else listed[0],
                    "inputs": inputs,
                    "state": [value(each) for each in callback.get("state", ())],
                    "changedPropIds": changed,
                },
            )
            failure = ((answer or {}).get("sideUpdate") or {}).get("message")
            if failure:
                self.errors.append(f"{trigger}: {failure}")

    def act(self) -> str:
        """One thing that a user does."""
        name = self.random.choices(list(ACTIONS), list(ACTIONS.values()))[0]
        pick = self.random
        if name in CHOICES:
            self.held[name] = pick.sample(self.offered[name], min(len(self.offered[name]), pick.randrange(4)))
        elif name in RADIOS:
            self.held[name] = pick.choice(RADIOS[name])
        elif name in LISTED or name.endswith("step"):
            if not self.offered.get(name):
                return "nothing"
            self.held[name] = pick.choice(self.offered[name])
        match name:
            case "lasso":
                self.held[name] = {"chosen": pick.sample(range(16), pick.randrange(12)), "adds": pick.random() < 0.3}
            case "operands":
                # One in ten is a number that the table does not have.
                self.held[name] = [pick.randrange(size + (pick.random() < 0.1)) for size in self.sizes]
            case "table" | "hover":
                point = {"y": pick.randrange(self.sizes[0]), "x": pick.randrange(self.sizes[1])}
                self.held["table"] = {"points": [point]}
            case "neurons":
                self.held[name] = {"points": [{"pointNumber": pick.randrange(16)}]}
        if name == "open":
            self.open()
        elif name.startswith("export"):
            self.held["history"], self.held[name] = self.history, 1
            self.call(name)
        elif name == "hover":
            self.call("table")
        else:
            self.change([name])
        return name


@dataclass(frozen=True)
class Soak:
    """What was watched: how often each action was done, resident bytes after each, errors, and the log."""

    actions: Counter[str]
    memory: list[int]
    errors: list[str]
    log: str
    seconds: float

    @property
    def growth(self) -> int:
        """Bytes from the first tenth to the last one, of what came after the first quarter, which fills the caches."""
        watched = self.memory[len(self.memory) // 4 :]
        tenth = max(1, len(watched) // 10)
        return int(statistics.median(watched[-tenth:]) - statistics.median(watched[:tenth]))

    @property
    def failures(self) -> list[str]:
        """Why it was no success; empty where it was one."""
        failures = list(self.errors)
        if self.log.strip():
            failures.append(f"the log says: {self.log.strip()[-500:]}")
        if self.growth > ALLOWED_GROWTH:
            failures.append(f"memory grew by {self.growth / 2**20:.0f} MB")
        return failures


def soak(runs: list[Path], actions: int, seed: int = 0) -> Soak:
    """Drive an explorer of one or two runs."""
    other = [] if len(runs) == 1 else ["--other", str(runs[1])]
    command = [sys.executable, "-m", "grokinterp", "explore", str(runs[0]), *other]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as server:
        assert server.stdout is not None
        try:
            process, start = psutil.Process(server.pid), time.monotonic()
            visitor = Visitor(server.stdout.readline().strip(), random.Random(seed))
            done, memory = Counter[str](), []
            for _ in range(actions):
                done[visitor.act()] += 1
                memory.append(process.memory_info().rss)
            seconds = time.monotonic() - start
        finally:
            server.terminate()
            _, log = server.communicate(timeout=60)
    return Soak(done, memory, visitor.errors, log, seconds)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("runs", nargs="+", type=Path, help="a run, and one to compare with")
    parser.add_argument("--actions", type=int, default=1800, help="how many actions")
    parser.add_argument("--seed", type=int, default=0, help="of the draw of actions")
    parser.add_argument("--json", type=Path, help="also write the figures to this file")
    options = parser.parse_args()
    result = soak(options.runs, options.actions, options.seed)
    figures = {
        "actions": sum(result.actions.values()),
        "seconds": round(result.seconds, 1),
        "MB after a quarter": round(result.memory[len(result.memory) // 4] / 2**20),
        "MB at the end": round(result.memory[-1] / 2**20),
        "MB grown, median of tenths": round(result.growth / 2**20, 1),
        "errors": len(result.errors),
    }
    for name, value in figures.items():
        print(f"{name:<30} {value}")
    if options.json:
        options.json.write_text(json.dumps(figures, indent=1) + "\n")
    for failure in result.failures[:20]:
        print(failure, file=sys.stderr)
    sys.exit(bool(result.failures))


if __name__ == "__main__":
    main()
