"""Regime grid: what runs came to that differ in the share trained on and in weight decay, seeds aside."""

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass

import pandas as pd

from grokinterp.circuits.loss import REGIMES, Regime, regime_of
from grokinterp.reports import prose
from grokinterp.reports.population.cells import steps
from grokinterp.reports.population.population import Population

LANDMARKS = ("memorised_step", "grokked_step")
FIELDS = {"frac": "the share trained on", "weight_decay": "weight decay"}


@dataclass(frozen=True)
class Place:
    """A run's cell: where it stands, and what it came to. Runs of the same `group` belong into one grid."""

    group: str
    title: str
    frac: float
    decay: float
    regime: Regime
    steps: str
    path: str | None


@dataclass(frozen=True)
class Cell:
    """The runs of a place: the commonest regime and how many have it, both landmarks of one run, links to pages."""

    regime: Regime
    count: int
    runs: int
    steps: str
    path: str | None

    @classmethod
    def of(cls, places: list[Place]) -> "Cell":
        counts = Counter(place.regime for place in places)
        regime = max(REGIMES, key=lambda each: counts[each])
        typical = [place for place in places if place.regime == regime]
        return cls(regime, counts[regime], len(places), typical[0].steps, typical[0].path)


@dataclass(frozen=True)
class Grid:
    """Fractions down, decays across; a cell is None where there is no such run."""

    title: str
    decays: list[str]
    rows: list[tuple[str, list[Cell | None]]]


def places_of(population: Population) -> list[Place]:
    """The cells of those runs whose settings and accuracies are known, and that are known to go on no more."""
    places = []
    for i, (name, run) in enumerate(population.runs.items()):
        row = population.table.iloc[i]
        is_known = run.is_recipe_known and population.is_ended[i] and population.is_scored[i]
        if not is_known or row.isna()["train_accuracy"] or not run.has_task or run.task.is_endless:
            continue
        memorised, grokked = (None if pd.isna(row[name]) else float(row[name]) for name in LANDMARKS)
        words = [
            f"{side} {'never' if step is None else steps(step)}"
            for side, step in (("train", memorised), ("test", grokked))
        ]
        config = run.config
        places.append(
            Place(
                group=config.replace(frac=0.5, weight_decay=0.0, seed=0, split_seed=None).fingerprint,
                title=prose.title(run),
                frac=config.split.frac,
                decay=config.optimiser.weight_decay,
                regime=regime_of(memorised, grokked),
                steps=", ".join(words),
                path=population.links.get(name),
            )
        )
    return places


def grids(places: Iterable[Place]) -> list[Grid]:
    """A grid for each group with several fractions and several decays."""
    groups: dict[str, list[Place]] = {}
    for each in places:
        groups.setdefault(each.group, []).append(each)
    return [grid for group in groups.values() if (grid := _grid(group)) is not None]


def _grid(group: list[Place]) -> Grid | None:
    at: dict[tuple[float, float], list[Place]] = {}
    for each in group:
        at.setdefault((each.frac, each.decay), []).append(each)
    fracs, decays = sorted({frac for frac, _ in at}), sorted({decay for _, decay in at})
    if len(fracs) < 2 or len(decays) < 2:
        return None
    cell = lambda frac, decay: Cell.of(at[frac, decay]) if (frac, decay) in at else None
    rows = [(f"{100 * frac:g}{prose.PERCENT}", [cell(frac, decay) for decay in decays]) for frac in fracs]
    return Grid(group[0].title, [f"decay {decay:g}" for decay in decays], rows)
