"""What a report reads of a run: landmarks by the rules of `loss`, phases, slices of tables, few enough points."""

import numpy as np
import pandas as pd
import pytest
import torch

from grokinterp.analysis.outcome import Outcome
from grokinterp.errors import BadRequest
from grokinterp.models.initialisation import initialise
from grokinterp.reports.figures.curves import POINTS, Curve, thinned
from grokinterp.reports.prose import percent, scientific
from grokinterp.reports.section import Absent
from grokinterp.reports.sections.trained import Table
from grokinterp.reports.subject import FRAMES, Landmarks, Subject
from grokinterp.reports.subject import thinned as chosen
from grokinterp.runs.run import Run
from grokinterp.runs.store import MemoryStore
from grokinterp.training.planning import plan


def untrained(steps: list[int], metrics: pd.DataFrame | None = None) -> Run:
    config, task = plan("a + b", p=7, d_model=8, n_heads=2)
    weights = initialise(config.model, seed=0)
    return Run(
        MemoryStore({step: lambda: weights for step in steps}, metrics), name="untrained", config=config, task=task
    )


def test_landmarks_are_first_steps_at_their_thresholds():
    """A later dip does not move them; a curve that was not recorded has none."""
    metrics = pd.DataFrame({"step": [0, 200, 500, 800], "test_accuracy": [0.1, 0.2, np.nan, 0.99]})
    metrics["train_accuracy"] = [0.5, 1.0, 0.2, 1.0]
    assert Subject(untrained([], metrics)).landmarks == Landmarks(200, 800)
    assert Subject(untrained([], metrics.drop(columns="test_accuracy"))).landmarks == Landmarks(200, None)


def test_landmarks_come_from_the_trace_where_nothing_was_recorded(planted):
    """A planted clock at step 5, whose unembedding is taken away before and after: it answers all rows there alone."""
    clock = planted.clock(p=11)
    mute = {**clock.parameters, "unembed.W_U": torch.zeros_like(clock.parameters["unembed.W_U"])}
    store = MemoryStore({0: lambda: mute, 5: lambda: dict(clock.parameters), 9: lambda: mute})
    config = plan("a + b", p=11)[0].replace(model=clock.config)
    run = Run(store, name="clock", config=config, task=clock.task)
    assert Subject(run).landmarks == Landmarks(5, 5)


def test_phases_follow_one_another():
    """Each begins where the one before ends; what the trace does not show is left out."""
    phases = {}
    for kind in ("solved", "memorised"):
        subject = Subject(untrained([0, 10, 20]))
        assert not isinstance(subject.trace, Absent)
        subject.trace.attrs.update(memorisation_end=5, circuit_formation_end=12, key_frequencies=[1])
        subject.outcome = Outcome(kind, 1, 1, 1, 1)
        phases[kind] = subject.phases
    # The curves of a memory rise and fall too.
    assert phases == {"solved": [("memorisation", 0, 5), ("circuit formation", 5, 12)], "memorised": []}


def test_the_slider_moves_through_few_checkpoints():
    """400 checkpoints: few frames, the first and the last among them, evenly chosen."""
    steps = list(range(0, 40_000, 100))
    found = chosen(steps, FRAMES)
    assert len(found) == FRAMES and (found[0], found[-1]) == (0, 39_900)
    assert max(np.diff(found)) - min(np.diff(found)) <= 100
    assert chosen(steps[:3], FRAMES) == steps[:3] and chosen(steps, 1) == [39_900]


def test_an_unknown_circuit_is_refused():
    """A name that no circuit bears is a mistake of the caller, not a gap in the run."""
    with pytest.raises(BadRequest, match="no circuit 'progres'"):
        Subject(untrained([0]), ["progres"]).trace  # noqa: B018


def test_table_of_three_operands_or_a_mixture_is_a_named_slice():
    """Two axes are left; what was fixed is said."""
    assert Table.of(plan("a + b + c", p=5)[1]).shown == "c = 0"
    mixed = Table.of(plan("a + b; a - b", p=5)[1])
    assert mixed.shown == "for a + b" and mixed.answers[2, 4] == 1


def test_thinning_keeps_every_extreme():
    """A spike of one step in 100,000 is still drawn, in its place; short curves are left alone."""
    n = 100_000
    loss = np.full(n, 1e-7)
    loss[54_321], loss[77] = 5.0, 1e-9
    kept = thinned(Curve(np.arange(n, dtype=float), loss))
    assert len(kept) <= 2 * POINTS and (np.diff(kept.steps) > 0).all()
    assert {0, 77, 54_321, n - 1} <= set(kept.steps)
    assert dict(zip(kept.steps, kept.values, strict=True))[54_321] == 5.0
    short = Curve(np.arange(float(POINTS)), loss[:POINTS])
    assert thinned(short) is short


def test_numbers_are_written_for_reading():
    """Powers of ten are raised, and 100 % is only ever all."""
    assert scientific(4.9884e-7) == "4.99 × 10⁻⁷"  # noqa: RUF001
    assert scientific(0.03712) == "0.0371"
    assert [percent(share).replace("\N{NO-BREAK SPACE}", " ") for share in (1.0, 0.99999, 0.5)] == [
        "100 %",
        "99.99 %",
        "50.00 %",
    ]
