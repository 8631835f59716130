"""Regime grid: what runs came to that differ in the share trained on and in weight decay, and in nothing else."""

from collections.abc import Iterable
from dataclasses import dataclass

from grokinterp.circuits.loss import Regime, regime_of
from grokinterp.reports import prose
from grokinterp.reports.figures.curves import Curve
from grokinterp.reports.subject import Subject


@dataclass(frozen=True)
class Place:
    """A run's cell: where it stands, and what it came to. Runs of the same `group` belong into one grid."""

    group: str
    title: str
    frac: float
    decay: float
    regime: Regime
    steps: str
    path: str


@dataclass(frozen=True)
class Grid:
    """Fractions down, decays across; a cell is None where there is no such run."""

    title: str
    decays: list[str]
    rows: list[tuple[str, list[Place | None]]]


def place(subject: Subject, path: str) -> Place | None:
    """The cell of a run whose report is at `path`; None where its settings or its accuracies are not known."""
    run = subject.run
    if not (run.has_config and run.has_task) or run.task.is_endless:
        return None
    if any(len(Curve.of(subject.metrics, f"{side}_accuracy")) < 2 for side in ("train", "test")):
        return None
    config, landmarks = run.config, subject.landmarks
    memorised, grokked = landmarks.memorised_step, landmarks.grokked_step
    labels = [
        f"{side} {'never' if step is None else f'{step:,}'}" for side, step in (("train", memorised), ("test", grokked))
    ]
    return Place(
        group=config.replace(frac=0.5, weight_decay=0.0).fingerprint,
        title=prose.title(run) + (f", seed {config.seed}" if run.is_seed_known else ""),
        frac=config.split.frac,
        decay=config.optimiser.weight_decay,
        regime=regime_of(memorised, grokked),
        steps=", ".join(labels),
        path=path,
    )


def grids(places: Iterable[Place | None]) -> list[Grid]:
    """A grid for each group with several fractions and several decays."""
    groups: dict[str, list[Place]] = {}
    for each in places:
        if each is not None:
            groups.setdefault(each.group, []).append(each)
    return [found for group in groups.values() if (found := _grid(group)) is not None]


def _grid(group: list[Place]) -> Grid | None:
    at = {(each.frac, each.decay): each for each in group}
    fracs, decays = sorted({frac for frac, _ in at}), sorted({decay for _, decay in at})
    if len(fracs) < 2 or len(decays) < 2:
        return None
    rows = [(f"{100 * frac:g}{prose.PERCENT}", [at.get((frac, decay)) for decay in decays]) for frac in fracs]
    return Grid(group[0].title, [f"decay {decay:g}" for decay in decays], rows)
