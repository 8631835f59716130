"""Reports: a run as one self-contained page. Drawing only; the numbers come from `fourier` and `circuits`."""

from pathlib import Path

from grokinterp.runs import Run


def report(run: Run, out: str | Path = "report.html") -> Path:
    """Write one HTML page on a run: what was trained, what happened, the embedding's spectrum and circles.

    The page opens offline, prints, and asks nothing of the network. It adapts to what the run has: one checkpoint
    (no sliders), curves only, no curves, or a task that is not known, and says what is missing. `out` is
    written whole or not at all; its path is returned. Raises `StorageError` where it cannot be written.
    """
    from grokinterp.reports.page import page  # plotly and jinja2 are imported when a report is made
    from grokinterp.storage import write_atomic

    out = Path(out)
    write_atomic(out, page(run).encode())
    return out
