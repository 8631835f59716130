"""Claims of phase changes, regimes, slope and encodings: their readings on planted curves, and on the files."""

import math

import numpy as np
import pandas as pd
import pytest
import torch

from grokinterp.circuits.loss import LATER, regime_of
from grokinterp.models.initialisation import initialise
from grokinterp.reproduction import every_claim, find_claim
from grokinterp.reproduction.claims.digits import ROUNDED, departure, sample
from grokinterp.reproduction.claims.encodings import GRID, OVERLAP
from grokinterp.reproduction.claims.regimes import DECAYS, FRACTIONS
from grokinterp.reproduction.needed_run import Training
from grokinterp.reproduction.phase import WINDOW, steepest
from grokinterp.runs.run import Run
from grokinterp.runs.store import MemoryStore
from grokinterp.training.planning import plan

MINE = ("digits", "encodings", "induction", "regimes", "skip", "slope")
CLAIMS = [claim for claim in every_claim() if claim.id.split("-")[0] in MINE]
STEPS = np.arange(0, 1_001, 10)


def curves(config=None, **columns):
    """A run of these recorded curves, every ten steps of a thousand."""
    metrics = pd.DataFrame({"step": STEPS, **columns})
    return Run(MemoryStore({}, metrics), name="planted", config=config)


def falling(at, high=3.0, low=0.001):
    return np.where(STEPS < at, high, low)


# -- phase changes


def test_a_sudden_fall_is_all_of_it_and_a_straight_line_a_tenth():
    fall = steepest(STEPS, falling(500))
    assert (fall.share, fall.middle) == (1, 500) and 500 - WINDOW * 1_000 <= fall.start < 500
    assert steepest(STEPS, 5 - STEPS / 1_000).share == pytest.approx(WINDOW)


def test_what_never_falls_has_no_share():
    assert steepest(STEPS, np.ones(len(STEPS))).share == 0
    assert steepest(STEPS, STEPS / 1_000.0).share == 0


def test_a_fall_is_measured_in_steps_and_not_in_points():
    """Recorded unevenly: the window of a tenth of the steps holds one point early and many late."""
    steps = np.array([0, 500, 990, 992, 994, 996, 998, 1_000])
    fall = steepest(steps, np.array([8.0, 8, 8, 6, 4, 2, 1, 0]))
    assert (fall.share, fall.start, fall.middle) == (1, 990, 994)


# -- digits


def test_a_sample_departs_in_its_own_deviations_and_rounding_is_no_departure():
    ours = torch.tensor([1.0, 2.0, 3.0])  # mean 2, deviation 1
    assert departure(4 + ROUNDED, ours) == pytest.approx(2)
    assert departure(1 - ROUNDED, ours) == pytest.approx(-1)
    assert departure(2 + ROUNDED / 2, ours) == 0
    assert departure(1.0, torch.ones(3)) == 0


def test_samples_are_different_pairs_of_five_digits():
    one, other = sample(0).inputs, sample(1).inputs
    assert one.shape == (1_000, 18) and not torch.equal(one, other)


def test_the_saved_model_reads_the_format_of_the_source(data):
    """Reversed digits 12 to 18, + and = swapped .055: an independent reading of the same weights."""
    claim = find_claim("digits-saved-format")
    values = claim.measure(data(claim.files[0]))
    assert claim.judge(values) == "reproduced"
    assert values["as it is"] < values["+ and = swapped"] < values["digits reversed"]


def test_gaps_and_peaks_of_losses():
    run = curves(train_loss=falling(200), test_loss=falling(200))
    assert find_claim("digits-together").measure(run) == {"largest gap": 0, "last test loss": pytest.approx(0.001)}
    test = np.where(STEPS == 400, 9.0, 2.0)
    found = find_claim("digits-finite").measure(curves(train_loss=falling(200), test_loss=test))
    assert (found["largest test loss"], found["its step"]) == (9, 400) and found["train loss then"] == 0.001


# -- induction and skip trigrams


def test_the_saved_heads_are_those_of_the_source(data):
    claim = find_claim("induction-saved-heads")
    values = claim.measure(data(claim.files[0]))
    assert claim.judge(values) == "reproduced"
    assert values["previous token, the others"] < 0.5 and abs(values["copying, head 1.0"]) < 1


@pytest.mark.parametrize(("test_falls", "first"), [(800, True), (100, False), (2_000, True)])
def test_which_curve_falls_first(test_falls, first):
    """Also where the test loss never falls."""
    run = curves(train_loss=falling(200), test_loss=falling(test_falls, high=2 * math.log(32)))
    found = find_claim("induction-finite").measure(run)
    assert found["train falls before test"] is first
    assert found["largest test loss over ln 32"] == pytest.approx(2) and found["least train loss"] == 0.001
    trigrams = find_claim("skip-trigram-finite").measure(run, run, run)
    assert set(trigrams["train loss below 0.1 first"].values()) == {first}


