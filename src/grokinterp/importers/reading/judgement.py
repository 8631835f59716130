"""Judgement: which of several readings the weights bear out, by the loss of each on the task's table."""

import math
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace

import torch
from jaxtyping import Float, Int
from torch import Tensor

from grokinterp.config import ModelConfig, TransformerConfig
from grokinterp.errors import listed
from grokinterp.evaluation.evaluator import evaluator
from grokinterp.importers._evidence import losses
from grokinterp.importers.reading.candidates import NORMS, Candidate
from grokinterp.runs.provenance import Assumption
from grokinterp.tasks import Task

WHOLE = 20_000
"""Tables up to this many rows are evaluated whole; of larger ones as many rows are drawn."""

SCREENED = 96
"""Rows on which all candidates are compared first; the whole table is for those that come near the best."""

NEAR, MARGIN, LITTLE, FAR = 2.0, 1.5, 0.01, 100.0
"""Readings are near the best whose loss is within `NEAR` of the smallest, or below 1 % of a guess's and within `FAR` of
the smallest. Of these the
one with the smallest relative gradient, |d log loss|, is chosen, and it is clearly ahead where every other's is more
than `MARGIN` times its own: training goes to where the gradient of its own function vanishes, and another function's
does not. (A model with SiLU: loss .0020, 4.3; the same weights with GELU .0018, 9.4. A square has no loss at all.)"""

STEEP = 4.0
"""A square makes the logits of almost any rectifier's weights larger, and so its loss smaller than that of the function
they were trained with: where its relative gradient is more than `STEEP` times that of another reading which the weights
bear out, it is no reading. (A ReLU model, stopped early: loss .19, .73; the same weights with squares 7e-6, 20.)"""

ALIKE = 0.9
"""A plain embedding is read where it answers at least this share of what one that is multiplied does."""

COMPARED = 1_024
"""Rows on which gradients are compared, and readings that are not near."""

SOLVED, KNOWN, SHARE = 0.99, 0.1, 0.05
"""The weights bear a reading out where it answers 99 % of the rows, or memorised them: at least 5 % of the rows, and
twice chance, have a loss below 0.1 nats, and they are most of the rows that it answers rightly."""


@dataclass(frozen=True)
class Score:
    """How well a reading answers: mean loss, the mean with no row counting more than a guess, and two shares."""

    loss: float
    capped: float
    accuracy: float
    known: float
    chance: float

    @classmethod
    def of(cls, logits: Float[Tensor, "row *t answer"], task: Task, rows: Int[Tensor, "row"]) -> "Score":
        """That of the logits of some rows of the table."""
        part = losses(logits, task, rows).nan_to_num(nan=math.inf)
        right = logits.argmax(-1) == task.labels[rows]
        right = right.flatten(1).all(1) if logits.ndim > 2 else right
        loss = float(part.mean())
        return cls(
            loss=loss,
            capped=float(part.clamp(max=math.log(task.n_answers)).mean()),
            accuracy=float(right.double().mean()) if math.isfinite(loss) else 0.0,
            known=float((part < KNOWN).double().mean()),
            chance=1 / task.n_answers,
        )

    @property
    def is_borne_out(self) -> bool:
        is_memorised = self.known >= max(SHARE, 2 * self.chance) and self.known > 0.5 * self.accuracy
        return self.accuracy >= SOLVED or is_memorised

    @property
    def is_untrained(self) -> bool:
        """Whether it answers nothing, and is sure of nothing: as fresh weights are under any reading."""
        return self.accuracy < 5 * self.chance and self.loss < 1.25 * math.log(1 / self.chance)


def draw(n: int, count: int) -> Int[Tensor, "row"]:
    """`count` of n rows, spread evenly by the golden ratio: no shuffle of anybody's has them for its first rows."""
    if n <= count:
        return torch.arange(n)
    step = round(n * (math.sqrt(5) - 1) / 2)
    while math.gcd(step, n) != 1:
        step += 1
    return torch.arange(count) * step % n


def score(candidate: Candidate, task: Task, rows: Int[Tensor, "row"]) -> Score:
    """The score of one reading on some rows of the table. Weights that are not numbers answer nothing."""
    return Score.of(scored(candidate, task, rows)[..., : task.n_answers], task, rows)


@torch.no_grad()
def scored(candidate: Candidate, task: Task, rows: Int[Tensor, "row"]) -> Float[Tensor, "row *t column"]:
    """The logits of one reading at the scored positions of some rows."""
    return _logits(candidate.config, candidate.parameters, task, rows)


