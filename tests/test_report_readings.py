"""What a report reads off a run: landmarks, slices, the embedding's tokens, and few enough points to draw."""

import math

import numpy as np
import pandas as pd
import pytest
import torch

from grokinterp import fourier
from grokinterp.initialisation import initialise
from grokinterp.planning import plan
from grokinterp.reports.figures import POINTS, thinned
from grokinterp.reports.readings import FRAMES, Absent, Curve, Embedding, Landmarks, Table, weight_norms
from grokinterp.reports.story import percent, scientific
from grokinterp.runs import MemoryStore, Run


def untrained(steps: list[int], scale: float = 1.0, **fields) -> Run:
    """A run whose every checkpoint is the same initial model, times `scale`."""
    config, task = plan("a + b", d_model=16, **{"p": 11, **fields})
    weights = {name: scale * value for name, value in initialise(config.model, seed=0).items()}
    return Run(MemoryStore({step: lambda: weights for step in steps}), name="untrained", config=config, task=task)


def test_landmarks_are_first_steps_at_their_thresholds():
    """A later dip does not move them; a curve that was not recorded has none."""
    metrics = pd.DataFrame({"step": [0, 200, 500, 800], "test_accuracy": [0.1, 0.2, np.nan, 0.99]})
    metrics["train_accuracy"] = [0.5, 1.0, 0.2, 1.0]
    assert Landmarks.of(metrics) == Landmarks(200, 800)
    assert Landmarks.of(metrics.drop(columns="test_accuracy")) == Landmarks(200, None)


def test_table_of_three_operands_or_a_mixture_is_a_named_slice():
    """Two axes are left; what was fixed is said."""
    assert Table.of(plan("a + b + c", p=5)[1]).shown == "c = 0"
    mixed = Table.of(plan("a + b; a - b", p=5)[1])
    assert mixed.shown == "for a + b" and mixed.answers[2, 4] == 1


@pytest.mark.parametrize("layout", ["a b", "a b =", "a b+p =", "a op b ="])
def test_only_the_tokens_of_the_numbers_are_read(layout):
    """`=`, operators and a second operand's own vocabulary are not part of the function on Z/p."""
    run = untrained([0], layout=layout)
    found = Embedding.of(run)
    assert isinstance(found, Embedding) and found.n == 11
    truth = fourier.norms(run.final.parameters["embed.W_E"], 11)
    torch.testing.assert_close(torch.from_numpy(found.norms[0]), truth)


def test_frequency_norms_are_the_root_of_the_power():
    """Cosine and sine together, for k = 1 .. p/2, also for even p with its Nyquist row alone."""
    run = untrained([0], p=12)
    found = Embedding.of(run)
    assert isinstance(found, Embedding)
    truth = fourier.power(run.final.parameters["embed.W_E"], 12).sqrt()
    torch.testing.assert_close(torch.from_numpy(found.frequency_norms[0]), truth)


@pytest.mark.parametrize(
    ("run", "reason"),
    [
        (untrained([]), "curves but no weights"),
        (untrained([0], scale=math.nan), "not finite"),
        (Run(MemoryStore({0: dict}), name="bare"), "not known"),
    ],
)
def test_an_embedding_that_cannot_be_read_says_why(run, reason):
    """No spectrum is drawn, and the page's reader is told the reason."""
    found = Embedding.of(run)
    assert isinstance(found, Absent) and reason in found.reason


def test_many_checkpoints_move_through_few_frames():
    """400 checkpoints: all in the heat map, at most 60 in the sliders, the first and the last among them."""
    found = Embedding.of(untrained(list(range(0, 40_000, 100))))
    assert isinstance(found, Embedding)
    assert found.norms.shape[0] == 400 and len(found.frame_steps) == FRAMES
    assert (found.frame_steps[0], found.frame_steps[-1]) == (0, 39_900)
    assert found.scores.shape[0] == found.frame_norms.shape[0] == FRAMES


def test_weight_norms_come_from_the_weights_where_no_metrics_tell():
    """The sum of all squared parameters at every checkpoint."""
    run = untrained([0, 7], scale=2.0)
    truth = sum(float(weight.square().sum()) for weight in run.final.parameters.values())
    found = weight_norms(run)
    assert found.steps.tolist() == [0, 7] and found.values == pytest.approx([truth, truth], rel=1e-5)


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
