"""Networks written down by formula (He et al. 2026, arXiv 2602.16849): their losses follow, and nothing is trained."""

import math
from collections.abc import Sequence
from itertools import combinations

import torch
from jaxtyping import Float
from torch import Tensor
from torch.nn import functional as F

from grokinterp.constructions import build
from grokinterp.measuring import snapshot_of
from grokinterp.reproduction.claim import Values, claim
from grokinterp.reproduction.target import near, share_of
from grokinterp.runs.run import Run

PAPER = "He et al. 2026"
P = 23
PHASES = [12] * 7 + [11] * 4
RECIPE = "gi.build('quadratic') at p = 23: logit_c = sum of cos(w c + 2 phi) (cos(w a + phi) + cos(w b + phi))^2."
BY_COUNT = {1: 1.642745, 2: 0.602362, 4: 0.028781, 8: 2.99e-8}
BY_ARC = {0.4: 4.815, 0.8: 0.0020, 1.2: 1.19e-9}


def _logits(run: Run) -> Float[Tensor, "row answer"]:
    return snapshot_of(run, run.final.step).logits.double()


def _loss(frequencies: Sequence[int], phases: Sequence[int], arc: float) -> float:
    run = build("quadratic", P, frequencies, phases, arc=arc)
    return float(F.cross_entropy(_logits(run), run.task.labels))


@claim(
    "he-loss-by-frequencies",
    f"{PAPER}, their repository: networks by formula",
    "Each frequency more makes the loss smaller: 1.64 with one, .60 with two, .029 with four, 3e-8 with eight.",
    {f"mean loss, {count} of 11": share_of(loss, 0.01) for count, loss in BY_COUNT.items()},
    recipe=f"{RECIPE} 12 or 11 evenly spaced phases a frequency.",
    measured="the loss on the whole table, the mean over all choices of so many of the 11 frequencies",
    derived=True,
)
def by_frequencies() -> Values:
    runs = [build("quadratic", P, [k], phases) for k, phases in enumerate(PHASES, 1)]
    alone, labels = torch.stack([_logits(run) for run in runs]), runs[0].task.labels

    def mean(count: int) -> float:
        chosen = [alone[list(each)].sum(0) for each in combinations(range(len(runs)), count)]
        return float(torch.stack([F.cross_entropy(logits, labels) for logits in chosen]).mean())

    return {f"mean loss, {count} of 11": mean(count) for count in BY_COUNT}


@claim(
    "he-loss-by-arc",
    f"{PAPER}, their repository: networks by formula",
    "Phases have to be spread: within .4 of half a turn the answers are wrong, over 1.2 of it they are right.",
    {
        "loss, 0.4 pi": near(BY_ARC[0.4], 0.005),
        "loss, 0.8 pi": share_of(BY_ARC[0.8], 0.03),
        "loss, 1.2 pi": share_of(BY_ARC[1.2], 0.01),
        "loss, 2 pi": near(0, 1e-13),
    },
    recipe=f"{RECIPE} All 11 frequencies, 128 neurons, phases evenly over an arc that begins at 0.",
    measured="the loss on the whole table, by arc",
    derived=True,
)
def by_arc() -> Values:
    return {f"loss, {turns:g} pi": _loss(range(1, 12), PHASES, arc=turns * math.pi) for turns in (*BY_ARC, 2)}