def test_a_plateau_ends_where_the_loss_leaves_it():
    loss = np.select([STEPS < 300, STEPS < 400], [math.log(10), 0.5], 0.01)
    found = find_claim("skip-trigram-endless").measure(curves(test_loss=loss))
    assert (found["steps within 5 % of ln 10"], found["below 1"], found["below 0.1"]) == (300, 300, 400)


# -- regimes


@pytest.mark.parametrize(
    ("memorised", "grokked", "regime"),
    [
        (None, None, "not learnt"),
        (100, None, "memorises"),
        (100, 100 * LATER, "groks"),
        (100, 100 * LATER - 1, "generalises at once"),
        (100, 50, "generalises at once"),
        (None, 100, "generalises at once"),
    ],
)
def test_a_regime_is_how_much_later_test_rows_are_answered(memorised, grokked, regime):
    assert regime_of(memorised, grokked) == regime


def learnt(wanted: Training, test: float) -> Run:
    """A run of this configuration with its training rows right from step 100 and its test rows from `test`."""
    right = {"train_accuracy": (STEPS >= 100) * 1.0, "test_accuracy": (STEPS >= test) * 1.0}
    return curves(wanted.config(), **right)


def test_the_grid_of_fraction_and_decay_is_read_cell_by_cell():
    """Planted: little never, medium late with decay, much at once."""
    claim = find_claim("regimes-grid")
    when = {0.2: dict.fromkeys(DECAYS, math.inf), 0.5: {0: math.inf, 0.3: 900, 1: 500}, 0.9: dict.fromkeys(DECAYS, 110)}
    runs = [learnt(each, when[each.fields["frac"]][each.fields["weight_decay"]]) for each in claim.trainings]
    found = claim.measure(*runs)
    assert claim.judge(found) == "reproduced"
    regimes = list(found["regime"].values())
    assert regimes[:3] == ["memorises"] * 3 and regimes[6:] == ["generalises at once"] * 3
    assert regimes[3:6] == ["memorises", "groks", "groks"] and len(runs) == len(FRACTIONS) * len(DECAYS)
    by_decay = find_claim("regimes-regularisation")
    assert by_decay.judge(by_decay.measure(*runs[3:6])) == "reproduced"
    late = by_decay.measure(runs[3], runs[5], runs[4])
    assert late["earlier at decay 1 than at 0.3"] is False
    by_data, when = find_claim("regimes-data"), {0.2: math.inf, 0.3: math.inf, 0.4: 500, 0.5: 150, 0.9: 110}
    found = by_data.measure(*(learnt(each, when[each.fields["frac"]]) for each in by_data.trainings))
    assert by_data.judge(found) == "partly"
    assert list(found["test over train step, medium"].values()) == pytest.approx([math.nan, 5, 1.5], nan_ok=True)


# -- slope and encodings


def test_an_embedding_that_is_the_grid_has_been_recovered():
    """Planted: x and y in two coordinates of the embedding; nothing else."""
    wanted = find_claim("slope-grid-over-time").trainings[0]
    config, task = plan("slope", preset="slope", n=4)
    weights = initialise(config.model, 0)
    weights["embed.W_E"] = torch.zeros_like(weights["embed.W_E"])
    weights["embed.W_E"][:16, :2] = task.coordinates
    steps = dict.fromkeys((1_000, 3_000, 4_000), lambda: weights)
    run = Run(MemoryStore(steps, None), name="planted", config=config, task=task.split(frac=0.5, seed=0))
    found = find_claim("slope-grid-over-time").measure(run)
    assert [found[f"first 2 at {step:,}"] for step in steps] == pytest.approx([1, 1, 1])
    assert found["in order of steps"] is False and wanted.config().task.expression == "slope"


def test_grid_cell_codes_are_those_of_the_thread():
    config, task = plan(GRID.task, preset=GRID.preset, **GRID.fields)
    metrics = pd.DataFrame({"step": [0, 300], "test_accuracy": [0.0, 0.5]})
    run = Run(MemoryStore({}, metrics), name="planted", config=config, task=task)
    claim = find_claim("encodings-grid-cells")
    assert claim.judge(claim.measure(run)) == "reproduced"


def test_pairs_of_equal_numbers_are_compared_with_the_run_without_them():
    claim = find_claim("encodings-equal")
    n = len(OVERLAP)
    for without, with_equal in zip(claim.trainings[:n], claim.trainings[n:], strict=True):
        assert {**without.fields, "include_equal": True} == with_equal.fields


@pytest.mark.parametrize("claim", CLAIMS, ids=lambda claim: claim.id)
def test_settings_tried_are_different_runs(claim):
    """Three settings of a negative result are three configurations."""
    identities = [wanted.config().identity for wanted in claim.trainings]
    assert len(set(identities)) == len(identities)
