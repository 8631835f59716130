"""Addition written out in decimal (Nanda et al. 2023): each digit of the sum changes phase by itself."""

from collections.abc import Mapping
from pathlib import Path

import numpy as np
import torch
from jaxtyping import Float, Int
from torch import Tensor

from grokinterp.circuits.tokens import SOURCES, by_position
from grokinterp.evaluation.evaluator import evaluator
from grokinterp.evaluation.losses import cross_entropy
from grokinterp.reproduction.claim import Values, claim
from grokinterp.reproduction.claims.nanda_saved_curves import DIGITS as FILE
from grokinterp.reproduction.needed_run import training
from grokinterp.reproduction.phase import steepest
from grokinterp.reproduction.reading import first, recorded, saved, trace
from grokinterp.reproduction.target import Target, at_least, at_most, factor, yes
from grokinterp.runs.run import Run
from grokinterp.tasks import Task
from grokinterp.tasks.digits import EQUALS, PLUS

PAPER = "Nanda et al. 2023 (phase changes)"
WHERE = "Nanda et al. 2023 (saved runs), `5_digit_addition_infinite`"
TOKENS = ("s5", "s4", "s3", "s2", "s1", "s0")
"""The digits of the sum in the order in which they are predicted, the units last."""

LEARNT = 1.15
"""A digit is learnt where its loss is below half of ln 10."""

# -- the saved model

LOSSES = (0.002, 0.014, 0.016, 0.018, 0.003, 0.002)
ACCURACIES = (0.999, 0.996, 0.996, 0.995, 1.0, 1.0)
TOTAL = 0.0090
"""Of the saved model on one sample of 1,000 pairs, by an independent reading."""

SAMPLES, PAIRS = 20, 1_000
ROUNDED = 0.0005
"""The targets have three decimals."""

WITHIN = Target(-3, 3, "within 3 standard deviations of a sample of 1,000")


def departure(theirs: float, ours: Float[Tensor, "sample"], rounded: float = ROUNDED) -> float:
    """How many standard deviations of one sample `theirs` lies from the mean of ours, 0 up to its rounding."""
    beyond = theirs - float(ours.mean())
    beyond = float(np.sign(beyond)) * max(0.0, abs(beyond) - rounded)
    return beyond / float(ours.std()) if beyond else 0.0


def sample(seed: int) -> Task:
    """1,000 pairs, uniform in 0 .. 99,999."""
    return Task("digits", digits=5, points=PAIRS, table_seed=seed)


@claim(
    "digits-saved-by-token",
    WHERE,
    "On 1,000 random pairs the saved model has a loss of .002 .014 .016 .018 .003 .002 by digit, accuracies from .995 "
    "to 1, and .0090 in all.",
    {"loss, departure": WITHIN, "accuracy, departure": WITHIN, "whole loss, departure": WITHIN},
    recipe=f"The file's weights on {SAMPLES} samples of 1,000 pairs; nothing is trained. A sample has few hard sums, "
    "whose losses differ by factors between samples, so the tolerance is the spread between samples, not a share.",
    measured="mean and standard deviation over samples, and how many of the latter their one sample lies from the mean",
    files=[FILE],
)
def by_token(path: Path) -> Values:
    run = saved(path)
    scores = [_scores(run, sample(seed)) for seed in range(SAMPLES)]
    loss, right = (torch.stack([each[i] for each in scores]) for i in range(2))
    whole = loss.mean(1)
    spread: dict[str, Mapping[str, float | str]] = {}
    for name, theirs, ours in (("loss", LOSSES, loss), ("accuracy", ACCURACIES, right)):
        spread[f"{name}, departure"] = {
            token: departure(value, ours[:, i]) for i, (token, value) in enumerate(zip(TOKENS, theirs, strict=True))
        }
        spread[f"{name}, mean and deviation"] = {
            token: f"{each.mean():.4f} ± {each.std():.4f}" for token, each in zip(TOKENS, ours.T, strict=True)
        }
    return {
        **spread,
        "whole loss, departure": departure(TOTAL, whole, rounded=0.00005),
        "whole loss": f"{whole.mean():.4f} ± {whole.std():.4f}, from {whole.min():.4f} to {whole.max():.4f}",
    }


def _scores(run: Run, task: Task) -> tuple[Float[Tensor, "t"], Float[Tensor, "t"]]:
    """Loss and accuracy at each digit of the sum."""
    with torch.no_grad():
        logits = evaluator(run.model_config, task)(run.final.parameters, for_gradient=False)
    curves = by_position(logits, task)
    names = list(SOURCES)  # of rows not trained on, which are all of them
    return curves[names[0]], curves[names[1]]


