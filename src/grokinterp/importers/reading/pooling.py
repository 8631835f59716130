"""Pooling: whether weights are explained by answers that are read off the mean of all positions."""

from collections.abc import Sequence

from jaxtyping import Int
from torch import Tensor

from grokinterp.importers.reading.answers import Answers
from grokinterp.importers.reading.candidates import Candidate
from grokinterp.importers.reading.scores import COMPARED, SOLVED, Score, draw
from grokinterp.runs.provenance import Assumption

FEW = 64
"""Rows on which candidates are compared first."""

AHEAD = 2.0
"""How much smaller a loss has to be that tells, where both ways of reading solve the task."""


def pooled(candidates: Sequence[Candidate], answers: Answers, read: Score, numbers: Sequence[int]) -> Assumption | None:
    """What is said of weights that know the rows where their answers are averaged over positions, as no model of this
    project's is read; nothing of others. Of a linear unembedding that is the mean of the logits.

    Where they know them at the last position too, the smaller loss tells, if it is less than half of the other.
    """
    task = answers.task
    if task.positions != (-1,):
        return None

    def score(i: int, rows: Int[Tensor, "row"]) -> Score:
        return Score.of(answers.mean_logits(candidates[i], rows)[..., : task.n_answers], task, rows)

    both = [i for i in numbers if hasattr(candidates[i].config, "attention_direction")]
    few = {i: score(i, draw(len(task.inputs), FEW)) for i in both}
    if not few:
        return None
    best = min(few, key=lambda i: few[i].capped)
    one = score(best, draw(len(task.inputs), COMPARED))
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
