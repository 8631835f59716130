"""The early-warning bench: its draw and split are what was written down, its detector finds planted warnings."""

import math

import numpy as np
import pandas as pd
import pytest

from grokinterp.errors import BadRequest
from grokinterp.reproduction import Places, stored
from grokinterp.reproduction.claim import plain
from grokinterp.reproduction.early_warning.courses import EVERY, as_kept, read, slope, write
from grokinterp.reproduction.early_warning.detector import FALSE_ALARMS, Course, Detector, Interval, Trial, choose
from grokinterp.reproduction.early_warning.outcome import counted, outcome, ranked, thresholds, trials
from grokinterp.reproduction.early_warning.page import detectors, filled, tables
from grokinterp.reproduction.early_warning.settings import (
    ARCHITECTURES,
    CHECKPOINTS,
    DECAYS,
    SEEDS,
    SIZES,
    STEPS,
    TASKS,
    drawn,
    halves,
)

STORED = Places.of().results.parent / "early_warning"
STEP = np.arange(0.0, 1_000, 100)


def planted(rises_at=None, grokked=math.nan, *, memorised=50.0, measure="x", **others):
    """A run whose measure is 0 and then 1 from a step on."""
    values = np.zeros(len(STEP)) if rises_at is None else (rises_at <= STEP).astype(float)
    return Course(STEP, {measure: values, **others}, memorised, grokked)


# -- the draw


def test_the_draw_is_the_one_that_was_written_down():
    """The list was committed before any run; another Python, or a changed rule, would draw others."""
    listed = pd.read_csv(STORED / "settings.csv").to_dict("records")
    assert listed == [
        {
            "run": run.number, "task": run.setting.task, "p": run.setting.p, "frac": run.setting.frac,
            "decay": run.setting.decay, "architecture": run.setting.architecture, "seed": run.seed,
            "half": halves()[run.setting],
        }
        for run in drawn()
    ]  # fmt: skip


def test_every_block_has_every_task_and_size_once():
    runs = drawn()
    assert len(runs) == len(set(runs)) == 60
    for first in range(0, 60, 12):
        assert len({(run.setting.task, run.setting.p) for run in runs[first : first + 12]}) == 12
    product = len(TASKS) * len(SIZES) * 2 * len(DECAYS) * len(ARCHITECTURES) * len(SEEDS)
    assert product == 432


def test_no_setting_is_in_both_halves_and_each_has_its_share():
    """Seeds of one setting stand together; of each decay and side of the fraction the halves differ by one setting."""
    split = halves()
    assert set(split) == {run.setting for run in drawn()}
    for decay in DECAYS:
        for above in (False, True):
            of = [half for setting, half in split.items() if (setting.decay, setting.is_above) == (decay, above)]
            assert abs(of.count("first") - of.count("held out")) <= 1


def test_a_run_is_trained_as_its_setting_says():
    run = next(run for run in drawn() if run.setting.architecture == "MLP")
    config = run.training.config()
    assert config.task.parameters["p"] == run.setting.p and config.split.frac == run.setting.frac
    assert config.optimiser.weight_decay == run.setting.decay and config.seed == run.seed
    assert config.schedule.checkpointed_steps() == [*CHECKPOINTS, STEPS]


# -- the detector


@pytest.mark.parametrize(
    ("values", "rises", "at"),
    [([0, 1, 0, 1, 1, 1], True, 400), ([0, 1, 0, 1, 0, 1], True, None), ([5, 5, 1, 1, 5, 5], False, 300),
     ([1, 1, 0, 0, 0, 0], True, 100), ([0, np.nan, 1, np.nan, 1, 1], True, 500)],
)  # fmt: skip
def test_a_warning_is_given_once_the_threshold_has_been_passed_twice_on_end(values, rises, at):
    """At the second checkpoint, not the first: nobody knows before that it holds."""
    course = Course(STEP[:6], {"x": np.array(values, float)}, 50.0, math.nan)
    warned = Detector("x", 1.0, rises).warned_at(course)
    assert warned == at or (at is None and math.isnan(warned))


def test_the_lead_is_from_the_warning_to_grokking():
    detector = Detector("x", 0.5, True)
    early, late, never = planted(200, 800.0), planted(700, 800.0), planted(None, 800.0)
    assert [detector.lead(each) for each in (early, late, never)] == [500.0, 0.0, 0.0]
    assert detector.lead_share(early) == 500 / 800
    assert math.isnan(detector.lead(planted(200)))
    assert detector.is_false_alarm(planted(200)) and not detector.is_false_alarm(planted(None))
    assert math.isnan(Detector("y", 0.5, True).warned_at(early))  # a measure that is not defined never warns


