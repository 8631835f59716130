"""Judgement: which of several readings the weights bear out, by how each answers the task's table."""

import math
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from jaxtyping import Int
from torch import Tensor

from grokinterp.errors import listed
from grokinterp.importers.reading.answers import Answers
from grokinterp.importers.reading.candidates import NORMS, Candidate
from grokinterp.importers.reading.pooling import pooled
from grokinterp.importers.reading.scores import COMPARED, SOLVED, Score, draw
from grokinterp.runs.provenance import Assumption
from grokinterp.tasks import Task

WHOLE = 20_000
"""Tables up to this many rows are evaluated whole; of larger ones as many rows are drawn."""

SCREENED = 96
"""Rows on which all candidates are compared first; the whole table is for those that come near the best."""

EVEN, COUNTED, FINEST = 1.5, 0.75, 0.05
"""Of readings that differ by their activation, those are left whose spread is at most `EVEN` times the smallest, of
readings that know at least `COUNTED` times as many rows as any; below `FINEST` nats all are alike. A square makes the
logits of almost any rectifier's weights larger, and so its loss smaller than that of the function they were trained
with. (An ELU model, 80 % of its rows trained on: loss 1.06, spread .2 nats; read as squares 94 % of all rows are right
and the loss of no row counting more than a guess is a third, the spread 20.)"""

NEAR, MARGIN, LITTLE, FAR = 2.0, 1.5, 0.01, 100.0
"""Readings are near the best whose loss is within `NEAR` of the smallest, or below 1 % of a guess's and within `FAR` of
the smallest. Of these the
one with the smallest relative gradient, |d log loss|, is chosen, and it is clearly ahead where every other's is more
than `MARGIN` times its own: training goes to where the gradient of its own function vanishes, and another function's
does not. (A model with SiLU: loss .0020, 4.3; the same weights with GELU .0018, 9.4.)"""

LARGER = {"square": 4.0, "relu_squared": 4.0, "abs": 2.5}
"""A function larger than a rectifier that solves the task is no reading where its relative gradient is more than so
many times that of another reading that solves it. (A ReLU model, stopped early: loss .19, .64; its weights with squares
7e-6, 46; with squared ReLU .006, 4.9; with |x| .002, 1.9.)"""

ALIKE, LEARNT_ALIKE = 1.05, 0.35
"""Where no reading solves the task, which rows were trained on is open, and gradients on the others say nothing: of
the readings left all are tied, and of those within 5 % of the smallest spread the likeliest is chosen. One alone is
inferred where its spread is below .35 nats, as of rows that were all learnt (.1 to .25 in a dozen such models)."""

STANDING = ("gelu", "square", "tanh", "relu_squared", "softplus")
"""Activations one of which is like any other."""

COPIES = {"leaky_relu": "relu", "quick_gelu": "gelu"}
"""Activations that differ from another by a hundredth of their input: they are read only where the other is not borne
out, and tied with it unless the gradient tells. (Relative gradients of ReLU and its leaky copy: of three models with
ReLU 5.1 and 6.4, 7.1 and 16, 9.6 and 9.8; of one with the copy 11.6 and 6.9.)"""

NO_WEIGHTS = "rotary and relative positions leave no weights behind, and are not tried"
"""Why a file without positions is not known to have none."""

PLAIN = 0.9
"""A plain embedding is read where it answers at least this share of what one that is multiplied does."""


@dataclass(frozen=True)
class Verdict:
    """The reading chosen, its score on the whole table, and what may be said of each field that was open."""

    candidate: Candidate
    score: Score
    assumptions: tuple[Assumption, ...]


def judge(candidates: Sequence[Candidate], task: Task) -> Verdict:
    """The candidate that weights trained on the task bear out best, and how sure each of its open fields is.

    In a loss no row counts more than a guess, so that what was never learnt, which a memoriser is sure and wrong of,
    does not drown what was.
    """
    return _judged(candidates, Answers(task))


