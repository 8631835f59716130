"""Judgement: which of several readings the weights bear out, by how each answers the task's table."""

import math
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import permutations
from typing import Any

from jaxtyping import Int
from torch import Tensor

from grokinterp.importers.judging.answers import Answers
from grokinterp.importers.judging.evidence import MARGIN, Evidence, shown
from grokinterp.importers.judging.scores import COMPARED, FINEST, SOLVED, Score, draw
from grokinterp.importers.judging.weightless import normalised, pooled, unscaled
from grokinterp.importers.reading.candidates import ATTENTION_SCALE, NORMS, Candidate
from grokinterp.runs.provenance import Assumption
from grokinterp.tasks import Task

WHOLE = 20_000
"""Tables up to this many rows are evaluated whole; of larger ones as many rows are drawn."""

SCREENED = 96
"""Rows on which all candidates are compared first; the whole table is for those that come near the best."""

EVEN, COUNTED = 1.5, 0.75
"""Of readings that differ by their activation, those are left whose spread is at most `EVEN` times the smallest, of
readings that know at least `COUNTED` times as many rows as any; below `FINEST` nats all are alike. A square makes the
logits of almost any rectifier's weights larger, and so its loss smaller than that of the function they were trained
with. (An ELU model, 80 % of its rows trained on: loss 1.06, spread .2 nats; read as squares 94 % of all rows are right
and the loss of no row counting more than a guess is a third, the spread 20.)"""

NEAR, LITTLE, FAR = 2.0, 0.01, 100.0
"""Readings are near the best whose loss is within `NEAR` of the smallest, or below 1 % of a guess's and within `FAR` of
the smallest. Of these the
one with the smallest relative gradient, |d log loss|, is chosen, and it is clearly ahead where every other's is more
than `MARGIN` times its own: training goes to where the gradient of its own function vanishes, and another function's
does not. (A model with SiLU: loss .0020, 4.3; the same weights with GELU .0018, 9.4.)"""

LARGER = ("square", "relu_squared", "abs")
"""Functions larger than a rectifier: they make the logits of weights that another one was trained with larger, so
that neither a smaller loss nor a spread tells them. One of them is left where the weights lie along its gradient
at least `ALIGNED` times as much as along any reading's (`Answers.alignment`), and others are left beside one that
leads where theirs do; where none does by `LEAST_ALIGNED` that tells nothing. (Weights of a ReLU: along its own
gradient .71 at a loss of .006, along that of squares .10 at 9e-10, of |x| .36. Of a squared ReLU .69 at .0012, of
squares .51 at .0002. Of |x| .48 at 3e-5, of squares .02 at 5e-7. Of squares .11 at 5e-7, of |x| .06.)"""

ALIGNED, LEAST_ALIGNED = 0.75, 0.05

ALIKE = 1.05
"""Where no reading solves the task, which rows were trained on is open, and gradients on the others say nothing: of
the readings left all are tied, and of those within 5 % of the smallest spread the likeliest is chosen. One alone is
inferred where its spread is below `LEARNT_ALIKE`."""

STANDING = ("gelu", "square", "tanh", "relu_squared", "softplus")
"""Activations one of which is like any other."""

COPIES = {"leaky_relu": "relu", "quick_gelu": "gelu"}
"""Activations that differ from another by a hundredth of their input: they are read only where the other is not borne
out, or has `NEAR` times the loss. (Relative gradients of ReLU and its leaky copy: of three models with ReLU 5.1 and
6.4, 7.1 and 16, 9.6 and 9.8; of one with the copy 11.6 and 6.9.)"""

FORMS = ("quick_gelu",)
"""Copies that are another way to write the same, as GELU by tanh is: not named beside it as a reading of its own."""

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
    first, answers = candidates[0], Answers(task)
    if not first.is_finite:
        why = "nothing tells it of weights that are no finite numbers"
        assumed = tuple(Assumption(f"{name}={shown(value)}", "assumed", why) for name, value in first.open.items())
        return Verdict(first, answers.score(first, draw(len(task.inputs), COMPARED)), assumed)
    return _judged(candidates, answers)


