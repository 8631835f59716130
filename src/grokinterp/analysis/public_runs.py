"""The public runs of Zhong et al. 2023 as counts: what 13,890 trained models look like to the clock-and-pizza measures.

Addition mod 59, attention rates drawn from 0 to 1, 1 to 4 layers, widths 32 to 511, ReLU, 80 % trained on. Of the
13,991 rows of their two tables (`result/*.csv` of github.com/fjzzq2002/pizza, arXiv 2306.17844), those with all
measures. Theirs are GS of 100 triples and DI of the RUNNER-UP logit; for a second operand with tokens of its own
(not `plain`), GS with the first operand's tokens, and circularity of at most about a half. `docs/public_runs.py` made
the table, and `docs/public_runs.md` of it.
"""

from functools import cache
from pathlib import Path
from typing import Literal, TypeAlias

import numpy as np
import pandas as pd
from jaxtyping import Int

from grokinterp.analysis.clock_or_pizza import KINDS, Evidence, Rule
from grokinterp.config import ModelConfig, TransformerConfig
from grokinterp.errors import BadRequest, listed
from grokinterp.tasks import Task

TABLE = Path(__file__).parent / "data" / "public_runs.csv"

EDGES: dict[str, tuple[float, ...]] = {
    "attention_rate": tuple(round(0.1 * i, 1) for i in range(11)),
    "gradient_symmetricity": (-1, 0, 0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9, 0.95, 0.98, 0.99, 1),
    "distance_irrelevance": tuple(round(0.05 * i, 2) for i in range(21)),
    "circularity": (0, 0.9, 0.995, 1),
}
"""Edges of the bins; a bin holds its lower edge."""

KEYS = ("deep", "solved", "plain", *EDGES)
"""The columns that name a cell: 2 to 4 layers, test accuracy at the end, tokens `a b`; then numbers of bins."""

RULE = Rule()

Layers: TypeAlias = Literal["one", "deep"]


@cache
def table() -> pd.DataFrame:
    """One row a non-empty cell: `KEYS`, and `runs`, how many it holds."""
    return pd.read_csv(TABLE)


def chosen(
    layers: Layers | None = None,
    solved: bool | None = None,
    plain: bool | None = None,
    circular: bool = False,
    attention_rate: float | None = None,
) -> pd.DataFrame:
    """The cells of some runs: by depth, by whether the test set was solved, by whether the tokens are `a b`, by rate.

    `circular` keeps circularity > 0.995, with `plain` the filter of Zhong et al.'s figures (they also draw unsolved
    runs). `attention_rate` keeps the runs of its tenth. Raises `BadRequest` for a rate outside 0 .. 1.
    """
    cells = table()
    for name, wanted in (("deep", None if layers is None else layers == "deep"), ("solved", solved), ("plain", plain)):
        if wanted is not None:
            cells = with_value(cells, name, int(wanted))
    if circular:
        cells = with_value(cells, "circularity", len(EDGES["circularity"]) - 2)
    if attention_rate is not None:
        cells = with_value(cells, "attention_rate", bin_of("attention_rate", attention_rate))
    return cells


def kin(config: ModelConfig, task: Task) -> tuple[Layers, float] | None:
    """Depth and attention rate by which a model stands beside the runs of plain tokens; None for one that does not.

    They add mod 59, both operands from one vocabulary and nothing after them, so that their gradients were read on the
    rows they were trained on. Those of rows that end in `=` were read without it, and are nobody's kin.
    """
    if not (isinstance(config, TransformerConfig) and 0 <= config.attention_rate <= 1 and config.activation == "relu"):
        return None
    first, *others = task.zero_tokens
    plain = task.has_tokens and task.inputs.shape[1] == 2 and first is not None and others == [first]
    if not (plain and task.operations == ("a + b",) and task.sizes == (59, 59)):
        return None
    return "one" if config.n_layers == 1 else "deep", config.attention_rate


def with_value(cells: pd.DataFrame, key: str, value: int) -> pd.DataFrame:
    """The cells with this value of a key: a flag, or the number of a bin."""
    return cells.loc[cells[key] == value]


def count(cells: pd.DataFrame) -> int:
    """How many runs the cells hold."""
    return int(cells["runs"].to_numpy().sum())