def _judged(candidates: Sequence[Candidate], answers: Answers) -> Verdict:
    task = answers.task
    table = draw(len(task.inputs), WHOLE)
    screened = _screen(candidates, answers, draw(len(task.inputs), SCREENED))
    best = min(screened, key=lambda i: screened[i].capped)
    if _is_steep(candidates, best, screened, answers, table):
        return _judged([one for one in candidates if one.open["activation"] not in LARGER], answers)
    guess = math.log(task.n_answers)
    likely = [best]
    if screened[best].is_borne_out:
        close = [i for i, one in screened.items() if one.capped <= 2 * max(screened[best].capped, LITTLE * guess)]
        siblings = [i for i in screened if _but_activation(candidates[i]) == _but_activation(candidates[best])]
        likely = [*dict.fromkeys([*sorted(close, key=lambda i: screened[i].capped)[:8], *siblings])]
    whole = {i: answers.score(candidates[i], table) for i in likely}
    even = _even(candidates, whole)
    smallest = min((whole[i].capped for i in even), default=0.0)
    bound = max(NEAR * smallest, min(LITTLE * guess, FAR * smallest))
    copies = {i: j for i in even for j in even if _is_copy(candidates[i], candidates[j])}
    near = [i for i in even if whole[i].capped <= bound and i not in copies]
    is_solved = any(whole[i].accuracy >= SOLVED for i in near)
    alike = [*near, *(i for i, of in copies.items() if of in near)]
    slopes = {i: answers.slope(candidates[i]) for i in alike} if is_solved and len(alike) > 1 else {}
    if slopes:
        winner = _of_smallest_slope(near, slopes, whole)
    elif near:
        winner = min(near) if is_solved else min(i for i in near if whole[i].spread <= ALIKE * _least(near, whole))
    else:
        # Below that the differences are chance: the likeliest reading stands.
        winner = min(whole, key=lambda i: whole[i].capped)
        if whole[winner].accuracy < 0.5:
            winner = 0
            whole[0] = answers.score(candidates[0], table)
    plain = _with_plain_embedding(candidates, winner, whole, screened, answers, table)
    if plain is not None:
        return plain
    for name, value in candidates[winner].open.items():
        others = [i for i in screened if candidates[i].open[name] != value]
        other = min(others, key=lambda i: screened[i].capped)
        if other not in whole:
            whole[other] = answers.score(candidates[other], draw(len(task.inputs), COMPARED))
    candidate = candidates[winner]
    is_explained = whole[winner].accuracy >= SOLVED
    mean = pooled(candidates, answers, whole[winner], [winner] if is_explained else [*screened])
    if mean is not None and mean.how == "not explained":
        return Verdict(candidate, whole[winner], (mean,))
    about = f"on {'all ' if len(table) == len(task.inputs) else ''}{len(table):,} rows of the table"
    alike = [*near, *(i for i, of in copies.items() if of == winner)]
    evidence = _Evidence(candidates, winner, whole, alike, slopes, about)
    has_norms = getattr(candidate.config, "has_norms", True)
    assumptions = [evidence.of(name) for name in candidate.open if has_norms or name != "norm_kind"]
    assumptions += [mean] if mean is not None else []
    return Verdict(candidate, whole[winner], (*assumptions, *_partly_known(whole[winner], task)))


def _is_steep(
    candidates: Sequence[Candidate],
    best: int,
    screened: Mapping[int, Score],
    answers: Answers,
    table: Int[Tensor, "row"],
) -> bool:
    """Whether the best reading is of a `LARGER` function, and its loss still falls where that of another does not."""
    steep = LARGER.get(candidates[best].open.get("activation", ""))
    if steep is None:
        return False
    rivals = [i for i in screened if candidates[i].open["activation"] not in LARGER]
    rival = min(rivals, key=lambda i: screened[i].capped, default=None)
    if rival is None or answers.score(candidates[rival], table).accuracy < SOLVED:
        return False
    return answers.slope(candidates[best]) > steep * answers.slope(candidates[rival])


def _but_activation(candidate: Candidate) -> dict[str, Any]:
    return {name: value for name, value in candidate.open.items() if name != "activation"}


def _is_copy(one: Candidate, other: Candidate) -> bool:
    is_named = COPIES.get(one.open.get("activation", "")) == other.open.get("activation")
    return is_named and _but_activation(one) == _but_activation(other)


def _least(numbers: Iterable[int], whole: Mapping[int, Score]) -> float:
    return max(FINEST, min(whole[i].spread for i in numbers))


def _even(candidates: Sequence[Candidate], whole: Mapping[int, Score]) -> list[int]:
    """Those that the weights bear out, and that are about as sure of one row as of another."""
    left = [i for i, one in whole.items() if one.is_borne_out]
    most = max((whole[i].known for i in left), default=0.0)
    counted = [i for i in left if whole[i].known >= COUNTED * most]

    def is_even(i: int) -> bool:
        siblings = [j for j in counted if _but_activation(candidates[j]) == _but_activation(candidates[i])]
        return whole[i].spread <= EVEN * _least(siblings or [i], whole)

    return [i for i in left if is_even(i)]


def _of_smallest_slope(near: Sequence[int], slopes: Mapping[int, float], whole: Mapping[int, Score]) -> int:
    """Of those that nothing tells apart the likeliest is chosen, and all are named."""
    smallest = min(slopes[i] for i in near)
    tied = [i for i in near if slopes[i] <= MARGIN * smallest]
    winner = min(i for i in tied if whole[i].capped <= 2 * min(whole[j].capped for j in tied))
    # The likeliest of all stands where it also has the smallest loss, unless another's gradient is less than half.
    first = min(near)
    has_least = whole[first].capped == min(whole[i].capped for i in near)
    return first if has_least and slopes[first] <= NEAR * smallest else winner


def _partly_known(mine: Score, task: Task) -> Iterator[Assumption]:
    """What is said of weights that answer a part of the table, where no split tells whether that is what they saw."""
    if mine.is_borne_out and mine.accuracy < SOLVED and task.is_train is None:
        yield Assumption(
            f"it was trained on the rows it answers, {mine.accuracy:.0%} of the table",
            "assumed",
            "the split is not known; what computes something else, and is partly right as it is read, looks alike",
        )