def _judged(candidates: Sequence[Candidate], answers: Answers, is_divided: bool = True) -> Verdict:
    task = answers.task
    table = draw(len(task.inputs), WHOLE)
    screened = _screen(candidates, answers, draw(len(task.inputs), SCREENED))
    best = min(screened, key=lambda i: screened[i].capped)
    guess = math.log(task.n_answers)
    likely = [best]
    if screened[best].is_borne_out:
        close = [i for i, one in screened.items() if one.capped <= 2 * max(screened[best].capped, LITTLE * guess)]
        siblings = [i for i in screened if _but_activation(candidates[i]) == _but_activation(candidates[best])]
        likely = [*dict.fromkeys([*sorted(close, key=lambda i: screened[i].capped)[:8], *siblings])]
    whole = {i: answers.score(candidates[i], table) for i in likely}
    along = _along(candidates, whole, answers)
    even = _even(candidates, whole, along)
    smallest = min((whole[i].capped for i in even), default=0.0)
    bound = max(NEAR * smallest, min(LITTLE * guess, FAR * smallest))
    copies = {
        i: j
        for i, j in permutations(even, 2)
        if _is_copy(candidates[i], candidates[j]) and whole[j].capped <= NEAR * whole[i].capped
    }
    likenesses = {i: j for i, j in copies.items() if candidates[i].open["activation"] not in FORMS}
    is_larger = any(i in along and candidates[i].open["activation"] in LARGER for i in even)
    near = [i for i in even if (whole[i].capped <= bound or (is_larger and i in along)) and i not in copies]
    is_solved = any(whole[i].accuracy >= SOLVED for i in near)
    alike = [*near, *(i for i, of in likenesses.items() if of in near)]
    slopes = {i: answers.slope(candidates[i]) for i in alike} if is_solved and len(alike) > 1 else {}
    if is_larger and near:
        function = candidates[max(near, key=lambda i: along.get(i, 0.0))].open["activation"]
        its = [i for i in near if candidates[i].open["activation"] == function]
        winner = _of_smallest_slope(its, slopes, whole) if slopes else min(its, key=lambda i: whole[i].capped)
    elif slopes:
        winner = _of_smallest_slope(near, slopes, whole)
    elif near:
        winner = min(near) if is_solved else min(i for i in near if whole[i].spread <= ALIKE * _least(near, whole))
    else:
        # Below that the differences are chance: the likeliest reading stands.
        winner = min(whole, key=lambda i: whole[i].capped)
        if whole[winner].accuracy < 0.5:
            winner = 0
            whole[0] = answers.score(candidates[0], table)
    plain = _with_plain_embedding(candidates, winner, whole, screened, answers, table, is_divided)
    if plain is not None:
        return plain
    is_explained = whole[winner].accuracy >= SOLVED
    read, numbers = whole[winner], [winner] if is_explained else [*screened]
    if is_divided and (undivided := unscaled(candidates, answers, read, numbers)) is not None:
        verdict = _judged(undivided, answers, is_divided=False)
        unexplained = tuple(each for each in verdict.assumptions if each.how == "not explained")
        if unexplained:
            return Verdict(candidates[winner], read, unexplained)
        return _without_attention_scale(verdict, read)
    for name, value in candidates[winner].open.items():
        others = [i for i in screened if candidates[i].open[name] != value]
        other = min(others, key=lambda i: screened[i].capped)
        if other not in whole:
            whole[other] = answers.score(candidates[other], draw(len(task.inputs), COMPARED))
    candidate = candidates[winner]
    mean = pooled(candidates, answers, read, numbers)
    for other in (mean, normalised(candidates, answers, read, numbers)):
        if other is not None and other.how == "not explained":
            return Verdict(candidate, read, (other,))
    about = f"on {'all ' if len(table) == len(task.inputs) else ''}{len(table):,} rows of the table"
    alike = [*near, *(i for i, of in likenesses.items() if of == winner)]
    evidence = Evidence(candidates, winner, whole, alike, slopes, along if is_larger else {}, about)
    has_norms = getattr(candidate.config, "has_norms", True)
    assumptions = [evidence.of(name) for name in candidate.open if has_norms or name != "norm_kind"]
    assumptions += [mean] if mean is not None else []
    return Verdict(candidate, whole[winner], (*assumptions, *_partly_known(whole[winner], task)))


