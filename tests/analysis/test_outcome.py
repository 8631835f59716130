"""What a training came to: every outcome from both sides of the number that decides it."""

import math

import pandas as pd
import pytest

import grokinterp as gi
from grokinterp.analysis.outcome import Ending, Outcome
from grokinterp.models.initialisation import initialise
from grokinterp.runs.provenance import Provenance
from grokinterp.runs.run import Run
from grokinterp.runs.store import MemoryStore
from grokinterp.training.planning import plan

NAN = math.nan
FINISHED, KILLED = Ending(100, 100), Ending(40, 100)


@pytest.mark.parametrize(
    ("train", "test", "unswapped", "every", "ending", "kind"),
    [
        (1, 0.99, 0.98, 0.99, FINISHED, "solved"),
        (1, 0.989, 0.4999, 0.99, FINISHED, "memorised"),
        (0.99, 0.4, 0.0, 0.6, FINISHED, "memorised"),
        (0.989, 0.4, 0.0, 0.6, FINISHED, "failed"),
        (1, 0.7, 0.5, 0.8, FINISHED, "stopped early"),  # memory has no way to half of the rows it never saw
        (0.3, 0.02, 0.02, 0.1, FINISHED, "failed"),
        (0.3, 0.02, 0.02, 0.1, KILLED, "stopped early"),
        (1, 0.02, 0.02, 0.4, KILLED, "memorised"),
        (1, 0.45, NAN, 0.7, None, "memorised"),  # every test row is the swap of a training row, or has none
        (NAN, NAN, NAN, 0.99, None, "solved"),  # a file that does not say its split
        (NAN, NAN, NAN, 0.98, None, "failed"),
        (1, NAN, NAN, 1, FINISHED, "solved"),  # nothing was held out
        (NAN, 0.995, 0.995, 0.995, FINISHED, "solved"),  # endless data: nothing is trained on twice
    ],
)
def test_outcomes(train, test, unswapped, every, ending, kind):
    """By the accuracies of the last checkpoint, and by whether it was the last that was planned."""
    names = ("train_accuracy", "test_accuracy", "test_accuracy_unswapped", "all_accuracy")
    scores = dict(zip(names, (train, test, unswapped, every), strict=True))
    outcome = Outcome.of({**scores, "weight_norm_squared": 3.0}, ending)
    assert (outcome.kind, outcome.is_solved) == (kind, kind == "solved")
    assert outcome.is_told_from_memory != math.isnan(test)
    for norm in (math.nan, math.inf):
        assert Outcome.of({**scores, "weight_norm_squared": norm}, ending).kind == "diverged"


def trained(last: int, patience: int | None, accuracy_at: dict[int, float]) -> Run:
    config, task = plan("a + b", p=5, d_model=8, n_heads=2, steps=900, stop_after_grokking=patience)
    weights = initialise(config.model, seed=0)
    metrics = pd.DataFrame({"step": list(accuracy_at), "test_accuracy": list(accuracy_at.values())})
    return Run(MemoryStore({last: lambda: weights}, metrics), name="run", config=config, task=task)


def test_a_training_that_diverges_is_no_interrupted_one(tmp_path):
    """Its checkpoints before that are of finite numbers, and it says so all the same."""
    with pytest.raises(gi.BadRequest, match="the training loss became"):
        gi.train("a + b", p=5, d_model=8, n_heads=2, lr=1e18, steps=60, metrics_every=5, out=tmp_path / "run")
    ending = Ending.of(gi.load(tmp_path / "run"))
    assert ending.diverged and ending.last < ending.planned
    assert Outcome.of({"train_accuracy": 0.1, "test_accuracy": 0.1, "all_accuracy": 0.1}, ending).kind == "diverged"


def test_where_a_training_ended_and_why():
    """By its own rule, which is no interruption; by its last step; or before either."""
    reached = {0: 0.1, 300: 0.99, 400: 1.0}
    by_rule = Ending.of(trained(400, 100, reached))
    assert (by_rule, by_rule.is_early) == (Ending(400, 900, 100, 0.99), False)
    for patience, curve in ((101, reached), (None, reached), (100, {0: 0.1, 400: 0.98})):
        killed = Ending.of(trained(400, patience, curve))
        assert (killed, killed.is_early) == (Ending(400, 900), True)
    assert not Ending.of(trained(900, 100, {900: 0.5})).is_early
    elsewhere = trained(400, None, reached)
    elsewhere.provenance = Provenance(trained_elsewhere=True)
    assert Ending.of(elsewhere) is None


def test_a_training_that_ran_its_steps_was_ended_by_nothing_else():
    """Also where it had grokked long enough by then."""
    assert Ending.of(trained(900, 100, {0: 0.1, 300: 0.99, 900: 1.0})) == Ending(900, 900)
