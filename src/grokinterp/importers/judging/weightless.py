"""Weightless: ways of computing that leave no weights behind, and whether they explain the weights that there are."""

from collections.abc import Callable, Sequence

from jaxtyping import Float, Int
from torch import Tensor

from grokinterp.importers.judging.answers import Answers
from grokinterp.importers.judging.scores import COMPARED, SOLVED, Score
from grokinterp.importers.reading.candidates import Candidate, without_attention_scale
from grokinterp.runs.provenance import Assumption

FEW = 64
"""Rows on which candidates are compared first."""

AHEAD = 2.0
"""How much smaller a loss has to be that tells, or how many times as many rows have to be known: the rows that
memorised weights never learnt have the loss of a guess in every way of reading."""

Logits = Callable[[Candidate, Int[Tensor, "row"]], Float[Tensor, "row *t column"]]
"""What a candidate answers to some rows, computed in another way."""


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
    """What is said of weights that know the rows where queries and keys are divided by their root mean square, which
    leaves no weights and is not computed here; nothing of others, nor where they know them as well without.
    """
    one = _best(tried, answers, answers.normalised_logits)
    if one is None or not _is_ahead(one, read):
        return None
    evidence = (
        f"with queries and keys divided by their root mean square the weights have {one.in_words()}, without "
        f"{read.in_words()}; such attention is not computed here"
    )
    return Assumption("queries and keys are not normalised", "not explained", evidence)


def is_unscaled(tried: Sequence[Candidate], answers: Answers, read: Score) -> bool:
    """Whether attention whose scores are not divided by the root of the heads' width explains the weights, well ahead
    of the best of these readings as they stand.
    """
    one = _best([without_attention_scale(each) for each in tried], answers, answers.logits)
    return one is not None and _is_ahead(one, read)


def _is_ahead(one: Score, read: Score) -> bool:
    """Whether the weights bear one way of computing out, and it answers so much better that this tells."""
    return one.is_borne_out and (one.capped < read.capped / AHEAD or one.known > AHEAD * read.known)


def _best(tried: Sequence[Candidate], answers: Answers, logits: Logits) -> Score | None:
    """The score of the best of some transformers, computed so; None where there are none."""

    def score(candidate: Candidate, count: int) -> Score:
        rows = answers.rows(count)
        return Score.of(logits(candidate, rows)[..., : answers.task.n_answers], answers.task, rows)

    transformers = [each for each in tried if each.has_attention]
    few = [score(each, FEW) for each in transformers]
    leader = min(range(len(few)), key=lambda i: few[i].capped, default=None)
    return None if leader is None else score(transformers[leader], COMPARED)
