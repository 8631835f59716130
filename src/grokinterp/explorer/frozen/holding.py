"""Holding: whether a page can hold a run, and which of its checkpoints fit into it."""

import math
from collections.abc import Sequence

from grokinterp.errors import BadRequest
from grokinterp.importers import Given, opened
from grokinterp.runs.population.collection import Runs
from grokinterp.runs.run import Run

MOST_BYTES = 12_000_000
"""What a file may be large: what mail servers and course pages still take."""

MOST_NUMBER = 2**16 - 2
"""Rows, tokens and answers are kept in two bytes each."""

SERVED = "explore it with a server (leave out --out)"


def held_run(given: Given) -> Run:
    """The run that is to be frozen. Raises `BadRequest`, with what works instead, for one that no page can hold."""
    run = opened(given)
    if isinstance(run, Runs):
        names = ", ".join(list(run)[:3])
        raise BadRequest(f"a frozen explorer holds one run and these are {len(run)}; name one of them, as in {names}")
    if reason := _why_not(run):
        raise BadRequest(reason)
    return run


def _why_not(run: Run) -> str | None:
    if not run.steps:
        return f"{run.name} has no checkpoints, only curves; `grokinterp report` draws those"
    if not run.has_task:
        return f"the task of {run.name} is not known; name it, as in --task 'a + b' --p 113"
    task, config = run.task, run.model_config
    if not config.in_browser:
        return f"{run.name} is {config.in_words()}, which a frozen explorer cannot compute; {SERVED}, or use gi.ablate"
    if not task.has_classes:
        return f"{run.name} answers with a number and the explorer shows logits; use `grokinterp report`"
    if task.labels.ndim > 1 and task.labels.shape[1] > 1:
        return f"{run.name} answers at {task.labels.shape[1]} positions and a frozen explorer scores one; {SERVED}"
    largest = max(len(task.inputs), task.n_vocab, task.n_answers)
    if largest > MOST_NUMBER:
        return f"{run.name} has a table of {len(task.inputs):,} rows and a frozen explorer holds 65,534; {SERVED}"
    return None


def text_size(n_parameters: int, bits: int) -> int:
    """How many characters a checkpoint's weights take in a page, base64 of so many bits each."""
    return 4 * math.ceil(math.ceil(n_parameters * bits / 8) / 3)


def spread(steps: Sequence[int], n: int) -> list[int]:
    """At most `n` of the steps, the first and the last among them, about evenly apart on a log scale."""
    if n >= len(steps):
        return list(steps)
    if n == 1:
        return [steps[-1]]
    chosen = {steps[0], steps[-1]}
    low, high = math.log1p(steps[0]), math.log1p(steps[-1])
    # Where early checkpoints lie further apart than the scale asks, several targets have the same nearest one.
    for targets in range(n, n + len(steps)):
        wanted = [low + (high - low) * i / (targets - 1) for i in range(targets)]
        nearest = {min(steps, key=lambda step, at=at: abs(math.log1p(step) - at)) for at in wanted}
        if len(nearest) > n:
            break
        chosen = nearest | {steps[0], steps[-1]}
    # What room is left goes where the gaps on that scale are widest.
    while len(chosen) < n:
        ordered = sorted(chosen)
        left = [step for step in steps if step not in chosen]
        chosen.add(max(left, key=lambda step: _gap(step, ordered)))
    return sorted(chosen)


def _gap(step: int, chosen: Sequence[int]) -> float:
    return min(abs(math.log1p(step) - math.log1p(other)) for other in chosen)
