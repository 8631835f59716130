"""Weightless: ways of computing that leave no weights behind, and whether they explain the weights that there are."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from functools import partial
from typing import Any

from jaxtyping import Float, Int
from torch import Tensor

from grokinterp.importers.judging.answers import Answers
from grokinterp.importers.judging.contest import COUNTED, EVEN, MARGIN
from grokinterp.importers.judging.scores import COMPARED, FINEST, SOLVED, Score
from grokinterp.importers.judging.structures import Structure, structures_of
from grokinterp.importers.reading.candidates import ACTIVATIONS, NORMS, Candidate, without_attention_scale
from grokinterp.runs.provenance import Assumption

FEW = 64
"""Rows on which candidates are compared first."""

AHEAD = 2.0
"""How much smaller a loss has to be that tells, or how many times as many rows have to be known: the rows that
memorised weights never learnt have the loss of a guess in every way of reading."""

STANDING = ("gelu", "square")
"""Activations that stand for all until the rest of a candidate is settled."""

COSINES = (None, 1.0, 10.0)
"""What cosines of queries and keys are multiplied by: the root of the heads' width, nothing, ten."""

Logits = Callable[[Candidate, Int[Tensor, "row"]], Float[Tensor, "row *t column"]]
"""What a candidate answers to some rows, computed in another way."""


def representatives(tried: Sequence[Candidate], *likely: Candidate) -> list[Candidate]:
    """Of hundreds of candidates those that stand for all: with a plain embedding and the norms of one of the likely."""

    def norms(candidate: Candidate) -> list[Any]:
        return [candidate.open.get(name) for name in NORMS]

    of_likely = [norms(candidate) for candidate in likely]
    plain = [each for each in tried if each.open.get("embedding_scale", 1.0) == 1 and norms(each) in of_likely]
    standing = [each for each in plain if each.open.get("activation", STANDING[0]) in STANDING]
    return standing or plain or list(likely)


def pooled(tried: Sequence[Candidate], answers: Answers, read: Score) -> Assumption | None:
    """What is said of weights that know the rows where their answers are averaged over positions, as no model of this
    project's is read; nothing of others. Of a linear unembedding that is the mean of the logits.

    Where they know them at the last position too, the smaller loss tells, if it is less than half of the other.
    """
    if answers.task.positions != (-1,):
        return None
    one = _best(tried, answers, answers.mean_logits)
    if one is None:
        return None
    is_ahead = _is_ahead(one, read)
    as_good = one.accuracy >= SOLVED and one.capped <= AHEAD * read.capped
    if not as_good and not is_ahead:
        return None
    evidence = (
        f"averaged over all positions the answers have {one.in_words()}, at the last "
        f"one {read.in_words()}; a model that is read off such a mean is not computed here"
    )
    how = "not explained" if is_ahead or read.accuracy < SOLVED else "tied"
    return Assumption("its answers are read at the last position", how, evidence)


def normalised(tried: Sequence[Candidate], answers: Answers, read: Score) -> Assumption | None:
    """What is said of weights that know the rows where queries and keys are normalised, which leaves no weights and is
    not computed here; nothing of others, nor where they know them as well without.
    """
    every = [_best(tried, answers, partial(answers.normalised_logits, scale)) for scale in COSINES]
    ahead = [one for one in every if one is not None and _is_ahead(one, read)]
    if not ahead:
        return None
    one = min(ahead, key=lambda each: each.capped)
    evidence = (
        f"with queries and keys divided by their root mean square the weights have {one.in_words()}, without "
        f"{read.in_words()}; such attention is not computed here"
    )
    return Assumption("queries and keys are not normalised", "not explained", evidence)


@dataclass(frozen=True)
class Rival:
    """A candidate's parts in another structure, and its score."""

    structure: Structure
    candidate: Candidate
    score: Score