def _with_plain_embedding(
    candidates: Sequence[Candidate],
    winner: int,
    whole: Mapping[int, Score],
    screened: Mapping[int, Score],
    answers: Answers,
    table: Int[Tensor, "row"],
) -> Verdict | None:
    """The verdict where an embedding that is multiplied would be chosen, and one that is not does nearly as well.

    Multiplied, it makes the logits of any model that knows its rows larger, and what it knows surer.
    """
    field, scale = "embedding_scale", candidates[winner].open.get("embedding_scale", 1.0)
    rivals = [i for i in screened if candidates[i].open.get(field) == 1] if scale != 1 else []
    if not rivals:
        return None
    best = min(rivals, key=lambda i: screened[i].capped)
    rival = answers.score(candidates[best], table)
    if not rival.is_borne_out or rival.accuracy < PLAIN * whole[winner].accuracy:
        return None
    others = [each for each in candidates if each.open[field] == 1]
    others = [replace(each, open={n: v for n, v in each.open.items() if n != field}) for each in others]
    verdict = _judged(others, answers)
    evidence = f"loss {rival.loss:.5g}; as good: {_shown(scale)} {whole[winner].loss:.5g}"
    return replace(verdict, assumptions=(Assumption(f"{field}=1", "tied", evidence), *verdict.assumptions))


@dataclass(frozen=True)
class _Evidence:
    """What may be said of the fields of the candidate chosen: other values are compared at their best."""

    candidates: Sequence[Candidate]
    winner: int
    whole: Mapping[int, Score]
    near: Sequence[int]
    slopes: Mapping[int, float]
    about: str

    def of(self, name: str) -> Assumption:
        """What may be said of one field, and the losses that say it."""
        mine, value = self.whole[self.winner], self.candidates[self.winner].open[name]
        answers = f"loss {mine.loss:.5g}, accuracy {mine.accuracy:.2%} {self.about}"
        best_of: dict[object, int] = {}
        for i in sorted(self.whole, key=lambda i: (i not in self.near, self._strain(i), self.whole[i].capped)):
            best_of.setdefault(self.candidates[i].open[name], i)
        others = {other: i for other, i in best_of.items() if other != value}
        near = {other: i for other, i in others.items() if i in self.near}
        tied = {other: i for other, i in near.items() if self._strain(i) <= MARGIN * self._strain(self.winner)}
        rest = {other: i for other, i in near.items() if other not in tied}
        if not rest and others:
            rest = dict([min(others.items(), key=lambda item: self.whole[item[1]].capped)])
        what = f"{name}={_shown(value)}"
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

    def _strain(self, i: int) -> float:
        return self.slopes.get(i, math.inf) if self.slopes else max(FINEST, self.whole[i].spread)

    def _shown(self, i: int) -> str:
        one, mine = self.whole[i], self.whole[self.winner]
        if i in self.slopes:
            times = self.slopes[i] / self.slopes[self.winner]
            return f"{one.loss:.5g} with {times:.3g} times the relative gradient"
        if i not in self.near and mine.is_borne_out and one.capped < mine.capped:
            return f"{one.loss:.5g} with {one.spread / max(FINEST, mine.spread):.3g} times the spread of what it knows"
        return f"{one.loss:.5g}"

    def _listed(self, others: Mapping[object, int]) -> str:
        return listed(f"{_shown(other)} {self._shown(i)}" for other, i in others.items())


def _screen(candidates: Sequence[Candidate], answers: Answers, rows: Int[Tensor, "row"]) -> dict[int, Score]:
    """Scores on few rows. Activations are alike enough for some to stand for the others until all else is known; where
    the likeliest norms solve the task, other norms are compared with all else as it is there.
    """
    scores: dict[int, Score] = {}

    def add(chosen: Iterable[int]) -> int:
        scores.update({i: answers.score(candidates[i], rows) for i in chosen if i not in scores})
        return min(scores, key=lambda i: scores[i].capped)

    def but(i: int, names: Sequence[str]) -> list[int]:
        """Those that are as candidate i in all but the fields named."""
        mine = candidates[i].open
        return [j for j, each in enumerate(candidates) if all(each.open[n] == mine[n] for n in mine if n not in names)]

    norms = [tuple(each.open.get(name) for name in NORMS) for each in candidates]
    tried = [i for i, each in enumerate(candidates) if each.open.get("activation", STANDING[0]) in STANDING]
    best = add(i for i in tried if norms[i] == norms[0])
    best = add(j for i in sorted(scores, key=lambda i: scores[i].capped)[:6] for j in but(i, ("activation",)))
    if scores[best].accuracy < SOLVED:
        add(tried)
        best = add(j for i in sorted(scores, key=lambda i: scores[i].capped)[:6] for j in but(i, ("activation",)))
    for name in candidates[best].open:
        add(but(best, NORMS if name in NORMS else (name,)))
    return scores


def _shown(value: object) -> str:
    return f"{value:.6g}" if isinstance(value, float) else str(value)
