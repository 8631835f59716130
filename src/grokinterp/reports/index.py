"""Index: a page with a row for every run, its curve in small, its verdict, and a link to its report."""

import re
from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from markupsafe import Markup

from grokinterp.circuits.loss import LATER
from grokinterp.reports import prose, regime_grid, verdict
from grokinterp.reports.figures.curves import Curve
from grokinterp.reports.page import templates, written
from grokinterp.reports.section import Absent
from grokinterp.reports.subject import Subject
from grokinterp.runs.run import last_recorded

POINTS, WIDTH, HEIGHT = 80, 150, 34


@dataclass(frozen=True)
class Row:
    """A run in the table; `path` is its report, `place` its cell in a grid of fractions and decays."""

    name: str
    path: str
    task: str
    model: str
    checkpoints: str
    numbers: str
    verdict: str
    spark: Markup
    place: regime_grid.Place | None = None


def row(subject: Subject, path: str) -> Row:
    """What the index says of a run."""
    run, trace = subject.run, subject.trace
    words = [prose.title(run) if run.has_task else "unknown"]
    config = run.config.model if run.has_config else None
    told = []
    for column, said in (("train_accuracy", "train"), ("test_accuracy", "test")):
        last = last_recorded(subject.metrics, column)
        if last is None and not isinstance(trace, Absent) and column in trace:
            value = float(trace[column].values[-1])
            last = None if value != value else (0, value)
        told += [] if last is None else [f"{said} {prose.percent(last[1])}"]
    return Row(
        name=run.name,
        path=path,
        task=words[0],
        model="unknown" if config is None else config.in_words().split(",")[0],
        checkpoints=prose.checkpoints(run.steps) if run.steps else "curves only",
        numbers=", ".join(told),
        verdict=verdict.headline(subject),
        spark=sparkline(subject),
        place=regime_grid.place(subject, path),
    )


def sparkline(subject: Subject) -> Markup:
    """Train (grey) and test (blue) accuracy over steps as a small picture; losses on a log scale where there is none.

    From the recorded curves, or the trace where nothing was recorded.
    """
    for kind, transform in (("accuracy", lambda values: values), ("loss", lambda values: np.log(values + 1e-9))):
        curves = [_curve(subject, f"{side}_{kind}") for side in ("train", "test")]
        if max(map(len, curves)) < 2:
            continue
        every = np.concatenate([transform(curve.values) for curve in curves])
        low, high = (0.0, 1.0) if kind == "accuracy" else (float(every.min()), float(every.max()))
        last = max(curve.steps.max() for curve in curves if len(curve))
        lines = []
        for curve, name in zip(curves, ("train", "test"), strict=True):
            if len(curve) < 2:
                continue
            at = np.unique(np.linspace(0, len(curve) - 1, POINTS).round().astype(int))
            x = 1 + (WIDTH - 2) * curve.steps[at] / (last or 1)
            y = 2 + (HEIGHT - 4) * (1 - (transform(curve.values[at]) - low) / ((high - low) or 1))
            points = " ".join(f"{a:.1f},{b:.1f}" for a, b in zip(x, y, strict=True))
            lines.append(f'<polyline class="{name}" points="{points}"/>')
        label = f"train and test {kind} over {last:,.0f} steps"
        return Markup(
            f'<svg viewBox="0 0 {WIDTH} {HEIGHT}" width="{WIDTH}" height="{HEIGHT}" role="img" aria-label="{label}">'
            f"<title>{label}</title>{''.join(lines)}</svg>"
        )
    return Markup("")


def _curve(subject: Subject, column: str) -> Curve:
    recorded = Curve.of(subject.metrics, column)
    if len(recorded) > 1 or isinstance(subject.trace, Absent) or column not in subject.trace:
        return recorded
    return Curve.read(subject.trace[column])


def index(rows: list[Row], skipped: Mapping[str, str]) -> str:
    """The page of all runs."""
    return (
        templates()
        .get_template("index.html")
        .render(
            rows=rows,
            grids=regime_grid.grids(row.place for row in rows),
            later=f"{LATER:g}",
            skipped=dict(skipped),
            written=written(),
        )
    )


def file_names(names: list[str]) -> list[str]:
    """A file name for each run's report: its name with what no file system likes replaced, told apart by numbers."""
    found: list[str] = []
    for name in names:
        stem = re.sub(r"[^A-Za-z0-9._-]+", "-", name).strip("-.") or "run"
        stem = f"{stem}-report" if stem == "index" else stem
        tried, number = stem, 2
        while f"{tried}.html".lower() in map(str.lower, found):
            tried, number = f"{stem}-{number}", number + 1
        found.append(f"{tried}.html")
    return found
