"""Outcome: what a training came to, by numbers that are stated here and used on every page and in every command."""

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal, TypeAlias, get_args

from grokinterp.runs.population.landmarks import SOLVED
from grokinterp.runs.run import Run

Kind: TypeAlias = Literal["solved", "memorised", "failed", "diverged", "stopped early", "not explained"]
KINDS: tuple[Kind, ...] = get_args(Kind)

UNEXPLAINED: Kind = "not explained"
"""The outcome of a file whose reading its weights do not bear out: what it does under it says nothing of them."""

REMEMBERED = 0.99
"""The accuracy on training rows, as they were labelled, from which the last checkpoint has them by heart."""

HALF = 0.5
"""The accuracy on unseen rows, swaps of training rows left out, from which a model knows more than it was shown."""

SCORES = ("train_accuracy", "test_accuracy", "test_accuracy_unswapped", "all_accuracy", "weight_norm_squared")
"""What an outcome is read off, by the names that the circuit `loss` gives them."""


@dataclass(frozen=True)
class Ending:
    """Where a training stopped, and why.

    Attributes:
        last, planned: the last step that was trained, and the one that it was set to train to.
        patience: the steps after grokking at which it was set to end, where that ended it; None else.
        accuracy: the test accuracy from which those count.
        diverged: whether the training loss stopped being a finite number there.
    """

    last: int
    planned: int
    patience: int | None = None
    accuracy: float = SOLVED
    diverged: bool = False

    @classmethod
    def of(cls, run: Run) -> "Ending | None":
        """None where other code trained the run, which counts as it likes, or where its settings are not known."""
        recorded = run.metrics
        steps = [*run.steps, *recorded["step"].tolist()]
        if run.provenance.trained_elsewhere or not run.has_config or not steps:
            return None
        schedule, last = run.config.schedule, int(max(steps))
        patience = None
        if schedule.stop_after_grokking is not None and last < schedule.steps:
            reached = recorded["step"].to_numpy()[recorded["test_accuracy"].to_numpy() >= schedule.grokked_accuracy]
            if len(reached) and last >= int(reached[0]) + schedule.stop_after_grokking:
                patience = schedule.stop_after_grokking
        diverged = "diverged" in recorded and bool((recorded["diverged"] == 1).any())
        return cls(last, schedule.steps, patience, schedule.grokked_accuracy, diverged)

    @property
    def is_early(self) -> bool:
        """Whether fewer steps were trained than were planned, and no rule of the run's own ended it."""
        return self.last < self.planned and self.patience is None


@dataclass(frozen=True)
class Outcome:
    """What the last checkpoint does.

    - `diverged`: its weights, or the training loss after it, are not all finite numbers;
    - `solved`: it answers at least SOLVED of the rows that it was not trained on;
    - `memorised`: it answers at least REMEMBERED of its training rows, and less than HALF of the unseen ones;
    - `stopped early`: neither, and it was on its way: it answers HALF or more of the unseen rows, or fewer steps were
      trained than planned;
    - `failed`: none of these;
    - `not explained`: finite, and the reading of the file does not explain its weights (`run.unexplained`).

    Attributes:
        kind: which of them.
        train, test, unswapped, every: accuracy on training rows, on all others, on those of the others whose swap is
            not trained on either, and on the whole table; NaN where there are no such rows or they are not known.
    """

    kind: Kind
    train: float
    test: float
    unswapped: float
    every: float

    @classmethod
    def of(cls, scores: Mapping[str, float], ending: Ending | None = None, is_explained: bool = True) -> "Outcome":
        """By the last values of SCORES; one that is left out is not known."""
        train, test, unswapped, every, norm = (float(scores.get(name, math.nan)) for name in SCORES)
        diverged = ending is not None and ending.diverged
        if diverged or ("weight_norm_squared" in scores and not math.isfinite(norm)):
            return cls("diverged", train, test, unswapped, every)
        if not is_explained:
            return cls(UNEXPLAINED, train, test, unswapped, every)
        held_out = not math.isnan(test)
        unseen = test if math.isnan(unswapped) else unswapped
        if (test if held_out else every) >= SOLVED:
            kind: Kind = "solved"
        elif train >= REMEMBERED and unseen < HALF:
            kind = "memorised"
        elif unseen >= HALF or (ending is not None and ending.is_early):
            kind = "stopped early"
        else:
            kind = "failed"
        return cls(kind, train, test, unswapped, every)

    @property
    def is_solved(self) -> bool:
        """Whether anything that is said of how it answers can be said at all."""
        return self.kind == "solved"

    @property
    def is_learning(self) -> bool:
        """Whether the task is solved, or was on its way to be: what a memory measures of a circuit is the memory."""
        return self.kind in ("solved", "stopped early")

    @property
    def is_told_from_memory(self) -> bool:
        """Whether rows were held out, so that a rule can be told from a table of all answers."""
        return not math.isnan(self.test)
