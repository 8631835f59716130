"""Page: the tables of docs/early_warning.md, made from the stored courses and thresholds, never by hand."""

import json
import math
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np

from grokinterp.analysis.proportions import Share
from grokinterp.reproduction.early_warning import coefficient
from grokinterp.reproduction.early_warning.courses import BASELINES, MEASURES, ORACLES, read
from grokinterp.reproduction.early_warning.detector import Course, Detector, Interval, Trial, choose
from grokinterp.reproduction.early_warning.outcome import AGAINST, SPOKEN_FOR, TOLERATED, ranked, trials
from grokinterp.reproduction.early_warning.settings import Setting, drawn

SHOWN = 5
"""How many of the best measures are taken apart by kinds of runs."""


class HeldOut(NamedTuple):
    """The held-out half as it is stored: the runs that count, their settings, and each detector's trial on them."""

    courses: list[Course]
    settings: list[Setting]
    trials: dict[str, Trial]


def detectors(folder: Path) -> dict[str, Detector]:
    """Read the thresholds as they were committed."""
    stored = json.loads((folder / "thresholds.json").read_text())
    nan = lambda value: math.nan if value is None else value
    return {name: Detector(name, nan(of["threshold"]), of["rises"], of["hold"]) for name, of in stored.items()}


def held_out(folder: Path) -> HeldOut:
    """Try the committed thresholds on the stored courses of the held-out half."""
    kept = {number: course for number, course in read(folder / "held_out.parquet").items() if course.is_counted}
    courses = list(kept.values())
    return HeldOut(courses, [drawn()[number].setting for number in kept], trials(detectors(folder), courses))


def tables(folder: Path) -> dict[str, str]:
    """Write every table of the page, by its name; that of the coefficient where it has been sampled."""
    half = held_out(folder)
    texts = {"verdict": verdict(half), "measures": measures_table(half.trials), "parts": parts_table(half)}
    return texts | ({"coefficient": coefficient_table(folder)} if (folder / "llc_held_out.parquet").exists() else {})


def filled(page: str, texts: Mapping[str, str]) -> str:
    """Put each table between its marks, `<!-- name -->` and `<!-- end of name -->`, in place of what stands there."""
    for name, text in texts.items():
        start, end = f"<!-- {name} -->", f"<!-- end of {name} -->"
        before, _, rest = page.partition(start)
        page = f"{before}{start}\n\n{text}\n\n{end}{rest.partition(end)[2]}"
    return page


def verdict(half: HeldOut) -> str:
    """Say what won, what came of the prediction, and how many runs that is."""
    tried = half.trials
    best, second = ranked(tried)[:2]
    ahead, spoken = tried[best].ahead_of(tried[second]), tried[SPOKEN_FOR]
    predicted = spoken.ahead_of(tried[AGAINST])
    earliest = max(MEASURES, key=lambda name: np.nan_to_num(tried[name].lead_where_defined.value))
    grok = sum(course.has_grokked for course in half.courses)
    return "\n".join(
        [
            f"- Of the held-out half {grok} runs grok and {len(half.courses) - grok} do not.",
            f"- By the rule **{best}** wins: {interval_text(tried[best].lead_share)}, false alarms "
            f"{share_text(tried[best].false_alarms)}. Ahead of {second} it is by {interval_text(ahead)}, where both "
            f"are defined: the two are {'told apart' if ahead.low > 0 else 'not told apart'}.",
            f"- The prediction: {SPOKEN_FOR} is ahead of {AGAINST} by {interval_text(predicted)}, with false alarms "
            f"{share_text(spoken.false_alarms)}. The first part is {'' if predicted.low > 0 else 'not '}borne out, the "
            f"second {'is' if spoken.false_alarms.value <= TOLERATED else 'is not'}.",
            f"- The earliest where it is defined is {earliest}, {interval_text(tried[earliest].lead_where_defined)}, "
            f"ahead of {AGAINST} by {interval_text(tried[earliest].ahead_of(tried[AGAINST]))}, with false alarms "
            f"{share_text(tried[earliest].false_alarms)}.",
        ]
    )


def order(tried: Mapping[str, Trial]) -> list[str]:
    """All measures: those that may win, best first, those with too many false alarms, oracles, baselines."""
    able = ranked(tried)
    others = sorted((name for name in MEASURES if name not in able), key=lambda name: -tried[name].lead_share.value)
    return [*able, *others, *ORACLES, *BASELINES]


