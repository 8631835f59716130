"""Outcome: thresholds of the first half, and what they come to on the half that is held out."""

import math
from collections.abc import Iterable, Mapping, Sequence

import numpy as np

from grokinterp.reproduction.claim import Values
from grokinterp.reproduction.early_warning.courses import EVERY, MEASURES
from grokinterp.reproduction.early_warning.detector import Course, Detector, Trial, choose
from grokinterp.reproduction.early_warning.settings import Half, drawn, halves

TOLERATED = 0.2
"""The largest share of false alarms on the held-out half with which a measure may win: twice that of the choice."""

SPOKEN_FOR = "latent accuracy"
AGAINST = "unswapped accuracy"


def of_half(courses: Sequence[Course], half: Half) -> list[Course]:
    """Keep the courses of the runs in a half; `courses` are of all runs, in the order of the draw."""
    return [course for run, course in zip(drawn(), courses, strict=True) if halves()[run.setting] == half]


def counted(courses: Iterable[Course], as_first_written: bool = False) -> list[Course]:
    """Keep the runs that count.

    As the rule was first written an undecided run counted as one that does not grok. Ten of the first half's sixteen
    were such, most of them above 90 %: late, or short of 99 %, and a warning of them is not false. The rule was changed
    before the held-out half was read, and what comes of the first one is told beside it.
    """
    return [course for course in courses if course.is_counted or (as_first_written and course.is_undecided)]


def thresholds(courses: Sequence[Course]) -> dict[str, Detector]:
    """Choose a detector of each measure on courses of the first half."""
    return {measure: choose(measure, courses) for measure in EVERY}


def trials(detectors: Mapping[str, Detector], courses: Sequence[Course]) -> dict[str, Trial]:
    """Try each detector on courses of the held-out half."""
    return {measure: Trial.of(detector, courses) for measure, detector in detectors.items()}


def ranked(tried: Mapping[str, Trial]) -> list[str]:
    """The measures that may win, best first: TOLERATED false alarms at most, by the mean share of the lead."""
    able = [name for name in MEASURES if name in tried and tried[name].false_alarms.value <= TOLERATED]
    return sorted(able, key=lambda name: -tried[name].lead_share.value)


def outcome(courses: Sequence[Course]) -> Values:
    """What the bench measures, from the courses of all runs in the order of the draw."""
    first, other = of_half(courses, "first"), of_half(courses, "held out")
    held_out = counted(other)
    tried = trials(thresholds(counted(first)), held_out)
    before = trials(thresholds(counted(first, as_first_written=True)), counted(other, as_first_written=True))
    order = ranked(tried)
    best = order[0] if order else None
    ahead = tried[SPOKEN_FOR].ahead_of(tried[AGAINST])
    return {
        f"{SPOKEN_FOR} ahead of {AGAINST}, low end": ahead.low,
        f"{SPOKEN_FOR}, false alarms": tried[SPOKEN_FOR].false_alarms.value,
        f"{SPOKEN_FOR} ahead of {AGAINST}": ahead.value,
        "runs": len(courses),
        "runs that do not grok": float(np.mean([not course.has_grokked for course in courses])),
        "runs that generalise at once": sum(course.is_at_once for course in courses),
        "runs that are undecided": sum(course.is_undecided for course in courses),
        "held out, grok": sum(course.has_grokked for course in held_out),
        "held out, do not grok": sum(not course.has_grokked for course in held_out),
        "longest lead": best,
        "second": order[1] if len(order) > 1 else None,
        "longest lead ahead of the second, low end": (
            tried[order[0]].ahead_of(tried[order[1]]).low if len(order) > 1 else math.nan
        ),
        **_columns(tried),
        "lead, by the rule as first written": {name: trial.lead_share.value for name, trial in before.items()},
        "false alarms, by the rule as first written": {
            name: trial.false_alarms.value for name, trial in before.items()
        },
    }


def _columns(tried: Mapping[str, Trial]) -> dict[str, dict[str, float]]:
    """By the name of a number its value for each measure."""
    each = lambda of: {name: of(trial) for name, trial in tried.items()}
    spread = lambda name, of: {
        name: each(lambda trial: of(trial).value),
        f"{name}, low": each(lambda trial: of(trial).low),
        f"{name}, high": each(lambda trial: of(trial).high),
    }
    return {
        "threshold": each(lambda trial: trial.detector.threshold),
        "rises": each(lambda trial: float(trial.detector.rises)),
        **spread("lead, share of the grokking step", lambda trial: trial.lead_share),
        **spread("lead where it is defined", lambda trial: trial.lead_where_defined),
        **spread("lead, steps", lambda trial: trial.lead),
        **spread("missed", lambda trial: trial.missed),
        **spread("false alarms", lambda trial: trial.false_alarms),
    }
