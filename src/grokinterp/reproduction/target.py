"""Target: a number that a source gives, and how near to it counts."""

import math
from dataclasses import dataclass
from typing import TypeAlias

Value: TypeAlias = float | bool | str | None
"""What is measured: a number, a yes or no, a text to be read beside them; None where there is nothing to measure."""


@dataclass(frozen=True)
class Target:
    """The closed interval that a value must lie in. `wording` is how the source has it, with our tolerance."""

    low: float
    high: float
    wording: str

    def holds(self, value: Value) -> bool:
        """Whether a value meets it; a yes is 1, and what could not be measured never does."""
        if value is None or isinstance(value, str) or math.isnan(value):
            return False
        return self.low <= float(value) <= self.high


def near(value: float, within: float) -> Target:
    """`value`, give or take `within`."""
    wording = f"{shown(value, 10)} ± {within:g}" if within else f"{shown(value, 10)} exactly"
    return Target(value - within, value + within, wording)


def factor(value: float, times: float = 2.0) -> Target:
    """`value` up to a factor."""
    return Target(value / times, value * times, f"{shown(value)} within a factor {shown(times)}")


def share_of(value: float, share: float) -> Target:
    """`value`, give or take a share of it."""
    reach = abs(value) * share
    return Target(value - reach, value + reach, f"{shown(value)} ± {100 * share:g} %")


def at_least(value: float) -> Target:
    """`value` or more."""
    return Target(value, math.inf, f"at least {shown(value)}")


def at_most(value: float) -> Target:
    """`value` or less."""
    return Target(-math.inf, value, f"at most {shown(value)}")


def yes() -> Target:
    """That it is so."""
    return Target(1, 1, "yes")


def shown(value: Value, digits: int = 5) -> str:
    """A value as it stands in a table, a number to so many significant digits."""
    if value is None or (isinstance(value, float) and math.isnan(value)):
        return "never"
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, str):
        return value
    if float(value).is_integer() and abs(value) < 1e6:
        return f"{int(value):,}"
    return f"{value:.{digits}g}"