def bin_of(measure: str, value: float) -> int:
    """The number of the bin that holds a value; the last holds its upper edge. Raises `BadRequest` outside all."""
    edges = EDGES[measure]
    if not edges[0] <= value <= edges[-1]:
        raise BadRequest(f"{measure}={value} is outside the public runs' {edges[0]} .. {edges[-1]}")
    return min(int(np.searchsorted(edges, value, side="right")) - 1, len(edges) - 2)


def histogram(cells: pd.DataFrame) -> Int[np.ndarray, "gradient_symmetricity distance_irrelevance"]:
    """How many of the runs lie in each bin of GS and of runner-up DI (edges in `EDGES`): the background of a plot."""
    counts = np.zeros([len(EDGES[name]) - 1 for name in ("gradient_symmetricity", "distance_irrelevance")], dtype=int)
    np.add.at(counts, (cells.gradient_symmetricity, cells.distance_irrelevance), cells.runs)
    return counts


def verdicts(cells: pd.DataFrame, rule: Rule = RULE) -> pd.Series:
    """[verdict]: the share of the runs with each. Raises `BadRequest` unless the thresholds are edges of bins."""
    kinds = _verdicts_of(cells, rule)
    return cells.runs.groupby(kinds).sum().reindex(KINDS, fill_value=0) / max(count(cells), 1)


def verdicts_by_attention_rate(cells: pd.DataFrame, rule: Rule = RULE) -> pd.DataFrame:
    """[bin, verdict]: shares within each tenth of the attention rate, and `runs`, how many it holds."""
    rows = {}
    for number, low in enumerate(EDGES["attention_rate"][:-1]):
        here = with_value(cells, "attention_rate", number)
        rows[f"{low:.1f}-{low + 0.1:.1f}"] = {"runs": count(here), **verdicts(here, rule)}
    return pd.DataFrame.from_dict(rows, orient="index")


def agreement(cells: pd.DataFrame, rule: Rule = RULE) -> dict[str, float]:
    """How the two rules get on, accuracy apart: shares of all runs, adding up to 1.

    `agree`; `gradients_between`, where the gradient rule does not decide; `pizza_by_gradients_only` (so clock by
    distances) and `clock_by_gradients_only`.
    """
    _check(rule)
    gs, di = _edge(cells, "gradient_symmetricity"), _edge(cells, "distance_irrelevance")
    by_gradients, by_distances = gs.map(rule.gradients_say), di.map(rule.distances_say)
    share = lambda where: count(cells.loc[where]) / max(count(cells), 1)
    return {
        "agree": share(by_gradients == by_distances),
        "gradients_between": share(by_gradients == "between"),
        "pizza_by_gradients_only": share((by_gradients == "pizza") & (by_distances == "clock")),
        "clock_by_gradients_only": share((by_gradients == "clock") & (by_distances == "pizza")),
    }


def flipped(cells: pd.DataFrame, rule: Rule) -> float:
    """The share of the runs that another rule would judge otherwise than `RULE`."""
    return count(cells.loc[_verdicts_of(cells, rule) != _verdicts_of(cells, RULE)]) / max(count(cells), 1)


def _edge(cells: pd.DataFrame, measure: str) -> pd.Series:
    return pd.Series(np.array(EDGES[measure])[cells[measure]], index=cells.index)


def _check(rule: Rule) -> None:
    for name in ("symmetric", "asymmetric", "distant"):
        measure = "distance_irrelevance" if name == "distant" else "gradient_symmetricity"
        if getattr(rule, name) not in EDGES[measure]:
            edges = listed(EDGES[measure])
            raise BadRequest(f"{name}={getattr(rule, name)} is no edge of the table; choose one of {edges}")
    if rule.solved != RULE.solved:
        raise BadRequest(f"solved={rule.solved} is not what the table was counted with; use {RULE.solved}")


def _verdicts_of(cells: pd.DataFrame, rule: Rule) -> pd.Series:
    _check(rule)
    gs, di = _edge(cells, "gradient_symmetricity"), _edge(cells, "distance_irrelevance")
    kinds = [rule.verdict(Evidence(*cell)) for cell in zip(gs, di, cells.solved.astype(float), strict=True)]
    return pd.Series(kinds, index=cells.index, dtype=object)