@claim(
    "digits-saved-format",
    WHERE,
    "The model reads `12345+67890=080235`: with every number's digits reversed its loss is 12 to 18, with + and = "
    "changed for each other .055.",
    {"digits reversed": Target(12, 18, "12 to 18"), "+ and = swapped": factor(0.055, 2)},
    recipe="The file's weights on 1,000 pairs; nothing is trained. The factor of 2 is ours: few sums are hard.",
    measured="mean loss in nats over the six digits of the sum",
    files=[FILE],
)
def format_(path: Path) -> Values:
    run, task = saved(path), sample(0)
    tokens, sums = task.inputs, task.labels
    swapped = tokens.clone()
    swapped[:, 5], swapped[:, 11] = EQUALS, PLUS
    flipped = torch.cat([tokens[:, :5].flip(1), tokens[:, 5:6], tokens[:, 6:11].flip(1), tokens[:, 11:12], sums.flip(1)], 1)  # fmt: skip # noqa: E501
    rows = {
        "digits reversed": (flipped, sums.flip(1)),
        "+ and = swapped": (swapped, sums),
        "as it is": (tokens, sums),
    }
    return {name: _loss(run, task, *given) for name, given in rows.items()}


def _loss(run: Run, task: Task, tokens: Int[Tensor, "n 18"], sums: Int[Tensor, "n 6"]) -> float:
    with torch.no_grad():
        logits = evaluator(run.model_config, task)(run.final.parameters, tokens, for_gradient=False)
        return float(cross_entropy(logits, sums))


# -- trained anew

ENDLESS = training("digits", 5, "digits")
FINITE = training(
    "digits", 6, "digits", data="finite", points=2_000, frac=0.35, batch_size=700, steps=2_500, metrics_every=50,
    checkpoint_every=500,
)  # fmt: skip
OURS = (
    "Their one-layer transformer; of rate, decay and batch nothing is recorded, here those of their induction run and "
    "128 fresh pairs a step, one seed."
)


@claim(
    "digits-phase-changes",
    f"{PAPER}, 5-digit addition by token",
    "Each digit of the sum has a phase change of its own, the leading one first and the units late: at steps 8, 441, "
    "1,563, 1,530, 1,011 and 1,628 from s5 to s0.",
    {
        "the leading digit is the first": yes(),
        "place of the units in the order": at_least(5),
        "step of the last": factor(1_628, 3),
        "share of the fall in a tenth of the run": at_least(0.5),
    },
    recipe=f"{OURS} Their order differs between runs but for its ends; the factor is ours, since theirs are not known.",
    measured="first checkpoint of every 50 with a digit's loss below 1.15, half of ln 10, on held-out pairs",
    trainings=[ENDLESS],
    minutes=4,
)
def phase_changes(run: Run) -> Values:
    losses = trace(run, "tokens").loss_by_position
    curves = dict(zip(TOKENS, losses.values.T, strict=True))
    learnt = {token: first(losses.step.values, curve < LEARNT) for token, curve in curves.items()}
    known = np.nan_to_num(np.array(list(learnt.values())), nan=np.inf)
    return {
        "step": learnt,
        "the leading digit is the first": bool(known[0] < known[1:].min()),
        "place of the units in the order": int((known <= known[-1]).sum()),
        "step of the last": float(known.max()) if np.isfinite(known).all() else None,
        "share of the fall in a tenth of the run": {
            token: steepest(losses.step.values, curve).share for token, curve in curves.items()
        },
    }


@claim(
    "digits-together",
    f"{PAPER}, 5-digit addition with infinite data",
    "With endless data there is no grokking: train and test loss fall together.",
    {"largest gap": at_most(0.25), "last test loss": at_most(0.1)},
    recipe=f"{OURS} The train loss is that of the step's 128 fresh pairs, the test loss of 1,000 held out.",
    measured="largest difference of train and test loss at any recorded step, in nats",
    trainings=[ENDLESS],
    minutes=0.1,
)
def together(run: Run) -> Values:
    train, test = _losses(run)
    return {"largest gap": float(np.abs(test - train).max()), "last test loss": float(test[-1])}


@claim(
    "digits-finite",
    f"{PAPER}, 5-digit addition with 700 points",
    "With 700 sums it memorises first: the test loss rises to 8.51 at step 1,675 while these are learnt.",
    {"largest test loss": factor(8.51, 2), "its step": factor(1_675, 2), "train loss then": at_most(0.05)},
    recipe=f"{OURS} All 700 in a batch; 2,500 of their 18,053 steps, the rise alone and not the grokking after it.",
    measured="the largest recorded test loss, of 1,300 other sums, its step, and the train loss at that step",
    trainings=[FINITE],
    minutes=0.1,
)
def finite(run: Run) -> Values:
    train, test = _losses(run)
    at = int(test.argmax())
    return {
        "largest test loss": float(test[at]),
        "its step": float(recorded(run, "test_loss")[0][at]),
        "train loss then": float(train[at]),
    }


def _losses(run: Run) -> tuple[np.ndarray, np.ndarray]:
    """Train and test loss at the steps where both were recorded."""
    metrics = run.metrics.dropna(subset=["train_loss", "test_loss"])
    return metrics["train_loss"].to_numpy(float), metrics["test_loss"].to_numpy(float)
