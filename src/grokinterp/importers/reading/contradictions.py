"""Contradictions: what is stated of a file, beside what of the file or its weights speaks against it."""

from collections.abc import Iterator, Mapping
from typing import Any

from grokinterp.config.stated import Stated
from grokinterp.errors import BadRequest, listed
from grokinterp.importers.judging.answers import Answers
from grokinterp.importers.judging.judgement import WHOLE
from grokinterp.importers.judging.scores import draw
from grokinterp.importers.reading.candidates import NORMS, Candidate
from grokinterp.importers.reading.settings import MODULUS, words_against
from grokinterp.runs.provenance import Assumption
from grokinterp.tasks import Task


def stated_assumptions(stated: Stated, chosen: Candidate, settings: Mapping[str, Any], where: str) -> list[Assumption]:
    """Every stated field, its evidence what of the file it contradicts, leaves out or adds to.

    Raises `BadRequest` for a field that this model does not have, or that its weights settle otherwise.
    """
    stated.refuse_unless(chosen.config, where)
    fields, config = stated.fields, chosen.config
    if "activation" in fields and not config.layer_neurons:
        raise BadRequest(f"{where} has no MLP to have an activation; leave activation={stated.activation!r} out")
    if "norm_kind" in fields and not getattr(config, "has_norms", True):
        raise BadRequest(f"{where} has no norms to be of a kind; leave norm_kind={stated.norm_kind!r} out")
    remarks = {name: "; ".join(_against(name, value, chosen, settings)) for name, value in fields.items()}
    return [Assumption(f"{name}={value}", "stated", remarks[name]) for name, value in fields.items()]


def unexplained(candidate: Candidate, task: Task) -> Iterator[Assumption]:
    """What is said of the only reading there is, where weights that are trained do not bear it out."""
    rows = draw(len(task.inputs), WHOLE)
    one = Answers(task).score(candidate, rows)
    if candidate.is_finite and not one.is_borne_out and not one.is_untrained:
        answers = f"loss {one.loss:.5g}, accuracy {one.accuracy:.2%} on {len(rows):,} rows of the table"
        yield Assumption("the reading that is stated", "not explained", f"it leaves the weights {answers}")


def task_assumptions(task: Task, settings: Mapping[str, Any]) -> list[Assumption]:
    """The modulus of the task that is stated, where the file says another one."""
    p = task.parameters.get("p")
    named = [(name, settings[name]) for name in MODULUS if isinstance(settings.get(name), int)]
    words = [f"{name}={value}" for name, value in named if value > 1 and value != p]
    return [Assumption(f"p={p}", "stated", f"the file says {words[0]}")] if words and p is not None else []


def _against(name: str, value: Any, chosen: Candidate, settings: Mapping[str, Any]) -> Iterator[str]:
    if words := words_against(settings, name, value):
        yield f"the file says {words}"
    if name == "position_embedding" and chosen.left_out:
        yield f"its table of positions, {listed(chosen.left_out)}, is left out"
    if name in NORMS and value not in (False, "none") and chosen.added:
        has_none = any(each.endswith(".w") for each in chosen.added)
        yield "the file has no weights for these norms: w = 1, b = 0" if has_none else "the file has no shifts for them"
