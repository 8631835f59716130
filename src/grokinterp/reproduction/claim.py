"""Claim: one sentence of a source, what would bear it out, and the function that measures it."""

import inspect
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal, TypeAlias, get_args

from grokinterp.config.validation import finite_or_none
from grokinterp.errors import require
from grokinterp.reproduction.needed_run import Training
from grokinterp.reproduction.target import Target, Value

Outcome: TypeAlias = Literal["reproduced", "partly", "not reproduced", "not run", "cannot be compared"]
OUTCOMES: tuple[Outcome, ...] = get_args(Outcome)

Kind: TypeAlias = Literal["trained anew", "checked on saved files", "derived"]
KINDS: tuple[Kind, ...] = get_args(Kind)

Values: TypeAlias = Mapping[str, Value | Mapping[str, Value]]
"""What a claim's function returns: by name a value, or a value for each of several runs or parts."""

SETTINGS = 3
"""How many settings a negative result needs: what never happens may only have been tried badly."""


@dataclass(frozen=True)
class Claim:
    """One claim.

    Attributes:
        id: by which `grokinterp reproduce ID` knows it.
        source: paper, and figure, table or section.
        statement: what is claimed, in one sentence.
        recipe: the runs that it needs, and how they differ from the source's, in words.
        measured: what is measured.
        targets: by the name of a value. Values without one are shown beside the others and not judged.
        trainings, files: what the function is given, in this order: runs, then paths of third-party files.
        minutes: about how long the measuring itself takes on one core.
        negative: that something does not happen; needs SETTINGS trainings.
        derived: that no training decides it, though it may be measured on a run; of a formula it needs none.
        by_heart: that it tells of memorising, so that a memoriser is no null of it.
        of_rows: that it reads the rows of its runs and no weights, so that untrained ones are no null of it.
        measure: the function.
    """

    id: str
    source: str
    statement: str
    recipe: str
    measured: str
    targets: Mapping[str, Target]
    measure: Callable[..., Values]
    trainings: tuple[Training, ...] = ()
    files: tuple[str, ...] = ()
    minutes: float = 0.5
    negative: bool = False
    derived: bool = False
    by_heart: bool = False
    of_rows: bool = False

    def __post_init__(self) -> None:
        require(bool(self.targets), f"claim {self.id} has no target")
        require(
            bool(self.trainings or self.files or self.derived),
            f"claim {self.id} needs a run or a file to be measured on, or has to be derived",
        )
        require(
            not self.negative or len(self.trainings) >= SETTINGS,
            f"claim {self.id} is negative and tries {len(self.trainings)} settings; try {SETTINGS}",
        )

    @property
    def paper(self) -> str:
        """The source without the place in it."""
        return self.source.partition(",")[0]

    @property
    def place(self) -> str:
        """The figure, table or section of the source."""
        return self.source.partition(",")[2].strip()

    @property
    def wordings(self) -> dict[str, str]:
        """The targets in words, by name."""
        return {name: target.wording for name, target in self.targets.items()}

    @property
    def file(self) -> Path:
        """Where it stands, with its targets."""
        return Path(inspect.getfile(self.measure))

    @property
    def kind(self) -> Kind:
        """Whether we trained what it is measured on, read the source's own files, or derived it."""
        if self.derived:
            return "derived"
        return "trained anew" if self.trainings else "checked on saved files"

    def judge(self, values: Values, nulls: Mapping[str, Values] | None = None) -> Outcome:
        """Reproduced where every value with a target meets it, partly where some do.

        Targets that a null meets are vacuous: alone they bear nothing out, and a claim that meets no others cannot be
        compared. One that misses them is not reproduced: they could fail, and did.
        """
        missing = set(self.targets) - set(values)
        require(not missing, f"claim {self.id} does not measure {sorted(missing)}")
        vacuous = set(self.vacuous(nulls or {}))
        held = self._held(values)
        if all(held.get(name) and all(held[name]) for name in self.targets):
            return "cannot be compared" if vacuous == set(self.targets) else "reproduced"
        return "partly" if any(any(parts) for name, parts in held.items() if name not in vacuous) else "not reproduced"

    def vacuous(self, nulls: Mapping[str, Values]) -> list[str]:
        """The targets that a null meets in all its parts, in their order."""
        met = {name for values in nulls.values() for name, parts in self._held(values).items() if all(parts)}
        return [name for name in self.targets if name in met]

    def _held(self, values: Values) -> dict[str, list[bool]]:
        """By target, whether each part of its value meets it; without those that were not measured."""
        held: dict[str, list[bool]] = {}
        for name, _, value in entries(values):
            if name in self.targets:
                held.setdefault(name, []).append(self.targets[name].holds(value))
        return held


def entries(values: Values) -> list[tuple[str, str, Value]]:
    """(name, part, value), the part empty where there is one value."""
    rows: list[tuple[str, str, Value]] = []
    for name, value in values.items():
        if isinstance(value, Mapping):
            rows += [(name, part, each) for part, each in value.items()]
        else:
            rows.append((name, "", value))
    return rows


def plain(values: Values) -> dict[str, Any]:
    """Values as JSON has them: no tensors, and None for what is no finite number."""
    return {str(name): _plain(value) for name, value in values.items()}


def _plain(value: Any) -> Any:
    if isinstance(value, Mapping):
        return plain(value)
    return finite_or_none(value.item() if hasattr(value, "item") else value)


def claim(
    id: str,
    source: str,
    statement: str,
    targets: Mapping[str, Target],
    *,
    recipe: str,
    measured: str,
    trainings: Sequence[Training] = (),
    files: Sequence[str] = (),
    **more: Any,
) -> Callable[[Callable[..., Values]], Claim]:
    """Makes a claim of the function below it, which then stands in the table."""

    def of(measure: Callable[..., Values]) -> Claim:
        return Claim(id, source, statement, recipe, measured, targets, measure, tuple(trainings), tuple(files), **more)

    return of
