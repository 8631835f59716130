"""Furuta et al. 2024 (arXiv 2402.16726): FFD and FCR of what has been grokked, and what its logits are made of."""

from collections.abc import Mapping

from grokinterp.reproduction.claim import Claim, Values, claim
from grokinterp.reproduction.claims.furuta import (
    ADD,
    ADDS,
    MUL,
    OURS,
    PAPER,
    SHIFTED,
    SMALL,
    SMALL_OURS,
    SQUARE,
    SQUARES,
    SUBS,
    failing,
    recipe_of,
)
from grokinterp.reproduction.needed_run import Training
from grokinterp.reproduction.reading import last, trace
from grokinterp.reproduction.target import Target, at_least, at_most, near
from grokinterp.runs.run import Run

MEASURES = {"FFD": "ffd", "FCR": "fcr", "cosine share": "cosine_share"}

FALLS = at_least(0.3)
FALLS_A_LITTLE = at_least(0.05)
"""Of FCR, an unweighted mean over all frequencies: those that are not used hold it near the 0.93 of random weights."""

STAYS = at_least(0.9)
"""Of FFD, 1 in random weights."""


def ends_of(run: Run) -> dict[str, float]:
    """`FFD of W_E`, its start and its fall, and so on, by the first and the last checkpoint."""
    both = trace(run, "spectrum", steps=[0, run.steps[-1]])
    found: dict[str, float] = {}
    for matrix in ("W_E", "W_L"):
        for name, measure in MEASURES.items():
            start, end = both[measure].sel(matrix=matrix).values.tolist()
            found[f"{name} of {matrix}"] = end
            found[f"{name} of {matrix}, untrained"] = start
            found[f"fall of {name} of {matrix}"] = start - end
    return found


@claim(
    "furuta-untrained",
    f"{PAPER}, section 4 (random weights; an independent reading)",
    "Untrained weights have FFD 1 and FCR 0.93.",
    {
        "FFD of W_E, untrained": at_least(0.98),
        "FCR of W_E, untrained": near(0.933, 0.02),
        "FFD of W_L, untrained": at_least(0.98),
        "FCR of W_L, untrained": near(0.933, 0.02),
    },
    recipe=OURS,
    measured="FFD (eta 0.5) and FCR at step 0",
    trainings=[MUL],
)
def untrained(run: Run) -> Values:
    ends = ends_of(run)
    return {f"{name} of {matrix}, untrained": ends[f"{name} of {matrix}, untrained"]
            for matrix in ("W_E", "W_L") for name in ("FFD", "FCR")}  # fmt: skip


def _trend(id: str, statement: str, run: Training, targets: Mapping[str, Target]) -> Claim:
    @claim(
        f"furuta-trend-{id}",
        f"{PAPER}, sections 5 to 7 and figures of FFD and FCR",
        statement,
        targets,
        recipe=f"{recipe_of(run)} Judged from the first to the last checkpoint; how much is a fall is ours.",
        measured="FFD (eta 0.5), FCR and cosine share of the embedding W_E and of the neuron-logit map W_L",
        trainings=[run],
    )
    def trend(found: Run) -> Values:
        values = ends_of(found)
        plain = {f"{name} of {matrix}" for name in MEASURES for matrix in ("W_E", "W_L")}
        return {name: value for name, value in values.items() if name in targets or name in plain}

    return trend


