"""Screening: all readings of a file on a few rows, of which the whole table is for those that come near the best."""

from collections.abc import Iterable, Sequence

from grokinterp.importers.judging.answers import Answers
from grokinterp.importers.judging.scores import SOLVED
from grokinterp.importers.judging.trial import Trial, best
from grokinterp.importers.reading.candidates import NORMS, Candidate

ROWS = 96
"""Rows on which readings are compared first."""

LEADING = 6
"""Of so many of the best readings every activation is tried."""

STANDING = ("gelu", "square", "tanh", "relu_squared", "softplus")
"""Activations one of which is like any other."""


class Screening:
    """The scores of readings on few rows, in the order in which they were asked for."""

    def __init__(self, candidates: Sequence[Candidate], answers: Answers):
        self.candidates, self.answers = candidates, answers
        self._trials: dict[int, Trial] = {}

    @property
    def trials(self) -> list[Trial]:
        return [*self._trials.values()]

    def add(self, places: Iterable[int]) -> None:
        """Tries the candidates at these places, each once."""
        for place in places:
            if place not in self._trials:
                candidate = self.candidates[place]
                score = self.answers.score(candidate, self.answers.rows(ROWS))
                self._trials[place] = Trial(place, candidate, score)

    def add_alike(self, candidate: Candidate, *but: str) -> None:
        """Tries those that are as this one in all open fields but some."""
        same = {name: value for name, value in candidate.open.items() if name not in but}
        is_same = [all(each.open[name] == value for name, value in same.items()) for each in self.candidates]
        self.add(place for place, is_alike in enumerate(is_same) if is_alike)

    def add_activations(self) -> None:
        """Tries every activation of the readings that lead."""
        for trial in sorted(self.trials, key=lambda trial: trial.score.capped)[:LEADING]:
            self.add_alike(trial.candidate, "activation")


def screen(candidates: Sequence[Candidate], answers: Answers) -> list[Trial]:
    """Readings with their scores on few rows.

    Activations are alike enough for some to stand for the others until all else is known; where the likeliest norms
    solve the task, other norms are compared with all else as it is there.
    """
    norms = [[each.open.get(name) for name in NORMS] for each in candidates]
    standing = [i for i, each in enumerate(candidates) if each.open.get("activation", STANDING[0]) in STANDING]
    screening = Screening(candidates, answers)
    screening.add(i for i in standing if norms[i] == norms[0])
    screening.add_activations()
    if best(screening.trials).score.accuracy < SOLVED:
        screening.add(standing)
        screening.add_activations()
    leader = best(screening.trials).candidate
    for name in leader.open:
        screening.add_alike(leader, *(NORMS if name in NORMS else (name,)))
    return screening.trials
