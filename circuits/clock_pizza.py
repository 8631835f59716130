"""Clock or pizza? The measures of Zhong et al. 2023 ("The Clock and the Pizza"), and a verdict grounded on their runs.

A clock multiplies the embeddings of a and b: each operand's gradient turns with the other operand, and the logits do
not depend on the distance a - b. A pizza sees their sum: the gradients are equal, and the logits fade as the distance
nears half a turn. On a product the cycle is that of discrete logarithms (`analysis.cycles`). On a difference or a
quotient the sum and the distance change places, and gradients say nothing: either model reflects one operand.
"""

import dataclasses
import json
import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, ClassVar

import torch
import xarray as xr
from jaxtyping import Float, Int, Real
from torch import Tensor

from grokinterp import fourier
from grokinterp.analysis import circle_formulas, public_runs
from grokinterp.analysis.clock_or_pizza import Evidence, Rule, mean_cosine, widened
from grokinterp.analysis.cycles import Wave
from grokinterp.config import ModelConfig
from grokinterp.evaluation.evaluator import evaluator
from grokinterp.evaluation.gradients import (
    WIDE,
    EmbeddingView,
    GradientError,
    operand_columns,
    readout_position,
    seeded_triples,
    token_rows,
)
from grokinterp.evaluation.losses import rightness
from grokinterp.evaluation.snapshot import Snapshot
from grokinterp.models.parameters import unembedding
from grokinterp.readout import Circuit, Variable, readout
from grokinterp.tasks import Task

PAPER = "Zhong et al. 2023 (arXiv 2306.17844)"


# -- gradient symmetricity


def gradient_symmetricity(
    model: Any, task: Task | None = None, triples: Int[Tensor, "n 3"] | None = None, own_tokens: bool = True
) -> float:
    """Mean cosine between the gradients of logit c with respect to the embedding outputs of a and of b, -1 to 1.

    Zhong et al. 2023: the raw logit at the read-out position, embeddings before positions are added, c any answer and
    not the right one, over `triples` (a, b, c), `gradients.seeded_triples` where left out. Exactly 1 for a function of
    the sum of the embeddings, as an ideal pizza is; 0 for an ideal clock, on average.

    `model` is any hooked model, `task` its task (`model.task` where left out). Rows are the task's own: a second
    operand's own tokens, a closing `=`. `own_tokens=False` feeds the bare tokens [a, b] of the first operand's
    vocabulary instead, as their code does whatever the model was trained with, and as their table has it. Raises
    `GradientError` for a task without two operands, or a triple whose pair the table does not have.
    """
    task = _task_of(model, task)
    triples = seeded_triples(task) if triples is None else triples
    a_b, answers = triples[:, :2], triples[:, 2]
    if own_tokens:
        view = EmbeddingView.of_model(model, readout_position(task, model.config))
        return mean_cosine(view.cosines(token_rows(task, a_b), operand_columns(task), answers))
    return mean_cosine(EmbeddingView.of_model(model).cosines(a_b, (0, 1), answers))


def gradient_symmetricity_full(model: Any, task: Task | None = None) -> float:
    """`gradient_symmetricity` over all rows and all answers: the 100 triples are a sample of these.

    One triple's cosine has a standard deviation of about 0.4 in a clock, so 100 of them err by 0.04.
    """
    task = _task_of(model, task)
    view = EmbeddingView.of_model(model, readout_position(task, model.config))
    return mean_cosine(view.cosines_of_all(task.inputs, operand_columns(task), task.sizes[0]))


def _task_of(model: Any, task: Task | None) -> Task:
    task = model.task if task is None else task
    if task is None:
        raise GradientError(
            "the model has no task; give it, as in gradient_symmetricity(model, gi.Task('a + b', p=59))"
        )
    return task


# -- distance irrelevance


