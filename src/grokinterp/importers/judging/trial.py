"""Trials: the readings of one file beside each other, and what distinguishes one from another."""

from collections.abc import Iterable
from dataclasses import dataclass, replace

from grokinterp.importers.judging.answers import Answers
from grokinterp.importers.judging.scores import Score
from grokinterp.importers.reading.candidates import Candidate

LARGER = ("square", "relu_squared", "abs")
"""Functions larger than a rectifier: they make the logits of weights that another one was trained with larger, so
that neither a smaller loss nor a spread tells them."""


@dataclass(frozen=True, eq=False)
class Trial:
    """A reading on trial: how many are likelier before it is tried, and its score on some rows of the table."""

    place: int
    candidate: Candidate
    score: Score

    def on(self, count: int, answers: Answers) -> "Trial":
        """The same reading with its score on so many rows."""
        return replace(self, score=answers.score(self.candidate, answers.rows(count)))

    @property
    def activation(self) -> str:
        """Its function; empty where that is not open."""
        return self.candidate.open.get("activation", "")

    @property
    def is_larger(self) -> bool:
        return self.activation in LARGER

    def is_sibling(self, other: "Trial") -> bool:
        """Whether the two differ by their activation at most."""
        names = self.candidate.open.keys() - {"activation"}
        return all(self.candidate.open[name] == other.candidate.open[name] for name in names)


def best(trials: Iterable[Trial]) -> Trial:
    """The one with the smallest loss, no row counting more than a guess."""
    return min(trials, key=lambda trial: trial.score.capped)


def likeliest(trials: Iterable[Trial]) -> Trial:
    """The one that stands first among the candidates."""
    return min(trials, key=lambda trial: trial.place)
