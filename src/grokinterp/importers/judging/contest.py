"""Contest: the readings that weights bear out about as well, and what tells them apart."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import permutations

from grokinterp.importers.judging.answers import Answers
from grokinterp.importers.judging.scores import FINEST, SOLVED, Score
from grokinterp.importers.judging.trial import Trial, best, likeliest

EVEN, COUNTED = 1.5, 0.75
"""Of readings that differ by their activation, those are left whose spread is at most `EVEN` times the smallest, of
readings that know at least `COUNTED` times as many rows as any; below `FINEST` nats all are alike. A square makes the
logits of almost any rectifier's weights larger, and so its loss smaller than that of the function they were trained
with. (An ELU model, 80 % of its rows trained on: loss 1.06, spread .2 nats; read as squares 94 % of all rows are right
and the loss of no row counting more than a guess is a third, the spread 20.)"""

NEAR, LITTLE, FAR = 2.0, 0.01, 100.0
"""Readings are near the best whose loss is within `NEAR` of the smallest, or below 1 % of a guess's and within `FAR` of
the smallest. Of these the one with the smallest relative gradient, |d log loss|, is chosen, and it is clearly ahead
where every other's is more than `MARGIN` times its own: training goes to where the gradient of its own function
vanishes, and another function's does not. (A model with SiLU: loss .0020, 4.3; the same weights with GELU .0018, 9.4.)
"""

MARGIN, TIED = 1.5, 10.0
"""Readings are tied whose relative gradients (or spreads, or alignments) are within `MARGIN` of the best one's, and
whose loss is at most `TIED` times that of the one chosen: what weights were trained as may have the larger loss, where
another function makes their logits larger, and not by any factor. (Rectifiers held by decay: ReLU .19, its square .006,
of which ReLU is chosen; SiLU .0020, GELU .0018, ReLU .0028.)"""

ALIGNED, LEAST_ALIGNED = 0.75, 0.05
"""A function `LARGER` than a rectifier is left where the weights lie along its gradient at least `ALIGNED` times as
much as along any reading's (`Answers.alignment`), and others are left beside one that leads where theirs do; where none
does by `LEAST_ALIGNED` that tells nothing. (Weights of a ReLU: along its own gradient .71 at a loss of .006, along that
of squares .10 at 9e-10, of |x| .36. Of a squared ReLU .69 at .0012, of squares .51 at .0002. Of |x| .48 at 3e-5, of
squares .02 at 5e-7. Of squares .11 at 5e-7, of |x| .06.)"""

ALIKE = 1.05
"""Where no reading solves the task, which rows were trained on is open, and gradients on the others say nothing: of
the readings left all are tied, and of those within 5 % of the smallest spread the likeliest is chosen. One alone is
inferred where its spread is below `LEARNT_ALIKE`."""

COPIES = {"leaky_relu": "relu", "quick_gelu": "gelu"}
"""Activations that differ from another by a hundredth of their input: they are read only where the other is not borne
out, or has `NEAR` times the loss. (Relative gradients of ReLU and its leaky copy: of three models with ReLU 5.1 and
6.4, 7.1 and 16, 9.6 and 9.8; of one with the copy 11.6 and 6.9.)"""

FORMS = ("quick_gelu",)
"""Copies that are another way to write the same, as GELU by tanh is: not named beside it as a reading of its own."""


@dataclass(frozen=True)
class Contest:
    """Readings on trial on the whole table, and what tells those apart that come near the best.

    Attributes:
        trials: all that were tried.
        near: those that are left, of which one is chosen.
        likenesses: copies, which are named only -> the reading that each is a copy of.
        slopes: the relative gradients of those named, where they solve the task.
        alignments: how far weights lie along gradients, where a function `LARGER` than a rectifier is among those left.
    """

    trials: list[Trial]
    near: list[Trial]
    likenesses: Mapping[Trial, Trial]
    slopes: Mapping[Trial, float]
    alignments: Mapping[Trial, float]

    @classmethod
    def of(cls, trials: list[Trial], answers: Answers) -> "Contest":
        """That of readings with their scores on the whole table."""
        alignments = _alignments(trials, answers)
        even = _even(trials, alignments)
        if not any(trial in alignments and trial.is_larger for trial in even):
            alignments = {}
        copies = _copies(even)
        bound = _bound(min((trial.score for trial in even), key=lambda score: score.capped, default=None))
        near = [t for t in even if (t.score.capped <= bound or t in alignments) and t not in copies]
        likenesses = {copy: of for copy, of in copies.items() if of in near and copy.activation not in FORMS}
        named = [*near, *likenesses]
        tells = len(named) > 1 and any(trial.score.accuracy >= SOLVED for trial in near)
        slopes = {trial: answers.slope(trial.candidate) for trial in named} if tells else {}
        return cls(trials, near, likenesses, slopes, alignments)

    @property
    def winner(self) -> Trial | None:
        """The reading chosen of those left; None where none is."""
        if not self.near:
            return None
        if self.alignments:
            function = max(self.near, key=lambda trial: self.alignments.get(trial, 0.0)).activation
            its = [trial for trial in self.near if trial.activation == function]
            return self._of_smallest_slope(its) if self.slopes else best(its)
        if self.slopes:
            return self._of_smallest_slope(self.near)
        if any(trial.score.accuracy >= SOLVED for trial in self.near):
            return likeliest(self.near)
        left = _counted(self.near) or self.near
        return likeliest([trial for trial in left if trial.score.spread <= ALIKE * _least_spread(left)])

    def named_beside(self, winner: Trial) -> list[Trial]:
        """Those that are left, and the copies of the one chosen."""
        return [*self.near, *(copy for copy, of in self.likenesses.items() if of is winner)]

    def _of_smallest_slope(self, near: list[Trial]) -> Trial:
        """Of those that nothing tells apart the likeliest is chosen, and all are named."""
        smallest = min(self.slopes[trial] for trial in near)
        tied = [trial for trial in near if self.slopes[trial] <= MARGIN * smallest]
        # The likeliest of all stands where it also has the smallest loss, unless another's gradient is less than half.
        first = likeliest(near)
        if first.score.capped == best(near).score.capped and self.slopes[first] <= NEAR * smallest:
            return first
        return likeliest([trial for trial in tied if trial.score.capped <= 2 * best(tied).score.capped])


def _bound(smallest: Score | None) -> float:
    """The largest loss that is near the smallest."""
    if smallest is None:
        return 0.0
    return max(NEAR * smallest.capped, min(LITTLE * smallest.guess, FAR * smallest.capped))


def _copies(trials: Sequence[Trial]) -> dict[Trial, Trial]:
    """Readings with a copy of another's activation, and no less loss than half of its -> that other."""
    return {
        copy: other
        for copy, other in permutations(trials, 2)
        if COPIES.get(copy.activation) == other.activation
        and copy.is_sibling(other)
        and other.score.capped <= NEAR * copy.score.capped
    }