def measures_table(tried: Mapping[str, Trial]) -> str:
    """Write one row a measure."""
    head = ("measure", "warns", "mean lead", "where defined", "median steps", "missed", "false alarms")
    able = ranked(tried)
    rows = []
    for name in order(tried):
        trial = tried[name]
        kind = " (knows the end)" if name in ORACLES else " (baseline)" if name in BASELINES else ""
        cells = [interval_text(trial.lead_share), interval_text(trial.lead_where_defined), f"{trial.lead.value:.0f}"]
        label = f"**{name}**" if able[:1] == [name] else name
        rows.append(
            (
                f"{label}{kind}",
                rule_text(trial.detector),
                *cells,
                share_text(trial.missed),
                share_text(trial.false_alarms),
            )
        )
    return table(head, rows)


def parts_table(half: HeldOut) -> str:
    """Write how the best measures do in each kind of run: the mean lead of those that grok, alarms among the others."""
    names = list(dict.fromkeys([*ranked(half.trials)[:SHOWN], SPOKEN_FOR, AGAINST]))
    kinds: dict[str, Callable[[Setting], bool]] = {
        **{
            task: (lambda setting, task=task: setting.task == task) for task in ("a + b", "a - b", "a * b", "a^2 + b^2")
        },
        **{name: (lambda setting, name=name: setting.architecture == name) for name in ("transformer", "MLP")},
        "decay 0": lambda setting: setting.decay == 0,
        "decay above 0": lambda setting: setting.decay > 0,
    }
    rows = []
    for kind, is_of in kinds.items():
        some = [course for course, setting in zip(half.courses, half.settings, strict=True) if is_of(setting)]
        grok = sum(course.has_grokked for course in some)
        cells = [_part(half.trials[name].detector, some) for name in names]
        rows.append((kind, f"{grok} / {len(some) - grok}", *cells))
    return table(("runs", "grok / do not", *names), rows)


def _part(detector: Detector, courses: Sequence[Course]) -> str:
    defined = [course for course in courses if course.has(detector.measure)]
    leads = [detector.lead_share(course) for course in defined if course.has_grokked]
    alarms = [detector.is_false_alarm(course) for course in defined if not course.has_grokked]
    lead = f"{100 * np.mean(leads):.0f} %" if leads else "-"
    return f"{lead}, {sum(alarms)} of {len(alarms)}"


def coefficient_table(folder: Path) -> str:
    """Write what the coefficient and others warn of on the few runs and checkpoints where it was sampled."""
    tried, halves_of = {}, []
    for half in ("first", "held_out"):
        few, whole = (read(folder / f"{kind}{half}.parquet") for kind in ("llc_", ""))
        # Whether a run counts is told by its end, which the coefficient is not sampled at.
        both = [(course, whole[number]) for number, course in few.items() if whole[number].is_counted]
        names = (SPOKEN_FOR, AGAINST, "test loss")
        same = [coefficient.at_the_same(course, other) for course, other in both]
        halves_of.append({"LLC": [course for course, _ in both], **dict.fromkeys(names, same)})
    for name, courses in halves_of[0].items():
        tried[name] = Trial.of(choose(name, courses), halves_of[1][name])
    rows = [
        (name, rule_text(t.detector), interval_text(t.lead_share), share_text(t.missed), share_text(t.false_alarms))
        for name, t in tried.items()
    ]
    return table(("measure", "warns", "mean lead", "missed", "false alarms"), rows)


# -- words


def rule_text(detector: Detector) -> str:
    """When it warns, in a few characters."""
    if math.isnan(detector.threshold):
        return "never"
    return f"{'≥' if detector.rises else '≤'} {detector.threshold:.3g}"


def interval_text(interval: Interval) -> str:
    """A share in percent and its interval."""
    if math.isnan(interval.value):
        return "-"
    return f"{100 * interval.value:.0f} % ({100 * interval.low:.0f} to {100 * interval.high:.0f})"


def share_text(share: Share) -> str:
    """A count of so many, and the interval of the share in percent."""
    return f"{share.count} of {share.n} ({100 * share.low:.0f} to {100 * share.high:.0f} %)" if share.n else "-"


def table(head: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """A Markdown table."""
    return "\n".join("| " + " | ".join(cells) + " |" for cells in (head, ["---"] * len(head), *rows))