@pytest.mark.parametrize("sign", [1, -1])
def test_the_planted_threshold_and_direction_are_found(sign):
    """In runs that grok it climbs to 2, in others to 1: only above 1 is there no false alarm."""
    climb = lambda top: sign * np.minimum(STEP / 200, top)
    runs = [Course(STEP, {"x": climb(2.0)}, 50.0, 900.0) for _ in range(5)]
    others = [Course(STEP, {"x": climb(1.0)}, 50.0, math.nan) for _ in range(20)]
    found = choose("x", [*runs, *others])
    assert found.rises == (sign > 0) and abs(found.threshold) == 1.5
    assert found.warned_at(runs[0]) == 400


def test_a_tenth_of_the_others_may_be_false_alarms_and_no_more():
    """Warning at step 100 costs one, or two, false alarms of ten; without them it comes at 500."""
    both = lambda first: (STEP >= first) + 1.0 * (STEP >= 400)
    grok = [Course(STEP, {"x": both(0)}, 50.0, 900.0) for _ in range(4)]
    quiet = planted(None)
    loud = Course(STEP, {"x": np.ones(len(STEP))}, 50.0, math.nan)
    assert FALSE_ALARMS == 0.1
    assert choose("x", [*grok, loud, *[quiet] * 9]).warned_at(grok[0]) == 100
    assert choose("x", [*grok, loud, loud, *[quiet] * 8]).warned_at(grok[0]) == 500


def test_what_does_not_tell_runs_apart_never_warns():
    """A constant, and a clock among runs of which those that do not grok are the longest, have no threshold."""
    runs = [planted(None, 800.0, clock=STEP), *[planted(None, clock=STEP)] * 3]
    for measure in ("x", "clock"):
        found = choose(measure, runs)
        assert math.isnan(found.threshold) and math.isnan(found.warned_at(runs[0]))


def test_a_trial_counts_misses_and_alarms():
    """Of three that grok one is warned of 75 % ahead, one not at all, one has no such measure; of two others one."""
    grok = [planted(100, 800.0), planted(None, 800.0), planted(None, 800.0, measure="y")]
    trial = Trial.of(Detector("x", 0.5, True), [*grok, planted(100), planted(None), planted(None, measure="y")])
    assert trial.lead_share.value == pytest.approx(0.75 / 3) and trial.lead_where_defined.value == pytest.approx(0.375)
    assert (trial.missed.count, trial.missed.n) == (2, 3)
    assert (trial.false_alarms.count, trial.false_alarms.n) == (1, 2)
    assert math.isnan(trial.leads[2])
    assert trial.ahead_of(Trial.of(Detector("x", 2.0, True), grok)).value == pytest.approx(0.375)
    with pytest.raises(BadRequest, match="there are none"):
        Trial.of(Detector("x", 0.5, True), [])


def test_one_that_generalises_at_once_is_not_counted():
    """It has not grokked by the project's own definition: test rows twice as late as training rows."""
    assert planted(None, 800.0).is_counted and planted(None).is_counted
    assert not planted(None, 80.0, memorised=60.0).is_counted


def test_one_that_is_half_right_at_its_end_is_undecided():
    """A warning of it is neither true nor false; as the rule was first written it would have been false."""
    end = lambda share: {"unswapped accuracy": np.linspace(0, share, len(STEP))}
    late, memoriser, grokked = planted(**end(0.6)), planted(**end(0.4)), planted(None, 900.0, **end(0.6))
    assert late.is_undecided and not late.is_counted
    assert memoriser.is_counted and grokked.is_counted
    assert counted([late, memoriser]) == [memoriser] and counted([late], as_first_written=True) == [late]


def test_many_thresholds_at_a_time_are_scored_as_each_alone():
    """The choice by arrays is the one that trying each detector would give."""
    rows = np.random.default_rng(3).random((12, len(STEP))).cumsum(1) * np.tile([[1.0], [2.0]], (6, 1))
    runs = [Course(STEP, {"x": row}, 50.0, 900.0 if i % 2 else math.nan) for i, row in enumerate(rows)]
    found = choose("x", runs)

    def lead(threshold: float) -> float:
        detector = Detector("x", threshold, True)
        vain = np.mean([detector.is_false_alarm(run) for run in runs if not run.has_grokked])
        return np.mean([detector.lead_share(run) for run in runs if run.has_grokked]) if vain <= FALSE_ALARMS else 0.0

    assert found.rises and lead(found.threshold) == max(map(lead, np.unique(rows))) > 0


