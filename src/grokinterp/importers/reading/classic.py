"""Transformers of classic parameters: what shapes leave open, settled by the reader, the file, or the weights."""

from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Any

from jaxtyping import Int
from torch import Tensor

from grokinterp.config import ModelConfig
from grokinterp.config.stated import Stated
from grokinterp.errors import BadRequest
from grokinterp.importers.judging.answers import Answers
from grokinterp.importers.judging.judgement import judge
from grokinterp.importers.judging.scores import Score
from grokinterp.importers.reading.candidates import NORMS, Candidate, of_classic
from grokinterp.importers.reading.contradictions import stated_assumptions, unexplained
from grokinterp.models.parameters import check_parameters
from grokinterp.runs.provenance import Assumption
from grokinterp.runs.run import RunError, check_fits
from grokinterp.tasks import Task
from grokinterp.tasks.layout import LAYOUTS

SETTLED = ("activation", "attention_direction", "attention_rate", "embedding_scale", "position_embedding", *NORMS)
KNOWN = (*SETTLED, "has_norms")
"""Settings that choose among the readings; sizes are told by shapes, and compared with the settings elsewhere."""


@dataclass(frozen=True)
class File:
    """A file's checkpoints under classic names, and what is known of their model.

    Attributes:
        checkpoints: parameters, in the order of their steps.
        told: fields that the file tells -> their values, and its words for them.
        habits: fields that its code base never changes -> their values, and why; they hold where nothing else is known.
        fixed: fields that nobody states.
        where: the file, for refusals.
        settings: all that it says of its model, in its own words.
    """

    checkpoints: Sequence[dict[str, Tensor]]
    told: Mapping[str, tuple[Any, str]]
    habits: Mapping[str, tuple[Any, str]]
    fixed: Mapping[str, Any]
    where: str
    settings: Mapping[str, Any] = field(default_factory=dict)

    def known(self, stated: Stated) -> dict[str, Any]:
        """Fields that need no judgement -> their values: what is stated goes before all else."""
        values = {name: value for name, (value, _) in {**self.habits, **self.told}.items() if name in KNOWN}
        return {"embedding_scale": 1.0, **values, **stated.fields}

    def taken_for_granted(self, stated: Stated, task: Task | None) -> list[Assumption]:
        """The habits that make a difference here, because nothing else settles their fields."""
        others = {name: value for name, (value, _) in self.told.items() if name in KNOWN} | stated.fields
        free = of_classic(self.checkpoints[-1], others, task, self.fixed, self.where)[0].open
        return [
            Assumption(f"{name}={value}", "assumed", why)
            for name, (value, why) in self.habits.items()
            if name in free and name not in others
        ]

    def readings(self, stated: Stated, task: Task | None) -> list[Candidate]:
        """Every reading of the last checkpoint."""
        return of_classic(self.checkpoints[-1], self.known(stated), task, self.fixed, self.where)


def by_activation(readings: Sequence[Candidate]) -> list[Candidate]:
    """The likeliest reading, and those that differ from it by their activation only."""
    first = readings[0].open
    return [each for each in readings if all(each.open[n] == first[n] for n in first if n != "activation")]


def settle(
    file: File, stated: Stated, task: Task | None
) -> tuple[ModelConfig, list[dict[str, Tensor]], list[Assumption]]:
    """The model, its checkpoints, and how each field is known that is stated or that shapes leave open.

    Raises `BadRequest` where something else is stated than the file can be.
    """
    told = {name: each for name, each in file.told.items() if name not in stated.fields}
    assumptions = [
        Assumption(f"{name}={value}", "from the file", words)
        for name, (value, words) in told.items()
        if name in (*SETTLED, "n_ctx")
    ]
    assumptions += file.taken_for_granted(stated, task)
    readings = file.readings(stated, task)
    if task is None:
        chosen = readings[0]
        check_parameters(chosen.config, chosen.parameters)
        why = "weights do not tell it, and no task is given to judge it by"
        assumptions += [Assumption(f"{name}={value}", "assumed", why) for name, value in chosen.open.items()]
    else:
        chosen, judged = judged_by_task(readings, task, file.where, bool(stated.fields))
        assumptions += judged
    assumptions = [*stated_assumptions(stated, chosen, file.settings, file.where), *assumptions]
    settled = {**file.known(stated), **chosen.open}
    every = [of_classic(state, settled, task, file.fixed, file.where)[0].parameters for state in file.checkpoints[:-1]]
    return chosen.config, [*map(dict, every), dict(chosen.parameters)], assumptions


@dataclass(frozen=True)
class Sizes:
    """How many tokens a transformer reads, at how many positions, and how many columns it answers with."""

    tokens: int
    positions: int | None
    columns: int

    @classmethod
    def of(cls, reading: Candidate) -> "Sizes":
        tokens, table = len(reading.parameters["embed.W_E"]), reading.parameters.get("pos_embed.W_pos")
        columns = reading.parameters.get("unembed.W_U")
        return cls(tokens, None if table is None else len(table), tokens if columns is None else columns.shape[1])


def judged_by_task(
    readings: Sequence[Candidate], task: Task, where: str, is_stated: bool = False
) -> tuple[Candidate, list[Assumption]]:
    """The reading that the weights bear out on a task that fits them, and what may be said of it.

    Where all of it `is_stated` it stands, and what is said is whether the weights bear it out.
    """
    for reading in readings:
        try:
            check_fits(task, reading.config, where)
        except RunError as refusal:
            raise RunError(f"{refusal}{_fitting_layouts(task, reading.config)}") from None
        check_parameters(reading.config, reading.parameters)
    if not readings[0].open:
        return readings[0], [*unexplained(readings[0], task)] if is_stated else []
    verdict = judge(readings, task)
    return verdict.candidate, list(verdict.assumptions)


def _fitting_layouts(task: Task, config: ModelConfig) -> str:
    """What to say of the layouts whose tokens and positions are those of the model; nothing where there are none."""
    fitting = []
    for layout in LAYOUTS if "layout" in task.parameters else ():
        with suppress(BadRequest):
            other = Task(task.expression, **{**task.parameters, "layout": layout})
            sizes = (getattr(config, "d_vocab", None), getattr(config, "n_ctx", None))
            if sizes == (other.n_vocab, other.inputs.shape[1]):
                fitting.append(f'--layout "{layout}"')
    return f"; its sizes are those of {' or '.join(fitting)}" if fitting else ""


def best_task(
    readings: Sequence[Candidate], tasks: Sequence[Task], rows: Int[Tensor, "row"]
) -> tuple[Task, Score] | None:
    """The task that the weights answer with the smallest loss under any reading, no row counting more than a guess.

    None where they answer no half of its rows and have not memorised any. Two different operations agree on few rows,
    so that a model of one gives the others near chance.
    """
    answers = Answers(tasks[0])
    scores = [
        (task, Score.of(logits[..., : task.n_answers], task, rows))
        for logits in (answers.logits(reading, rows) for reading in readings)
        for task in tasks
    ]
    task, best = min(scores, key=lambda each: each[1].capped)
    return (task, best) if best.accuracy > 0.5 or best.is_borne_out else None