TREND_ADD = _trend(
    "add",
    "Addition uses few frequencies: FFD of W_E and W_L falls, FCR stays high.",
    ADD,
    {
        "fall of FFD of W_E": FALLS,
        "fall of FFD of W_L": FALLS,
        "FCR of W_E": at_least(0.6),
        "FCR of W_L": at_least(0.6),
    },
)
TREND_SUB = _trend(
    "sub",
    f"Subtraction has a sparse W_E like addition, and a W_L biased to one of cosine and sine; here {SMALL}, where "
    "61 % of the test rows came to be right.",
    SUBS[0],
    {"fall of FFD of W_E": FALLS, "fall of FCR of W_L": FALLS_A_LITTLE},
)
TREND_MUL = _trend(
    "mul",
    "Multiplication uses all frequencies alike: FFD of W_E and W_L stays at 1, FCR falls.",
    MUL,
    {
        "FFD of W_E": STAYS,
        "FFD of W_L": STAYS,
        "fall of FCR of W_E": FALLS_A_LITTLE,
        "fall of FCR of W_L": FALLS_A_LITTLE,
    },
)
TREND_COSINE = _trend(
    "mul-cosine",
    "Multiplication is biased to cosines in W_E and W_L.",
    MUL,
    {"cosine share of W_E": at_least(0.55), "cosine share of W_L": at_least(0.55)},
)
TREND_SHIFTED = _trend(
    "shifted-mul",
    "ab + a + b uses all frequencies, as multiplication does, in both W_E and W_L.",
    SHIFTED,
    {"FFD of W_E": STAYS, "FFD of W_L": STAYS},
)
TREND_SQUARES = _trend(
    "squares",
    "a^2 + b^2 has a W_E like multiplication's (FCR falls) and a W_L sparse like addition's (FFD falls).",
    SQUARES,
    {"fall of FCR of W_E": FALLS_A_LITTLE, "fall of FFD of W_L": FALLS},
)
TREND_SQUARE = _trend(
    "square",
    "(a + b)^2 has a W_E sparse like addition's (FFD falls) and a W_L like multiplication's (FCR falls).",
    SQUARE,
    {"fall of FFD of W_E": FALLS, "fall of FCR of W_L": FALLS_A_LITTLE},
)
TREND_NONE = _trend(
    "no-grokking",
    f"ab + b, which does not grok, shows no fall of FFD or FCR; here {SMALL}.",
    failing("a*b + b")[0],
    {f"fall of {name} of {matrix}": at_most(0.1) for name in ("FFD", "FCR") for matrix in ("W_E", "W_L")},
)


@claim(
    "furuta-mul-characters",
    f"{PAPER}, section 5 (an independent reading in another basis)",
    "What multiplication uses evenly on Z/p is sparse in the characters of its group: there FFD is 0.1.",
    {"FFD of W_E in characters": at_most(0.3), "FFD of W_L in characters": at_most(0.3)},
    recipe=f"{OURS} The reading it is held against had half the table: 0.10 and 0.08.",
    measured="FFD (eta 0.5) of the rows in discrete-log order, 0 apart, at the end",
    trainings=[MUL],
)
def characters(run: Run) -> Values:
    end = last(run, "spectrum").ffd_multiplicative
    return {f"FFD of {matrix} in characters": float(end.sel(matrix=matrix)) for matrix in ("W_E", "W_L")}


@claim(
    "furuta-logits",
    f"{PAPER}, table of loss by components of the logits",
    "Addition needs its key frequencies only; subtraction needs everything: restricted to them its loss rises from "
    f"1.3e-7 to 0.71. Here {SMALL}.",
    {"a + b, restricted over full": at_most(1.5), "a - b, restricted over full": at_least(1_000)},
    recipe=f"{SMALL_OURS} Their key frequencies are those whose removal raises the loss by 1e-9; ours by "
    "`KeyFrequencies`, and the waves of a - b are those of a - b.",
    measured="restricted loss of all rows over the full loss, at the end",
    trainings=[ADDS[0], SUBS[0]],
)
def logits(add: Run, sub: Run) -> Values:
    values: dict[str, float | str] = {}
    for name, run in (("a + b", add), ("a - b", sub)):
        end = last(run, "progress", "loss")
        full = run.config.split.frac * end.train_loss.item() + (1 - run.config.split.frac) * end.test_loss.item()
        values[f"{name}, restricted over full"] = end.restricted_loss.item() / full
        values[f"{name}, key frequencies"] = " ".join(map(str, end.k.values[end.is_key.values].tolist()))
    return values