def test_a_measure_of_many_false_alarms_cannot_win():
    names = "Gini", "weight norm"
    early = dict(zip(names, (np.ones(len(STEP)), (STEP >= 500).astype(float)), strict=True))
    grok = [Course(STEP, early, 50.0, 900.0)] * 3
    other = [Course(STEP, {names[0]: np.ones(len(STEP)), names[1]: np.zeros(len(STEP))}, 50.0, math.nan)] * 3
    tried = trials({name: Detector(name, 0.5, True) for name in names}, [*grok, *other])
    assert ranked(tried) == ["weight norm"]


def test_the_bootstrap_of_a_mean_is_that_of_theory():
    """Of 400 numbers of spread 1 the mean errs by .05, so that 95 % are within .098 on either side."""
    values = np.random.default_rng(1).normal(size=400)
    interval = Interval.of(values)
    assert interval.low < interval.value < interval.high
    assert interval.high - interval.low == pytest.approx(2 * 1.96 * values.std() / 20, rel=0.1)
    assert math.isnan(Interval.of(np.zeros(0)).value)


def test_the_slope_of_a_power_law_is_its_exponent():
    steps = np.array([0.0, 10, 20, 40])
    found = slope(steps, np.concatenate([[5.0], 3 * steps[1:] ** -1.5]))
    assert np.isnan(found[:2]).all() and found[2:] == pytest.approx(-1.5)


# -- what is kept


def test_courses_come_back_as_they_were_written(tmp_path):
    courses = {7: as_kept([planted(300, 800.0, **{name: STEP + 1 / 3 for name in EVERY})])[0], 3: planted(None)}
    courses[3].values.update({name: np.full(len(STEP), np.nan) for name in EVERY})
    write(courses, path := tmp_path / "kept" / "x.parquet")
    back = read(path)
    assert list(back) == [3, 7] and back[7].grokked_step == 800 and math.isnan(back[3].grokked_step)
    for name in EVERY:
        assert np.array_equal(back[7].values[name], courses[7].values[name])
    assert not back[3].has("Gini") and back[7].has("Gini")


def test_no_outcome_is_told_without_runs_that_grok():
    """As in a rehearsal: nothing warns, and nothing is ahead of anything."""
    nothing = [Course(STEP, dict.fromkeys(EVERY, np.zeros(len(STEP))), math.nan, math.nan)] * 60
    values = outcome(nothing)
    assert math.isnan(values["latent accuracy ahead of unswapped accuracy"])
    assert set(values["threshold"]) == set(EVERY) and all(map(math.isnan, values["threshold"].values()))


# -- what was measured


def test_the_thresholds_are_those_of_the_stored_first_half():
    """The written rule, on the courses as they were stored, gives what was committed before the other half was read."""
    first = read(STORED / "first.parquet")
    assert set(first) == {run.number for run in drawn() if halves()[run.setting] == "first"}
    chosen, committed = thresholds(counted(first.values())), detectors(STORED)
    assert chosen.keys() == committed.keys() == set(EVERY)
    for name, detector in committed.items():
        assert (chosen[name].rises, chosen[name].hold) == (detector.rises, detector.hold)
        assert chosen[name].threshold == pytest.approx(detector.threshold, nan_ok=True)


def test_the_page_and_the_claim_are_what_is_stored():
    """Every table of the page is made from the stored courses, and so is the claim's result."""
    page = (Places.of().pages / "docs" / "early_warning.md").read_text()
    assert filled(page, tables(STORED)) == page
    courses = {**read(STORED / "first.parquet"), **read(STORED / "held_out.parquet")}
    result = stored(Places.of().results)["early-warning"]
    assert plain(outcome([courses[run.number] for run in drawn()])) == result.values


def test_enough_runs_do_not_grok():
    """A third of them at least: without such there is nothing that could be a false alarm."""
    courses = [*read(STORED / "first.parquet").values(), *read(STORED / "held_out.parquet").values()]
    assert len(courses) == 60 and sum(not course.has_grokked for course in courses) >= 20