def distance_irrelevance(values: Real[Tensor, "place_a place_b"], sign: int = 1) -> float:
    """How little values depend on the distance a - b, 0 to 1: mean over d of std(values | a - b = d) / std(values).

    Zhong et al. 2023, population standard deviations in float64. 0 where the distance alone decides (an ideal pizza's
    correct logit), 1 where the distances are alike; also 1, by convention, where the values do not vary at all.
    `values` are on a grid over places of a cycle, in a + b the numbers themselves (`Wave.grid`); `sign=-1` where the
    task subtracts: there a + b is what does not matter. On a cycle of even length, a product's, a sum and a distance
    are both even or both odd, so that a function of the answer has DI 1 only where it is alike on both.

    Two measures bear the name: their notebooks take the CORRECT logit, their training code, so their figures and
    tables, the RUNNER-UP (`correct_logits`, `runner_up_logits`).
    """
    values = fourier.as_floats(values)
    n = len(values)
    place = torch.arange(n, device=values.device)
    # [place of a, distance]: a column holds one distance.
    by_distance = values.double()[place[:, None], sign * (place[:, None] - place) % n]
    total = by_distance.std(correction=0)
    # A hundred roundings of the largest value are no variation: a planted clock has nothing else.
    if total <= 100 * torch.finfo(values.dtype).eps * by_distance.abs().max():
        return 1.0
    return float(by_distance.std(dim=0, correction=0).mean() / total)


def correct_logits(columns: Real[Tensor, "ab column"], labels: Int[Tensor, "ab"]) -> Real[Tensor, "ab"]:
    """[ab]: the logit of each row's right answer."""
    return columns.gather(1, labels[:, None])[:, 0]


def runner_up_logits(columns: Real[Tensor, "ab column"], labels: Int[Tensor, "ab"]) -> Float[Tensor, "ab"]:
    """[ab]: the largest wrong logit over ALL columns, those of `=` and other tokens too, as in the paper's code."""
    return fourier.as_floats(columns).scatter(1, labels[:, None], -torch.inf).amax(dim=1)


# -- circles on their own


def isolated_logits(
    config: ModelConfig, parameters: Mapping[str, Tensor], task: Task, frequency: int
) -> Float[Tensor, "place_a place_b place"]:
    """What the model computes from one circle: its logits on the cycle, numbers embedded by one frequency and the mean.

    Other tokens (`=`, an operator), and the unembedding where it is tied, stay as they are. Raises `BadRequest` for a
    task that runs on no cycle, `IsolationError` for a frequency that there is not.
    """
    wave = Wave.required(task)
    edited = dict(parameters)
    config = config.untied()
    edited["unembed.W_U"] = unembedding(parameters)
    for table, first in _number_blocks(config, task):
        W_E = edited[table].clone()
        W_E[first + wave.tokens] = circle_formulas.isolate_frequency(W_E[first + wave.tokens], frequency)
        edited[table] = W_E
    with torch.no_grad():
        columns = evaluator(config, task)(edited, for_gradient=False)
    columns = columns if columns.ndim == 2 else columns[:, 0]
    return wave.grid(wave.answers(columns))


def _number_blocks(config: ModelConfig, task: Task) -> set[tuple[str, int]]:
    """(embedding table, row of number 0) for each vocabulary of numbers: the operands' one, or one each."""
    tables, zeros = config.token_rows, task.zero_tokens
    numbers = ((*tables[i % len(tables)], zero) for i, zero in enumerate(zeros) if zero is not None)
    return {(name, first + zero) for name, first, zero in numbers}


# -- the circuit