def slope(candidate: Candidate, task: Task) -> float:
    """The norm of the loss's gradient with respect to all weights, as a share of the loss; infinite where that is 0.

    Rows worse than a guess have no part in the gradient.
    """
    rows = draw(len(task.inputs), COMPARED)
    parameters = {name: value.detach().clone().requires_grad_() for name, value in candidate.parameters.items()}
    with torch.enable_grad():
        part = losses(_logits(candidate.config, parameters, task, rows)[..., : task.n_answers], task, rows)
        loss = part.clamp(max=math.log(task.n_answers)).mean()
        loss.backward()
    squares = [float(value.grad.double().square().sum()) for value in parameters.values() if value.grad is not None]
    return sum(squares) ** 0.5 / loss.item() if loss.item() > 0 else math.inf


def _logits(
    config: ModelConfig, parameters: Mapping[str, Tensor], task: Task, rows: Int[Tensor, "row"]
) -> Float[Tensor, "row *t column"]:
    """As the evaluator's; a scaled embedding is multiplied out, which leaves the model to the fast path."""
    if isinstance(config, TransformerConfig) and config.embedding_scale != 1:
        W_E = parameters["embed.W_E"]
        parameters = {**parameters, "embed.W_E": W_E * config.embedding_scale}
        if config.tied_unembed:
            parameters["unembed.W_U"] = W_E[: config.d_vocab_out].mT
        config = replace(config, embedding_scale=1.0, tied_unembed=False)
    return evaluator(config, task)(parameters, rows, for_gradient=torch.is_grad_enabled())


@dataclass(frozen=True)
class Verdict:
    """The reading chosen, its score on the whole table, and what may be said of each field that was open."""

    candidate: Candidate
    score: Score
    assumptions: tuple[Assumption, ...]


def judge(candidates: Sequence[Candidate], task: Task) -> Verdict:
    """The candidate of the smallest loss (no row counts more than a guess, so that what was never learnt, which a
    memoriser is sure and wrong of, does not drown what was), and how sure each of its open fields is."""
    table = draw(len(task.inputs), WHOLE)
    screened = _screen(candidates, task, draw(len(task.inputs), SCREENED))
    best = min(screened, key=lambda i: screened[i].capped)
    if candidates[best].open.get("activation") == "square":
        others = [candidate for candidate in candidates if candidate.open["activation"] != "square"]
        rivals = [i for i in screened if candidates[i].open["activation"] != "square"]
        rival = min(rivals, key=lambda i: screened[i].capped, default=None)
        if rival is not None and score(candidates[rival], task, table).is_borne_out:
            if slope(candidates[best], task) > STEEP * slope(candidates[rival], task):
                return judge(others, task)
    chance = math.log(task.n_answers)
    likely = [i for i, one in screened.items() if one.capped <= 2 * max(screened[best].capped, LITTLE * chance)]
    likely = sorted(likely, key=lambda i: screened[i].capped)[:8] if screened[best].is_borne_out else [best]
    whole = {i: score(candidates[i], task, table) for i in likely}
    smallest = min(one.capped for one in whole.values())
    bound = max(NEAR * smallest, min(LITTLE * chance, FAR * smallest))
    near = [i for i, one in whole.items() if one.capped <= bound and one.is_borne_out]
    slopes = {i: slope(candidates[i], task) for i in near} if len(near) > 1 else {}
    winner = min(whole, key=lambda i: (i not in near, slopes.get(i, 0.0), whole[i].capped))
    if slopes:
        # Of those that nothing tells apart the likeliest is chosen, and all are named.
        tied = [i for i in near if slopes[i] <= MARGIN * slopes[winner]]
        winner = min(i for i in tied if whole[i].capped <= 2 * min(whole[j].capped for j in tied))
        # The likeliest of all stands where it also has the smallest loss, unless another's gradient is less than half.
        smallest_loss = min(near, key=lambda i: whole[i].capped)
        if smallest_loss == min(near) and slopes[smallest_loss] <= NEAR * min(slopes.values()):
            winner = smallest_loss
    if whole[winner].accuracy < 0.5 and not near:
        # Below that the differences are chance: the likeliest reading stands.
        winner = 0
        whole[0] = score(candidates[0], task, table)
    plain = _with_plain_embedding(candidates, winner, whole, screened, task, table)
    if plain is not None:
        return plain
    for name, value in candidates[winner].open.items():
        others = [i for i in screened if candidates[i].open[name] != value]
        other = min(others, key=lambda i: screened[i].capped)
        if other not in whole:
            whole[other] = score(candidates[other], task, draw(len(task.inputs), COMPARED))
    candidate = candidates[winner]
    about = f"on {'all ' if len(table) == len(task.inputs) else ''}{len(table):,} rows of the table"
    assumptions = tuple(_assumption(name, winner, candidates, whole, slopes, task, about) for name in candidate.open)
    return Verdict(candidate, whole[winner], (*assumptions, *_partly_known(whole[winner], task)))


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
    task: Task,
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
    rival = score(candidates[best], task, table)
    if not rival.is_borne_out or rival.accuracy < ALIKE * whole[winner].accuracy:
        return None
    others = [each for each in candidates if each.open[field] == 1]
    others = [replace(each, open={n: v for n, v in each.open.items() if n != field}) for each in others]
    verdict = judge(others, task)
    evidence = f"loss {rival.loss:.5g}; as good: {_shown(scale)} {whole[winner].loss:.5g}"
    return replace(verdict, assumptions=(Assumption(f"{field}=1", "tied", evidence), *verdict.assumptions))