def _without_attention_scale(verdict: Verdict, divided: Score) -> Verdict:
    """A verdict on readings whose scores of attention are not divided, with what says that they are not."""
    score, candidate = verdict.score, verdict.candidate
    words = f"loss {score.loss:.5g}, accuracy {score.accuracy:.2%}; divided by the root of the heads' width"
    evidence = f"{words} {divided.loss:.5g}, {divided.accuracy:.2%}; queries are multiplied to the same effect"
    return Verdict(
        replace(candidate, open={**candidate.open, ATTENTION_SCALE: 1.0}),
        score,
        (Assumption(f"{ATTENTION_SCALE}=1", "inferred", evidence), *verdict.assumptions),
    )


def _but_activation(candidate: Candidate) -> dict[str, Any]:
    return {name: value for name, value in candidate.open.items() if name != "activation"}


def _is_copy(one: Candidate, other: Candidate) -> bool:
    is_named = COPIES.get(one.open.get("activation", "")) == other.open.get("activation")
    return is_named and _but_activation(one) == _but_activation(other)


def _least(numbers: Iterable[int], whole: Mapping[int, Score]) -> float:
    return max(FINEST, min(whole[i].spread for i in numbers))


def _counted(whole: Mapping[int, Score]) -> list[int]:
    """Those that the weights bear out and that know most of the rows that any does."""
    left = [i for i, one in whole.items() if one.is_borne_out]
    most = max((whole[i].known for i in left), default=0.0)
    return [i for i in left if whole[i].known >= COUNTED * most]


def _along(candidates: Sequence[Candidate], whole: Mapping[int, Score], answers: Answers) -> dict[int, float]:
    """How far weights lie along their gradient, under readings that differ by their activation and one is `LARGER`.

    Empty where there are none such, or none does.
    """
    # A model that decay holds short of it may answer all rows and be sure of few.
    counted = [*dict.fromkeys([*_counted(whole), *(i for i, one in whole.items() if one.accuracy >= SOLVED)])]
    larger = [i for i in counted if candidates[i].open.get("activation") in LARGER]
    same = [_but_activation(candidates[i]) for i in larger]
    along = {i: answers.alignment(candidates[i]) for i in counted if _but_activation(candidates[i]) in same}
    return along if max(along.values(), default=0.0) >= LEAST_ALIGNED else {}


def _even(candidates: Sequence[Candidate], whole: Mapping[int, Score], along: Mapping[int, float]) -> list[int]:
    """Those that the weights bear out, about as sure of one row as of another; where one is `LARGER`, by `along`."""
    most = max(along.values(), default=0.0)
    is_larger = {i: candidates[i].open["activation"] in LARGER for i in along}
    # Of functions none of which is larger the losses, spreads and slopes tell.
    decides = any(is_larger[i] for i in along if along[i] == most)
    out = [i for i in along if along[i] < ALIGNED * most and (decides or is_larger[i])]
    left = [i for i, one in whole.items() if one.is_borne_out and i not in out]
    counted = [i for i in _counted(whole) if i in left]

    def is_even(i: int) -> bool:
        siblings = [j for j in counted if _but_activation(candidates[j]) == _but_activation(candidates[i])]
        if along and any(candidates[j].open.get("activation") in LARGER for j in siblings):
            return i in along
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
    is_divided: bool,
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
    verdict = _judged(others, answers, is_divided)
    evidence = f"loss {rival.loss:.5g}; as good: {shown(scale)} {whole[winner].loss:.5g}"
    return replace(verdict, assumptions=(Assumption(f"{field}=1", "tied", evidence), *verdict.assumptions))


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
