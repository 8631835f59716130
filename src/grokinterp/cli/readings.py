"""Readings: the last step's numbers with their units, and what they were decided by, as `measure` prints them."""

import json
import math
from collections.abc import Iterator, Mapping
from typing import Any

import xarray as xr

from grokinterp.analysis.outcome import UNEXPLAINED
from grokinterp.errors import listed

KNOWN_ANYWAY = ("step", "outcome", "run", "circuits", "weight_norm_squared")
"""What is so under any reading of a file; all else that is measured is said to be of a reading, where it is one."""

OF_SOLVED = ("verdict_", "irreps_learnt", "readable_step")
"""How names begin of what is told of a solved task alone: of noise and of memories it would say the same."""

NO_UNIT = ("", "1")


def lines(values: Mapping[str, Any], trace: xr.Dataset, is_explained: bool) -> Iterator[str]:
    """What is printed of `values`, the scalars and attributes of `trace`: first the numbers, then rules and reasons.

    OF_SOLVED is left out of what is not solved: noise and tables of the training rows have it too.
    """
    rules = {name: text for name, text in values.items() if name.endswith("_rule") and not text.startswith("{")}
    told = {name: text for name, text in values.items() if isinstance(text, str) and text.startswith(("{", "["))}
    numbers = {name: value for name, value in values.items() if name not in {*rules, *told}}
    if values.get("outcome", "solved") != "solved":
        numbers = {name: value for name, value in numbers.items() if not name.startswith(OF_SOLVED)}
    width = max(map(len, numbers))
    first = int(trace.step[0]) if "step" in trace.dims else 0
    for name, value in numbers.items():
        unit = "" if name not in trace else trace[name].attrs.get("units", "")
        number = f"{_text(value)} {'' if unit in NO_UNIT or _is_blank(value) else unit}".rstrip()
        if name.endswith("_step") and first and value == first:
            number += " or earlier: it is the first that was read"
        doubt = "" if is_explained or name in KNOWN_ANYWAY else f"  ({UNEXPLAINED})"
        yield f"{name:<{width}}  {number}{doubt}"
    by_rule = json.loads(told.get("key_frequencies_by_rule", "{}"))
    for place, frequencies in by_rule.items():
        yield f"frequencies by the {place} alone: {_text(frequencies)}"
    for name, text in rules.items():
        yield f"{name.removesuffix('_rule')}: {text}"
    if skipped := json.loads(told.get("skipped", "{}")):
        yield f"not read, since they do not apply: {listed(skipped)} (--json says why)"


def _is_blank(value: Any) -> bool:
    return not isinstance(value, float | int) or not math.isfinite(value)


def _text(value: Any) -> str:
    if isinstance(value, float):
        return f"{value:.6g}"
    if isinstance(value, list | tuple):
        return listed(value) if len(value) else "none"
    return str(value)