def unexplained(candidate: Candidate, task: Task) -> Iterator[Assumption]:
    """What is said of the only reading there is, where weights that are trained do not bear it out."""
    rows = draw(len(task.inputs), WHOLE)
    one = score(candidate, task, rows)
    if not one.is_borne_out and not one.is_untrained:
        answers = f"loss {one.loss:.5g}, accuracy {one.accuracy:.2%} on {len(rows):,} rows of the table"
        yield Assumption("the reading that is stated", "not explained", f"it leaves the weights {answers}")


def _assumption(
    name: str,
    winner: int,
    candidates: Sequence[Candidate],
    whole: Mapping[int, Score],
    slopes: Mapping[int, float],
    task: Task,
    about: str,
) -> Assumption:
    """What may be said of one field: the other values are compared at their best."""
    mine, value = whole[winner], candidates[winner].open[name]
    answers = f"loss {mine.loss:.5g}, accuracy {mine.accuracy:.2%} {about}"
    best_of: dict[object, int] = {}
    for i in sorted(whole, key=lambda i: (slopes.get(i, math.inf), whole[i].capped)):
        best_of.setdefault(candidates[i].open[name], i)
    others = {other: i for other, i in best_of.items() if other != value}
    near = {other: i for other, i in others.items() if i in slopes}
    tied = [other for other, i in near.items() if slopes[i] <= MARGIN * slopes[winner]]
    shown = near or dict([min(others.items(), key=lambda item: whole[item[1]].capped)])
    compared = listed(
        f"{_shown(other)} {whole[i].loss:.5g}"
        + (f" with {slopes[i] / slopes[winner]:.3g} times the relative gradient" if i in slopes else "")
        for other, i in shown.items()
    )
    what = f"{name}={_shown(value)}"
    if mine.is_borne_out and tied:
        return Assumption(what, "tied", f"{answers}; as good: {compared}")
    if mine.is_borne_out:
        return Assumption(what, "inferred", f"{answers}; next {compared}")
    if mine.is_untrained:
        return Assumption(what, "assumed", f"the weights answer nothing yet under any reading: {answers}")
    return Assumption(
        what, "not explained", f"no reading tried explains these weights; the best gives {answers}; next {compared}"
    )


def _screen(candidates: Sequence[Candidate], task: Task, rows: Int[Tensor, "row"]) -> dict[int, Score]:
    """Scores on few rows. The kinked and the smooth activations are alike enough for one to stand for the others until
    all else is known; where the likeliest norms solve the task, other norms are compared with all else as it is there.
    """
    scores: dict[int, Score] = {}

    def add(chosen: Iterable[int]) -> int:
        scores.update({i: score(candidates[i], task, rows) for i in chosen if i not in scores})
        return min(scores, key=lambda i: scores[i].capped)

    def but(i: int, names: Sequence[str]) -> list[int]:
        """Those that are as candidate i in all but the fields named."""
        mine = candidates[i].open
        return [j for j, each in enumerate(candidates) if all(each.open[n] == mine[n] for n in mine if n not in names)]

    norms = [tuple(each.open.get(name) for name in NORMS) for each in candidates]
    tried = [i for i, each in enumerate(candidates) if each.open.get("activation", "gelu") not in ("relu", "silu")]
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
