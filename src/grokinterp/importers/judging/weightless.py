"""Weightless: ways of computing that leave no weights behind, and whether they explain the weights that there are."""

from collections.abc import Callable, Sequence

from jaxtyping import Float, Int
from torch import Tensor

from grokinterp.importers.judging.answers import Answers
from grokinterp.importers.judging.scores import COMPARED, SOLVED, Score, draw
from grokinterp.importers.reading.candidates import Candidate, without_attention_scale
from grokinterp.runs.provenance import Assumption

FEW = 64
"""Rows on which candidates are compared first."""

AHEAD = 2.0
"""How much smaller a loss has to be that tells, where both ways of reading solve the task."""

Logits = Callable[[Candidate, Int[Tensor, "row"]], Float[Tensor, "row *t column"]]
"""What a candidate answers to some rows, computed in another way."""


def pooled(candidates: Sequence[Candidate], answers: Answers, read: Score, numbers: Sequence[int]) -> Assumption | None:
    """What is said of weights that know the rows where their answers are averaged over positions, as no model of this
    project's is read; nothing of others. Of a linear unembedding that is the mean of the logits.

    Where they know them at the last position too, the smaller loss tells, if it is less than half of the other.
    """
    if answers.task.positions != (-1,):
        return None
    one = _best(candidates, answers, numbers, answers.mean_logits)
    if one is None:
        return None
    is_ahead = one.capped < read.capped / AHEAD
    as_good = one.accuracy >= SOLVED and one.capped <= AHEAD * read.capped
    if not as_good and not (is_ahead and one.is_borne_out):
        return None
    evidence = (
        f"averaged over all positions the answers have loss {one.loss:.5g}, accuracy {one.accuracy:.2%}, at the last "
        f"one {read.loss:.5g}, {read.accuracy:.2%}; a model that is read off such a mean is not computed here"
    )
    how = "not explained" if is_ahead or read.accuracy < SOLVED else "tied"
    return Assumption("its answers are read at the last position", how, evidence)


def normalised(
    candidates: Sequence[Candidate], answers: Answers, read: Score, numbers: Sequence[int]
) -> Assumption | None:
    """What is said of weights that know the rows where queries and keys are divided by their root mean square, which
    leaves no weights and is not computed here; nothing of others, nor where they know them as well without.
    """
    one = _best(candidates, answers, numbers, answers.normalised_logits)
    if one is None or not (one.is_borne_out and one.capped < read.capped / AHEAD):
        return None
    evidence = (
        f"with queries and keys divided by their root mean square the weights have loss {one.loss:.5g}, accuracy "
        f"{one.accuracy:.2%}, without {read.loss:.5g}, {read.accuracy:.2%}; such attention is not computed here"
    )
    return Assumption("queries and keys are not normalised", "not explained", evidence)


def unscaled(
    candidates: Sequence[Candidate], answers: Answers, read: Score, numbers: Sequence[int]
) -> list[Candidate] | None:
    """The candidates with attention whose scores are not divided by the root of the heads' width, where that explains
    the weights and half the loss of the best of them as they stand is more; None where it does not.
    """
    others = [without_attention_scale(each) for each in candidates]
    one = _best(others, answers, numbers, answers.logits)
    return others if one is not None and one.is_borne_out and one.capped < read.capped / AHEAD else None


def _best(candidates: Sequence[Candidate], answers: Answers, numbers: Sequence[int], logits: Logits) -> Score | None:
    """The score of the best of some transformers, computed so; None where there are none."""
    task = answers.task

    def score(i: int, rows: Int[Tensor, "row"]) -> Score:
        return Score.of(logits(candidates[i], rows)[..., : task.n_answers], task, rows)

    few = {i: score(i, draw(len(task.inputs), FEW)) for i in numbers if candidates[i].has_attention}
    return score(min(few, key=lambda i: few[i].capped), draw(len(task.inputs), COMPARED)) if few else None
