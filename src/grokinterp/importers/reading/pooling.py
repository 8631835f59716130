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


def pooled(
    candidates: Sequence[Candidate], answers: Answers, read: Score, numbers: Sequence[int]
) -> tuple[Assumption, ...]:
    """What is said of weights that know the rows where their answers are averaged over positions, as no model of this
    project's is read; nothing of others. Of a linear unembedding that is the mean of the logits.
    """
    task = answers.task
    if task.positions != (-1,):
        return ()

    def score(i: int, rows: Int[Tensor, "row"]) -> Score:
        return Score.of(answers.mean_logits(candidates[i], rows)[..., : task.n_answers], task, rows)

    both = [i for i in numbers if hasattr(candidates[i].config, "attention_direction")]
    few = {i: score(i, draw(len(task.inputs), FEW)) for i in both}
    if not few:
        return ()
    best = min(few, key=lambda i: few[i].capped)
    one = score(best, draw(len(task.inputs), COMPARED))
    if one.accuracy < SOLVED and not (one.is_borne_out and one.capped < read.capped / 2):
        return ()
    evidence = (
        f"averaged over all positions the answers have loss {one.loss:.5g}, accuracy {one.accuracy:.2%}, at the last "
        f"one {read.loss:.5g}, {read.accuracy:.2%}; a model that is read off such a mean is not computed here"
    )
    return (Assumption("its answers are read at the last position", "not explained", evidence),)
