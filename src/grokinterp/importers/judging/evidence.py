"""Evidence: what may be said of each field that a file leaves open, and the losses that say it."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from grokinterp.errors import listed
from grokinterp.importers.judging.scores import FINEST, SOLVED, Score
from grokinterp.importers.reading.candidates import Candidate
from grokinterp.runs.provenance import Assumption

MARGIN = 1.5
"""Readings are tied whose relative gradients (or spreads) are within this factor of the smallest."""

LEARNT_ALIKE = 0.35
"""The spread, in nats, below which rows are as sure as where all were learnt (.1 to .25 in a dozen such models)."""

NO_WEIGHTS = "rotary and relative positions leave no weights behind, and are not tried"
"""Why a file without positions is not known to have none."""


@dataclass(frozen=True)
class Evidence:
    """What may be said of the fields of the candidate chosen: other values are compared at their best."""

    candidates: Sequence[Candidate]
    winner: int
    whole: Mapping[int, Score]
    near: Sequence[int]
    slopes: Mapping[int, float]
    along: Mapping[int, float]
    about: str

    def of(self, name: str) -> Assumption:
        """What may be said of one field, and the losses that say it."""
        mine, value = self.whole[self.winner], self.candidates[self.winner].open[name]
        answers = f"loss {mine.loss:.5g}, accuracy {mine.accuracy:.2%} {self.about}"
        best_of: dict[object, int] = {}
        for i in sorted(self.whole, key=lambda i: (i not in self.near, self._strain(name, i), self.whole[i].capped)):
            best_of.setdefault(self.candidates[i].open[name], i)
        others = {other: i for other, i in best_of.items() if other != value}
        near = {other: i for other, i in others.items() if i in self.near}
        tied = {other: i for other, i in near.items() if self._is_tied(name, i)}
        rest = {other: i for other, i in near.items() if other not in tied}
        if not rest and others:
            rest = dict([min(others.items(), key=lambda item: self.whole[item[1]].capped)])
        what = f"{name}={shown(value)}"
        if not mine.is_borne_out and mine.is_untrained:
            return Assumption(what, "assumed", f"the weights answer nothing yet under any reading: {answers}")
        if not mine.is_borne_out:
            best = f"no reading tried explains these weights; the best gives {answers}; next {self._listed(rest)}"
            return Assumption(what, "not explained", best)
        if tied:
            return Assumption(what, "tied", f"{answers}; as good: {self._listed(tied)}")
        if self._is_doubtful(name, rest):
            doubt = "the best of the readings tried, and surer of some rows than weights trained so would be"
            return Assumption(what, "assumed", f"{answers}, {doubt}; next {self._listed(rest)}")
        if what == "position_embedding=none":
            return Assumption(what, "assumed", f"{answers}; {NO_WEIGHTS}; next {self._listed(rest)}")
        return Assumption(what, "inferred", f"{answers}; next {self._listed(rest)}")

    def _is_doubtful(self, name: str, rest: Mapping[object, int]) -> bool:
        """Whether a part of the table is answered, and the rows of that part are not alike."""
        mine = self.whole[self.winner]
        is_partial = mine.accuracy < SOLVED and mine.spread > LEARNT_ALIKE
        return is_partial and (name == "activation" or any(self.whole[i].is_borne_out for i in rest.values()))

    def _is_tied(self, name: str, i: int) -> bool:
        return self._strain(name, i) <= MARGIN * self._strain(name, self.winner)

    def _strain(self, name: str, i: int) -> float:
        if name == "activation" and self.along:
            return 1 / max(self.along.get(i, 0.0), 1e-9)
        return self.slopes.get(i, math.inf) if self.slopes else max(FINEST, self.whole[i].spread)

    def _shown(self, i: int) -> str:
        one, mine = self.whole[i], self.whole[self.winner]
        if i in self.along and self.candidates[i].open["activation"] != self.candidates[self.winner].open["activation"]:
            share = self.along[i] / self.along[self.winner]
            return f"{one.loss:.5g}, whose weights lie {share:.2g} times as much along its gradient"
        if i in self.slopes:
            times = self.slopes[i] / self.slopes[self.winner]
            return f"{one.loss:.5g} with {times:.3g} times the relative gradient"
        if i not in self.near and mine.is_borne_out and one.capped < mine.capped:
            return f"{one.loss:.5g} with {one.spread / max(FINEST, mine.spread):.3g} times the spread of what it knows"
        return f"{one.loss:.5g}"

    def _listed(self, others: Mapping[object, int]) -> str:
        return listed(f"{shown(other)} {self._shown(i)}" for other, i in others.items())


def shown(value: object) -> str:
    """A value of an open field, as it is told."""
    return f"{value:.6g}" if isinstance(value, float) else str(value)
