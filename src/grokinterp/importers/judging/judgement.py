"""Judgement: which of several readings the weights bear out, by how each answers the task's table."""

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace

from grokinterp.importers.judging.answers import Answers
from grokinterp.importers.judging.contest import LITTLE, Contest
from grokinterp.importers.judging.evidence import Evidence, shown
from grokinterp.importers.judging.scores import COMPARED, SOLVED, Score
from grokinterp.importers.judging.screening import screen
from grokinterp.importers.judging.trial import Trial, best
from grokinterp.importers.judging.weightless import is_unscaled, normalised, pooled, representatives, rewired
from grokinterp.importers.reading.candidates import ATTENTION_SCALE, Candidate, without_attention_scale
from grokinterp.runs.provenance import Assumption
from grokinterp.tasks import Task

WHOLE = 20_000
"""Tables up to this many rows are evaluated whole; of larger ones as many rows are drawn."""

CLOSE, CLOSEST = 2.0, 8
"""On the whole table at most the `CLOSEST` are tried whose loss on few rows is within `CLOSE` of the smallest."""

HALF = 0.5
"""Where no reading is borne out and none answers so many rows, the differences are chance: the likeliest stands."""

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
        return Verdict(first, answers.score(first, answers.rows(COMPARED)), assumed)
    return _judged(candidates, answers)


def _judged(candidates: Sequence[Candidate], answers: Answers, is_divided: bool = True) -> Verdict:
    """The verdict on candidates whose scores of attention are divided by the root of the heads' width, or are not."""
    screened = screen(candidates, answers)
    contest = Contest.of([trial.on(WHOLE, answers) for trial in _likely(screened, answers.task)], answers)
    winner = contest.winner or _best_of_none(contest.trials, candidates[0], answers)
    plain = _plain_rival(winner, screened, answers)
    if plain is not None:
        return _with_plain_embedding(candidates, winner, plain, answers, is_divided)
    read, is_explained = winner.score, winner.score.accuracy >= SOLVED
    tried, chosen = [trial.candidate for trial in screened], winner.candidate
    tried = [chosen] if is_explained else representatives(tried, candidates[0], chosen)
    other = rewired(tried, answers, read, winner.candidate)
    if is_divided and (other is None or other.how == "tied") and is_unscaled(tried, answers, read):
        return _without_attention_scale(candidates, winner, answers)
    mean = pooled(tried, answers, read)
    for one in (mean, normalised(tried, answers, read), other):
        if one is not None and one.how == "not explained":
            return Verdict(winner.candidate, read, (one,))
    evidence = Evidence(winner, contest, _rivals(winner, screened, contest, answers), _rows_in_words(answers))
    has_norms = getattr(winner.candidate.config, "has_norms", True)
    fields = [name for name in winner.candidate.open if has_norms or name != "norm_kind"]
    assumptions = [evidence.of(name) for name in fields] + [one for one in (mean, other) if one is not None]
    return Verdict(winner.candidate, read, (*assumptions, *_partly_known(read, answers.task)))


def _likely(screened: list[Trial], task: Task) -> list[Trial]:
    """Those that come near the best on few rows, and all activations of the best; the best alone where none is near."""
    leader, guess = best(screened), math.log(task.n_answers)
    if not leader.score.is_borne_out:
        return [leader]
    bound = CLOSE * max(leader.score.capped, LITTLE * guess)
    close = sorted((t for t in screened if t.score.capped <= bound), key=lambda trial: trial.score.capped)
    return [*dict.fromkeys([*close[:CLOSEST], *(trial for trial in screened if trial.is_sibling(leader))])]


def _best_of_none(trials: list[Trial], first: Candidate, answers: Answers) -> Trial:
    """The reading that stands where the weights bear none out."""
    leader = best(trials)
    return leader if leader.score.accuracy >= HALF else Trial(0, first, answers.score(first, answers.rows(WHOLE)))


def _rivals(winner: Trial, screened: list[Trial], contest: Contest, answers: Answers) -> list[Trial]:
    """For each field that is open the best reading with another value, of those not tried on the whole table."""
    places = {trial.place for trial in contest.trials}
    rivals: dict[int, Trial] = {}
    for name, value in winner.candidate.open.items():
        rival = best(trial for trial in screened if trial.candidate.open[name] != value)
        if rival.place not in places | rivals.keys():
            rivals[rival.place] = rival.on(COMPARED, answers)
    return [*rivals.values()]


def _rows_in_words(answers: Answers) -> str:
    count, of = len(answers.rows(WHOLE)), len(answers.task.inputs)
    return f"on {'all ' if count == of else ''}{count:,} rows of the table"


def _partly_known(read: Score, task: Task) -> Iterator[Assumption]:
    """What is said of weights that answer a part of the table, where no split tells whether that is what they saw."""
    if read.is_borne_out and read.accuracy < SOLVED and task.is_train is None:
        yield Assumption(
            f"it was trained on the rows it answers, {read.accuracy:.0%} of the table",
            "assumed",
            "the split is not known; what computes something else, and is partly right as it is read, looks alike",
        )


# -- what no weight tells


def _plain_rival(winner: Trial, screened: list[Trial], answers: Answers) -> Trial | None:
    """The best reading with a plain embedding, where it does nearly as well as the one chosen, which is multiplied.

    Multiplied, it makes the logits of any model that knows its rows larger, and what it knows surer.
    """
    plain = [trial for trial in screened if trial.candidate.open.get("embedding_scale") == 1]
    if winner.candidate.open.get("embedding_scale", 1.0) == 1 or not plain:
        return None
    rival = best(plain).on(WHOLE, answers)
    does_nearly = rival.score.is_borne_out and rival.score.accuracy >= PLAIN * winner.score.accuracy
    return rival if does_nearly else None


def _with_plain_embedding(
    candidates: Sequence[Candidate], multiplied: Trial, plain: Trial, answers: Answers, is_divided: bool
) -> Verdict:
    """The verdict on the candidates with a plain embedding, which no longer leave that open."""
    field, scale = "embedding_scale", multiplied.candidate.open["embedding_scale"]
    left = [each for each in candidates if each.open[field] == 1]
    left = [replace(each, open={name: v for name, v in each.open.items() if name != field}) for each in left]
    verdict = _judged(left, answers, is_divided)
    evidence = f"{plain.score.in_words()}; as good: {shown(scale)}, {multiplied.score.in_words()}"
    return replace(verdict, assumptions=(Assumption(f"{field}=1", "tied", evidence), *verdict.assumptions))


def _without_attention_scale(candidates: Sequence[Candidate], divided: Trial, answers: Answers) -> Verdict:
    """The verdict on readings whose scores of attention are not divided, with what says that they are not.

    Where these explain the weights no better, that of the best that is divided.
    """
    verdict = _judged([without_attention_scale(each) for each in candidates], answers, is_divided=False)
    unexplained = tuple(each for each in verdict.assumptions if each.how == "not explained")
    if unexplained:
        return Verdict(divided.candidate, divided.score, unexplained)
    score, candidate = verdict.score, verdict.candidate
    words = f"{score.in_words()}; divided by the root of the heads' width {divided.score.in_words()}"
    evidence = f"{words}; queries are multiplied to the same effect"
    how = "inferred" if score.accuracy >= SOLVED else "assumed"
    return Verdict(
        replace(candidate, open={**candidate.open, ATTENTION_SCALE: 1.0}),
        score,
        (Assumption(f"{ATTENTION_SCALE}=1", how, evidence), *verdict.assumptions),
    )
