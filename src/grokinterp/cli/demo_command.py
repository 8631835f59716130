"""Grok modular addition in a minute: a run and its report."""

import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from grokinterp.cli.arguments import parse, say

ORDER = 10


@dataclass(frozen=True)
class Demo:
    """Watch a one-layer transformer grok modular addition (p = 59), in less than a minute, and get its report."""

    out: Path | None = None  # directory of the run, written anew; runs/demo where left out
    seed: int = 0


PLACE = Path("runs/demo")

# Nanda's recipe at half the width, three times the rate and twice the decay: of seeds 0 to 2 each memorises by step
# 125 and groks between steps 750 and 1,200.
RECIPE: dict[str, Any] = {"p": 59, "frac": 0.4, "d_model": 64, "lr": 3e-3, "weight_decay": 2.0}
ENDS: dict[str, Any] = {"steps": 8_000, "grokked_accuracy": 0.999, "stop_after_grokking": 400}
KEPT: dict[str, Any] = {"metrics_every": 25, "checkpoint_every": 25}


def run(argv: list[str]) -> None:
    """Train, report, and say what was seen."""
    given = parse(Demo, argv, "demo")
    from grokinterp.reports import report
    from grokinterp.training.trainer import train

    options = {**RECIPE, **ENDS, **KEPT, "seed": given.seed}
    if given.out is None:
        _check_own(options)
    out = given.out or PLACE
    say("Training a one-layer transformer on a + b mod 59, 40 % of the table ...")
    start = time.monotonic()
    trained = train(
        "a + b",
        **options,
        out=out,
        overwrite=True,
        # Matrices this small gain nothing from more cores, and lose where another program uses them.
        threads=1,
    )
    seconds = time.monotonic() - start
    metrics = trained.metrics
    memorised = metrics.step[metrics.train_accuracy == 1].min()
    grokked = metrics.step[metrics.test_accuracy >= 0.99].min()
    page = report(trained, out / "report.html")
    say(
        f"It memorised its training rows by step {memorised:.0f}, and had 99 % of the others right by step "
        f"{grokked:.0f}, {grokked / memorised:.0f} times as late; in the end {metrics.test_accuracy.iloc[-1]:.2%} "
        f"({seconds:.0f} s)."
    )
    say(f"The run is in {trained.path}, its report in {page}.")


def _check_own(options: dict[str, Any]) -> None:
    """Raise `BadRequest` where the usual place holds another run than an earlier demo's, of whatever seed."""
    from grokinterp.errors import BadRequest
    from grokinterp.runs.directory import is_run, open_run
    from grokinterp.training.planning import configure

    there = open_run(PLACE).config if is_run(PLACE) else None
    if there is not None and there.replace(seed=options["seed"]) != configure("a + b", **options)[0]:
        raise BadRequest(f"{PLACE} holds a run that is not the demo's; name another directory with --out")
