"""Evidence: what may be said of each field that a file leaves open, and the losses that say it."""

import math
from collections.abc import Sequence
from dataclasses import dataclass

from grokinterp.errors import listed
from grokinterp.importers.judging.contest import MARGIN, TIED, Contest
from grokinterp.importers.judging.scores import FINEST, KNOWN, SOLVED
from grokinterp.importers.judging.trial import Trial, best
from grokinterp.runs.provenance import Assumption

LEARNT_ALIKE = 0.35
"""The spread, in nats, below which rows are as sure as where all were learnt (.1 to .25 in a dozen such models)."""

NO_WEIGHTS = "rotary and relative positions leave no weights behind, and are not tried"
"""Why a file without positions is not known to have none."""


@dataclass(frozen=True)
class Evidence:
    """What may be said of the fields of the reading chosen: other values are compared at their best.

    Attributes:
        winner: the reading chosen.
        contest: the readings tried on the whole table.
        rivals: others that were tried on some rows of it.
        rows: those of the whole table, in words.
    """

    winner: Trial
    contest: Contest
    rivals: Sequence[Trial]
    rows: str

    def of(self, name: str) -> Assumption:
        """What may be said of one field, and the losses that say it."""
        mine, value = self.winner.score, self.winner.candidate.open[name]
        what, answers = f"{name}={shown(value)}", f"{mine.in_words()} {self.rows}"
        others = self._others(name)
        tied = [trial for trial in others if self._is_near(trial) and self._is_tied(name, trial)]
        rest = [trial for trial in others if self._is_near(trial) and trial not in tied]
        if not rest and others:
            rest = [best(others)]
        if not mine.is_borne_out and mine.is_untrained:
            return Assumption(what, "assumed", f"the weights answer nothing yet under any reading: {answers}")
        following = f"; next {self._listed(name, rest)}"
        if not mine.is_borne_out:
            words = f"no reading tried explains these weights; the best gives {answers}{following}"
            return Assumption(what, "not explained", words)
        if tied:
            return Assumption(what, "tied", f"{answers}; as good: {self._listed(name, tied)}")
        if self._is_doubtful:
            spread = f"its answers to the rows it knows differ by {mine.spread:.2g} nats in how sure they are"
            doubt = (
                f"the best of the readings tried; {spread}, as those of weights do that are read otherwise than trained"
            )
            return Assumption(what, "assumed", f"{answers}, {doubt}{following}")
        if what == "position_embedding=none":
            return Assumption(what, "assumed", f"{answers}; {NO_WEIGHTS}{following}")
        return Assumption(what, "inferred", f"{answers}{following}")

    def _others(self, name: str) -> list[Trial]:
        """For each other value of a field the best reading that has it."""

        def rank(trial: Trial) -> tuple[bool, float, float]:
            return not self._is_near(trial), self._strain(name, trial), trial.score.capped

        best_of: dict[object, Trial] = {}
        for trial in sorted([*self.contest.trials, *self.rivals], key=rank):
            best_of.setdefault(trial.candidate.open[name], trial)
        mine = self.winner.candidate.open[name]
        return [trial for value, trial in best_of.items() if value != mine]

    def _is_near(self, trial: Trial) -> bool:
        return trial in self.contest.named_beside(self.winner)

    @property
    def _is_doubtful(self) -> bool:
        """Whether a part of the table is answered, and the rows of that part are not alike.

        Weights that are read as something else than they were trained as know a part of what they know, under many
        readings: that others know less of it says nothing of any field.
        """
        return self.winner.score.accuracy < SOLVED and self.winner.score.spread > LEARNT_ALIKE

    def _is_tied(self, name: str, trial: Trial) -> bool:
        if trial.score.capped > TIED * self.winner.score.capped:
            return False
        return self._strain(name, trial) <= MARGIN * self._strain(name, self.winner)

    def _strain(self, name: str, trial: Trial) -> float:
        """How little weights look trained to compute so: of two readings the smaller one's is the likelier."""
        if name == "activation" and self.contest.alignments:
            return 1 / max(self.contest.alignments.get(trial, 0.0), 1e-9)
        if self.contest.slopes:
            return self.contest.slopes.get(trial, math.inf)
        return max(FINEST, trial.score.spread)

    def _listed(self, name: str, trials: Sequence[Trial]) -> str:
        return listed(f"{shown(trial.candidate.open[name])} (loss {self._compared(trial)})" for trial in trials)

    def _compared(self, trial: Trial) -> str:
        """Another reading's loss, and what of it tells it from the one chosen."""
        alignments, slopes = self.contest.alignments, self.contest.slopes
        mine, its = self.winner.score, trial.score
        if trial in alignments and trial.activation != self.winner.activation:
            share = alignments[trial] / alignments[self.winner]
            return f"{its.loss:.5g}, whose weights lie {share:.2g} times as much along its gradient"
        if trial in slopes:
            return f"{its.loss:.5g} with {slopes[trial] / slopes[self.winner]:.3g} times the relative gradient"
        if not self._is_near(trial) and mine.is_borne_out and its.capped < mine.capped:
            return f"{its.loss:.5g} with {its.spread / max(FINEST, mine.spread):.3g} times the spread of what it knows"
        # Of weights that know a part, what they never learnt drowns what they did.
        known = f", {its.known:.0%} of the rows below {KNOWN} nats" if mine.accuracy < SOLVED else ""
        return f"{its.loss:.5g}{known}"


def shown(value: object) -> str:
    """A value of an open field, as it is told."""
    if isinstance(value, float):
        return f"{value:.6g}"
    return repr(value) if isinstance(value, str) and " " in value else str(value)
