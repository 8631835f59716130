"""Provenance: where a run comes from, and what had to be assumed to read it."""

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import Any, Literal, TypeAlias

Certainty: TypeAlias = Literal["stated", "from the file", "inferred", "tied", "assumed", "not explained"]

DIRECTORY, PACKED, MEMORY = "run directory", "packed run", "memory"
"""Formats of our own: everything else was read by an importer."""


@dataclass(frozen=True)
class Assumption:
    """One thing that a reader settled: what it is, how it is known, and the evidence for it."""

    what: str
    how: Certainty
    evidence: str = ""

    def __str__(self) -> str:
        return f"{self.how}, {self.what}{': ' if self.evidence else ''}{self.evidence}"


SEED_UNKNOWN = "the seed is not recorded"
"""The note of a file whose rows trained on are known and whose seed is not."""

OPTIMISER_UNKNOWN = "the optimiser's settings are not recorded"
"""How the note of a file begins whose code is known and whose optimiser is not; those of its code are assumed."""


@dataclass(frozen=True)
class Provenance:
    """Where a run's numbers come from.

    Attributes:
        format, file: how it was read, and from where.
        created, versions: when it was trained, and with which libraries.
        trained_elsewhere: whether other code trained it; a copy keeps that.
        notes, assumptions: what the reader of a third-party file says of it, as sentences and as data.
        mapping: which parameter of the file became which of ours.
        settings_file: the file of settings that was found beside it.
        opened_with: what the reader stated on opening it, the arguments of `gi.load`; a copy needs none of them.
        copied_from: what it is a copy of.
        formula: the call of `gi.build` that wrote its weights down; None of weights that were trained.
        others: entries that another version of grokinterp recorded.
    """

    format: str = MEMORY
    file: str | None = None
    created: str | None = None
    versions: Mapping[str, str] = field(default_factory=dict)
    trained_elsewhere: bool = False
    notes: tuple[str, ...] = ()
    assumptions: tuple[Assumption, ...] = ()
    mapping: Mapping[str, str] = field(default_factory=dict)
    settings_file: str | None = None
    opened_with: Mapping[str, Any] = field(default_factory=dict)
    copied_from: str | None = None
    formula: str | None = None
    others: Mapping[str, Any] = field(default_factory=dict)

    @classmethod
    def of_file(cls, format: str, path: Path, notes: Sequence[str] = (), **known: Any) -> "Provenance":
        """That of a third-party file, which an importer of this format read."""
        return cls(format=format, file=str(path), trained_elsewhere=True, notes=tuple(notes), **known)

    def copied(self, name: str) -> "Provenance":
        """What a copy keeps: all that is known, and the file it was copied from (`name` where it has none)."""
        copied_from = f"{self.file or name} ({self.format})"
        return replace(self, format=MEMORY, file=None, created=None, copied_from=copied_from, opened_with={})

    def to_json(self) -> dict[str, Any]:
        """The entries of `source` in config.json: what the file that holds them does not tell itself."""
        entries = {
            "config": self.settings_file,
            "notes": [*self.notes],
            "assumptions": [asdict(assumption) for assumption in self.assumptions],
            "mapping": dict(self.mapping),
            "versions": dict(self.versions),
            "copied_from": self.copied_from,
            "formula": self.formula,
            "trained_elsewhere": self.trained_elsewhere,
        }
        return {**self.others, **{name: value for name, value in entries.items() if value}}

    @classmethod
    def from_json(cls, entries: Mapping[str, Any], **known: Any) -> "Provenance":
        """The inverse of `to_json`; `known` is what the file tells itself: its format, path, day and versions."""
        others = dict(entries)
        copied_from = others.pop("copied_from", None)
        # Copies of old tell only by the words of `copied_from` that they were once a third-party file.
        origin = str(copied_from).rpartition(" (")[2].removesuffix(")") if copied_from else DIRECTORY
        notes = _texts(others.pop("notes", []))
        elsewhere = bool(notes) or origin not in (DIRECTORY, PACKED, MEMORY)
        return cls(
            **{
                **known,
                "versions": _by_name(others.pop("versions", known.get("versions", {}))),
                "trained_elsewhere": others.pop("trained_elsewhere", elsewhere),
                "notes": notes,
                "assumptions": tuple(_assumption(each) for each in others.pop("assumptions", [])),
                "mapping": _by_name(others.pop("mapping", {})),
                "settings_file": _text(others.pop("config", None)),
                "copied_from": _text(copied_from),
                "formula": _text(others.pop("formula", None)),
                "others": others,
            }
        )

    def as_dict(self) -> dict[str, Any]:
        """`Run.source`: what is known, by the names of config.json."""
        entries = {"format": self.format, "file": self.file, "created": self.created, **self.to_json()}
        return {name: value for name, value in entries.items() if value and name != "trained_elsewhere"}


# JSON of a damaged file: a value of another type raises `TypeError`, which its reader puts into words.


def _text(value: Any) -> str | None:
    if value is not None and not isinstance(value, str):
        raise TypeError(f"{type(value).__name__} in the place of text")
    return value


def _assumption(entries: Any) -> Assumption:
    assumption = Assumption(**entries)
    _texts([assumption.what, assumption.how, assumption.evidence])
    return assumption


def _texts(values: Any) -> tuple[Any, ...]:
    if not isinstance(values, list) or not all(isinstance(value, str) for value in values):
        raise TypeError("no list of text")
    return tuple(values)


def _by_name(values: Any) -> dict[str, str]:
    if not isinstance(values, dict) or not all(isinstance(value, str) for value in values.values()):
        raise TypeError("no text by name")
    return values
