"""Runs: several runs by name, as one table, and those of them that a question is about."""

from collections.abc import Callable, Iterator, Mapping
from typing import Any

import pandas as pd

from grokinterp import markup
from grokinterp.config.validation import plain, shown
from grokinterp.errors import did_you_mean, listed
from grokinterp.runs.population.fields import BLANK, fields_of
from grokinterp.runs.population.table import RESULTS, table
from grokinterp.runs.run import Run, RunError

NAMED = 12
"""How many runs are named one by one in a line of text."""


class Runs(Mapping[str, Run]):
    """Several runs by name, in order.

    Attributes:
        skipped: which files of a directory were left out, and why.
        missing: runs of a sweep that are wanted and not there, with their fields.

    `runs.table` has a row for each, `runs.where(seed=0)` are some of them, `runs.group("attention_rate")` all of them
    by what varies.
    """

    def __init__(
        self,
        runs: Mapping[str, Run],
        skipped: Mapping[str, str] | None = None,
        missing: Mapping[str, Mapping[str, Any]] | None = None,
    ):
        if not isinstance(runs, Mapping):
            raise RunError(f"runs are given by their names, as in gi.Runs({{'first': run}}), not {shown(runs)}")
        self._runs = dict(runs)
        for name, run in self._runs.items():
            if not isinstance(name, str):
                raise RunError(f"a run is named by text, as in gi.Runs({{'first': run}}), not by {shown(name)}")
            if not isinstance(run, Run):
                raise RunError(f"{name!r} is no run but {shown(run)}; load it, as in gi.load('runs/add')")
        self.skipped = dict(skipped or {})
        self.missing = {name: dict(fields) for name, fields in (missing or {}).items()}

    def __getitem__(self, name: str) -> Run:
        if name not in self._runs:
            raise RunError(f"there is no run {name!r} here; the runs: {_named(self._runs)}")
        return self._runs[name]

    def __contains__(self, name: object) -> bool:
        return name in self._runs

    def __iter__(self) -> Iterator[str]:
        return iter(self._runs)

    def __len__(self) -> int:
        return len(self._runs)

    @property
    def table(self) -> pd.DataFrame:
        """One row a run: every field that varies, then status, steps, landmarks, last metrics, and what was measured.

        Read anew at every call from config, metrics and `summary.json`; what was not measured is blank. See
        `grokinterp.runs.population.table`.
        """
        return table(self._runs, self.missing)

    def to_frame(self) -> pd.DataFrame:
        """`table`, under the name that it had first."""
        return self.table

    def where(self, **values: Any) -> "Runs":
        """The runs with these values, by the names of fields or of columns of `table`; a list holds alternatives.

        `runs.where(seed=0, verdict=["clock", "pizza"])`; None asks for blank. Raises `RunError` for an unknown name.
        """
        chosen = list(self._runs)
        for name, wanted in values.items():
            column, value = self._column(name), plain(wanted)
            is_wanted = _matcher(value)
            chosen = [run for run in chosen if is_wanted(column[run])]
        return self._some(chosen)

    def group(self, *names: str) -> "dict[Any, Runs]":
        """By each value of a field, or of a column of `table`, the runs that have it, in ascending order.

        Of several names the keys are tuples; a value that a run does not tell is None. Raises `RunError` for an unknown
        name, or none.
        """
        if not names:
            raise RunError("a field is asked, as in runs.group('seed'); runs.table has those that vary")
        columns = [self._column(name) for name in names]
        groups: dict[Any, list[str]] = {}
        for run in self._runs:
            values = tuple(column[run] for column in columns)
            groups.setdefault(values if len(names) > 1 else values[0], []).append(run)
        return {key: self._some(groups[key]) for key in sorted(groups, key=_order)}

    def _column(self, name: str) -> dict[str, Any]:
        """The value of a field or of a result for every run."""
        if name in RESULTS:
            values = self.table[name]
            return {run: BLANK if _is_blank(values[run]) else values[run] for run in self._runs}
        fields = {run: fields_of(each) for run, each in self._runs.items()}
        known = list(dict.fromkeys(field for each in fields.values() for field in each))
        if name not in known:
            raise RunError(
                f"no run here has a field {name!r}.{did_you_mean(name, [*known, *RESULTS])} "
                f"The fields: {listed(sorted(known))}; the results: {listed(RESULTS)}"
            )
        return {run: each.get(name, BLANK) for run, each in fields.items()}

    def _some(self, names: list[str]) -> "Runs":
        return Runs({name: self._runs[name] for name in names})

    def __repr__(self) -> str:
        skipped = f", {len(self.skipped)} files skipped" if self.skipped else ""
        missing = f", {len(self.missing)} missing" if self.missing else ""
        return f"<Runs: {_named(self._runs) or 'none'}{missing}{skipped}>"

    def _repr_html_(self) -> str:
        skipped = "".join(f"<br>skipped {markup.escape(k)}: {markup.escape(v)}" for k, v in self.skipped.items())
        return as_shown(self.table).to_html(max_rows=60, na_rep="") + skipped


def as_shown(frame: pd.DataFrame) -> pd.DataFrame:
    """A table of runs for reading: without the columns in which every row is blank, blank where a value is.

    Numbers have six digits, however small: pandas rounds those among other things to as many decimals, a loss to 0.0.
    """
    filled = frame.dropna(axis="columns", how="all").astype(object)
    written = filled.map(lambda value: f"{value:.6g}" if isinstance(value, float) else value)
    return written.where(frame.notna(), "")


def _named(names: Mapping[str, Run]) -> str:
    first = listed(list(names)[:NAMED])
    return f"{first} and {len(names) - NAMED} more" if len(names) > NAMED else first


def _matcher(wanted: Any) -> Callable[[Any], bool]:
    """Whether a value is the wanted one, or one of several."""
    several = isinstance(wanted, list | tuple | set | frozenset | range)
    return lambda value: value == wanted or (several and value in wanted)


def _is_blank(value: Any) -> bool:
    return value is BLANK or (not isinstance(value, tuple | list) and bool(pd.isna(value)))


def _order(key: Any) -> Any:
    """Ascending within a kind of values, blank last; tuples by their parts."""
    parts = key if isinstance(key, tuple) else (key,)
    return [(part is BLANK, not isinstance(part, int | float), part if isinstance(part, int | float) else 0, str(part))
            for part in parts]  # fmt: skip
