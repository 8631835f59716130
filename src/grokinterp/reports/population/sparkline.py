"""Sparkline: curves as a small picture in SVG, of one run in a table, or of several in a small multiple."""

import numpy as np
from jaxtyping import Float
from markupsafe import Markup

WIDTH, HEIGHT = 150, 34
POINTS = 24
"""How many points of a curve in a table are drawn."""


def sparkline(
    steps: Float[np.ndarray, "place"],
    train: Float[np.ndarray, "run place"],
    test: Float[np.ndarray, "run place"],
    is_share: bool,
    width: int = WIDTH,
    height: int = HEIGHT,
    points: int = POINTS,
) -> Markup:
    """Train (grey) and test (blue) accuracy over steps, from 0 to 1; losses on a log scale where there is none.

    A run is a line; a place without a value a gap. Empty where nothing was recorded.
    """
    known = np.isfinite(train).any() or np.isfinite(test).any()
    if not known:
        return Markup("")
    scaled = [values if is_share else np.log(values + 1e-9) for values in (train, test)]
    low, high = 0.0, 1.0
    if not is_share:
        every = np.concatenate([values[np.isfinite(values)] for values in scaled])
        low, high = float(every.min()), float(every.max())
    at = np.unique(np.linspace(0, len(steps) - 1, points).round().astype(int))
    x = 1 + (width - 2) * steps[at] / (steps[-1] or 1)
    lines = [
        Markup('<polyline class="{}" points="{}"/>').format(name, _points(x, row[at], low, high, height))
        for name, rows in zip(("train", "test"), scaled, strict=True)
        for row in rows
        if np.isfinite(row[at]).sum() > 1
    ]
    what = "accuracy" if is_share else "loss"
    label = f"train and test {what} over {steps[-1]:,.0f} steps"
    return Markup(
        '<svg viewBox="0 0 {w} {h}" width="{w}" height="{h}" role="img" aria-label="{label}">{lines}</svg>'
    ).format(w=width, h=height, label=label, lines=Markup("").join(lines))


def _points(x: np.ndarray, values: np.ndarray, low: float, high: float, height: int) -> str:
    y = 2 + (height - 4) * (1 - (values - low) / ((high - low) or 1))
    return " ".join(f"{a:.0f},{b:.1f}" for a, b in zip(x, y, strict=True) if b == b)
