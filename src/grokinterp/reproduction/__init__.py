"""The table of claims: what the papers say, run again.

One file a source in `claims/`: every `Claim` it defines stands in the table, in the order of the files' names and of
their lines.
"""

import functools
import importlib
import pkgutil

from grokinterp.errors import BadRequest, did_you_mean, listed
from grokinterp.reproduction import claims
from grokinterp.reproduction.bench import Bench
from grokinterp.reproduction.claim import KINDS, OUTCOMES, Claim, Kind, Outcome, entries
from grokinterp.reproduction.index import by_source, pages
from grokinterp.reproduction.nulls import measure_nulls
from grokinterp.reproduction.paths import Places
from grokinterp.reproduction.result import Result, attempt, store, stored
from grokinterp.reproduction.table import outcome_of
from grokinterp.reproduction.target import Target, shown

__all__ = [
    "KINDS",
    "OUTCOMES",
    "Bench",
    "Claim",
    "Kind",
    "Outcome",
    "Places",
    "Result",
    "Target",
    "attempt",
    "by_source",
    "entries",
    "every_claim",
    "find_claim",
    "measure_nulls",
    "outcome_of",
    "pages",
    "shown",
    "store",
    "stored",
]


@functools.cache
def every_claim() -> tuple[Claim, ...]:
    """All claims, in the order of the table."""
    names = sorted(module.name for module in pkgutil.iter_modules(claims.__path__))
    modules = [importlib.import_module(f"{claims.__name__}.{name}") for name in names]
    return tuple(value for module in modules for value in vars(module).values() if isinstance(value, Claim))


def find_claim(id: str) -> Claim:
    """The claim of this id. Raises `BadRequest`, with the nearest, for an unknown one."""
    known = {claim.id: claim for claim in every_claim()}
    if id not in known:
        raise BadRequest(f"no claim {id!r}.{did_you_mean(id, known)} The claims: {listed(known)}")
    return known[id]