@dataclass(frozen=True)
class ClockPizza(Circuit):
    """Gradient symmetricity, distance irrelevance, circles on their own, and a verdict (`analysis.clock_or_pizza`).

    Of the final checkpoint, where it is solved, gradients are read on more triples (`widened`): its verdict rests on
    these; `verdict_margin` is how far they lie above the nearer threshold, negative below. The trace's attributes
    say what the last verdict rests on, what would flip it, and, for addition mod 59 of plain tokens, what the public
    runs of the same depth and attention rate were (`analysis.public_runs`). How far to trust it: there the gradient and
    the distance rule agree on half of the solved one-layer runs (76 % of those in the paper's figures) and on a third
    of the deeper ones; where they do not, gradients are between (24 %, deeper 40 %) or say pizza alone (26 %, 26 %).
    """

    name: ClassVar[str] = "clock_pizza"
    descriptions: ClassVar[Mapping[str, str]] = {
        "gradient_symmetricity": "how alike a logit's gradients by the two operands are, over 100 triples",
        "gradient_symmetricity_wide": "the same over more triples, where the verdict needs them; it rests on these",
        "gradient_symmetricity_error": "its standard error; 0 where all triples were taken",
        "gradient_symmetricity_triples": "how many triples gradient_symmetricity_wide was read on",
        "gradient_symmetricity_full": "the same over all triples",
        "distance_irrelevance": "how little the correct logit depends on the operands' distance; 1: not at all",
        "distance_irrelevance_runner_up": "the same of the largest wrong logit; the verdict rests on it",
        "verdict": "clock, pizza, mixed or unsolved, by the thresholds of the attribute verdict_rule",
        "verdict_score": "a place from -1, a pizza, to 1, a clock",
        "verdict_accuracy": "accuracy on the whole table, which decides unsolved",
        "clock_fve": "how well the clock's formula explains what one frequency's circle computes alone, as r squared",
        "pizza_fve": "how well the pizza's formula explains what one frequency's circle computes alone, as r squared",
        "clock_fve_2r1": "the same of the clock as Zhong et al.'s notebooks compute it",
        "pizza_fve_2r1": "the same of the pizza as Zhong et al.'s notebooks compute it",
    }
    version: ClassVar[int] = 2
    on_request: ClassVar[tuple[str, ...]] = (
        "gradient_symmetricity_full",
        "clock_fve",
        "pizza_fve",
        "clock_fve_2r1",
        "pizza_fve_2r1",
    )

    rule: Rule = field(default_factory=Rule)
    """The thresholds of the verdict."""

    kin: tuple[public_runs.Layers, float] | None = None
    """Depth and attention rate, found by `fit`; None for a model that the public runs have no kin of."""

    final_step: int | None = None
    """The checkpoint whose gradients are read on more triples, found by `fit`."""

    gradients_count: bool = True
    """Whether the verdict reads gradients: not where the task subtracts. Found by `fit`."""

    def why_not(self, snapshot: Snapshot) -> str | None:
        if reason := Wave.why_not(snapshot.task):
            return reason
        rows = snapshot.config.token_rows
        return None if rows and rows[0][0] in snapshot.parameters else "the model has no hook_embed over tokens"

    def fit(self, final: Snapshot) -> "ClockPizza":
        wave, kin = Wave.of(final.task), public_runs.kin(final.config, final.task)
        counts = wave is None or wave.sign == 1
        return dataclasses.replace(self, kin=kin, gradients_count=counts, final_step=final.step)

    def read(self, snapshot: Snapshot, requested: frozenset[str] = frozenset()) -> xr.Dataset:
        task, wave = snapshot.task, Wave.required(snapshot.task)
        wanted = set(self.on_request) if self.name in requested else requested
        view, columns, triples = EmbeddingView.of(snapshot), operand_columns(task), seeded_triples(task)
        cosines_of = lambda triples: view.cosines(token_rows(task, triples[:, :2]), columns, triples[:, 2])
        gs = mean_cosine(cosines_of(triples))
        correct = correct_logits(snapshot.columns, snapshot.labels)
        runner_up = runner_up_logits(snapshot.columns, snapshot.labels)
        di, di_runner_up = (distance_irrelevance(wave.grid(values), wave.sign) for values in (correct, runner_up))
        accuracy = float(rightness(snapshot.logits, snapshot.labels).mean())
        evidence, wide = Evidence(gs if self.gradients_count else None, di_runner_up, accuracy), {}
        if self.gradients_count and snapshot.step == self.final_step and accuracy >= self.rule.solved:
            population = len(task.inputs) * task.sizes[0]
            mean, error, count = widened(cosines_of, seeded_triples(task, WIDE), population, self.rule)
            evidence = evidence._replace(gradient_symmetricity=mean)
            drawn = f"up to {WIDE:,} seeded triples, at the final checkpoint of a model that is solved"
            wide = {
                "gradient_symmetricity_wide": Variable((), mean, "cosine", f"{PAPER}, {drawn}"),
                "gradient_symmetricity_error": Variable((), error, "cosine", f"standard error, {drawn}"),
                "gradient_symmetricity_triples": Variable((), count, "triples", "as many as tell it from a threshold"),
            }
        variables = {
            "gradient_symmetricity": Variable((), gs, "cosine", f"{PAPER}, 100 seeded triples"),
            **wide,
            "distance_irrelevance": Variable((), di, "share", f"{PAPER}, notebooks: the correct logit"),
            "distance_irrelevance_runner_up": Variable(
                (), di_runner_up, "share", f"{PAPER}, figures and tables: the largest wrong logit"
            ),
            "verdict": Variable((), self.rule.verdict(evidence), "", "grokinterp.analysis.clock_or_pizza"),
            "verdict_score": Variable(
                (), self.rule.score(evidence), "-1 pizza to 1 clock", "grokinterp.analysis.clock_or_pizza"
            ),
            "verdict_accuracy": Variable((), accuracy, "share", "all rows of the table; decides unsolved"),
        }
        if "gradient_symmetricity_full" in wanted:
            full = mean_cosine(view.cosines_of_all(task.inputs, columns, task.sizes[0]))
            variables["gradient_symmetricity_full"] = Variable((), full, "cosine", f"{PAPER}, all triples")
        if wanted & {name for name in self.on_request if "_fve" in name}:
            variables |= {name: v for name, v in _explained(snapshot, wave).items() if name in wanted}
        return readout(variables, {"k": wave.frequencies.numpy()})

    def summarise(self, trace: xr.Dataset) -> dict[str, Any]:
        evidence, error = self._last_evidence(trace.isel(step=-1))
        is_solved, gs = evidence.accuracy >= self.rule.solved, evidence.gradient_symmetricity
        attributes: dict[str, Any] = {
            "verdict_rule": json.dumps(dataclasses.asdict(self.rule)),
            "verdict_evidence": self.rule.finding(evidence, error).to_json(),
            # What one more answer would do says nothing of a model that is far from all of them.
            "verdict_flips": "; ".join(self.rule.flips(evidence) if is_solved else []),
        }
        if gs is not None and not math.isnan(error):
            attributes["verdict_margin"] = gs - self.rule.edge(gs)
        if self.kin is not None and is_solved:
            layers, rate = self.kin
            kin = public_runs.chosen(layers, plain=True, attention_rate=rate)
            shares = {"layers": layers, "attention_rate": rate, "runs": public_runs.count(kin)}
            shares |= public_runs.verdicts(kin).round(4).to_dict()
            shares |= {f"rules_{name}": round(share, 4) for name, share in public_runs.agreement(kin).items()}
            attributes["verdict_public_runs"] = json.dumps(shares)
        return attributes

    def _last_evidence(self, last: xr.Dataset) -> tuple[Evidence, float]:
        """What the verdict of the last checkpoint rests on, and the standard error of its gradients, else NaN."""
        value = lambda name: float(last[name]) if name in last else math.nan
        gs, error = value("gradient_symmetricity_wide"), value("gradient_symmetricity_error")
        if math.isnan(gs):
            gs, error = value("gradient_symmetricity"), math.nan
        known = gs if self.gradients_count else None
        return Evidence(known, value("distance_irrelevance_runner_up"), value("verdict_accuracy")), error


def _explained(snapshot: Snapshot, wave: Wave) -> dict[str, Variable]:
    """How well the clock's and the pizza's formula explain what each circle computes on its own."""
    r: dict[str, list[float]] = {"clock": [], "pizza": []}
    for k in wave.frequencies.tolist():
        logits = isolated_logits(snapshot.config, snapshot.parameters, snapshot.task, k)
        for name, formula in (("clock", circle_formulas.clock), ("pizza", circle_formulas.pizza)):
            r[name].append(circle_formulas.correlation(logits, formula, k, wave.sign))
    variables = {}
    for name, correlations in r.items():
        values = torch.tensor(correlations, dtype=torch.float64)
        variables[f"{name}_fve"] = Variable(
            ("k",), values.square(), "share", f"r^2 with the {name}'s formula of {PAPER}"
        )
        published = [circle_formulas.explained_as_published(r) for r in correlations]
        variables[f"{name}_fve_2r1"] = Variable(("k",), published, "2r - 1", f"{PAPER}, notebooks: FVE as coded")
    return variables