def _least_spread(trials: Sequence[Trial]) -> float:
    return max(FINEST, min(trial.score.spread for trial in trials))


def _counted(trials: Sequence[Trial]) -> list[Trial]:
    """Those that the weights bear out and that know most of the rows that any does."""
    left = [trial for trial in trials if trial.score.is_borne_out]
    most = max((trial.score.known for trial in left), default=0.0)
    return [trial for trial in left if trial.score.known >= COUNTED * most]


def _alignments(trials: Sequence[Trial], answers: Answers) -> dict[Trial, float]:
    """How far weights lie along their gradient, under readings that differ by their activation and one is `LARGER`.

    Empty where there are none such, or none does.
    """
    # A model that decay holds short of it may answer all rows and be sure of few.
    solving = [trial for trial in trials if trial.score.accuracy >= SOLVED]
    counted = [*dict.fromkeys([*_counted(trials), *solving])]
    larger = [trial for trial in counted if trial.is_larger]
    compared = [trial for trial in counted if any(trial.is_sibling(other) for other in larger)]
    alignments = {trial: answers.alignment(trial.candidate) for trial in compared}
    return alignments if max(alignments.values(), default=0.0) >= LEAST_ALIGNED else {}


def _even(trials: Sequence[Trial], alignments: Mapping[Trial, float]) -> list[Trial]:
    """Those that the weights bear out, about as sure of one row as of another; where one is `LARGER`, by alignment."""
    most = max(alignments.values(), default=0.0)
    # Of functions none of which is larger the losses, spreads and slopes tell.
    leads = any(trial.is_larger for trial, along in alignments.items() if along == most)
    is_out = {t: along < ALIGNED * most and (leads or t.is_larger) for t, along in alignments.items()}
    left = [trial for trial in trials if trial.score.is_borne_out and not is_out.get(trial, False)]
    counted = [trial for trial in _counted(trials) if trial in left]

    def is_even(trial: Trial) -> bool:
        siblings = [other for other in counted if other.is_sibling(trial)]
        if alignments and any(other.is_larger for other in siblings):
            return trial in alignments
        return trial.score.spread <= EVEN * _least_spread(siblings or [trial])

    return [trial for trial in left if is_even(trial)]