def rewired(tried: Sequence[Candidate], answers: Answers, read: Score, winner: Candidate) -> Assumption | None:
    """What is said of weights that know the rows where the same parts are connected otherwise, as is not computed here;
    nothing of others.
    """
    rivals = [*_rivals(tried, answers)]
    ahead = [rival for rival in rivals if _is_ahead(rival.score, read)]
    tied = [] if ahead else [rival for rival in rivals if _is_alike(rival, answers, read, winner)]
    if not ahead and not tied:
        return None
    solving = any(rival.score.accuracy >= SOLVED for rival in ahead or tied)
    one = min(ahead or tied, key=lambda rival: rival.score.capped if solving else rival.score.spread)
    evidence = (
        f"the weights answer with {one.score.in_words()} as {one.structure.words}, which grokinterp does not compute, "
        f"and with {read.in_words()} as they are read"
    )
    return Assumption("its layers are connected as here", "not explained" if ahead else "tied", evidence)


def _rivals(tried: Sequence[Candidate], answers: Answers) -> list[Rival]:
    """For each structure the candidate that it makes the best of."""
    by_words: dict[str, tuple[Structure, list[Candidate]]] = {}
    for candidate in tried:
        for structure in structures_of(candidate):
            by_words.setdefault(structure.words, (structure, []))[1].append(candidate)
    rivals = []
    for structure, candidates in by_words.values():
        candidate, score = _leading(candidates, answers, partial(answers.wired_logits, structure))
        rivals.append(Rival(structure, candidate, score))
    return rivals


def _is_alike(rival: Rival, answers: Answers, read: Score, winner: Candidate) -> bool:
    """Whether the weights bear a rival out about as well as the reading chosen."""
    one = rival.score
    if read.accuracy < SOLVED:
        is_even = one.spread <= EVEN * max(FINEST, read.spread)
        return one.is_borne_out and read.is_borne_out and one.known >= COUNTED * read.known and is_even
    if one.accuracy < SOLVED or one.capped > AHEAD * read.capped:
        return False
    return answers.slope(rival.candidate, rival.structure) <= MARGIN * answers.slope(winner)


def is_unscaled(tried: Sequence[Candidate], answers: Answers, read: Score) -> bool:
    """Whether attention whose scores are not divided by the root of the heads' width explains the weights, well ahead
    of the best of these readings as they stand.
    """
    one = _best([without_attention_scale(each) for each in tried], answers, answers.logits)
    return one is not None and _is_ahead(one, read)


def _is_ahead(one: Score, read: Score) -> bool:
    """Whether the weights bear one way of computing out, and it answers so much better that this tells.

    Of weights that know a part: it knows no fewer rows, and is as sure of one as of another where the reading is not.
    """
    if not one.is_borne_out:
        return False
    is_evener = one.known >= read.known and EVEN * max(FINEST, one.spread) < read.spread
    is_better = one.capped < read.capped / AHEAD or one.known > AHEAD * read.known
    return is_better or (read.accuracy < SOLVED and is_evener)


def _best(tried: Sequence[Candidate], answers: Answers, logits: Logits) -> Score | None:
    """The score of the best of some transformers, computed so; None where there are none."""
    transformers = [each for each in tried if each.has_attention]
    return _leading(transformers, answers, logits)[1] if transformers else None


def _leading(tried: Sequence[Candidate], answers: Answers, logits: Logits) -> tuple[Candidate, Score]:
    """The best of some candidates, computed so, and its score: of several every activation of the best is tried."""

    def score(candidate: Candidate, count: int) -> Score:
        rows = answers.rows(count)
        return Score.of(logits(candidate, rows)[..., : answers.task.n_answers], answers.task, rows)

    def best(candidates: Sequence[Candidate]) -> Candidate:
        few = [score(each, FEW) for each in candidates]
        # Of weights that know a part the loss is that of what they never learnt.
        return candidates[min(range(len(few)), key=lambda i: (-few[i].known, few[i].capped))]

    leader = tried[0]
    if len(tried) > 1:
        leader = best(tried)
        if "activation" in leader.open:
            leader = best([_with_activation(leader, name) for name in ACTIVATIONS])
    return leader, score(leader, COMPARED)


def _with_activation(candidate: Candidate, name: str) -> Candidate:
    config = replace(candidate.config, activation=name)  # type: ignore[call-arg]  # all that leave it open have one
    return replace(candidate, config=config, open={**candidate.open, "activation": name})
