"""Population: the runs that a page is about, in numbers: their table, what varies, their curves, what was measured."""

from collections.abc import Mapping
from functools import cached_property
from typing import Any, cast

import numpy as np
import pandas as pd
from jaxtyping import Bool, Float

from grokinterp.markup import escape
from grokinterp.reports import labels
from grokinterp.runs.population.collection import Runs
from grokinterp.runs.population.fields import is_a_condition, without_derived
from grokinterp.runs.population.landmarks import SOLVED
from grokinterp.runs.population.table import RESULTS, summary_of

LEVELS = 6
"""How many values of a field are told apart at most: as many as there are colours. More are put together."""

FINDINGS = ("geometry", "key_frequencies")
"""Columns that say how a run answers; the verdict says itself where there is none."""

PLACES = 120
"""How many steps of a curve are drawn."""


class Population:
    """Several runs, read once: `table` as `Runs.table` has it, `links` to the single pages that there are.

    Attributes:
        fields: what varies, in the table's order; `conditions` are those of them that may change what is learnt: no
            seed, no length of a run.
        skipped: what was left out, and why.
        headlines: what the pages of single runs, where they were written now, found in a line.
    """

    def __init__(
        self,
        runs: Runs,
        links: Mapping[str, str] | None = None,
        skipped: Mapping[str, str] | None = None,
        headlines: Mapping[str, str] | None = None,
    ):
        self.runs, self.links, self.skipped = runs, dict(links or {}), dict(skipped or {})
        self.headlines = dict(headlines or {})
        self.table = runs.table
        fields = [str(name) for name in self.table.columns if name not in RESULTS]
        settings = self.table.loc[:, fields]
        values = settings.astype(object).where(settings.notna(), None)
        self.fields = without_derived(fields, values.to_dict("records"))
        self.conditions = [name for name in self.fields if is_a_condition(name)]

    @cached_property
    def grokked(self) -> Float[np.ndarray, "run"]:
        """The step of each run's landmark `grokked_step`; NaN where it has none."""
        return self.table["grokked_step"].to_numpy(dtype=np.float64, na_value=np.nan)

    @cached_property
    def last(self) -> Float[np.ndarray, "run"]:
        """The last step that each run was seen at; NaN where it has none."""
        return self.table["steps"].to_numpy(dtype=np.float64, na_value=np.nan)

    @cached_property
    def is_scored(self) -> Bool[np.ndarray, "run"]:
        """Whether the accuracy on test rows was recorded: without it nobody knows whether a run has grokked."""
        return self.table["test_accuracy"].notna().to_numpy() & ~np.isnan(self.last)

    @cached_property
    def is_solved(self) -> Bool[np.ndarray, "run"]:
        """Whether the last recorded test accuracy solves the task: else nothing is said of how a run answers."""
        return self.table["test_accuracy"].to_numpy(dtype=np.float64, na_value=np.nan) >= SOLVED

    def findings(self, name: str) -> pd.Series:
        """A column of findings, blank for runs that do not solve their task: noise has values of every measure."""
        return cast(pd.Series, self.table[name].where(self.is_solved, None))

    @property
    def verdicts(self) -> pd.Series:
        """The verdict of each run that was measured; `unsolved` where it does not solve its task, whatever it is."""
        verdict = self.table["verdict"]
        return cast(pd.Series, verdict.where(self.is_solved | verdict.isna(), "unsolved"))

    @cached_property
    def is_ended(self) -> Bool[np.ndarray, "run"]:
        """Whether a run is known to go on no more: it has finished, or other code trained it, which tells no status."""
        status = self.table["status"]
        return ((status == "finished") | status.isna()).to_numpy()

    @cached_property
    def values(self) -> pd.DataFrame:
        """What was measured of each run's last checkpoint: a column for every number, NaN where it was not."""
        summaries = {name: dict(summary_of(run).values) for name, run in self.runs.items()}
        return pd.DataFrame.from_dict(summaries, orient="index").reindex(self.table.index)

    def value(self, name: str) -> Float[np.ndarray, "run"]:
        """One column of `values`, NaN where no run has it."""
        column = self.values.get(name)
        return np.full(len(self.table), np.nan) if column is None else column.to_numpy(dtype=np.float64)

    def levels(self, field: str) -> pd.Series:
        """The value of a field for each run as text, in ascending order as a categorical; many are put together."""
        column = cast(pd.Series, self.table[field])
        known = column.dropna()
        if pd.api.types.is_numeric_dtype(column) and not pd.api.types.is_bool_dtype(column):
            numbers = column.astype("Float64").astype(float)
            if known.nunique() > LEVELS:
                bins = cast(pd.Series, pd.qcut(numbers, 4, duplicates="drop", labels=False))
                spans = numbers.groupby(bins).agg(["min", "max"])
                words = [f"{low:.3g} to {high:.3g}" for low, high in spans.to_numpy()]
                return _with_blank(pd.Categorical.from_codes(bins.fillna(-1).astype(int), words, ordered=True))
            order = [f"{value:g}" for value in sorted(numbers.dropna().unique())]
            return _with_blank(pd.Categorical(numbers.map(lambda v: None if v != v else f"{v:g}"), order, ordered=True))
        words = column.map(lambda value: None if value is None or value is pd.NA else shown(value))
        order = sorted(words.dropna().unique())
        if len(order) > LEVELS:
            often = words.value_counts().index[: LEVELS - 1]
            words = words.where(words.isna() | words.isin(often.tolist()), "others")
            order = [*sorted(often), "others"]
        return _with_blank(pd.Categorical(words, order, ordered=True))

    def groups(self, field: str | None) -> dict[str, Bool[np.ndarray, "run"]]:
        """By each level of a field, which runs have it; of no field all runs."""
        if field is None:
            return {"all runs": np.ones(len(self.table), dtype=bool)}
        levels = self.levels(field)
        masks = {str(name): (levels == name).to_numpy() for name in levels.cat.categories}
        return {name: mask for name, mask in masks.items() if mask.any()}

    @cached_property
    def steps(self) -> Float[np.ndarray, "place"]:
        """Where curves are drawn: evenly from 0 to the last step of any run."""
        return np.unique(np.linspace(0, max(np.nanmax(self.last, initial=0), 1), PLACES).round())

    def curves(self, column: str) -> Float[np.ndarray, "run place"]:
        """What was last recorded of a curve by each of `steps`, NaN before it begins and after its run was cut.

        A run that had finished is known to go on no more, and keeps its last value: left out, the runs that are stopped
        once they have grokked would be missing where the others are slow.
        """
        return self._curves[column]

    @cached_property
    def _curves(self) -> dict[str, Float[np.ndarray, "run place"]]:
        columns = ("train_accuracy", "test_accuracy", "train_loss", "test_loss")
        curves = {column: np.full((len(self.table), len(self.steps)), np.nan) for column in columns}
        for i, name in enumerate(self.table.index):
            if name not in self.runs:
                continue
            recorded = self.runs[name].recorded(["step", *columns])
            for column in columns:
                known = ~np.isnan(recorded[column])
                at, values = recorded["step"][known], recorded[column][known]
                if not len(at):
                    continue
                place = np.searchsorted(at, self.steps, side="right") - 1
                row = np.where(place >= 0, values[np.maximum(place, 0)], np.nan)
                row[(self.steps > at[-1]) & (not self.is_ended[i])] = np.nan
                curves[column][i] = row
        return curves


def shown(value: Any) -> str:
    """A value of a field as a reader writes it."""
    if isinstance(value, tuple | list):
        return ", ".join(map(shown, value)) or "none"
    if isinstance(value, bool):
        return "yes" if value else "no"
    return f"{value:g}" if isinstance(value, float) else str(value)


def plotted(text: str) -> str:
    """Words as plotly shows them, which reads tags of HTML in them."""
    return escape(text)


def field_name(field: str) -> str:
    """A field in words: `attention rate`."""
    return labels.spoken(field)


def _with_blank(values: Any) -> pd.Series:
    series = pd.Series(values).reset_index(drop=True)
    if series.isna().any():
        series = series.cat.add_categories("not told").fillna("not told")
    return series
